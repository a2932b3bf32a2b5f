//! The contents of `body`. The relay forwards them unread.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The body of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is described by its type")]
pub enum Body {
    Chat(Chat),
    Receipt(Receipt),
    /// The receiver accepts an offered file, starting at `offset`.
    FileAccept {
        of: String,
        file: String,
        #[serde(default)]
        offset: u64,
    },
    /// The receiver declines an offered file.
    FileDecline {
        of: String,
        file: String,
        #[serde(default)]
        reason: String,
    },
    /// A kind from a newer client. Ignore it.
    #[serde(other)]
    Unknown,
}

/// A message of a person or an agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// The text of the message.
    pub text: String,
    /// Whether a person or an agent wrote it.
    #[serde(default)]
    pub origin: Origin,
    /// The agent's name, if an agent wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Whether the agents of the addressees are asked to answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
    /// 0 for a message of a person. An agent's answer has the `hop` of the question plus 1.
    #[serde(default)]
    pub hop: u32,
    /// The id of the answered message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Offered files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// When it was written, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub sent_at: u64,
    /// The person who edited an agent's message before it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_by: Option<String>,
    /// The resources that the answer used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// The author of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Origin {
    #[default]
    Human,
    Agent,
}

/// An offered file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Chosen by the sender.
    pub id: String,
    /// The file name from the sender. Untrusted until cleaned.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// SHA-256 of the contents in hex, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The resources that an agent's answer used, as far as the agent reports them.
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
    /// Input and output tokens in total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// The state of a message, which an addressee sends to its sender only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The message's id.
    pub of: String,
    /// The new state.
    pub state: ReceiptState,
    /// The reason that a person gave, or the failure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The state of a message with one addressee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    /// Stored on the addressee's disk.
    Received,
    /// Waiting for a decision of the addressee.
    Queued,
    /// Accepted for an agent.
    Accepted,
    /// Rejected.
    Rejected,
    /// Answered by the agent.
    Answered,
    /// The agent failed.
    Failed,
    /// Not decided in time.
    Expired,
}

/// The body of a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignalBody {
    /// The member is typing.
    Typing,
    /// The activity of an agent, without any text.
    Activity {
        /// The agent's name.
        agent: String,
        /// The activity.
        state: Activity,
    },
    /// A partial answer, if its person shares it.
    Partial {
        /// The id of the future message.
        of: String,
        /// The text so far.
        text: String,
    },
    /// A kind from a newer client. Ignore it.
    #[serde(other)]
    Unknown,
}

/// The activity of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Activity {
    Queued,
    Thinking,
    Tool,
    Writing,
    Waiting,
}

/// Whether a body is a receipt. This is the only thing that the relay looks for in a body, because receipts have their
/// own part of the memory. A body without the word is searched, but not parsed.
pub fn is_receipt(body: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        kind: &'a RawValue,
    }
    body.get().contains("\"receipt\"")
        && serde_json::from_str::<Kind>(body.get()).is_ok_and(|body| body.kind.get() == "\"receipt\"")
}
