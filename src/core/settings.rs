//! The settings that a room works by.

use std::collections::{BTreeMap, HashMap};

use nexscope_relay::protocol::{MAX_AGENTS, Mode};

use super::{Budget, Limits, Millis, runs::settings::Kind};

/// The settings that a room works by: who its member is, and what they have configured.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub me: String,
    pub room: String,
    /// The member's agents, by name.
    pub agents: Vec<String>,
    /// Each agent's permissions, for people to read.
    pub permissions: HashMap<String, &'static str>,
    /// Each agent's kind, as the configuration names it.
    pub kinds: HashMap<String, &'static str>,
    /// Agents that reach far and do not start before the person confirms it, and what they reach.
    pub unconfirmed: BTreeMap<String, String>,
    /// Each agent's daily budget.
    pub budgets: HashMap<String, Budget>,
    /// The agent that answers if none is named.
    pub agent: Option<String>,
    /// Whether mentions wait for the person.
    pub mode: Mode,
    /// Whether an agent may change files and run commands unasked in auto mode.
    pub auto_tools: bool,
    /// The answers that wait as drafts.
    pub review: Review,
    /// Whether others see an answer while it is written.
    pub share_partial: bool,
    /// The key by which members know our name. A message with it is our own.
    pub own_key: Option<String>,
    /// The relay's secret, which must not leave in an answer.
    pub token: Option<crate::core::Token>,
    /// Whether a message that starts with `@name` is sent only to those named.
    pub mentions: Mentions,
    /// Whether the relay runs inside this program, so that the room is offline when we are.
    pub hosting: bool,
    pub files: FileRules,
    /// The limits of auto mode.
    pub limits: Limits,
    /// Time that a mention waits for a decision, in milliseconds.
    pub expire_after: Millis,
    /// Time that an agent's request waits before it is refused, in milliseconds.
    pub permission_after: Millis,
    /// Time that a message waits for an offline member before it counts as failed, in milliseconds.
    pub give_up_after: Millis,
}

impl Settings {
    /// The defaults, for a member without agents. A test compares them with the table of settings.
    pub fn new(me: &str, room: &str) -> Self {
        const DAY: Millis = 86_400_000;
        Self {
            me: me.to_owned(),
            room: room.to_owned(),
            expire_after: DAY,
            permission_after: DAY / 48,
            give_up_after: 7 * DAY,
            ..Self::default()
        }
    }

    /// An agent's daily budget.
    pub fn budget(&self, agent: &str) -> Budget {
        self.budgets.get(agent).copied().unwrap_or_default()
    }

    /// The agent that answers if none is named.
    /// Whether the agent is a session of the person's own, which may have several tasks open.
    pub(in crate::core) fn is_session(&self, agent: &str) -> bool {
        self.kinds.get(agent) == Some(&Kind::Session.word())
    }

    /// The agents that the room is told of; a relay takes no more. The others answer their person only.
    pub fn announced_agents(&self) -> Vec<String> {
        let mut agents = self.agents.clone();
        let default = self
            .default_agent()
            .and_then(|name| agents.iter().position(|one| *one == name));
        if let Some(at) = default.filter(|at| *at >= MAX_AGENTS) {
            agents.swap(MAX_AGENTS - 1, at);
        }
        agents.truncate(MAX_AGENTS);
        agents
    }

    pub fn default_agent(&self) -> Option<String> {
        let named = self.agent.as_ref().filter(|name| self.agents.contains(name));
        named.or(self.agents.first()).cloned()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRules {
    /// Files below this size, in bytes, are accepted without asking.
    pub auto_accept_below: u64,
    /// The largest file that is accepted, in bytes.
    pub max: u64,
}

impl Default for FileRules {
    fn default() -> Self {
        Self {
            auto_accept_below: 0,
            max: 4 << 30,
        }
    }
}

/// The members that see a message that starts with `@name`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mentions {
    #[default]
    Direct,
    Room,
}

/// The answers of agents that wait for a person before they are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Review {
    /// Those in which a rule found something.
    #[default]
    Flagged,
    Always,
}
