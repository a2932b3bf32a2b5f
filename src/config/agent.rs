//! What an agent's settings mean.

use super::Agent;
use crate::core::{
    Budget, Unit,
    runs::settings::{Kind, Permissions},
};

impl Agent {
    /// What it may use up in a day, in the best unit that its kind reports.
    pub(crate) fn budget(&self) -> Budget {
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
    pub(crate) fn unattended(mut self, tools: bool) -> Self {
        if self.permissions == Permissions::Allow && !tools {
            self.permissions = Permissions::Ask;
        }
        self
    }

    /// What it may do with tools, in words for a person.
    pub(crate) fn may_do(&self) -> &'static str {
        match (self.kind, self.permissions) {
            (Kind::Command, _) => "unrestricted",
            (Kind::Session, _) => "under its own rules",
            (Kind::Acp, Permissions::Ask) => "asks you what it asks at all",
            (Kind::Claude | Kind::Codex, Permissions::Ask) => "asks you first",
            (Kind::Acp, Permissions::ReadOnly) => "is refused what it asks for",
            (_, Permissions::ReadOnly) => "read-only",
            (_, Permissions::Allow) => "may change files and run commands",
        }
    }
}

#[cfg(test)]
impl Agent {
    pub(super) fn from_toml(text: &str) -> Self {
        let text = format!("[agents.a]\n{text}");
        let file = super::file::File::parse(text, std::path::Path::new("config.toml")).unwrap();
        let mut config = super::Config::new();
        file.put(&mut config, |_, _, _| true).unwrap();
        config.agents.remove("a").unwrap()
    }
}
