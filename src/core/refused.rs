//! Why the room does not do what it was asked.

use crate::core::{Audience, ItemId, UnknownNames};

/// Why a command or a decision was not carried out: what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither a text nor a file is there to send.
    #[error("There is nothing to say yet: write a text.")]
    NoText,
    /// `/ask` without a question.
    #[error("There is nothing to ask yet: write a question after /ask.")]
    NoQuestion,
    /// The command, `say` or `tell`, names somebody who has never been here.
    #[error("{} /{command} --force sends it anyway.", .unknown.in_words())]
    Unknown {
        unknown: UnknownNames,
        command: &'static str,
    },
    #[error("That is you: name somebody else, or write without a name.")]
    ToOneself,
    /// Sizes in bytes.
    #[error(
        "That is {} KiB and the relay carries {} KiB at once: shorten it, or send it as a file.",
        .size / 1024,
        .limit / 1024
    )]
    TooLong { size: usize, limit: usize },
    #[error("{name} cannot see t{thread}, which is for {}. Write outside the thread.", .audience.in_words())]
    NotInThread {
        name: String,
        thread: u32,
        audience: Audience,
    },

    #[error("There is no thread t{0}.")]
    NoThread(u32),
    #[error("There is no message m{0}.")]
    NoMessage(u32),
    #[error("There is no file f{0}; /files lists them.")]
    NoFile(u32),
    #[error("There is no agent {name}; there is {}.", list(.known))]
    NoAgent { name: String, known: Vec<String> },
    #[error(
        "No agent is configured: add an [agents.NAME] table to config.toml, for example kind = \"claude\"."
    )]
    NoAgentConfigured,
    /// `reach` says what the agent can do, as in "can change files".
    #[error("{agent} {reach}. Type /trust {agent} to allow that.")]
    AgentNotAllowed { agent: String, reach: String },
    #[error("There is no other agent to choose. Agents are set in config.toml.")]
    NoOtherAgent,
    #[error("{0} is not for an agent to answer.")]
    NotForAgents(ItemId),

    #[error("{0} is not pending. /inbox lists what is.")]
    NotPending(ItemId),
    #[error("Nothing is pending in t{0}. /inbox lists what is.")]
    NothingPending(u32),
    /// `label` is the item with its newest version, as in `d2.3`.
    #[error("{id}.{version} has changed: it is {label} now. Read it again.")]
    OldVersion { id: ItemId, version: u32, label: String },
    #[error("{0} has not been shown to you whole yet. Open it, then decide.")]
    NotShown(ItemId),
    #[error("Nothing in t{0} has been shown to you whole yet. Open it first.")]
    NothingShown(u32),
    #[error("{0} has changed since it was shown. Read it again, then decide.")]
    Changed(ItemId),
    #[error("That was not written by you. Nothing was decided.")]
    NotWrittenByPerson,
    #[error("Only a person at the screen can turn auto mode on: type /mode auto there.")]
    AutoNeedsPerson,

    #[error("{0} is not a permission; only those are allowed for a thread.")]
    NotPermission(ItemId),
    #[error("{0} can only be allowed once: accept it.")]
    OnceOnly(ItemId),
    #[error("{file} of {id} is still being searched. Wait a moment, then accept it.")]
    StillSearched { file: String, id: ItemId },
    #[error("{file} of {id} cannot be sent: {why}. Restore the file and accept {id} again, or reject {id}.")]
    Unreadable { file: String, id: ItemId, why: String },
    #[error(
        "{file} of {id} has changed since it was checked. Nothing was sent. It is being checked again: read it, \
         then accept {id} again, or reject it."
    )]
    FileChanged { file: String, id: ItemId },

    #[error("{0} waits for your decision; it cannot be cancelled or retried.")]
    WaitsForDecision(ItemId),
    #[error("No agent is running, and no file is being transferred.")]
    NothingToCancel,
    #[error("Several run: name one, /cancel {}.", ids(.0))]
    Several(Vec<ItemId>),
    #[error("No agent of yours works on m{0}.")]
    NotRunning(u32),
    #[error("An agent of yours is already working on m{0}.")]
    AlreadyRunning(u32),
    #[error("m{0} is not a failed message of yours.")]
    NotFailedMessage(u32),
    #[error("m{0} has not failed. Only failed runs can be retried.")]
    NotFailedRun(u32),
    #[error("Somebody else wrote m{0} under your name, so no agent gets it.")]
    UnderYourName(u32),
    #[error("That is your own message. Write to your agent with /ask instead.")]
    OwnMessage,

    #[error("f{file} is not between you and {from}.")]
    NotYourFile { file: u32, from: String },
    #[error("f{0} is already on this computer.")]
    AlreadyHere(u32),
    #[error("f{0} is not being transferred.")]
    NotMoving(u32),
    #[error("f{0} is already withdrawn.")]
    AlreadyWithdrawn(u32),
    #[error("f{0} is not a failed download; /files lists them.")]
    NotFailedDownload(u32),

    #[error("{0} is offline.")]
    Offline(String),
    #[error("{0} is trusted already.")]
    TrustedAlready(String),
}

fn list(names: &[String]) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn ids(ids: &[ItemId]) -> String {
    let ids: Vec<String> = ids.iter().map(ItemId::to_string).collect();
    ids.join(" or ")
}
