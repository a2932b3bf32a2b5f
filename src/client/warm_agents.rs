//! Agents at work, and programs of theirs that stay after their answer.

use std::collections::HashSet;

use nexscope_relay::protocol::Mode;

use crate::{
    agent::{Agents, Handle, PooledProgramEnd, Run},
    config::Config,
    core::runs::Ending,
};

/// Starts runs, and knows which programs stay.
pub(super) struct WarmAgents {
    agents: Agents,
    mode: Mode,
    /// Runs that are over and whose programs stay.
    here: HashSet<String>,
    /// Such whose programs had ended before the end of the run was heard.
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

    /// The mode that those which stay were started in.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn start(&self, run: Run) -> Handle {
        self.agents.start(run)
    }

    /// A run is over. Whether its program stayed, and has ended since.
    pub fn ended(&mut self, run: &str, ending: &Ending) -> bool {
        let early = ending.stays && self.early.remove(run);
        if ending.stays && !early {
            self.here.insert(run.to_owned());
        }
        early
    }

    /// What became of a program that stayed. May be dropped and called again.
    pub async fn told(&mut self) -> Option<PooledProgramEnd> {
        self.agents.told.recv().await
    }

    /// A program that stayed has ended; whether the end of its run was heard before.
    pub fn gone(&mut self, told: &PooledProgramEnd) -> bool {
        let known = self.here.remove(&told.began_with);
        if !known && told.gone {
            self.early.insert(told.began_with.clone());
        }
        known
    }

    /// Nobody goes on in a program of another mode or another configuration than are now.
    pub fn hold_to(&mut self, mode: Mode, config: &Config) {
        let same = std::mem::replace(&mut self.mode, mode) == mode;
        self.agents
            .end_all_but(|name, agent| same && config.agents.get(name) == Some(agent));
    }

    /// Ends all that stay; from now on none does.
    pub fn close(&self) {
        self.agents.close();
    }

    /// Whether none stays.
    pub fn is_empty(&self) -> bool {
        self.here.is_empty()
    }
}
