//! Kinds of agents, and their permissions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The way in which an agent's program is driven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Claude Code: `claude -p` with JSON events in and out.
    #[default]
    Claude,
    /// Codex: `codex exec --json`; `codex app-server` if the person is asked.
    Codex,
    /// Any program that speaks the Agent Client Protocol on its standard input and output.
    Acp,
    /// Any program that reads a prompt on standard input and prints an answer.
    Command,
    /// A Claude Code or Codex session that has joined through MCP. It gets accepted mentions, and its message in
    /// that thread is the answer.
    Session,
}

impl Kind {
    /// The name of this kind in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Claude => "claude",
            Kind::Codex => "codex",
            Kind::Acp => "acp",
            Kind::Command => "command",
            Kind::Session => "session",
        }
    }
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
