//! The frames. Each struct serialises with its `type`. [`Frame::parse`] parses the frames of a relay.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::Code;

/// How the agents of a member answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every mention waits for a person.
    #[default]
    Manual,
    /// Mentions are answered automatically, within limits.
    Auto,
}

/// The first frame of a connection, client to relay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "hello")]
pub struct Hello {
    /// Protocol version, 2.
    pub v: u32,
    /// The room to join. Its first member creates it.
    pub room: String,
    /// The member's name.
    pub name: String,
    /// The relay's secret.
    pub token: String,
    /// Proof of the ownership of a name: 32 random bytes in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Program and version, shown to others. At most 64 bytes.
    #[serde(default)]
    pub client: String,
    /// Names of the member's agents, at most 16.
    #[serde(default)]
    pub agents: Vec<String>,
    /// How the agents answer.
    #[serde(default)]
    pub mode: Mode,
    /// Number of recent messages to replay.
    #[serde(default)]
    pub history: u32,
    /// The position at which the last connection ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// A position in a room's order, as a client stored it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The seat's secret.
    pub session: String,
    /// The lifetime of the room to which `seq` belongs.
    pub epoch: String,
    /// The newest message that is safely stored.
    pub seq: u64,
}

/// The relay's answer to a valid [`Hello`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "welcome")]
pub struct Welcome {
    /// Protocol version, 2.
    pub v: u32,
    /// As the room's first member wrote it.
    pub room: String,
    /// This member's name.
    pub name: String,
    /// The seat's secret, which takes the seat over.
    pub session: String,
    /// A random id for this lifetime of the room.
    pub epoch: String,
    /// The number of the room's newest message. Replayed messages are not above it.
    pub seq: u64,
    /// The result of the resume.
    pub resumed: Resumed,
    /// All members of the room, including this one.
    pub members: Vec<Member>,
    /// Seconds between heartbeats.
    pub heartbeat: u64,
    /// The relay's program and version.
    pub server: String,
    /// The limits of the relay.
    pub limits: Limits,
    /// Additions to the first edition of version 2. See [`FEATURES`].
    #[serde(default)]
    pub features: Vec<String>,
    /// Whether the name is bound to this member's `owner`. Older relays do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<bool>,
}

impl Welcome {
    /// Whether the relay has a feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|one| one == feature)
    }
}

/// The `features` of this relay: names stay bound to absent owners, messages carry `from_key`, and `to_keys` is supported.
pub const FEATURES: [&str; 3] = ["names", "from_key", "to_keys"];

/// The result of a resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resumed {
    /// There was no resume.
    New,
    /// All missed messages follow.
    Ok,
    /// Some missed messages have left the memory. The rest follows.
    Gap,
    /// The relay or the room is new. All remembered messages follow.
    Lost,
}

/// The limits that a relay announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Maximum length of a text frame, in bytes.
    pub message_bytes: usize,
    /// Maximum payload of a chunk, in bytes.
    pub chunk_bytes: usize,
    /// Maximum outstanding credit of a stream, in bytes.
    pub window_bytes: usize,
    /// Frames per second that a connection may send in the long run. 0 is no limit.
    pub rate: u32,
    /// Frames that a connection may send at once. 0 is no limit.
    pub burst: u32,
}

/// Whether a member is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Connected.
    Online,
    /// The connection ended without `bye`. The seat is held for a while.
    Away,
}

/// A member, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// As the member wrote it.
    pub name: String,
    /// The first 16 hex digits of SHA-256(SHA-256(owner)). `None` without an owner.
    pub key: Option<String>,
    /// Connected or away.
    pub status: Status,
    /// Names of the member's agents.
    pub agents: Vec<String>,
    /// How the agents answer.
    pub mode: Mode,
    /// Program and version.
    pub client: String,
    /// A note about the member.
    pub note: String,
    /// The time of joining, in milliseconds since the Unix epoch.
    pub joined_at: u64,
    /// The member's protocol version.
    pub v: u32,
}

/// A change of a member, relay to client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "presence")]
pub struct Presence {
    /// What happened.
    pub event: PresenceEvent,
    /// The member after the change.
    pub member: Member,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresenceEvent {
    /// The member joined.
    Join,
    /// Its agents, mode or note changed.
    Update,
    /// Its connection ended, and its seat is held.
    Away,
    /// It came back.
    Back,
    /// It left.
    Leave,
}

/// Changes what others see of a member, client to relay. Absent fields stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "update")]
pub struct Update {
    /// Names of the member's agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<String>>,
    /// How the agents answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// A note about the member. At most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The member leaves, client to relay. The relay closes with 1000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "bye")]
pub struct Bye {}

/// A message, client to relay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "message")]
pub struct Send {
    /// Chosen by the sender. Resending with the same id is safe.
    pub id: String,
    /// The addressees. Empty for a broadcast.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Deliver to the addressees only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only: bool,
    /// Keys of addressees. An `only` message goes to these keys only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub to_keys: BTreeMap<String, String>,
    /// The id of the thread's first message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// A JSON object that the relay forwards byte for byte.
    pub body: Box<RawValue>,
}

/// A message, relay to client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "message")]
pub struct Message {
    /// Chosen by the sender. Unique only together with `from`.
    pub id: String,
    /// The sender.
    pub from: String,
    /// The sender's key, set by the relay. `None` without an owner, or from an older relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_key: Option<String>,
    /// The addressees.
    #[serde(default)]
    pub to: Vec<String>,
    /// Whether it was delivered to the addressees only.
    #[serde(default)]
    pub only: bool,
    /// The id of the thread's first message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The position in the room's order, within one epoch.
    pub seq: u64,
    /// The time of acceptance, in milliseconds since the Unix epoch.
    pub at: u64,
    /// The JSON object from the sender.
    pub body: Box<RawValue>,
}

/// The relay has accepted a message, relay to its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "ack")]
pub struct Ack {
    /// The message's id.
    pub id: String,
    /// The position in the room's order.
    pub seq: u64,
    /// The time of acceptance, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Number of connections that it was queued for.
    pub count: usize,
    /// Addressees that are present.
    pub reached: Vec<String>,
    /// Addressees that are not.
    pub absent: Vec<String>,
    /// Whether the id was known already. Nothing was delivered twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

/// Short-lived information, client to relay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "signal")]
pub struct SendSignal {
    /// The addressees. Empty for everyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Deliver to the addressees only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only: bool,
    /// Keys of addressees. An `only` signal goes to these keys only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub to_keys: BTreeMap<String, String>,
    /// The id of the thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// A JSON object, see [`SignalBody`](super::body::SignalBody).
    pub body: Box<RawValue>,
}

/// A signal, relay to client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "signal")]
pub struct Signal {
    /// The sender.
    pub from: String,
    /// The addressees.
    #[serde(default)]
    pub to: Vec<String>,
    /// Whether it was delivered to the addressees only.
    #[serde(default)]
    pub only: bool,
    /// The id of the thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// A JSON object, see [`SignalBody`](super::body::SignalBody).
    pub body: Box<RawValue>,
}

/// An error, relay to client. If its code has a close code, the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "error")]
pub struct ErrorFrame {
    /// The kind of error.
    pub code: Code,
    /// What is wrong, and what to do.
    pub message: String,
    /// The id of the frame that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The stream of the frame that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// With [`Code::RateLimited`]: the delay before resending, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<u64>,
}

impl ErrorFrame {
    /// An error without an id or a stream.
    pub fn new(code: Code, message: &str) -> ErrorFrame {
        ErrorFrame {
            code,
            message: message.to_owned(),
            id: None,
            stream: None,
            retry_ms: None,
        }
    }
}

/// Opens the stream of a file. The sender sets `to`, the relay sets `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "stream_open")]
pub struct StreamOpen {
    /// A UUID in lower case with hyphens.
    pub stream: String,
    /// The receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The size of the whole file, in bytes.
    pub size: u64,
    /// The id of the file in the message that offered it.
    pub of: String,
    /// The start of the stream in the file, in bytes.
    #[serde(default)]
    pub offset: u64,
    /// Whether a version 1 member sends the file without an offer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pushed: bool,
}

/// Allows the sender to send up to an offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "stream_credit")]
pub struct StreamCredit {
    /// The id of the stream.
    pub stream: String,
    /// The offset. A lower one than before is ignored.
    pub bytes: u64,
}

/// Closes a stream, from either side or the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "stream_close")]
pub struct StreamClose {
    /// The id of the stream.
    pub stream: String,
    /// The reason.
    pub reason: StreamReason,
    /// A message for a person.
    #[serde(default)]
    pub message: String,
}

/// The reason for closing a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamReason {
    /// All bytes were sent.
    Done,
    /// Cancelled by a person.
    Cancelled,
    /// Failed.
    Failed,
    /// The other side is gone.
    PeerGone,
}

/// A frame from a relay.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each variant is described by its type")]
pub enum Frame {
    Welcome(Box<Welcome>),
    Presence(Presence),
    Message(Message),
    Ack(Ack),
    Signal(Signal),
    Error(ErrorFrame),
    StreamOpen(StreamOpen),
    StreamCredit(StreamCredit),
    StreamClose(StreamClose),
    /// A type from a newer relay. Ignore it.
    Unknown(String),
}

/// A text frame that does not follow the protocol.
#[derive(Debug, thiserror::Error)]
#[error("not a frame of protocol version 2: {0}")]
pub struct FrameError(#[from] serde_json::Error);

impl Frame {
    /// Parses a text frame from a relay.
    ///
    /// # Errors
    ///
    /// If it is not JSON, has no `type`, or lacks a field.
    pub fn parse(text: &str) -> Result<Frame, FrameError> {
        #[derive(Deserialize)]
        struct Head {
            r#type: String,
        }
        fn read<T: DeserializeOwned>(text: &str) -> Result<T, FrameError> {
            Ok(serde_json::from_str(text)?)
        }
        let Head { r#type } = read(text)?;
        Ok(match r#type.as_str() {
            "welcome" => Frame::Welcome(Box::new(read(text)?)),
            "presence" => Frame::Presence(read(text)?),
            "message" => Frame::Message(read(text)?),
            "ack" => Frame::Ack(read(text)?),
            "signal" => Frame::Signal(read(text)?),
            "error" => Frame::Error(read(text)?),
            "stream_open" => Frame::StreamOpen(read(text)?),
            "stream_credit" => Frame::StreamCredit(read(text)?),
            "stream_close" => Frame::StreamClose(read(text)?),
            _ => Frame::Unknown(r#type),
        })
    }
}
