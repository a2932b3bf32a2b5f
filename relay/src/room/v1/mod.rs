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
pub use incoming::{FileError, ReadAllowance};
pub(super) use outgoing::{Offer, Outgoing};
use tokio::sync::Notify;
pub(super) use translate::{MessageParts, V1Frames, V1Rendering};

use super::{
    FrameClass, Outbox, Room,
    seat::{NameKey, SeatId},
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
    pub(super) progress_notify: Arc<Notify>,
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
                link.outbox.push(frame.clone(), FrameClass::Frame);
            }
        }
    }

    /// A version 2 message as version 1 members read it.
    pub(super) fn render(&self, parts: &MessageParts) -> V1Frames {
        parts.render(&self.v1.ids)
    }

    /// A remembered frame as this member reads it; `None` where it says nothing to it.
    pub(super) fn v1_replay(ids: &ids::Ids, frame: &Bytes, key: &NameKey) -> Option<Bytes> {
        let message: Message = serde_json::from_slice(wire::payload(frame)).ok()?;
        let render = MessageParts {
            id: &message.id,
            from: &message.from,
            to: message.to.iter().map(String::as_str).collect(),
            thread: message.thread.as_deref(),
            at: message.at,
            body: &message.body,
        }
        .render(ids);
        let named = message.to.iter().any(|to| NameKey::new(to) == *key);
        if named { render.named } else { render.other }
    }

    /// The wall clock, in milliseconds since the Unix epoch, for the frames that tell the time.
    pub fn advance_clock(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// Queues a version 1 frame for a connection, if it is there yet.
    fn push_v1(&self, to: &SeatId, reply: &Reply) {
        if let Some(outbox) = super::streams::outbox(&self.seats, &self.names, to) {
            outbox.push(wire::text(reply), FrameClass::Frame);
        }
    }

    /// What a connection's seat has for version 1; `None` for version 2.
    pub(super) fn v1_seat(&self, seat_id: &SeatId) -> Option<&V1Seat> {
        self.seats[self.seat_of(seat_id)?].v1.as_deref()
    }
}
