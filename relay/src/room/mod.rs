//! A room: members and their seats, the order of messages, the memory of the last ones, and who of the
//! addressed has not had each.
//!
//! Pure: frames in, frames out. There is no clock, no randomness, no socket and no task in here; time and
//! random ids are passed in, and frames leave through an [`Outbox`]. One lock around a room makes it safe
//! for many connections; nothing in here waits.
//!
//! - [`Room::join`], [`Room::mark_away`], [`Room::expire`], [`Room::leave`]: who is here (`presence.rs`);
//! - [`Room::message`], [`Room::signal`], [`Room::update`]: what they say (`messages.rs`);
//! - [`Room::broadcast`]: many messages of one sender in one go (`broadcast.rs`);
//! - [`Room::stream_open`] and its like: files on their way (`streams.rs`);
//! - [`Room::v1_message`] and its like: version 1 members (`v1/`);
//! - [`Room::replay`]: what a member missed, at the pace of its connection (`replay.rs`).

mod broadcast;
mod memory;
mod messages;
mod outbox;
mod owners;
mod pending;
mod presence;
mod replay;
mod seat;
mod streams;
#[cfg(test)]
mod tests;
mod v1;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use memory::Memory;
pub use outbox::{FrameBatch, FrameClass, Outbox, StreamItem, StreamProgress};
pub use owners::Owners;
use pending::PendingMessages;
pub use presence::{GracePeriod, JoinRequest};
pub use replay::ReplayStep;
use seat::{NameKey, Seat};
pub use seat::{Owner, SeatId};
pub use streams::StreamError;
use streams::Streams;
pub use v1::{FileError, ReadAllowance};

use crate::protocol::Limits;

/// What holds for every room of a relay.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The most members of a room, those who are away included.
    pub max_members: usize,
    /// The most messages that a room remembers; receipts have as many of their own.
    pub memory_messages: usize,
    /// The most bytes of messages that a room remembers; receipts have as many of their own.
    pub memory_bytes: usize,
    /// The most members that speak version 1.
    pub v1_max_users: usize,
    /// The most bytes of a file that one of them sends.
    pub v1_max_file: u64,
    /// The most acks that wait for a member whose replay is not over.
    pub queue_frames: usize,
    /// The most bytes of such acks.
    pub queue_bytes: usize,
    /// Announced in the welcome: seconds between heartbeats.
    pub heartbeat: u64,
    /// Announced in the welcome: the relay's program and version.
    pub server: String,
    /// Announced in the welcome.
    pub limits: Limits,
}

/// One room. See the [module](self).
pub struct Room<O> {
    name: String,
    epoch: String,
    rules: Arc<Rules>,
    /// The newest message.
    seq: u64,
    /// When it was taken; the wall clock may go back, a room's times do not.
    at: u64,
    /// Who is here, in no order; dense, so that a broadcast is one pass.
    seats: Vec<Seat<O>>,
    /// The place among the seats of every name that has one.
    names: HashMap<NameKey, usize>,
    pending: PendingMessages,
    /// Whose the names are; shared by all rooms, and locked after the room, never before it.
    owners: Arc<Mutex<Owners>>,
    /// The name as it compares.
    key: NameKey,
    memory: Memory,
    /// The newest message to all that has left the memory.
    forgotten_public: u64,
    /// The newest message to some that has left the memory while one of them had no seat.
    forgotten_private: u64,
    /// The wall clock as last told, in milliseconds since the Unix epoch.
    now: u64,
    /// What is kept for version 1 members.
    v1: v1::State,
    /// Files on their way, and those of which the end is not written yet.
    streams: Streams,
    /// Connections whose replay is not over.
    replaying: usize,
    /// How often somebody took a seat: tells whether a room that is empty was so all the time.
    joins: u64,
}

impl<O: Outbox> Room<O> {
    /// An empty room. `epoch` is a random id of this life of it; `owners` outlives it.
    pub fn new(name: &str, epoch: String, rules: Arc<Rules>, owners: Arc<Mutex<Owners>>) -> Room<O> {
        let memory = Memory::new(rules.memory_messages, rules.memory_bytes);
        Room {
            name: name.to_owned(),
            epoch,
            rules,
            seq: 0,
            at: 0,
            seats: Vec::new(),
            names: HashMap::new(),
            pending: PendingMessages::default(),
            owners,
            key: NameKey::new(name),
            memory,
            forgotten_public: 0,
            forgotten_private: 0,
            now: 0,
            v1: v1::State::default(),
            streams: Streams::new(),
            replaying: 0,
            joins: 0,
        }
    }

    /// The name, as its first member wrote it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many members have a seat, those who are away included.
    pub fn members(&self) -> usize {
        self.seats.len()
    }

    /// Whether a message waits for somebody.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// How often somebody took a seat so far.
    pub fn joins(&self) -> u64 {
        self.joins
    }

    /// The place of a connection's seat, unless another connection has taken it over.
    fn seat_of(&self, seat_id: &SeatId) -> Option<usize> {
        let index = *self.names.get(&seat_id.key)?;
        let link = self.seats[index].link.as_ref()?;
        (link.connection == seat_id.connection).then_some(index)
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
