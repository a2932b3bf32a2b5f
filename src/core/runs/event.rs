//! Events of a run, and its end.

use std::time::Duration;

use nexscope_relay::protocol::body::Activity;

use super::ToolRequest;
use crate::{
    core::{Failure, files::AgentFile},
    text::Clean,
};

/// Usage of an agent's session over its whole life, if the kind reports it that way. Kept with the session's id,
/// and passed to the next run of the session as `before`.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// List price in US dollars.
    pub usd: f64,
    pub tokens: u64,
}

/// An event of a run. Every text in it is cleaned for the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// The agent's own session id, as soon as it is known.
    Session(String),
    /// The agent's current activity.
    State(Activity),
    /// A tool call started: the tool's name, and its target, in one line.
    Tool {
        name: String,
        /// The target: a path, a command.
        detail: String,
    },
    /// The whole answer so far.
    Partial(Clean),
    /// A tool names a place outside the run's folder. Reported once, for the first place, and before any text that
    /// is written after it.
    Outside(String),
    /// A notice for the agent's person: a retry with its reason, or a setting that is not applied yet.
    Notice(String),
    /// It wants to use a tool, and waits for a [`ToolAnswer`](super::ToolAnswer).
    Permission(ToolRequest),
    /// A request was answered or withdrawn: an answer to it would be too late.
    PermissionGone(String),
    /// The run has ended; the last event.
    Ended(Ending),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    pub outcome: Outcome,
    /// The text so far, if there is no answer: the run failed, was stopped, or never reported that it was done.
    pub unfinished: Clean,
    /// Files below its folder that go with its answer, if the person lets them.
    pub files: Vec<AgentFile>,
    /// The agent's own session id, to resume.
    pub session: Option<String>,
    pub took: Duration,
    pub tools: u32,
    /// Cost of this run alone at list price, in US dollars, if the kind reports it.
    pub usd: Option<f64>,
    /// Input and output tokens of this run alone, if the kind reports them.
    pub tokens: Option<u64>,
    /// Usage of the session including this run; belongs to `session`.
    pub totals: Totals,
    /// Whether it failed because the session to resume no longer exists: the same ask can be retried with the
    /// earlier messages and without `resume`.
    pub session_lost: bool,
    /// External access of its tools, as far as its events show it.
    pub outside: ExternalAccess,
    /// Whether its program was started for it and stays in the pool, for the session's next run. The end of the
    /// program is reported separately.
    pub stays: bool,
}

impl Ending {
    /// The end of a run that could not be started.
    pub fn failed(failed: Failed) -> Self {
        Self {
            outcome: Outcome::Failed(failed),
            unfinished: Clean::default(),
            files: Vec::new(),
            session: None,
            took: Duration::ZERO,
            tools: 0,
            usd: None,
            tokens: None,
            totals: Totals::default(),
            session_lost: false,
            outside: ExternalAccess::default(),
            stays: false,
        }
    }
}

/// Outcome of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The agent's answer; never empty.
    Answer(Clean),
    Failed(Failed),
    Cancelled,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    pub why: Failure,
    /// A sentence for the person only, since it may contain the agent's own text.
    pub details: String,
}

impl Failed {
    pub fn new(why: Failure, details: impl Into<String>) -> Self {
        let details = details.into();
        Self { why, details }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalAccess {
    /// Places, as the events named them; only the first few.
    pub paths: Vec<String>,
    /// Results of the tools that named them, as far as they are kept.
    pub results: String,
}

impl ExternalAccess {
    /// Highest number of bytes of results that are kept per run.
    pub const MOST: usize = 256 << 10;
}
