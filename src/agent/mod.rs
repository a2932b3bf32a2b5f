//! The agents: one driver per kind, the prompt, and child processes that really end.
//!
//! [`Agents::start`] runs an agent once on one [`Prompt`] and reports its progress as [`RunEvent`]s. A run
//! always ends with exactly one [`RunEvent::Ended`], after every process that it started is gone.

mod acp;
mod claude;
mod codex;
mod command;
mod complaint;
mod driver;
mod environment;
mod find;
mod json_lines;
mod lines;
mod process;
mod process_pool;
mod program;
mod run;
mod shell;
mod shown;
mod start_error;
mod workspace_guard;

#[cfg(all(test, feature = "real-agents"))]
mod real_tests;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Agent,
    core::runs::{Prompt, RunEvent, ToolAnswer, Totals, settings::Kind},
};
use driver::{Output, Profile};
use process_pool::ProcessPool;

pub use find::{Found, find_on_path, is_on_path};
pub use process::end_leftovers;

/// The session forwards the request; no program is started.
const SESSION: Profile = Profile {
    program: None,
    variables: &[],
    output: Output::AtEnd,
    sends_late: false,
    starts_slowly: false,
    driver: |_| Err(start_error::StartError::Session),
};

fn profile(kind: Kind) -> &'static Profile {
    match kind {
        Kind::Claude => &claude::PROFILE,
        Kind::Codex => &codex::PROFILE,
        Kind::Acp => &acp::PROFILE,
        Kind::Command => &command::PROFILE,
        Kind::Session => &SESSION,
    }
}

/// The usual name of the program of a kind, if it has one.
pub fn usual_program(kind: Kind) -> Option<&'static str> {
    profile(kind).program
}

#[derive(Debug, Clone)]
pub struct Run {
    /// The run's id; every process of the run carries it in its environment as `NEXSCOPE_RUN_ID`.
    pub id: String,
    /// The agent's name, as in the configuration.
    pub name: String,
    pub agent: Agent,
    pub dir: PathBuf,
    pub prompt: Prompt,
    /// Files of others that the person has accepted for it; it may read the folders that hold them.
    pub files: Vec<PathBuf>,
    /// The agent's session to resume.
    pub resume: Option<String>,
    /// Usage of the session to resume before this run: both programs count over a session's whole life.
    pub before: Totals,
}

impl Run {
    /// Its program as configured, and the arguments; `~/` before the program is the home folder.
    fn command(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = self.agent.command.iter().map(Into::into).collect();
        if let Some(program) = words.first_mut() {
            *program = crate::config::in_home(Path::new(program)).into();
        }
        words
    }
}

/// Capacity of the event channel, in events. If a slow reader lets it fill up, the run continues: of states
/// and partial answers only the newest is kept, of tools and notices the newest few hundred, and the end is
/// never lost.
pub const EVENTS: usize = 64;

/// A handle to a running run.
#[derive(Debug)]
pub struct Handle {
    /// Its events; ends after [`RunEvent::Ended`]. A slow reader loses no answer and does not block the
    /// agent: see [`EVENTS`].
    pub events: mpsc::Receiver<RunEvent>,
    /// Takes answers to the agent's requests, by the request's id. Bounded: an agent has few requests pending
    /// at a time.
    pub answers: mpsc::Sender<(String, ToolAnswer)>,
    /// Stops it and everything that it started. So does dropping the handle.
    pub stop: CancellationToken,
}

/// Reports that a program kept after a run has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PooledProgramEnd {
    /// The id of the run that it was started for; everything that it started carries it.
    pub began_with: String,
    /// All its processes are gone.
    pub gone: bool,
    /// The notice for the person, if there is one.
    pub why: Option<String>,
}

/// Starts runs, and pools the programs that have answered for the next run of their session.
#[derive(Debug)]
pub struct Agents {
    around: run::runner::HostEnvironment,
    kept: Arc<ProcessPool>,
    /// The ends of pooled programs. If the channel is full, they end anyway, and their tasks wait to report
    /// it.
    pub told: mpsc::Receiver<PooledProgramEnd>,
}

impl Agents {
    /// Takes this process's environment, filtered by the allow-list for each agent.
    pub fn new() -> Self {
        Self::within(run::runner::HostEnvironment::of_this_process())
    }

    fn within(around: run::runner::HostEnvironment) -> Self {
        let (told_in, told) = mpsc::channel(8);
        Self {
            around,
            kept: ProcessPool::new(told_in),
            told,
        }
    }

    /// Starts `run` and returns a handle to follow and stop it.
    ///
    /// Must be called inside a tokio runtime. Never fails: errors are reported as the run's
    /// [`Outcome::Failed`](crate::core::runs::Outcome::Failed).
    pub fn start(&self, run: Run) -> Handle {
        run::runner::start(run, self.around.clone(), Arc::clone(&self.kept))
    }

    /// Ends the pooled programs whose agent, by name and settings, is no longer `good`. Those now in use are
    /// not returned to the pool.
    pub fn end_all_but(&self, good: impl Fn(&str, &Agent) -> bool) {
        self.kept.end_all_but(good);
    }

    /// Ends all pooled programs and closes the pool.
    pub fn close(&self) {
        self.kept.close();
    }
}

impl Default for Agents {
    fn default() -> Self {
        Self::new()
    }
}
