//! The frames of protocol version 2, and the rules for names. Version 1 is in `v1`.
//!
//! Each WebSocket text frame is a JSON object. Unknown fields are ignored. The relay forwards a `body` byte for byte; [`body`]
//! has the bodies that clients exchange.

pub mod body;
mod chunk;
mod code;
mod frame;
mod hello;
mod key;
mod name;
mod request;
#[cfg(feature = "v1")]
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
pub use name::{is_id, is_name, is_thread, is_token, same_name};
pub use request::{MAX_AGENTS, MAX_NOTE, MAX_TO, Post, Request};

/// The protocol version of these types.
pub const VERSION: u32 = 2;
