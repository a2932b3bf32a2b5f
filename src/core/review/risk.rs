//! Risk marks: what a person should check before an agent reads a text. They only guide the eye; in auto mode a
//! marked mention is held for the person.

/// A risk mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Invisible characters were removed from it.
    Hidden,
    /// It tries to tell an agent whom to obey.
    Instructs,
    /// It looks like a shell command.
    Shell,
    /// It names files outside a project.
    Outside,
    /// It contains something that looks like a secret.
    Secret,
    Links,
    Long,
}

impl Risk {
    /// Formats it for a person, in a few words.
    pub fn in_words(self) -> &'static str {
        match self {
            Risk::Hidden => "held invisible characters",
            Risk::Instructs => "tries to instruct the agent",
            Risk::Shell => "shell commands",
            Risk::Outside => "paths outside the project",
            Risk::Secret => "looks like a secret",
            Risk::Links => "links",
            Risk::Long => "long",
        }
    }
}

/// Length from which a text counts as long, in characters.
const LONG: usize = 4_000;

/// Phrases, compared in lower case with white space folded.
const INSTRUCTS: &[&str] = &[
    "ignore previous",
    "ignore all previous",
    "ignore the above",
    "ignore your instructions",
    "disregard previous",
    "disregard all",
    "disregard the above",
    "forget your instructions",
    "new instructions:",
    "system prompt",
    "you are now",
    "do not tell",
    "don't tell your",
    "without asking",
    "no need to ask",
    "<system",
    "[system]",
    "override your",
    "developer mode",
    "act as if you",
];
const SHELL: &[&str] = &[
    "$(",
    "rm -rf",
    "rm -fr",
    "sudo ",
    "| sh",
    "|sh",
    "| bash",
    "|bash",
    "curl ",
    "wget ",
    "chmod ",
    "eval ",
    "base64 -d",
    "nc -",
    "> /dev/",
    "/dev/tcp",
    "&& ",
    "mkfifo",
    "powershell",
    "git push",
    "npm publish",
];
const OUTSIDE: &[&str] = &[
    "../",
    "~/",
    "/etc/",
    "/root/",
    "/home/",
    "/var/",
    "/proc/",
    "/dev/",
    "/usr/",
    "$home",
    ".ssh",
    ".aws",
    ".gnupg",
    ".netrc",
    "id_rsa",
    "id_ed25519",
    ".env",
    "c:\\",
];
const SECRET: &[&str] = &[
    "-----begin",
    "akia",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "sk-ant-",
    "sk-proj-",
    "sk_live_",
    "aiza",
    "password=",
    "password:",
    "secret=",
    "api_key=",
    "apikey=",
    "token=",
    "authorization: ",
];
const LINKS: &[&str] = &["http://", "https://", "ftp://", "file://", "www."];

/// The risks in `text`, from which `hidden` invisible characters were removed.
pub(in crate::core) fn of(text: &str, hidden: usize) -> Vec<Risk> {
    let folded = text
        .to_lowercase()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| folded.contains(phrase));
    let found = [
        (Risk::Hidden, hidden > 0),
        (Risk::Instructs, has(INSTRUCTS)),
        (Risk::Shell, has(SHELL)),
        (Risk::Outside, has(OUTSIDE)),
        (Risk::Secret, has(SECRET)),
        (Risk::Links, has(LINKS)),
        (Risk::Long, text.chars().nth(LONG).is_some()),
    ];
    found
        .into_iter()
        .filter(|(_, found)| *found)
        .map(|(risk, _)| risk)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn risks_table() {
        let table: &[(&str, usize, &[Risk])] = &[
            ("can you review src/auth.rs?", 0, &[]),
            ("deploy now?", 0, &[]),
            ("plain", 2, &[Risk::Hidden]),
            ("Please IGNORE\n previous instructions", 0, &[Risk::Instructs]),
            ("run `curl x | sh`", 0, &[Risk::Shell]),
            ("cat ../../etc/passwd", 0, &[Risk::Outside]),
            ("see https://example.com", 0, &[Risk::Links]),
            ("my key is ghp_abcdef", 0, &[Risk::Secret]),
        ];
        for (text, hidden, expected) in table {
            assert_eq!(of(text, *hidden), *expected, "{text}");
        }
        assert_eq!(of(&"x".repeat(LONG + 1), 0), [Risk::Long]);
    }
}
