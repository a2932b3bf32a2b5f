//! A room: its members and their seats, the order of messages, the memory of recent ones, and the addressees who still
//! wait for them.
//!
//! Pure: frames in, frames out. A room has no clock, randomness, socket or task. Time and random ids are passed in, and
//! frames leave through an [`Outbox`]. One lock around a room makes it safe for many connections; nothing here blocks.
//!
//! - [`Room::join`] (`join.rs`), [`Room::mark_away`], [`Room::expire`], [`Room::leave`] (`presence.rs`);
//! - [`Room::message`], [`Room::signal`], [`Room::update`] (`messages.rs`), [`Room::broadcast`] (`broadcast.rs`);
//! - [`Room::stream_open`], [`Room::streams`] (`streams.rs`): files in transit;
//! - [`Room::replay`] (`replay.rs`): missed messages, at the pace of the connection;
//! - [`Room::v1`] (`v1/`): members that speak protocol version 1.

mod broadcast;
mod join;
mod memory;
mod messages;
mod outbox;
mod owners;
mod pending;
mod presence;
mod replay;
mod seat;
mod seats;
mod streams;
mod targets;
#[cfg(test)]
mod tests;
#[cfg(feature = "v1")]
pub(crate) mod v1;
#[cfg(not(feature = "v1"))]
#[path = "v1/disabled.rs"]
pub(crate) mod v1;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use join::JoinRequest;
use memory::Memory;
pub use outbox::{FrameBatch, FrameClass, Outbox, StreamItem, StreamProgress};
pub use owners::Owners;
use pending::PendingMessages;
pub use replay::ReplayStep;
use seat::NameKey;
pub use seat::{Owner, SeatId};
use seats::Seats;
pub use streams::StreamError;
use streams::Streams;

use crate::protocol::Limits;

/// Settings that all rooms of a relay share.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Maximum members of a room, away ones included; 0 is no limit.
    pub max_members: usize,
    /// Messages that a room remembers. The same limit applies to receipts separately.
    pub memory_messages: usize,
    /// Bytes of messages that a room remembers. The same limit applies to receipts separately.
    pub memory_bytes: usize,
    /// Limits for members that speak version 1.
    #[cfg(feature = "v1")]
    pub v1: v1::Rules,
    /// Maximum acks held back for a member whose replay is still running.
    pub queue_frames: usize,
    pub queue_bytes: usize,
    /// Announced in the welcome: seconds between heartbeats.
    pub heartbeat: u64,
    /// Announced in the welcome: the relay's program and version.
    pub server: String,
    pub limits: Limits,
}

/// One room. See the [module](self).
pub struct Room<O> {
    /// As its first member wrote it.
    name: String,
    /// The name in lower case.
    key: NameKey,
    epoch: String,
    rules: Arc<Rules>,
    /// The sequence number of the newest message.
    seq: u64,
    /// The time of the newest message. Never decreases, even if the wall clock does.
    at: u64,
    /// The latest known wall-clock time, in milliseconds since the Unix epoch.
    now: u64,
    seats: Seats<O>,
    pending: PendingMessages,
    /// Shared by all rooms. Locked after the room, never before it.
    owners: Arc<Mutex<Owners>>,
    memory: Memory,
    /// The newest broadcast that has left the memory.
    forgotten_public: u64,
    /// The newest private message that has left the memory while an addressee had no seat.
    forgotten_private: u64,
    v1: v1::State,
    /// Open streams, and those whose last bytes are still queued.
    streams: Streams,
    /// Connections whose replay is still running.
    replaying: usize,
    /// Number of joins so far. An empty room with an unchanged number has been empty all the time.
    joins: u64,
}

impl<O: Outbox> Room<O> {
    /// Creates an empty room. `epoch` is a random id for this lifetime of the room; `owners` outlives it.
    pub fn new(name: &str, epoch: String, rules: Arc<Rules>, owners: Arc<Mutex<Owners>>) -> Room<O> {
        let memory = Memory::new(rules.memory_messages, rules.memory_bytes);
        let streams = Streams::new(rules.limits.window_bytes as u64);
        Room {
            name: name.to_owned(),
            key: NameKey::new(name),
            epoch,
            rules,
            seq: 0,
            at: 0,
            now: 0,
            seats: Seats::new(),
            pending: PendingMessages::default(),
            owners,
            memory,
            forgotten_public: 0,
            forgotten_private: 0,
            v1: v1::State::default(),
            streams,
            replaying: 0,
            joins: 0,
        }
    }

    /// Number of members, away ones included.
    pub fn members(&self) -> usize {
        self.seats.len()
    }

    /// Whether a message waits for an addressee.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub fn joins(&self) -> u64 {
        self.joins
    }

    /// Sets the wall-clock time, in milliseconds since the Unix epoch. Earlier times than before are ignored.
    pub fn advance_clock(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// The room as its version 1 members use it.
    pub fn v1(&mut self) -> v1::V1Room<'_, O> {
        v1::V1Room(self)
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
