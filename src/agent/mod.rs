//! The agents: one driver per kind, the prompt, and child processes that really end.
//!
//! [`Agents::start`] runs an agent once on one [`Prompt`] and reports what it does as [`Event`]s. A run always
//! ends with exactly one [`Event::Ended`], after every process that it started is gone.

mod acp;
mod attached;
mod claude;
mod codex;
mod command;
mod drive;
mod environment;
mod find;
mod kept;
mod lines;
mod outbox;
mod outside;
mod pipes;
mod process;
mod program;
mod prompt;
mod requests;
mod running;
mod settling;
mod shell;
mod shown;
mod step;
mod talk;
mod text;
mod watch;

#[cfg(all(test, feature = "real-agents"))]
mod real_tests;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use nexscope_relay::protocol::body::Activity;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{config::agents::Agent, room::Failure, transfer::AgentFile};
use kept::Kept;

pub use attached::{ends_exchange, may_bring_files};
pub use find::{Found, find_on_path, is_on_path};
pub use outside::Outside;
pub use process::end_leftovers;
pub use prompt::Prompt;

/// One run to start.
#[derive(Debug, Clone)]
pub struct Run {
    /// The run's id; every process of the run carries it in its environment as `NEXSCOPE_RUN_ID`.
    pub id: String,
    /// The agent's name, as in the configuration.
    pub name: String,
    /// How to drive it.
    pub agent: Agent,
    /// Where it works; exists.
    pub dir: PathBuf,
    /// What it reads.
    pub prompt: Prompt,
    /// Files of others that its person has accepted for it; it may read where they lie.
    pub files: Vec<PathBuf>,
    /// The agent's own session to go on from.
    pub resume: Option<String>,
    /// What the session to resume had used before: both programs count over a session's whole life.
    pub before: Totals,
}

/// What a session of an agent has used in its whole life, as far as the kind counts so. Kept with the
/// session's id, and given back as [`Run::before`] when the session goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// List price in US dollars.
    pub usd: f64,
    /// Input and output tokens.
    pub tokens: u64,
}

/// What a run reports. Every text in it is cleaned for the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The agent's own session id, as soon as it is known.
    Session(String),
    /// What the agent is doing now.
    State(Activity),
    /// A tool call began: the tool's name, and what it is used on, in one line.
    Tool {
        /// The tool's name.
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
    /// It wants to use a tool and waits for an [`Answer`] on [`Handle::answers`].
    Permission(Request),
    /// A request is answered or withdrawn: an answer to it would come too late.
    PermissionGone(String),
    /// The run is over; the last event.
    Ended(Ending),
}

/// An agent's wish to use a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which; unique in its run.
    pub id: String,
    /// The tool's name.
    pub tool: String,
    /// What it would do, whole, in as many lines as it takes: the command, the difference to a file. Control and
    /// invisible characters are escaped, so that no two requests that differ look the same.
    pub what: String,
    /// How many characters of it are escaped.
    pub hidden: usize,
    /// Places that it names outside of the run's folder. A driver lists every place that is named; the run leaves
    /// those that are outside.
    pub outside: Vec<String>,
    /// What a person may allow for the rest of the thread besides this once; none where only once.
    pub rule: Option<Rule>,
}

/// What is allowed without asking again. Never a whole tool: it binds every argument of a call, but for the text
/// that is written to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// This very call.
    Call {
        /// The tool.
        tool: String,
        /// All of what it is called with, as it is shown.
        input: String,
    },
    /// Writing files below this folder.
    Below(PathBuf),
}

/// A person's answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Do it.
    Allow,
    /// Do not; the agent is told why.
    Deny(String),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// With what.
    pub outcome: Outcome,
    /// What it had written where that is no answer: it failed, was stopped, or never said that it was done.
    pub unfinished: String,
    /// Files below its folder that go with its answer, if its person lets them.
    pub files: Vec<AgentFile>,
    /// The agent's own session id, to go on from.
    pub session: Option<String>,
    /// Wall time.
    pub took: Duration,
    /// Tool calls.
    pub tools: u32,
    /// What this run alone cost at list price, in US dollars, where the kind reports it.
    pub usd: Option<f64>,
    /// Input and output tokens of this run alone, where the kind reports them.
    pub tokens: Option<u64>,
    /// What the session has used with this run; belongs to `session`.
    pub totals: Totals,
    /// It failed because the session to resume is not there any more: the same ask can be tried
    /// anew, with the earlier messages and without `resume`.
    pub session_lost: bool,
    /// What its tools touched outside of its folder, as far as its events show it.
    pub outside: Outside,
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
            outside: Outside::default(),
            stays: false,
        }
    }
}

/// With what a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The agent's answer; never empty.
    Answer(String),
    /// No answer, and why.
    Failed(Failed),
    /// It was stopped.
    Cancelled,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    /// For everybody.
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

/// How many events wait for a slow reader. When they are full, the run goes on: of states and partial
/// answers only the newest is kept, of tools and notices the newest few hundred, and the end is never lost.
pub const EVENTS: usize = 64;

/// A run that goes on.
#[derive(Debug)]
pub struct Handle {
    /// What it reports; ends after [`Event::Ended`]. A reader that is slow loses no answer and holds no
    /// agent up: see [`EVENTS`].
    pub events: mpsc::Receiver<Event>,
    /// Takes answers to the agent's requests, by the request's id. Bounded: an agent waits for few at a time.
    pub answers: mpsc::Sender<(String, Answer)>,
    /// Stops it, with everything that it started. Dropping the handle does so too.
    pub stop: CancellationToken,
}

/// A program that stayed after a run's end has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The id of the run that it was started for, which everything carries that it started.
    pub began_with: String,
    /// Nothing of it is left.
    pub gone: bool,
    /// What its person should know of it.
    pub why: Option<String>,
}

/// Starts runs, and keeps the programs of those that have answered for the next run of their session.
#[derive(Debug)]
pub struct Agents {
    around: drive::Surroundings,
    kept: Arc<Kept>,
    /// What became of programs that stayed. Full: they end all the same, and their tasks wait to tell it.
    pub told: mpsc::Receiver<Told>,
}

impl Agents {
    /// With this process's environment, of which they get what is allowed.
    pub fn new() -> Self {
        Self::within(drive::Surroundings::of_this_process())
    }

    fn within(around: drive::Surroundings) -> Self {
        let (told_in, told) = mpsc::channel(8);
        Self {
            around,
            kept: Kept::new(told_in),
            told,
        }
    }

    /// Starts `run` and says at once how to follow and how to stop it.
    ///
    /// Must be called inside a tokio runtime. Nothing fails here: what goes wrong is the run's
    /// [`Outcome::Failed`].
    pub fn start(&self, run: Run) -> Handle {
        drive::start(run, self.around.clone(), Arc::clone(&self.kept))
    }

    /// Ends the programs that stay and whose agent, by its name and its settings, is not `good` any more. Those
    /// that work now do not stay when they have answered.
    pub fn end_all_but(&self, good: impl Fn(&str, &Agent) -> bool) {
        self.kept.end_all_but(good);
    }

    /// Ends all programs that stay; from now on none does.
    pub fn close(&self) {
        self.kept.close();
    }
}

impl Default for Agents {
    fn default() -> Self {
        Self::new()
    }
}
