//! The agents: one driver per kind, the prompt, and child processes that really end.
//!
//! [`Agents::start`] runs an agent once on one [`Prompt`] and reports what it does as [`RunEvent`]s. A run always
//! ends with exactly one [`RunEvent::Ended`], after every process that it started is gone.

mod acp;
mod claude;
mod codex;
mod command;
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
mod workspace_guard;

#[cfg(all(test, feature = "real-agents"))]
mod real_tests;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Agent,
    core::runs::{Prompt, RunEvent, ToolAnswer, Totals},
};
use process_pool::ProcessPool;

pub use find::{Found, find_on_path, is_on_path};
pub use process::end_leftovers;

#[derive(Debug, Clone)]
pub struct Run {
    /// The run's id; every process of the run carries it in its environment as `NEXSCOPE_RUN_ID`.
    pub id: String,
    /// The agent's name, as in the configuration.
    pub name: String,
    pub agent: Agent,
    pub dir: PathBuf,
    pub prompt: Prompt,
    /// Files of others that its person has accepted for it; it may read where they lie.
    pub files: Vec<PathBuf>,
    /// The agent's own session to go on from.
    pub resume: Option<String>,
    /// What the session to resume had used before: both programs count over a session's whole life.
    pub before: Totals,
}

/// How many events wait for a slow reader. When they are full, the run goes on: of states and partial
/// answers only the newest is kept, of tools and notices the newest few hundred, and the end is never lost.
pub const EVENTS: usize = 64;

/// A run that goes on.
#[derive(Debug)]
pub struct Handle {
    /// What it reports; ends after [`RunEvent::Ended`]. A reader that is slow loses no answer and holds no
    /// agent up: see [`EVENTS`].
    pub events: mpsc::Receiver<RunEvent>,
    /// Takes answers to the agent's requests, by the request's id. Bounded: an agent waits for few at a time.
    pub answers: mpsc::Sender<(String, ToolAnswer)>,
    /// Stops it, with everything that it started. Dropping the handle does so too.
    pub stop: CancellationToken,
}

/// A program that stayed after a run's end has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PooledProgramEnd {
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
    around: run::runner::HostEnvironment,
    kept: Arc<ProcessPool>,
    /// What became of programs that stayed. Full: they end anyway, and their tasks wait to tell it.
    pub told: mpsc::Receiver<PooledProgramEnd>,
}

impl Agents {
    /// With this process's environment, of which they get what is allowed.
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

    /// Starts `run` and says at once how to follow and how to stop it.
    ///
    /// Must be called inside a tokio runtime. Nothing fails here: what goes wrong is the run's
    /// [`Outcome::Failed`](crate::core::runs::Outcome::Failed).
    pub fn start(&self, run: Run) -> Handle {
        run::runner::start(run, self.around.clone(), Arc::clone(&self.kept))
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
