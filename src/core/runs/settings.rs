//! Kinds of agents, and their permissions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Makes the kinds from rows of `Variant "name in the configuration" usage that its driver reports, [permissions in
/// words: ask, read-only, allow]`.
macro_rules! kinds {
    ($($(#[$attribute:meta])* $kind:ident $word:literal $usage:ident [$ask:literal, $read_only:literal, $allow:literal],)*) => {
        /// The way in which an agent's program is driven.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Kind {
            $($(#[$attribute])* #[serde(rename = $word)] $kind,)*
        }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];
            pub const WORDS: &[&str] = &[$($word),*];

            /// The name of this kind in the configuration.
            pub fn word(self) -> &'static str {
                Kind::WORDS[self as usize]
            }

            /// The best measure that a daily budget can have.
            pub fn usage(self) -> Usage {
                match self {
                    $(Kind::$kind => Usage::$usage,)*
                }
            }

            /// A description of what `permissions` mean for this kind, for people to read.
            pub fn may_do(self, permissions: Permissions) -> &'static str {
                match (self, permissions) {
                    $((Kind::$kind, Permissions::Ask) => $ask,
                    (Kind::$kind, Permissions::ReadOnly) => $read_only,
                    (Kind::$kind, Permissions::Allow) => $allow,)*
                }
            }
        }
    };
}

kinds! {
    /// Claude Code: `claude -p` with JSON events in and out.
    #[default]
    Claude "claude" Dollars ["asks you first", "read-only", "may change files and run commands"],
    /// Codex: `codex exec --json`; `codex app-server` if the person is asked.
    Codex "codex" Tokens ["asks you first", "read-only", "may change files and run commands"],
    /// Any program that speaks the Agent Client Protocol on its standard input and output.
    Acp "acp" Tokens ["asks you, if it asks at all", "is refused what it asks for", "may change files and run commands"],
    /// Any program that reads a prompt on standard input and prints an answer.
    Command "command" Runs ["unrestricted", "unrestricted", "unrestricted"],
    /// A Claude Code or Codex session that has joined through MCP. It gets accepted mentions, and its message in
    /// that thread is the answer.
    Session "session" Runs ["under its own rules", "under its own rules", "under its own rules"],
}

/// What a driver reports about the cost of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    Dollars,
    Tokens,
    /// Nothing, so only runs can be counted.
    Runs,
}

/// The part of a folder's own agent settings that runs use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Project {
    /// The folder's `CLAUDE.md` is handed over; its hooks and servers do not run.
    #[default]
    Memory,
    /// All of them, including hooks and servers.
    Full,
    /// None of them.
    None,
}

/// An agent's permissions to use tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permissions {
    /// A person is asked.
    #[default]
    Ask,
    /// It only reads.
    ReadOnly,
    /// Everything that the program itself allows; with Codex, writing inside its sandbox.
    Allow,
}

/// Reads a whole number above zero with a unit: `ms`, `s`, `m`, `h` or `d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let millis_each: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(millis_each)?;
    (millis > 0).then(|| Duration::from_millis(millis))
}
