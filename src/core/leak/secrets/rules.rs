//! The rules, parsed from `rules.toml` once; one invalid rule rejects all of them.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;
use serde::Deserialize;

use crate::core::leak::secrets::{check::Check, seed};

/// The built-in rules, or the error if they could not be parsed.
pub(super) static BUILT_IN: LazyLock<Result<Rules, String>> =
    LazyLock::new(|| Rules::parse(include_str!("rules.toml")));

/// All rules, in order of rank: of several rules with the same match, the first one names it.
#[derive(Debug)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    rule: Vec<WrittenRule>,
}

/// A rule as written in the file.
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
    /// The name of the format, for people.
    pub what: String,
    pattern: Regex,
    check: Option<Check>,
    /// The pattern for joined lines, where words of other lines may be adjacent. `None` for rules that rely on a
    /// name or on the shape of a line, which would often be wrong there.
    joined: Option<Regex>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests look for each of them"))]
    pub samples: Vec<String>,
}

impl Rules {
    /// Parses the rules.
    ///
    /// # Errors
    /// Fails with a sentence if any rule is invalid.
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

    /// Calls `found` with the rank of a rule and the byte range of each match. With `joined`, the lines of `text`
    /// were joined into one.
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
        // Unicode word boundaries would make the search slow.
        let pattern = compiled(&written.pattern.replace(r"\b", r"(?-u:\b)"))?;
        let by_shape = written.pattern.starts_with("(?m)");
        let joined = match by_shape || written.check.is_some_and(Check::is_guess) {
            true => None,
            // Spaces around the end of a line were removed.
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

    /// Whether it applies to joined lines.
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
            // A failed match may have begun in the line before.
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
