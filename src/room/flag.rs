//! Secrets in words that are about to leave: known token formats, private keys, and settings that are
//! named like secrets and look like ones. Whoever is in doubt is asked: a person decides, always.

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use regex::Regex;
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
pub(super) fn what_in_words(what: &str) -> String {
    match what {
        OUTSIDE => "holds text from outside its folder".to_owned(),
        // As they are spoken: an AWS key, an npm token.
        what if what.starts_with(['A', 'a', 'O']) || what.starts_with("npm") => {
            format!("looks like an {what}")
        }
        what => format!("looks like a {what}"),
    }
}

/// What is called so stands in something that a tool brought from outside.
pub(super) const OUTSIDE: &str = "text from outside";

/// A format: what it is called, and how it is written. A group named `s` is the secret itself, where
/// more stands around it.
struct Rule {
    what: &'static str,
    pattern: Regex,
    /// The secret must look random: so many bits a character at least, by its own letters (Shannon).
    entropy: f64,
}

/// Formats as their issuers document them.
const KNOWN: &[(&str, &str)] = &[
    (
        "private key",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
    ),
    ("PuTTY private key", r"PuTTY-User-Key-File-[23]: "),
    ("age secret key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    ("AWS access key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    ("GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36,251}\b"),
    ("GitHub token", r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b"),
    (
        "GitLab token",
        r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt|oas)-[A-Za-z0-9_-]{20,}",
    ),
    ("Slack token", r"\bxox[abeoprs]-(?:[0-9]+-)+[A-Za-z0-9-]{10,}"),
    ("Slack token", r"\bxapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{32,}"),
    (
        "Slack webhook",
        r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/+]{24,}",
    ),
    (
        "Discord webhook",
        r"discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,}",
    ),
    (
        "Discord token",
        r"\b[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}\b",
    ),
    ("Telegram token", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    ("Stripe key", r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}\b"),
    ("Stripe webhook secret", r"\bwhsec_[A-Za-z0-9+/]{32,}"),
    ("Anthropic key", r"\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{32,}"),
    (
        "OpenAI key",
        r"\bsk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{32,}",
    ),
    ("OpenAI key", r"\bsk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b"),
    ("OpenRouter key", r"\bsk-or-v1-[a-f0-9]{64}\b"),
    ("Hugging Face token", r"\bhf_[A-Za-z0-9]{34,}\b"),
    ("Replicate token", r"\br8_[A-Za-z0-9]{37}\b"),
    ("Groq key", r"\bgsk_[A-Za-z0-9]{48,}\b"),
    ("Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("Google OAuth token", r"\bya29\.[A-Za-z0-9_-]{30,}"),
    ("Google OAuth secret", r"\bGOCSPX-[A-Za-z0-9_-]{28}"),
    ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("PyPI token", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    ("crates.io token", r"\bcio[A-Za-z0-9]{32}\b"),
    ("RubyGems key", r"\brubygems_[a-f0-9]{48}\b"),
    ("Docker Hub token", r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{27,}"),
    ("SendGrid key", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ("Mailgun key", r"\bkey-[a-f0-9]{32}\b"),
    ("Twilio key", r"\bSK[a-f0-9]{32}\b"),
    ("DigitalOcean token", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    ("Databricks token", r"\bdapi[a-f0-9]{32}\b"),
    ("Vault token", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}"),
    ("Shopify token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b"),
    ("Linear key", r"\blin_api_[A-Za-z0-9]{40}\b"),
    (
        "Notion token",
        r"\b(?:ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43})\b",
    ),
    ("Grafana token", r"\bgl(?:sa|c)_[A-Za-z0-9+/_=-]{32,}"),
    ("New Relic key", r"\bNRAK-[A-Z0-9]{27}\b"),
    ("Sentry token", r"\bsntr[yu]s?_[A-Za-z0-9+/=_-]{40,}"),
    ("Supabase key", r"\bsb(?:p|_secret)_[A-Za-z0-9_-]{30,}"),
    ("Azure storage key", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    (
        "JSON web token",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ),
    (
        "password in an address",
        r"\b[a-z][a-z0-9+.-]{1,12}://[^\s:/@]{1,64}:(?P<s>[^\s:/@$<{*]{3,128})@[A-Za-z0-9\[]",
    ),
    ("Nexscope invite", r"nexscope://[^\s#]+#[!-~]{8,}"),
];

/// A setting whose name says that it is secret, as in `.env` files, code and configuration: its value
/// counts where it looks random.
const NAMED: &str = concat!(
    r#"(?i)\b[a-z0-9_.-]{0,40}(?:secret|token|passw(?:or)?d|passwd|api[_-]?key|access[_-]?key|private[_-]?key"#,
    r#"|auth[_-]?key|credentials?|client[_-]?key|encryption[_-]?key|signing[_-]?key)[a-z0-9_.-]{0,20}["']?"#,
    r#"\s{0,3}(?:=|:=|:|=>)\s{0,3}["'`]?(?P<s>[A-Za-z0-9+/_.~!@#%^&*=-]{8,256})"#,
);

/// `Authorization: Bearer …`.
const BEARER: &str = r"(?i)\b(?:authorization|proxy-authorization|x-api-key)\s{0,2}[:=]\s{0,2}(?:(?:bearer|basic|token)\s+)?(?P<s>[A-Za-z0-9+/_.~=-]{16,})";

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    // A test compiles every pattern; one that would not compile would guard nothing.
    let rule = |what, pattern: &str, entropy| {
        Regex::new(pattern).ok().map(|pattern| Rule {
            what,
            pattern,
            entropy,
        })
    };
    let known = KNOWN
        .iter()
        .filter_map(|(what, pattern)| rule(*what, pattern, 0.0));
    let named = [
        rule("secret setting", NAMED, 3.0),
        rule("authorization", BEARER, 3.0),
    ];
    known.chain(named.into_iter().flatten()).collect()
});

/// What in `text` looks like a secret, in the order of the text. `own` are secrets of this very session,
/// which are found in whatever surroundings.
pub fn secrets(text: &str, own: &[&str]) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for rule in RULES.iter() {
        for found in rule.pattern.captures_iter(text) {
            let Some(secret) = found.name("s").or_else(|| found.get(0)) else {
                continue;
            };
            let plain = rule.entropy > 0.0 && !looks_random(secret.as_str(), rule.entropy);
            if !plain {
                flags.push(Flag {
                    what: rule.what.into(),
                    at: secret.range(),
                });
            }
        }
    }
    for secret in own.iter().filter(|secret| secret.len() >= 8) {
        flags.extend(text.match_indices(secret).map(|(at, _)| Flag {
            what: "this room's token".into(),
            at: at..at + secret.len(),
        }));
    }
    flags.sort_by_key(|flag| (flag.at.start, std::cmp::Reverse(flag.at.end)));
    // One place is told once, by the first that found it.
    let mut end = 0;
    flags.retain(|flag| {
        let new = flag.at.start >= end;
        end = end.max(flag.at.end);
        new
    });
    flags
}

/// `flags` and further places, which are called `what`; where they meet, the first one found stays.
pub(super) fn with(flags: Vec<Flag>, what: &'static str, places: Vec<Range<usize>>) -> Vec<Flag> {
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

/// Whether a value could be made by chance rather than by a person as an example or a reference.
fn looks_random(value: &str, least: f64) -> bool {
    let value = value.trim_end_matches(['.', ',', '!', '=', '*']);
    let lower = value.to_ascii_lowercase();
    const EXAMPLES: &[&str] = &[
        "example",
        "placeholder",
        "changeme",
        "change_me",
        "change-me",
        "your",
        "xxxx",
        "****",
        "....",
        "dummy",
        "redacted",
        "process.env",
        "os.environ",
        "getenv",
        "env.",
        "secrets.",
        "config.",
        "settings.",
        "self.",
        "this.",
        "todo",
        "12345678",
        "password",
        "123456",
        "string",
        "undefined",
        "required",
        "optional",
    ];
    if value.len() < 8 || EXAMPLES.iter().any(|example| lower.contains(example)) {
        return false;
    }
    // A name or a path in code has no digit, or is made of words; a secret mixes.
    let has = |test: fn(&char) -> bool| value.chars().any(|c| test(&c));
    let digits = has(char::is_ascii_digit);
    let mixed = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase);
    let marks = value
        .chars()
        .filter(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.' | '/'))
        .count();
    let long_mixed = mixed && value.len() >= 20 && !value.contains('.') && !value.contains('_');
    (digits || marks >= 2 || long_mixed) && !is_call_or_path(value) && entropy(value) >= least
}

fn is_call_or_path(value: &str) -> bool {
    let words = value.split(['.', '/', '_', '-']).filter(|word| !word.is_empty());
    // `auth.token.v2`, `src/token/mod1.rs`: several short words.
    let (count, longest) = words.fold((0, 0), |(count, longest), word| {
        (count + 1, longest.max(word.len()))
    });
    count >= 2 && longest <= 9
}

/// Bits a character, by the text's own letters (Shannon).
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = text.len() as f64;
    let share = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length);
    -share.map(|p| p * p.log2()).sum::<f64>()
}

mod name;
#[cfg(test)]
mod tests;

pub(super) use name::secret_name;
