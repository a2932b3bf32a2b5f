//! The frames themselves. Each struct serialises with its `type`; [`Frame::parse`] reads what a relay sends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::Code;

/// How a member's agents answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every mention waits for a person.
    #[default]
    Manual,
    /// Mentions are answered at once, within limits.
    Auto,
}

/// The first frame of a connection, client to relay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "hello")]
pub struct Hello {
    /// Protocol version, 2.
    pub v: u32,
    /// The room to join; made by its first member.
    pub room: String,
    /// The member's name.
    pub name: String,
    /// The relay's secret.
    pub token: String,
    /// 32 random bytes, base64url: proof that a name is still the same person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Program and version, shown to others; at most 64 bytes.
    #[serde(default)]
    pub client: String,
    /// Names of the agents that answer behind this member; at most 16.
    #[serde(default)]
    pub agents: Vec<String>,
    /// How they answer.
    #[serde(default)]
    pub mode: Mode,
    /// Replay the last so many messages that this member may see.
    #[serde(default)]
    pub history: u32,
    /// Where the last connection ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

/// A place in a room's order, as last stored by a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The seat's secret.
    pub session: String,
    /// The life of the room in which `seq` counts.
    pub epoch: String,
    /// The newest message that is safely kept.
    pub seq: u64,
}

/// The relay's answer to a [`Hello`] that it accepts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "welcome")]
pub struct Welcome {
    /// Protocol version, 2.
    pub v: u32,
    /// The room, as its first member wrote it.
    pub room: String,
    /// This member's name.
    pub name: String,
    /// The seat's secret: presenting it takes the seat over.
    pub session: String,
    /// A random id of this life of the room.
    pub epoch: String,
    /// The room's newest message; replayed ones are not above it.
    pub seq: u64,
    /// What a resume found.
    pub resumed: Resumed,
    /// Everybody in the room, this member included.
    pub members: Vec<Member>,
    /// Seconds between heartbeats.
    pub heartbeat: u64,
    /// The relay's program and version.
    pub server: String,
    /// What the relay takes.
    pub limits: Limits,
    /// What this relay has beyond version 2's first edition; see [`FEATURES`].
    #[serde(default)]
    pub features: Vec<String>,
    /// Whether the name is bound to this member's `owner`; older relays do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<bool>,
}

impl Welcome {
    /// Whether the relay has a feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|one| one == feature)
    }
}

/// What this relay announces in `welcome.features`: names stay bound to their owner after it has left; messages
/// carry `from_key`; `to_keys` is heeded.
pub const FEATURES: [&str; 3] = ["names", "from_key", "to_keys"];

/// What became of a resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resumed {
    /// None was asked for.
    New,
    /// All that was missed follows.
    Ok,
    /// Older messages have left the memory; what is left follows.
    Gap,
    /// Another epoch: the relay or the room is new; all that is in memory follows.
    Lost,
}

/// The limits that a relay announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest text frame, in bytes.
    pub message_bytes: usize,
    /// The longest payload of a stream's chunk, in bytes.
    pub chunk_bytes: usize,
    /// The most credit outstanding on a stream, in bytes.
    pub window_bytes: usize,
    /// Frames per second that a connection may send in the long run; 0 is no limit.
    pub rate: u32,
    /// Frames that it may send at once; 0 is no limit.
    pub burst: u32,
}

/// Whether a member's connection is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Connected.
    Online,
    /// The connection ended without a word; the seat is held for a while.
    Away,
}

/// A member as the others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The name, as first written.
    pub name: String,
    /// First 16 hex digits of the SHA-256 of the SHA-256 of the owner secret; none without an owner.
    pub key: Option<String>,
    /// Connected or away.
    pub status: Status,
    /// Names of its agents.
    pub agents: Vec<String>,
    /// How they answer.
    pub mode: Mode,
    /// Program and version.
    pub client: String,
    /// A word about itself.
    pub note: String,
    /// When it joined, in milliseconds since the Unix epoch.
    pub joined_at: u64,
    /// The protocol version that it speaks.
    pub v: u32,
}

/// A change among the members, relay to client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "presence")]
pub struct Presence {
    /// What happened.
    pub event: PresenceEvent,
    /// The member, as it is now.
    pub member: Member,
}

/// What happened to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresenceEvent {
    /// It came.
    Join,
    /// It changed its agents, mode or note.
    Update,
    /// Its connection ended; the seat is held.
    Away,
    /// It resumed.
    Back,
    /// It is gone.
    Leave,
}

/// A member changes what others see of it, client to relay; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "update")]
pub struct Update {
    /// Names of its agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<String>>,
    /// How they answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// A word about itself; at most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The member leaves for good, client to relay; answered with close 1000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "bye")]
pub struct Bye {}

/// A message, client to relay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "message")]
pub struct Send {
    /// The sender's id for it; sending it again with the same id is safe.
    pub id: String,
    /// Who is addressed; nobody is a broadcast.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Deliver to the addressed alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only: bool,
    /// The keys of addressed members: an `only` message goes to these keys alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub to_keys: BTreeMap<String, String>,
    /// The id of the thread's first message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// What is said; a JSON object that the relay forwards byte for byte.
    pub body: Box<RawValue>,
}

/// A message, relay to client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "message")]
pub struct Message {
    /// The sender's id for it; unique only together with `from`.
    pub id: String,
    /// Who sent it.
    pub from: String,
    /// The sender's key, set by the relay; none without an owner, or where the relay is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_key: Option<String>,
    /// Who is addressed.
    #[serde(default)]
    pub to: Vec<String>,
    /// Delivered to the addressed alone.
    #[serde(default)]
    pub only: bool,
    /// The id of the thread's first message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Its place in the room's order, within one epoch.
    pub seq: u64,
    /// When the relay took it, in milliseconds since the Unix epoch.
    pub at: u64,
    /// What is said.
    pub body: Box<RawValue>,
}

/// The relay has taken a message, relay to its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "ack")]
pub struct Ack {
    /// The message's id.
    pub id: String,
    /// Its place in the room's order.
    pub seq: u64,
    /// When the relay took it, in milliseconds since the Unix epoch.
    pub at: u64,
    /// Connections that it was queued for.
    pub count: usize,
    /// The addressed who are here.
    pub reached: Vec<String>,
    /// The addressed who are not.
    pub absent: Vec<String>,
    /// The id was known already; nothing was delivered twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

/// Something that is worthless a second later, client to relay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "signal")]
pub struct SendSignal {
    /// Who is addressed; nobody is everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Deliver to the addressed alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only: bool,
    /// The keys of addressed members: an `only` signal goes to these keys alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub to_keys: BTreeMap<String, String>,
    /// The thread that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// What is signalled.
    pub body: Box<RawValue>,
}

/// A signal, relay to client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename = "signal")]
pub struct Signal {
    /// Who sent it.
    pub from: String,
    /// Who is addressed.
    #[serde(default)]
    pub to: Vec<String>,
    /// Delivered to the addressed alone.
    #[serde(default)]
    pub only: bool,
    /// The thread that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// What is signalled.
    pub body: Box<RawValue>,
}

/// Something is wrong, relay to client; where its code has a close code, the connection ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "error")]
pub struct ErrorFrame {
    /// What is wrong.
    pub code: Code,
    /// One sentence that says what to do.
    pub message: String,
    /// The id of the frame that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The stream that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// With [`Code::RateLimited`]: when to send it again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<u64>,
}

impl ErrorFrame {
    /// An error that is about no frame in particular.
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

/// A file's stream begins; from its sender `to` is set, from the relay `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "stream_open")]
pub struct StreamOpen {
    /// A UUID, lower case, hyphenated.
    pub stream: String,
    /// The receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The whole file's size, in bytes.
    pub size: u64,
    /// The file's id in the message that offered it.
    pub of: String,
    /// Where this stream begins in the file, in bytes.
    #[serde(default)]
    pub offset: u64,
    /// A file that a version 1 member pushed without asking.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pushed: bool,
}

/// The receiver lets the sender go on, up to an offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "stream_credit")]
pub struct StreamCredit {
    /// Which stream.
    pub stream: String,
    /// The offset up to which the sender may send; a lower one than before is ignored.
    pub bytes: u64,
}

/// A stream ends, from either side or the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "stream_close")]
pub struct StreamClose {
    /// Which stream.
    pub stream: String,
    /// Why.
    pub reason: StreamReason,
    /// In words.
    #[serde(default)]
    pub message: String,
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamReason {
    /// All bytes were sent.
    Done,
    /// A person ended it.
    Cancelled,
    /// It could not go on.
    Failed,
    /// The other side is not there.
    PeerGone,
}

/// Any frame that a relay sends.
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
    /// A type that a newer relay may send; ignored.
    Unknown(String),
}

/// A text frame that is no frame of this protocol.
#[derive(Debug, thiserror::Error)]
#[error("not a frame of protocol version 2: {0}")]
pub struct FrameError(#[from] serde_json::Error);

impl Frame {
    /// Reads a text frame from a relay. Fails where it is not JSON, has no `type`, or lacks a field.
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
