//! Agents as they are configured.

use toml::Value;

use super::{AGENT, Agent, Config, defaults, read};
use crate::core::{
    Budget, Unit,
    runs::settings::{Kind, Permissions, Usage},
};

impl Agent {
    /// An agent of `kind` with every other setting at its default.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            ..defaults(AGENT)
        }
    }

    /// The budget of a day, in the best unit that its kind reports.
    pub(crate) fn budget(&self) -> Budget {
        let unit = match self.kind.usage() {
            Usage::Dollars => Unit::Dollars(self.budget_usd_per_day),
            Usage::Tokens => Unit::Tokens(self.budget_tokens_per_day),
            Usage::Runs => Unit::Runs,
        };
        Budget {
            unit,
            runs: self.budget_runs_per_day,
        }
    }

    /// The agent for a run that no person has accepted: it asks before it uses tools, unless `tools` says otherwise.
    pub(crate) fn unattended(mut self, tools: bool) -> Self {
        if self.permissions == Permissions::Allow && !tools {
            self.permissions = Permissions::Ask;
        }
        self
    }

    /// A description of its permissions, for people to read.
    pub(crate) fn may_do(&self) -> &'static str {
        self.kind.may_do(self.permissions)
    }
}

pub(crate) fn put_agents(config: &mut Config, value: &Value) -> Result<(), String> {
    for (name, settings) in value.as_table().into_iter().flatten() {
        let mut agent = Agent::new(Kind::default());
        for setting in AGENT {
            let value = settings.get(setting.key);
            value.map_or(Ok(()), |value| (setting.put)(&mut agent, value))?;
        }
        config.agents.insert(name.clone(), agent);
    }
    Ok(())
}

pub(crate) fn put_agent(config: &mut Config, value: &Value) -> Result<(), String> {
    let name: String = read(value)?;
    if !config.agents.contains_key(&name) {
        let name = crate::text::clean_line(&name, 40);
        return Err(format!("agent = \"{name}\" names no [agents.NAME] table"));
    }
    config.agent = Some(name);
    Ok(())
}

#[cfg(test)]
impl Agent {
    pub(crate) fn from_toml(text: &str) -> Self {
        let text = format!("[agents.a]\n{text}");
        let file = crate::config::file::File::parse(text, std::path::Path::new("config.toml")).unwrap();
        let mut config = Config::new();
        file.put(&mut config, |_, _, _| true).unwrap();
        config.agents.remove("a").unwrap()
    }
}
