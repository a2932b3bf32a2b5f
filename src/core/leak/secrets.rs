//! Secrets in text that is about to be sent: known token formats, private keys, and settings that are named like
//! secrets and look like ones. The formats are in `secrets/rules.toml`. In case of doubt a person is asked.

use std::{borrow::Cow, ops::Range};

use serde::{Deserialize, Serialize};

/// A finding in a text, which must not leave without a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// The kind of secret that it looks like, in a few words.
    pub what: Cow<'static, str>,
    /// Byte range in the text.
    pub at: Range<usize>,
}

impl Flag {
    /// Formats it for a person, in a few words.
    pub fn in_words(&self) -> String {
        what_in_words(&self.what)
    }
}

/// The meaning of a [`Flag::what`], in a few words for a person.
pub(in crate::core) fn what_in_words(what: &str) -> String {
    match what {
        OUTSIDE => "holds text from outside its folder".to_owned(),
        UNCHECKED => "could not be checked: the secret rules could not be loaded".to_owned(),
        OWN_TOKEN => format!("holds {OWN_TOKEN}"),
        // The article follows the pronunciation: an AWS key, an npm token.
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
/// Kind of a finding: a secret of this session.
const OWN_TOKEN: &str = "this room's token";
/// Its rank, behind all rules: any rule that finds the same place says more.
const OWN: usize = usize::MAX;

/// Finds text that looks like a secret, in the order of the text and without overlaps. `own` are secrets of this
/// session, which are found in any surroundings.
pub fn secrets(text: &str, own: &[&str]) -> Vec<Flag> {
    found_by(&rules::BUILT_IN, text, own)
}

fn found_by(rules: &Result<Rules, String>, text: &str, own: &[&str]) -> Vec<Flag> {
    let rules = match rules {
        Ok(rules) => rules,
        // The text cannot be checked: a person decides about all of it.
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

/// Merges overlapping places; the result gets the smallest rank.
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

/// Adds places of the kind `what` to `flags`; of overlapping ones, the first is kept.
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
