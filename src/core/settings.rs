//! What the room needs to know about its member and their wishes.

use std::collections::{BTreeMap, HashMap};

use nexscope_relay::protocol::Mode;

use super::{Budget, Limits, Millis};

/// What the room needs to know about its member and their wishes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The member's name.
    pub me: String,
    /// The room's name.
    pub room: String,
    /// The member's agents, by name.
    pub agents: Vec<String>,
    /// What each may do with tools, in words for a person.
    pub permissions: HashMap<String, &'static str>,
    /// How each is driven, in a word.
    pub kinds: HashMap<String, &'static str>,
    /// Those that reach far, and may not start before the person says yes to it: what they reach, in words.
    pub unconfirmed: BTreeMap<String, String>,
    /// What each may use up in a day.
    pub budgets: HashMap<String, Budget>,
    /// The one that answers where none is named.
    pub agent: Option<String>,
    /// Whether mentions wait for the person.
    pub mode: Mode,
    /// In auto mode an agent may change files and run commands unasked.
    pub auto_tools: bool,
    /// Which answers wait as drafts.
    pub review: Review,
    /// Whether others see an answer while it is written.
    pub share_partial: bool,
    /// The key that members are shown of our own name; what carries it is our own.
    pub own_key: Option<String>,
    /// The relay's secret, which must not leave in an answer.
    pub token: Option<crate::core::Token>,
    /// Whether a message that begins with `@name` goes to those named alone.
    pub mentions: Mentions,
    /// The relay is inside this program: while we are away, so is the room.
    pub hosting: bool,
    /// Which files are taken.
    pub files: FileRules,
    /// When auto mode steps back.
    pub limits: Limits,
    /// After how long a mention that nobody decided expires.
    pub expire_after: Millis,
    /// After how long a permission that nobody answered is refused.
    pub permission_after: Millis,
    /// After how long a message that an addressee never received counts as failed.
    pub give_up_after: Millis,
}

impl Settings {
    /// The documented defaults, for a member of a room without agents.
    pub fn new(me: &str, room: &str) -> Self {
        const DAY: Millis = 86_400_000;
        Self {
            me: me.to_owned(),
            room: room.to_owned(),
            agents: Vec::new(),
            permissions: HashMap::new(),
            unconfirmed: BTreeMap::new(),
            kinds: HashMap::new(),
            budgets: HashMap::new(),
            agent: None,
            mode: Mode::Manual,
            auto_tools: false,
            review: Review::Flagged,
            share_partial: false,
            own_key: None,
            token: None,
            mentions: Mentions::Direct,
            hosting: false,
            files: FileRules::default(),
            limits: Limits::default(),
            expire_after: DAY,
            permission_after: DAY / 48,
            give_up_after: 7 * DAY,
        }
    }

    /// What an agent may use up in a day.
    pub fn budget(&self, agent: &str) -> Budget {
        self.budgets.get(agent).copied().unwrap_or_default()
    }

    /// The agent that answers where none is named.
    pub fn default_agent(&self) -> Option<String> {
        let named = self.agent.as_ref().filter(|name| self.agents.contains(name));
        named.or(self.agents.first()).cloned()
    }
}

/// Which files are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRules {
    /// Files below this size, in bytes, come without asking the person.
    pub auto_accept_below: u64,
    /// The largest file that is taken, in bytes.
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

/// Who sees a message that begins with `@name`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mentions {
    /// Those named.
    #[default]
    Direct,
    /// Everybody.
    Room,
}

/// Which answers of agents wait for a person before they leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Review {
    /// Those in which something was found.
    #[default]
    Flagged,
    /// All.
    Always,
}
