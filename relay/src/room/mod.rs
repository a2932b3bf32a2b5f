//! A room: members and their seats, the order of messages, the memory of the last ones, and who of the
//! addressed has not had each.
//!
//! Pure: frames in, frames out. There is no clock, no randomness, no socket and no task in here; time and
//! random ids are passed in, and frames leave through an [`Outbox`]. One lock around a room makes it safe
//! for many connections; nothing in here waits.
//!
//! - [`Room::join`], [`Room::lost`], [`Room::expire`], [`Room::bye`]: who is here (`presence.rs`);
//! - [`Room::message`], [`Room::signal`], [`Room::update`]: what they say (`post.rs`);
//! - [`Room::broadcast`]: many messages of one sender in one go (`run.rs`);
//! - [`Room::stream_open`] and its like: files on their way (`stream.rs`);
//! - [`Room::v1_message`] and its like: version 1 members (`v1/`);
//! - [`Room::walk`]: what a member missed, at the pace of its connection (`walk.rs`).

mod memory;
mod outbox;
mod owners;
mod post;
mod presence;
mod run;
mod seat;
mod stream;
#[cfg(test)]
mod tests;
mod v1;
mod waiting;
mod walk;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use memory::Memory;
pub use outbox::{Class, Flow, Outbox, Piece, Run};
pub use owners::Owners;
pub use presence::{Absence, Entry};
use seat::{Key, Seat};
pub use seat::{Owner, Ticket};
pub use stream::StreamFault;
use stream::Streams;
pub use v1::{Feed, FileFault};
use waiting::Waiting;
pub use walk::Walked;

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
    names: HashMap<Key, usize>,
    waiting: Waiting,
    /// Whose the names are; shared by all rooms, and locked after the room, never before it.
    owners: Arc<Mutex<Owners>>,
    /// The name as it compares.
    key: Key,
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
    walkers: usize,
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
            waiting: Waiting::default(),
            owners,
            key: Key::new(name),
            memory,
            forgotten_public: 0,
            forgotten_private: 0,
            now: 0,
            v1: v1::State::default(),
            streams: Streams::new(),
            walkers: 0,
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
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How often somebody took a seat so far.
    pub fn joins(&self) -> u64 {
        self.joins
    }

    /// The place of a connection's seat, unless another connection has taken it over.
    fn seat_of(&self, ticket: &Ticket) -> Option<usize> {
        let index = *self.names.get(&ticket.key)?;
        let link = self.seats[index].link.as_ref()?;
        (link.connection == ticket.connection).then_some(index)
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
