//! The `[agents.NAME]` tables: which programs answer behind this member, and what they may do.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer};

use crate::core::{Budget, Unit};

/// One agent of this member.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// How the program is driven.
    pub kind: Kind,
    /// The program and its arguments; the kind adds its own flags. Default: the kind's usual name.
    #[serde(default)]
    pub command: Vec<String>,
    /// The folder that it works in. Default: the folder that Nexscope was started in.
    #[serde(default)]
    pub dir: Option<PathBuf>,
    /// How much of the folder's own agent settings take part.
    #[serde(default)]
    pub project: Project,
    /// The longest that a run may work. The one limit of a `command`, which shows nothing until it is done.
    #[serde(default = "default_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// How long a run may show nothing but retries, or nothing at all, before it counts as failed.
    #[serde(default = "default_stall", deserialize_with = "duration")]
    pub stall: Duration,
    /// How long its program may wait for the thread's next mention after an answer, which saves its start; none, and
    /// it ends with its answer. Not of a `command`, nor of a `codex` that asks nobody: those end by themselves.
    #[serde(default = "default_idle", deserialize_with = "duration_or_none")]
    pub idle: Duration,
    /// What it may do with tools. Nothing of it holds for a `command`: what that does is not limited.
    #[serde(default)]
    pub permissions: Permissions,
    /// What auto mode may spend on a `claude` in a day, in US dollars at list price.
    #[serde(default = "default_usd", deserialize_with = "dollars")]
    pub budget_usd_per_day: f64,
    /// How many tokens auto mode may spend on a `codex` or an `acp` in a day.
    #[serde(default = "default_tokens")]
    pub budget_tokens_per_day: u64,
    /// How many runs auto mode may start in a day, whatever the kind.
    #[serde(default = "default_runs")]
    pub budget_runs_per_day: usize,
    /// Names of further environment variables that it gets, such as the `env_key` of a model provider.
    /// Names that begin with `NEXSCOPE_` are never passed on.
    #[serde(default)]
    pub env: Vec<String>,
}

impl Agent {
    /// An agent of `kind` with every other setting at its default.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            command: Vec::new(),
            dir: None,
            project: Project::default(),
            timeout: default_timeout(),
            stall: default_stall(),
            idle: default_idle(),
            permissions: Permissions::default(),
            budget_usd_per_day: default_usd(),
            budget_tokens_per_day: default_tokens(),
            budget_runs_per_day: default_runs(),
            env: Vec::new(),
        }
    }
}

impl Agent {
    /// Each of its settings and its value, as a file would have them.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let Self {
            kind,
            command,
            dir,
            project,
            timeout,
            stall,
            idle,
            permissions,
            budget_usd_per_day,
            budget_tokens_per_day,
            budget_runs_per_day,
            env,
        } = self;
        let word = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
        vec![
            ("kind", word(kind)),
            ("command", format!("{command:?}")),
            (
                "dir",
                dir.as_ref()
                    .map_or_else(|| "the folder of the start".to_owned(), |dir| format!("{dir:?}")),
            ),
            ("project", word(project)),
            ("timeout", format!("{timeout:?}")),
            ("stall", format!("{stall:?}")),
            ("idle", format!("{idle:?}")),
            ("permissions", word(permissions)),
            ("budget_usd_per_day", budget_usd_per_day.to_string()),
            ("budget_tokens_per_day", budget_tokens_per_day.to_string()),
            ("budget_runs_per_day", budget_runs_per_day.to_string()),
            ("env", format!("{env:?}")),
        ]
    }

    /// What it may use up in a day, in the best unit that its kind reports.
    pub fn budget(&self) -> Budget {
        let unit = match self.kind {
            Kind::Claude => Unit::Dollars(self.budget_usd_per_day),
            Kind::Codex | Kind::Acp => Unit::Tokens(self.budget_tokens_per_day),
            Kind::Command | Kind::Session => Unit::Runs,
        };
        Budget {
            unit,
            runs: self.budget_runs_per_day,
        }
    }

    /// As it runs on what no person has accepted: what it may do by itself it asks for, unless `tools` are allowed then.
    pub fn unattended(mut self, tools: bool) -> Self {
        if self.permissions == Permissions::Allow && !tools {
            self.permissions = Permissions::Ask;
        }
        self
    }

    /// What it may do with tools, in words for a person.
    pub fn may_do(&self) -> &'static str {
        match (self.kind, self.permissions) {
            (Kind::Command, _) => "unrestricted",
            (Kind::Session, _) => "under its own rules",
            (Kind::Acp, Permissions::Ask) => "asks you, if it asks at all",
            (Kind::Claude | Kind::Codex, Permissions::Ask) => "asks you first",
            (Kind::Acp, Permissions::ReadOnly) => "is refused what it asks for",
            (_, Permissions::ReadOnly) => "read-only",
            (_, Permissions::Allow) => "may change files and run commands",
        }
    }
}

/// How an agent's program is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Claude Code: `claude -p` with JSON events in and out.
    Claude,
    /// Codex: `codex exec --json`; `codex app-server` where its person is asked.
    Codex,
    /// Any program that speaks the Agent Client Protocol on its standard input and output.
    Acp,
    /// Any program that reads a prompt on standard input and prints an answer.
    Command,
    /// The Claude Code or Codex session that has joined through MCP: what is accepted is handed to it, and what
    /// it says on that thread is the answer.
    Session,
}

impl Kind {
    /// As it is written in the configuration.
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

/// How much of a folder's own agent settings take part in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Project {
    /// The folder's `CLAUDE.md` is handed over; its hooks and servers do not run.
    #[default]
    Memory,
    /// All of it, hooks and servers too.
    Full,
    None,
}

/// What an agent may do with tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permissions {
    #[default]
    Ask,
    ReadOnly,
    /// Everything that the program itself allows; with Codex, writing inside its sandbox.
    Allow,
}

fn default_timeout() -> Duration {
    Duration::from_secs(600)
}

fn default_usd() -> f64 {
    5.0
}

fn default_tokens() -> u64 {
    2_000_000
}

fn default_runs() -> usize {
    Budget::default().runs
}

fn default_stall() -> Duration {
    Duration::from_secs(60)
}

fn default_idle() -> Duration {
    Duration::from_secs(300)
}

/// An amount that can be used up: `nan` never is.
fn dollars<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let amount = f64::deserialize(from)?;
    match amount.is_finite() && amount >= 0.0 {
        true => Ok(amount),
        false => Err(serde::de::Error::custom(format!(
            "{amount} is not an amount; write for example 5.0"
        ))),
    }
}

/// Reads `"90s"`, `"10m"` or `"24h"`.
fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    parsed(&String::deserialize(from)?)
}

/// One that may be absent.
pub fn some_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

fn parsed<E: serde::de::Error>(text: &str) -> Result<Duration, E> {
    parse_duration(text).ok_or_else(|| {
        E::custom(format!(
            "\"{text}\" is not a duration; write for example \"60s\", \"10m\" or \"24h\""
        ))
    })
}

/// The same, or `"0s"` for none.
fn duration_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    match text.trim() {
        "0" | "0s" => Ok(Duration::ZERO),
        text => parsed(text),
    }
}

/// A whole number and a unit: `ms`, `s`, `m`, `h` or `d`; not zero. `None` where it is anything else.
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
