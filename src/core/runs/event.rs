//! What a run reports, and how it ends.

use std::time::Duration;

use nexscope_relay::protocol::body::Activity;

use super::ToolRequest;
use crate::core::{Failure, files::AgentFile};

/// What a session of an agent has used in its whole life, as far as the kind counts so. Kept with the
/// session's id, and given back as [`Run::before`] when the session goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// List price in US dollars.
    pub usd: f64,
    pub tokens: u64,
}

/// What a run reports. Every text in it is cleaned for the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// The agent's own session id, as soon as it is known.
    Session(String),
    /// What the agent is doing now.
    State(Activity),
    /// A tool call began: the tool's name, and what it is used on, in one line.
    Tool {
        name: String,
        /// What it is used on: a path, a command.
        detail: String,
    },
    /// The answer so far, whole.
    Partial(String),
    /// A tool names a place outside of the run's folder: the first one; told once, and before what is written then.
    Outside(String),
    /// Something that the agent's person should know: it retries and why, a setting that does not hold yet.
    Notice(String),
    /// It wants to use a tool and waits for an [`ToolAnswer`] on [`Handle::answers`].
    Permission(ToolRequest),
    /// A request is answered or withdrawn: an answer to it would come too late.
    PermissionGone(String),
    /// The run is over; the last event.
    Ended(Ending),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    pub outcome: Outcome,
    /// What it had written where that is no answer: it failed, was stopped, or never said that it was done.
    pub unfinished: String,
    /// Files below its folder that go with its answer, if its person lets them.
    pub files: Vec<AgentFile>,
    /// The agent's own session id, to go on from.
    pub session: Option<String>,
    pub took: Duration,
    pub tools: u32,
    /// What this run alone cost at list price, in US dollars, where the kind reports it.
    pub usd: Option<f64>,
    /// Input and output tokens of this run alone, where the kind reports them.
    pub tokens: Option<u64>,
    /// What the session has used with this run; belongs to `session`.
    pub totals: Totals,
    /// It failed because the session to resume is not there any more: the same ask can be tried
    /// again, with the earlier messages and without `resume`.
    pub session_lost: bool,
    /// What its tools touched outside of its folder, as far as its events show it.
    pub outside: ExternalAccess,
    /// Its program was started for it and stays, for the next run of its session. Its end is told through
    /// [`Agents::told`].
    pub stays: bool,
}

impl Ending {
    /// A run that could not even begin.
    pub fn failed(failed: Failed) -> Self {
        Self {
            outcome: Outcome::Failed(failed),
            unfinished: String::new(),
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

/// With what a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The agent's answer; never empty.
    Answer(String),
    Failed(Failed),
    Cancelled,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    pub why: Failure,
    /// For its person alone, in one sentence: it may be made of the agent's own words.
    pub details: String,
}

impl Failed {
    /// A failure with its details.
    pub fn new(why: Failure, details: impl Into<String>) -> Self {
        let details = details.into();
        Self { why, details }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalAccess {
    /// The places, as the events named them; the first few.
    pub paths: Vec<String>,
    /// What the tools that named them gave back, as far as it is kept.
    pub results: String,
}

impl ExternalAccess {
    /// Of what came back so much is kept of a run, in bytes.
    pub const MOST: usize = 256 << 10;
}
