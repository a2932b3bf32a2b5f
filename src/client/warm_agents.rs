//! Running agents, and their pooled programs.

use std::collections::HashSet;

use nexscope_relay::protocol::Mode;

use crate::{
    agent::{Agents, Handle, PooledProgramEnd, Run},
    config::Config,
    core::runs::Ending,
};

/// Starts runs, and tracks which programs are pooled.
pub(super) struct WarmAgents {
    agents: Agents,
    mode: Mode,
    /// Finished runs whose programs are pooled.
    here: HashSet<String>,
    /// Runs whose programs ended before the end of the run was received.
    early: HashSet<String>,
}

impl WarmAgents {
    pub fn new(mode: Mode) -> Self {
        Self {
            agents: Agents::new(),
            mode,
            here: HashSet::new(),
            early: HashSet::new(),
        }
    }

    /// The mode in which the pooled programs were started.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn start(&self, run: Run) -> Handle {
        self.agents.start(run)
    }

    /// Handles the end of a run; returns whether its program was pooled and has ended since.
    pub fn ended(&mut self, run: &str, ending: &Ending) -> bool {
        let early = ending.stays && self.early.remove(run);
        if ending.stays && !early {
            self.here.insert(run.to_owned());
        }
        early
    }

    /// The next end of a pooled program. Cancel safe.
    pub async fn told(&mut self) -> Option<PooledProgramEnd> {
        self.agents.told.recv().await
    }

    /// Handles the end of a pooled program; returns whether the end of its run was received before.
    pub fn gone(&mut self, told: &PooledProgramEnd) -> bool {
        let known = self.here.remove(&told.began_with);
        if !known && told.gone {
            self.early.insert(told.began_with.clone());
        }
        known
    }

    /// Ends the pooled programs of another mode or configuration.
    pub fn hold_to(&mut self, mode: Mode, config: &Config) {
        let same = std::mem::replace(&mut self.mode, mode) == mode;
        self.agents
            .end_all_but(|name, agent| same && config.agents.get(name) == Some(agent));
    }

    /// Ends all pooled programs and closes the pool.
    pub fn close(&self) {
        self.agents.close();
    }

    /// Whether no program is pooled.
    pub fn is_empty(&self) -> bool {
        self.here.is_empty()
    }
}
