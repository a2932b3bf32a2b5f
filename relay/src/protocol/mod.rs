//! The frames that clients and the relay exchange, version 2 (version 1 is in [`v1`]): types and rules about names, nothing else.
//!
//! One JSON object per WebSocket text frame. Unknown fields are ignored. A `body` is opaque to the
//! relay and travels byte for byte; what clients put into it is in [`body`].

pub mod body;
mod chunk;
mod code;
mod frame;
mod hello;
mod key;
mod name;
mod request;
pub mod v1;

pub use chunk::{CHUNK_HEAD, ChunkHead, MAX_STREAMS, stream_id};
pub use code::Code;
pub use frame::{
    Ack, Bye, ErrorFrame, FEATURES, Frame, FrameError, Hello, Limits, Member, Message, Mode, Presence,
    PresenceEvent, Resume, Resumed, Send, SendSignal, Signal, Status, StreamClose, StreamCredit, StreamOpen,
    StreamReason, Update, Welcome,
};
pub use hello::{Greeting, MAX_CLIENT};
pub use key::{KeyError, MemberKey};
pub use name::{is_id, is_name, is_thread, same_name};
pub use request::{MAX_AGENTS, MAX_NOTE, MAX_TO, Post, Request};

/// The protocol version that these types describe.
pub const VERSION: u32 = 2;
