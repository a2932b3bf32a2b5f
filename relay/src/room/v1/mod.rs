//! Version 1 members in a room: they see and hear the others by translation.
//!
//! A version 1 member has a seat like anybody's. What goes to it is translated on its way: messages and
//! receipts (`translate.rs`), presence (here), files in both directions (`incoming.rs` from version 1,
//! `outgoing.rs` to it). It has no session: when its connection ends, it leaves.

mod ids;
mod incoming;
mod message;
mod outgoing;
mod translate;

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use incoming::Transfer;
pub use incoming::{Feed, FileFault};
pub(super) use outgoing::{Offer, Outgoing};
use tokio::sync::Notify;
pub(super) use translate::{Faces, Parts, V1Face};

use super::{
    Class, Outbox, Room,
    seat::{Key, Ticket},
};
use crate::{
    protocol::{Message, PresenceEvent, Status, v1::Reply},
    wire,
};

/// What a room keeps for its version 1 members.
#[derive(Default)]
pub(super) struct State {
    /// Members that speak version 1.
    pub(super) members: usize,
    pub(super) ids: ids::Ids,
    /// The file that a version 1 member sends: one at a time.
    transfer: Option<Transfer>,
}

/// What a version 1 member's seat has beside.
pub(super) struct V1Seat {
    /// Told when something has moved that its connection may wait for: credit, or a queue.
    pub(super) moved: Arc<Notify>,
    /// Files that version 2 members have offered to it, and that have not come yet.
    pub(super) offers: VecDeque<Offer>,
}

impl<O: Outbox> Room<O> {
    /// The names of online members, without one that is leaving.
    pub(super) fn v1_presence(&self, without: Option<usize>) -> Bytes {
        let here = self.seats.iter().enumerate();
        let here =
            here.filter(|(index, seat)| Some(*index) != without && seat.member.status == Status::Online);
        let mut users: Vec<&str> = here.map(|(_, seat)| seat.member.name.as_str()).collect();
        users.sort_unstable();
        wire::text(&Reply::Presence { users, ts: self.now })
    }

    /// Tells version 1 members who is online now, where that has changed.
    pub(super) fn v1_announce(&self, event: PresenceEvent, index: usize) {
        let leaves = event == PresenceEvent::Leave;
        let away = self.seats[index].member.status == Status::Away;
        if self.v1.members == 0 || event == PresenceEvent::Update || (leaves && away) {
            return;
        }
        let frame = self.v1_presence(leaves.then_some(index));
        for (other, seat) in self.seats.iter().enumerate() {
            if other != index
                && seat.v1.is_some()
                && let Some(link) = &seat.link
            {
                link.outbox.push(frame.clone(), Class::Frame);
            }
        }
    }

    /// A version 2 message as version 1 members read it.
    pub(super) fn faces(&self, parts: &Parts) -> Faces {
        parts.faces(&self.v1.ids)
    }

    /// A remembered frame as this member reads it; `None` where it says nothing to it.
    pub(super) fn v1_replay(ids: &ids::Ids, frame: &Bytes, key: &Key) -> Option<Bytes> {
        let message: Message = serde_json::from_slice(wire::payload(frame)).ok()?;
        let faces = Parts {
            id: &message.id,
            from: &message.from,
            to: message.to.iter().map(String::as_str).collect(),
            thread: message.thread.as_deref(),
            at: message.at,
            body: &message.body,
        }
        .faces(ids);
        let named = message.to.iter().any(|to| Key::new(to) == *key);
        if named { faces.named } else { faces.other }
    }

    /// The wall clock, in milliseconds since the Unix epoch, for the frames that tell the time.
    pub fn tell_time(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// Queues a version 1 frame for a connection, if it is there yet.
    fn push_v1(&self, to: &Ticket, reply: &Reply) {
        if let Some(outbox) = super::stream::outbox(&self.seats, &self.names, to) {
            outbox.push(wire::text(reply), Class::Frame);
        }
    }

    /// What a connection's seat has for version 1; `None` for version 2.
    pub(super) fn v1_seat(&self, ticket: &Ticket) -> Option<&V1Seat> {
        self.seats[self.seat_of(ticket)?].v1.as_deref()
    }
}
