//! Error codes, and the WebSocket close codes of those that close a connection.

use serde::{Deserialize, Serialize};

/// The `code` of an `error` frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Wrong token.
    BadToken,
    /// Someone has the name, is away and may come back, or owns it.
    NameTaken,
    /// No frame for 2.5 heartbeats.
    Silent,
    /// A frame exceeds the limit.
    TooLarge,
    /// Invalid member or room name.
    BadName,
    /// Too many bad or refused frames in a row.
    Abuse,
    /// The first frame is not a valid hello.
    BadHello,
    /// Unsupported protocol version.
    BadVersion,
    /// A limit on rooms, members or connections is reached.
    Full,
    /// No hello in time.
    HelloTimeout,
    /// A newer connection took the seat over.
    Replaced,
    /// The connection's outgoing queue is full, or its replay fell behind the room's memory.
    SlowConsumer,
    /// The relay is shutting down.
    ShuttingDown,
    /// Invalid frame. The connection stays open.
    BadFrame,
    /// Unknown frame type. The connection stays open.
    UnknownType,
    /// Too many frames. The frame was not processed; resend it after `retry_ms`.
    RateLimited,
    /// The stream is not open.
    NoSuchStream,
    /// A rule of a stream (credit, order, size) was broken.
    StreamViolation,
    /// A code from a newer relay.
    #[serde(other)]
    Other,
}

impl Code {
    /// The close code, or `None` if the connection stays open.
    pub fn close(self) -> Option<u16> {
        Some(match self {
            Code::ShuttingDown => 1001,
            Code::BadToken => 1008,
            Code::NameTaken => 4009,
            Code::Silent => 4010,
            Code::TooLarge => 4011,
            Code::BadName => 4012,
            Code::Abuse => 4013,
            Code::BadHello => 4020,
            Code::BadVersion => 4021,
            Code::Full => 4022,
            Code::HelloTimeout => 4023,
            Code::Replaced => 4024,
            Code::SlowConsumer => 4025,
            Code::BadFrame
            | Code::UnknownType
            | Code::RateLimited
            | Code::NoSuchStream
            | Code::StreamViolation
            | Code::Other => return None,
        })
    }
}
