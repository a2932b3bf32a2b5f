//! Every command that a running client takes, declared once: its name, help, arguments, reply, where it can be given,
//! and who may give it. The structs of the replies follow; those of the arguments are in `requests`.
//!
//! The shell's commands, the composer's `/commands`, the tools of MCP and their schemas, the plugin's files, help, man
//! pages and completions come from this file. A new command is added here and handled in `client/rpc`.

use std::time::Duration;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{COMPOSER, Definition, NAMES, PERSON_ONLY, PLUGIN, READS, SHELL, TOOL, requests::*};
use crate::control::{Attach, RpcError, policy::Rule};

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
