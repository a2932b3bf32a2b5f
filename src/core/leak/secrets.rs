//! Secrets in words that are about to leave: known token formats, private keys, and settings that are
//! named like secrets and look like ones. The formats are in `flag/rules.toml`. Where in doubt a person is asked.

use std::{borrow::Cow, ops::Range};

use serde::{Deserialize, Serialize};

/// Something in a text that must not leave without a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// What it looks like, in a few words.
    pub what: Cow<'static, str>,
    /// Where, in bytes.
    pub at: Range<usize>,
}

impl Flag {
    /// For a person, in a few words.
    pub fn in_words(&self) -> String {
        what_in_words(&self.what)
    }
}

/// What a [`Flag::what`] means, in a few words for a person.
pub(in crate::core) fn what_in_words(what: &str) -> String {
    match what {
        OUTSIDE => "holds text from outside its folder".to_owned(),
        UNCHECKED => "could not be checked: the secret rules could not be loaded".to_owned(),
        OWN_TOKEN => format!("holds {OWN_TOKEN}"),
        // As they are spoken: an AWS key, an npm token.
        what if what.starts_with(['A', 'a', 'E', 'e', 'O'])
            || what.starts_with("npm")
            || what.starts_with("xAI") =>
        {
            format!("looks like an {what}")
        }
        what => format!("looks like a {what}"),
    }
}

/// Kind of a finding: text that a tool brought from outside.
pub(in crate::core) const OUTSIDE: &str = "text from outside";
/// Kind of a finding: the rules could not be loaded, so the text was not checked.
const UNCHECKED: &str = "unchecked text";
/// A secret of this very session.
const OWN_TOKEN: &str = "this room's token";
/// Its rank: any rule that finds the same place says more.
const OWN: usize = usize::MAX;

/// What in `text` looks like a secret, in the order of the text; no two of them meet. `own` are secrets of this very
/// session, which are found in whatever surroundings.
pub fn secrets(text: &str, own: &[&str]) -> Vec<Flag> {
    found_by(&rules::BUILT_IN, text, own)
}

fn found_by(rules: &Result<Rules, String>, text: &str, own: &[&str]) -> Vec<Flag> {
    let rules = match rules {
        Ok(rules) => rules,
        // Nobody can say what is in it: a person decides about all of it.
        Err(_) if text.is_empty() => return Vec::new(),
        Err(_) => {
            return vec![Flag {
                what: UNCHECKED.into(),
                at: 0..text.len(),
            }];
        }
    };
    let mut places: Vec<(usize, Range<usize>)> = Vec::new();
    let mut look = |text: &str, joined: bool, original: &dyn Fn(Range<usize>) -> Option<Range<usize>>| {
        rules.find(text, joined, &mut |rank, at| {
            places.extend(original(at).map(|at| (rank, at)));
        });
        for secret in own.iter().filter(|secret| secret.len() >= 8) {
            let found = text.match_indices(secret);
            let found = found.filter_map(|(at, _)| original(at..at + secret.len()));
            places.extend(found.map(|at| (OWN, at)));
        }
    };
    look(text, false, &|at| Some(at));
    for view in view::views(text) {
        look(&view.text, view.joined, &|at| view.original(at));
        if view.from_joined {
            look(&view.text, true, &|at| view.original(at));
        }
    }
    let what: Vec<&str> = rules.all().map(|(_, rule)| rule.what.as_str()).collect();
    let named = |rank: usize| what.get(rank).map_or(OWN_TOKEN, |what| *what);
    together(places)
        .into_iter()
        .map(|(rank, at)| Flag {
            what: named(rank).to_owned().into(),
            at,
        })
        .collect()
}

/// Places that meet become one, of the rank that is named first.
fn together(mut places: Vec<(usize, Range<usize>)>) -> Vec<(usize, Range<usize>)> {
    places.retain(|(_, at)| at.start < at.end);
    places.sort_by_key(|(rank, at)| (at.start, at.end, *rank));
    let mut out: Vec<(usize, Range<usize>)> = Vec::new();
    for (rank, at) in places {
        match out.last_mut() {
            Some((first, last)) if at.start < last.end => {
                last.end = last.end.max(at.end);
                *first = rank.min(*first);
            }
            _ => out.push((rank, at)),
        }
    }
    out
}

/// `flags` and further places, which are called `what`; where they meet, the first one found stays.
pub(in crate::core) fn with(flags: Vec<Flag>, what: &'static str, places: Vec<Range<usize>>) -> Vec<Flag> {
    let mut all = flags;
    for at in places {
        let mut free = vec![at];
        for flag in &all {
            free = free
                .into_iter()
                .flat_map(|part| {
                    [
                        part.start..part.end.min(flag.at.start),
                        part.start.max(flag.at.end)..part.end,
                    ]
                })
                .filter(|part| part.start < part.end)
                .collect();
        }
        all.extend(free.into_iter().map(|at| Flag {
            what: what.into(),
            at,
        }));
    }
    all.sort_by_key(|flag| flag.at.start);
    all
}

mod check;
mod name;
mod rules;
mod seed;
#[cfg(test)]
pub(in crate::core) mod tests;
mod view;

use rules::Rules;

pub(in crate::core) use name::secret_name;
