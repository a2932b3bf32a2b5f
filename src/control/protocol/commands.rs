//! Every command that a running client takes, declared once: its name, help, arguments, reply, where it can be given,
//! and who may give it.
//!
//! The shell's commands, the composer's `/commands`, the tools of MCP and their schemas, the plugin's files, help, man
//! pages and completions come from this file. A new command is added here and handled in `client/rpc`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use nexscope_relay::protocol::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    COMPOSER, Definition, NAMES, OneOrMany, PERSON_ONLY, PLUGIN, READS, Ref, SHELL, TOOL, ThreadNumber,
    number, one_or_many, seconds, text,
};
use crate::{
    control::{Attach, RpcError, policy::Rule},
    core::{ItemId, Target},
};

super::declare! {
    /// Send a message; @NAME at its start asks the agents of those members, and only they see it
    ///
    /// What a program or an agent sends waits as a draft until its person has read it. On a threadId that was
    /// delegated to an agent it is the answer.
    "say" Say(Say) -> Said: NAMES | SHELL | COMPOSER | TOOL | PLUGIN, Rule::Draft;

    /// List members, modes and agents
    "who" Who(NoArguments) -> Who: SHELL | COMPOSER | TOOL | PLUGIN | READS, Rule::Open;

    /// List pending items and recent decisions
    ///
    /// Programs and agents see who sent them and their size; their text is on the screen.
    "inbox" Inbox(NoArguments) -> Pending: SHELL | COMPOSER | TOOL | PLUGIN | READS, Rule::Open;

    /// Accept a pending item: a mention, a draft, a permission or a file
    ///
    /// From a program or an agent it only asks the person at the screen, unless the session was started with
    /// --allow-remote-decisions.
    "accept" Accept(Accept) -> Decided: SHELL | COMPOSER | TOOL | PLUGIN | PERSON_ONLY, Rule::Decide;

    /// Reject a pending item; whoever waits for it is told
    ///
    /// From a program or an agent it only asks the person at the screen, unless the session was started with
    /// --allow-remote-decisions.
    "reject" Reject(Reject) -> Decided: SHELL | COMPOSER | TOOL | PLUGIN | PERSON_ONLY, Rule::Decide;

    /// Add your own message to a thread; asks no agent
    "append" Append(Append) -> Said: SHELL | COMPOSER | TOOL | PLUGIN, Rule::Draft;

    /// Retry a failed message, run or transfer
    ///
    /// From a program it only asks the person at the screen, unless the session was started with
    /// --allow-remote-decisions.
    "retry" Retry(Item) -> Decided: SHELL | COMPOSER, Rule::Decide;

    /// List files and their transfers
    "files" Files(NoArguments) -> Files: SHELL | COMPOSER | READS, Rule::Open;

    /// Cancel a run or a transfer; without an ID the only one
    "cancel" Cancel(Cancel) -> Cancelled: SHELL | COMPOSER, Rule::Open;

    /// Show or set the mode
    ///
    /// Only a person at the screen turns auto mode on, unless the session was started with --allow-remote-decisions.
    "mode" Mode(SetMode) -> CurrentMode: SHELL | COMPOSER | TOOL | PLUGIN | PERSON_ONLY, Rule::Open;

    /// Ask your own agent; everyone sees question and answer
    ///
    /// In a shell only with --allow-remote-decisions.
    "ask" Ask(Ask) -> Decided: SHELL | COMPOSER, Rule::Ask;

    /// Show past messages
    ///
    /// Programs and agents see your own side's messages and accepted ones; of the rest only sender and size.
    "history" History(History) -> Lines: SHELL | COMPOSER | TOOL | PLUGIN | READS, Rule::Open;

    /// Show connection, agents, budgets and pending items
    "status" Status(NoArguments) -> Status: SHELL | COMPOSER | READS, Rule::Open;

    /// Show which versions run, and how to update
    "update" Update(NoArguments) -> Versions: SHELL | COMPOSER | TOOL | PLUGIN | READS, Rule::Open;

    /// Show what is new since the last poll, and what was delegated to an agent's session (auto_tasks)
    "poll" Poll(Poll) -> News: SHELL | TOOL | READS, Rule::Open;

    /// Poll, but wait until there is something new
    "watch" Watch(Watch) -> News: SHELL | TOOL | READS, Rule::Open;

    /// Show whether a delegated task still waits for an answer
    #[command(alias = "before-stop")]
    "before_stop" BeforeStop(NoArguments) -> OpenTasks: SHELL | TOOL | READS, Rule::Open;

    /// Wait for an event, for scripts; exits with 1 if it does not happen in time
    "wait" Wait(Wait) -> Waited: SHELL | READS, Rule::Open;

    /// Leave the room and end the session
    ///
    /// From a program it only asks the person, if they have a screen open.
    #[command(alias = "quit")]
    "stop" Stop(NoArguments) -> Stopped: SHELL | COMPOSER | TOOL | PLUGIN | PERSON_ONLY, Rule::Stop;

    /// Describe this session
    #[command(skip)]
    "hello" Hello(NoArguments) -> Hello: READS, Rule::Open;

    /// Show this session on a terminal
    #[command(skip)]
    "attach" Attach(Attach) -> Hello: 0, Rule::Attach;
}

/// The error code for a caller that waits for a task and has asked again meanwhile.
pub(crate) const SUPERSEDED: &str = "superseded";

/// How long `say` waits for the relay's acknowledgement, in seconds.
pub(crate) const ACK_WAIT: u64 = 3;
/// How long `accept` waits for the scan of the files that would leave, in seconds.
pub(crate) const SCAN_WAIT: u64 = 30;
/// The maximum timeout of `watch` and `wait`, in seconds.
pub(crate) const LONGEST_WAIT: u64 = 120;

impl Request {
    /// Who may make this request. Only turning auto mode on depends on more than the command.
    pub fn rule(&self) -> Rule {
        match self {
            Request::Mode(SetMode {
                mode: Some(ModeName::Auto),
            }) => Rule::Decide,
            request => request.definition().rule,
        }
    }

    /// How long the session may wait before it responds.
    pub fn waits(&self) -> Duration {
        let seconds = match self {
            Request::Wait(Wait { timeout, .. }) | Request::Watch(Watch { timeout, .. }) => {
                timeout.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
            }
            Request::Say(_) | Request::Append(_) => ACK_WAIT,
            Request::Accept(_) => SCAN_WAIT,
            _ => 0,
        };
        Duration::from_secs(seconds)
    }
}

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

/// The reply to [`Request::Stop`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    pub stopped: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The reply to [`Request::Say`] and [`Request::Append`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Said {
    /// It waits for its person.
    Draft { draft: String, message: String },
    /// It was the answer to a delegated task.
    Answered {
        answered: bool,
        thread_id: String,
        message: String,
    },
    /// It was sent, or waits in the outbox.
    Sent {
        said: String,
        thread_id: Option<String>,
        sent: bool,
        delivered: Vec<String>,
        offline: Vec<String>,
    },
}

/// The reply to [`Request::Who`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Who {
    pub name: String,
    pub room: String,
    /// Why nobody else is here, if the session is not connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_connected: Option<String>,
    pub online: Vec<String>,
    pub members: Vec<WhoMember>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhoMember {
    pub name: String,
    pub status: String,
    pub mode: ModeName,
    pub agents: usize,
    pub busy: usize,
    pub version: u32,
}

/// The reply to [`Request::Mode`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurrentMode {
    pub mode: ModeName,
}

/// The reply to [`Request::History`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub id: String,
    pub from: String,
    pub by: String,
    pub to: Vec<String>,
    pub thread_id: Option<String>,
    pub bytes: usize,
    pub text: Option<String>,
}

/// The reply to [`Request::Inbox`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    pub pending: Vec<PendingItem>,
    pub archive: Vec<DecidedItem>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingItem {
    pub id: String,
    pub kind: String,
    pub from: String,
    pub by: String,
    pub thread_id: Option<String>,
    pub bytes: usize,
    pub time: u64,
    pub why: String,
    pub asked_for: bool,
    /// Only for a program that decides for the person.
    #[serde(flatten)]
    pub content: Option<PendingContent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingContent {
    pub text: String,
    pub warnings: Vec<String>,
    pub permissions: Value,
    pub agent: Option<String>,
    pub audience: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecidedItem {
    pub id: String,
    pub from: String,
    pub fate: String,
}

/// The reply to a decision, or to the wish for one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    pub decided: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The reply to [`Request::Update`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Versions {
    pub version: String,
    pub relay: Option<String>,
    pub members: Vec<MemberVersion>,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberVersion {
    pub name: String,
    pub protocol: u32,
    pub client: Option<String>,
}

/// The reply to [`Request::Poll`] and [`Request::Watch`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct News {
    pub events: Vec<String>,
    pub auto_tasks: Vec<Task>,
    pub online: Vec<String>,
    pub waiting: usize,
    pub session: NewsSession,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timed_out: Option<bool>,
}

/// A task that was delegated to an agent's session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    pub id: String,
    pub thread_id: String,
    pub from: String,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewsSession {
    pub name: String,
    pub mode: ModeName,
    pub hop_limit: u32,
}

/// The reply to [`Request::BeforeStop`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenTasks {
    pub can_stop: bool,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auto_tasks: Vec<Task>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
}

/// The reply to [`Request::Wait`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waited {
    pub timed_out: bool,
}

/// The reply to [`Request::Files`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Files {
    pub files: Vec<File>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct File {
    pub id: String,
    pub from: String,
    pub bytes: u64,
    pub state: String,
    pub percent: Option<u32>,
    /// Of a file of one's own: its receivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<FileReceiver>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileReceiver {
    pub name: String,
    pub state: String,
}

/// The reply to [`Request::Cancel`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cancelled {
    pub cancelled: bool,
}

/// The reply to [`Request::Status`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub connection: String,
    /// Why the session is not connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_connected: Option<String>,
    pub name: String,
    pub room: String,
    pub mode: ModeName,
    pub hop_limit: u32,
    pub agents: Vec<AgentStatus>,
    pub running: Vec<String>,
    pub waiting: usize,
    pub outbox: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    pub name: String,
    pub budget: String,
    pub runs_today: usize,
    pub runs_a_day: usize,
}

/// The reply to [`Request::Hello`] and [`Request::Attach`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub version: String,
    pub name: String,
    pub room: String,
    pub folder: std::path::PathBuf,
    pub online: bool,
    /// Accepted mentions may be delegated to a session that joins through MCP.
    pub hands: bool,
}
