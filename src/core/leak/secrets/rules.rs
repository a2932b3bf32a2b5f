//! The rules: read from `rules.toml` once, and all of them or none.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;
use serde::Deserialize;

use crate::core::leak::secrets::{check::Check, seed};

/// The rules of this program, or why they could not be read.
pub(super) static BUILT_IN: LazyLock<Result<Rules, String>> =
    LazyLock::new(|| Rules::parse(include_str!("rules.toml")));

/// All rules, in the order in which they name what several of them find.
#[derive(Debug)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    rule: Vec<WrittenRule>,
}

/// A rule as the file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    id: String,
    what: String,
    pattern: String,
    check: Option<Check>,
    source: String,
    samples: Vec<String>,
}

/// One format of a secret.
#[derive(Debug)]
pub(super) struct Rule {
    #[cfg_attr(not(test), expect(dead_code, reason = "names the rule in the tests"))]
    pub id: String,
    /// What it finds, in words.
    pub what: String,
    pattern: Regex,
    check: Option<Check>,
    /// The same for lines that were joined, where words of other lines may stand right beside it. None where it is
    /// told by its name or by the shape of its line: there it would often be wrong.
    joined: Option<Regex>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests look for each of them"))]
    pub samples: Vec<String>,
}

impl Rules {
    /// # Errors
    /// With a sentence, where a single rule cannot be used: then none is.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        if written.rule.is_empty() {
            return Err("there are no rules".into());
        }
        let rules: Result<Vec<Rule>, String> = written.rule.into_iter().map(Rule::new).collect();
        Ok(Self(rules?))
    }

    /// The rules, each with its rank.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Rule)> {
        self.0.iter().enumerate()
    }

    /// Calls `found` with the rank of a rule and a place, for all that is found. With `joined`, lines of `text` were
    /// joined to one.
    pub(super) fn find(&self, text: &str, joined: bool, found: &mut impl FnMut(usize, Range<usize>)) {
        for (rank, rule) in self.all() {
            rule.find(text, joined, &mut |at| found(rank, at));
        }
    }
}

impl Rule {
    fn new(written: WrittenRule) -> Result<Self, String> {
        let wrong = |why: &str| format!("rule {}: {why}", written.id);
        if written.source.is_empty() || written.samples.len() < 2 || written.what.is_empty() {
            return Err(wrong("it needs a name, a source and two samples"));
        }
        let compiled = |pattern: &str| Regex::new(pattern).map_err(|error| wrong(&error.to_string()));
        // Boundaries between letters of any alphabet would make the search slow.
        let pattern = compiled(&written.pattern.replace(r"\b", r"(?-u:\b)"))?;
        let by_shape = written.pattern.starts_with("(?m)");
        let joined = match by_shape || written.check.is_some_and(Check::is_guess) {
            true => None,
            // Spaces beside the end of a line are gone.
            false => {
                let pattern = written.pattern.replace(r"\b", "").replace(' ', " ?");
                Some(compiled(&pattern.replace(r"\s+", r"\s*"))?)
            }
        };
        Ok(Self {
            id: written.id,
            what: written.what,
            pattern,
            check: written.check,
            joined,
            samples: written.samples,
        })
    }

    /// Whether it holds in lines that were joined.
    #[cfg(test)]
    pub(super) fn joins_lines(&self) -> bool {
        self.joined.is_some()
    }

    pub(super) fn find(&self, text: &str, joined: bool, found: &mut impl FnMut(Range<usize>)) {
        let pattern = match joined {
            true => self.joined.as_ref(),
            false => Some(&self.pattern),
        };
        let Some(pattern) = pattern else { return };
        let mut from = 0;
        while let Some(captures) = pattern.captures_at(text, from) {
            let whole = captures
                .get(0)
                .map_or(text.len()..text.len(), |whole| whole.range());
            let named = ["s", "t", "u"].into_iter().find_map(|name| captures.name(name));
            let secret = named.map_or(whole.clone(), |secret| secret.range());
            let value = &text[secret.clone()];
            let holds = match self.check {
                Some(Check::Seed) => {
                    for phrase in seed::phrases(value) {
                        found(secret.start + phrase.start..secret.start + phrase.end);
                    }
                    true
                }
                Some(check) if !check.holds(value) => false,
                _ => {
                    found(secret);
                    true
                }
            };
            // What failed may have begun in the line before.
            from = match holds || !joined {
                true => whole.end.max(whole.start + 1),
                false => whole.start + 1,
            };
            while from < text.len() && !text.is_char_boundary(from) {
                from += 1;
            }
            if from >= text.len() {
                break;
            }
        }
    }
}
