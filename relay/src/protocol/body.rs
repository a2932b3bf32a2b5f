//! What clients say to each other inside `body`. The relay forwards it unread.

use serde::{Deserialize, Serialize};

/// The body of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is described by its type")]
pub enum Body {
    Chat(Chat),
    Receipt(Receipt),
    /// The receiver wants an offered file, from `offset` on.
    FileAccept {
        of: String,
        file: String,
        #[serde(default)]
        offset: u64,
    },
    /// The receiver does not want an offered file.
    FileDecline {
        of: String,
        file: String,
        #[serde(default)]
        reason: String,
    },
    /// A kind of a newer client; ignored.
    #[serde(other)]
    Unknown,
}

/// Something that a person or an agent says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// The words.
    pub text: String,
    /// Who says them, a person or an agent.
    #[serde(default)]
    pub origin: Origin,
    /// The agent's name, where one speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The addressed member's agent is asked to answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
    /// 0 when a person wrote it; an agent's answer carries the asking message's plus 1.
    #[serde(default)]
    pub hop: u32,
    /// The id of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Files that are offered with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// When it was written, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub sent_at: u64,
    /// The person who changed an agent's words before they left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_by: Option<String>,
    /// What the answer took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Origin {
    #[default]
    Human,
    Agent,
}

/// A file that is offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The sender's id for it.
    pub id: String,
    /// Its name, as the sender calls it: hostile until cleaned.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in hex, where it is known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What an agent's answer took, as far as its kind reports it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// Tool calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<u32>,
    /// List price in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Input and output tokens together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// What became of a message, sent by an addressee to its sender alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The message's id.
    pub of: String,
    /// How far it has come.
    pub state: ReceiptState,
    /// Why, where a person or a failure says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// How far a message has come with one addressee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    /// Safely on the addressee's disk.
    Received,
    /// Waits for the addressee's person.
    Queued,
    /// The person let an agent work on it.
    Accepted,
    /// The person did not.
    Rejected,
    /// The agent has answered.
    Answered,
    /// The agent could not.
    Failed,
    /// Nobody decided in time.
    Expired,
}

/// The body of a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignalBody {
    /// Somebody writes.
    Typing,
    /// What an agent is doing; a state word and no text.
    Activity {
        /// The agent's name.
        agent: String,
        /// What it does.
        state: Activity,
    },
    /// An answer so far, where its person shares it.
    Partial {
        /// The id that the message will have.
        of: String,
        /// The words so far.
        text: String,
    },
    /// A kind of a newer client; ignored.
    #[serde(other)]
    Unknown,
}

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Activity {
    Queued,
    Thinking,
    Tool,
    Writing,
    Waiting,
}
