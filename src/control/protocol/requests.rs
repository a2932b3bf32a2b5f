//! The arguments of each command, for the shell, the socket and the schemas of tools.

use clap::{Args, ValueEnum};
use nexscope_relay::protocol::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OneOrMany, Ref, ThreadNumber, number, one_or_many, seconds, text};
use crate::core::{ItemId, Target};

/// A command without arguments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NoArguments {}

/// A message. Its options stand before the text or behind the names.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Say {
    /// Members whose agents are asked; without any it is for everyone
    #[arg(skip)]
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<String>")]
    pub to: Vec<String>,
    /// @NAME… and the text; a shell command without a text reads it from standard input
    #[arg(id = "text", value_name = "TEXT", trailing_var_arg = true)]
    #[serde(rename = "text", with = "text")]
    #[schemars(with = "String")]
    pub words: Vec<String>,
    /// A thread to send it to, such as t3
    #[arg(long, value_name = "THREAD")]
    #[serde(rename = "threadId")]
    pub thread: Option<Ref<ThreadNumber>>,
    /// A file to offer with it; may be given several times
    #[arg(long = "file", value_name = "PATH")]
    #[serde(rename = "filePath", deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany<String>")]
    pub files: Vec<std::path::PathBuf>,
    /// Show it to everyone although it names somebody
    #[arg(long)]
    #[schemars(skip)]
    pub public: bool,
    /// Only for the person; asks no agent
    #[arg(long)]
    #[schemars(skip)]
    pub note: bool,
    /// Send it even to a name that no member has or had
    #[arg(long)]
    pub force: bool,
    /// Ignored: what is sent through a tool is from an agent
    #[arg(skip)]
    pub role: Option<Role>,
}

/// Whose message a client of nexscope-plugin says it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    User,
    UserAgent,
}

/// A message for a thread.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Append {
    /// A thread, such as t3
    #[arg(id = "threadId", value_name = "THREAD")]
    #[serde(rename = "threadId")]
    pub thread: Ref<ThreadNumber>,
    /// The message
    #[arg(id = "text", value_name = "TEXT", required = true, trailing_var_arg = true)]
    #[serde(rename = "text", with = "text")]
    #[schemars(with = "String")]
    pub words: Vec<String>,
}

/// A question for one's own agent.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The question; an agent's name may come first
    #[arg(id = "text", value_name = "TEXT", required = true, trailing_var_arg = true)]
    #[serde(rename = "text", with = "text")]
    #[schemars(with = "String")]
    pub words: Vec<String>,
}

/// An item to accept, and how.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// An item (m12, d3, p4, f5), a version of one (m12.2), or a thread with all its items (t3)
    #[arg(id = "threadId", value_name = "ID")]
    #[serde(rename = "threadId")]
    pub id: Ref<Target>,
    /// Instructions for your agent; ignored from agents, whose person writes their own
    #[arg(id = "extra", value_name = "INSTRUCTIONS")]
    #[serde(rename = "extra", default, with = "text")]
    #[schemars(with = "String", default)]
    pub words: Vec<String>,
    /// The agent to run, if not the default one
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    #[schemars(skip)]
    pub agent: Option<String>,
    /// Keep the answer as a draft
    #[arg(long)]
    #[serde(default)]
    #[schemars(skip)]
    pub review: bool,
}

/// An item to reject, and why.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// An item (m12, d3, p4, f5) or a thread with all its items (t3)
    #[arg(id = "threadId", value_name = "ID")]
    #[serde(rename = "threadId")]
    pub id: Ref<Target>,
    /// A reason; ignored from agents, whose person writes their own
    #[arg(id = "reason", value_name = "REASON")]
    #[serde(rename = "reason", default, with = "text")]
    #[schemars(with = "String", default)]
    pub words: Vec<String>,
}

/// A message or a file of one's own.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// A message (m12) or a file (f3)
    #[arg(value_name = "ID")]
    pub id: Ref<ItemId>,
}

/// A run or a transfer.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cancel {
    /// The message of the run (m12) or a file (f3)
    #[arg(value_name = "ID")]
    pub id: Option<Ref<ItemId>>,
}

/// A mode to go to.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SetMode {
    /// The new mode
    pub mode: Option<ModeName>,
}

/// Whether mentions wait for their person, or auto mode answers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModeName {
    /// Every mention waits for its person
    Manual,
    /// Mentions are answered automatically, within limits
    Auto,
}

impl ModeName {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ModeName::Manual => "manual",
            ModeName::Auto => "auto",
        }
    }
}

impl From<ModeName> for Mode {
    fn from(mode: ModeName) -> Self {
        match mode {
            ModeName::Manual => Mode::Manual,
            ModeName::Auto => Mode::Auto,
        }
    }
}

impl From<Mode> for ModeName {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Manual => ModeName::Manual,
            Mode::Auto => ModeName::Auto,
        }
    }
}

/// Which past messages.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct History {
    /// How many messages, the newest; 20 unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=500))]
    #[serde(deserialize_with = "number")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: Option<u16>,
    /// Only messages of this thread, such as t3
    #[arg(long, value_name = "THREAD")]
    #[serde(rename = "threadId")]
    pub thread: Option<Ref<ThreadNumber>>,
}

/// Who polls: each client has its own position in the events.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Poll {
    /// A name for the caller's position: 1 to 64 of a-z, 0-9, _ and -
    #[arg(skip)]
    #[schemars(skip)]
    pub client: Option<String>,
}

/// How long to wait for news.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// A name for the caller's position: 1 to 64 of a-z, 0-9, _ and -
    #[arg(skip)]
    #[schemars(skip)]
    pub client: Option<String>,
    /// Give up after so many seconds, or a time such as 1m: 1 to 120 s; 30 s unless given
    #[arg(long, value_name = "TIME", value_parser = seconds::parse)]
    #[serde(rename = "timeoutSeconds", deserialize_with = "seconds::deserialize")]
    #[schemars(schema_with = "seconds::schema")]
    pub timeout: Option<u64>,
}

/// An event to wait for.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Wait {
    /// The event
    #[arg(long = "for", value_name = "EVENT", default_value = "mention")]
    #[serde(rename = "for")]
    pub event: Awaited,
    /// A name for the caller, which is told of each task once: 1 to 64 of a-z, 0-9, _ and -
    #[arg(skip)]
    #[schemars(skip)]
    pub client: Option<String>,
    /// Give up after so many seconds, or a time such as 1m: 1 to 120 s
    #[arg(long, value_name = "TIME", default_value = "120", value_parser = seconds::parse)]
    #[serde(deserialize_with = "seconds::deserialize")]
    #[schemars(schema_with = "seconds::schema")]
    pub timeout: Option<u64>,
}

/// What `wait` waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Awaited {
    /// Something that asks your agent
    #[default]
    Mention,
    /// Any message of another member
    Message,
    /// A decision of the person
    Decision,
    /// A mention delegated to your agent's session that this caller has not been told of
    Task,
}
