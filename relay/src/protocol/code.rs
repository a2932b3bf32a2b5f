//! Error codes, and the WebSocket close codes that go with those which end a connection.

use serde::{Deserialize, Serialize};

/// What went wrong, as the `code` of an `error` frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The token is wrong.
    BadToken,
    /// Someone with that name is here, is away and may come back, or owns it.
    NameTaken,
    /// No frame and no pong for 2.5 heartbeats.
    Silent,
    /// A frame over the limit.
    TooLarge,
    /// A member or room name outside the rule.
    BadName,
    /// Too many bad or refused frames without a good one between.
    Abuse,
    /// The first frame was no proper hello.
    BadHello,
    /// A protocol version that is not spoken here.
    BadVersion,
    /// A limit on rooms, members or connections is reached.
    Full,
    /// No hello in time.
    HelloTimeout,
    /// The seat was taken over by its session or owner.
    Replaced,
    /// The connection's outgoing queue is full, or it fell behind the room's memory.
    SlowConsumer,
    /// The relay is shutting down.
    ShuttingDown,
    /// A frame that does not follow the protocol; the connection goes on.
    BadFrame,
    /// A frame of a type that is not known; the connection goes on.
    UnknownType,
    /// Too many frames; the frame was not processed, send it again after `retry_ms`.
    RateLimited,
    /// A stream that is not open.
    NoSuchStream,
    /// A stream's rules (credit, order, size) were broken.
    StreamViolation,
    /// A code of a newer relay.
    #[serde(other)]
    Other,
}

impl Code {
    /// The close code that ends the connection, or `None` where it goes on.
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
