//! Version 1 members in a room.
//!
//! A version 1 member has a seat like any other, and everything that goes to it is translated: messages and receipts
//! (`translate.rs`), presence (here), files in both directions (`incoming.rs` from version 1, `outgoing.rs` to it). It
//! sends no receipts: `receipts.rs` makes them of what it says, with `asks.rs`. It has no session: when its connection
//! ends, it leaves.
//!
//! The rest of the room knows version 1 by the types of this module only. In a build without the feature `v1`,
//! `disabled.rs` stands in for it.

mod asks;
mod ids;
mod incoming;
mod message;
mod outgoing;
mod receipts;
mod translate;

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use incoming::Transfer;
pub use incoming::{FileError, ReadAllowance};
use outgoing::Offer;
pub(super) use outgoing::OutgoingFile;
use tokio::sync::Notify;
pub(super) use translate::{V1Frames, V1Rendering};

use super::{FrameClass, JoinRequest, Outbox, Room, seat::SeatId};
use crate::{
    protocol::{PresenceEvent, Status, v1::Reply},
    wire,
};

/// Limits for version 1 members; 0 is no limit.
#[derive(Debug, Clone)]
pub struct Rules {
    pub max_users: usize,
    /// Maximum bytes of a file that one of them sends.
    pub max_file: u64,
}

/// State of a room for its version 1 members.
#[derive(Default)]
pub(super) struct State {
    /// Number of members that speak version 1.
    pub(super) members: usize,
    ids: ids::Ids,
    asks: asks::Asks,
    /// The file that a version 1 member is sending: one at a time.
    transfer: Option<Transfer>,
}

impl State {
    /// Whether the limit on version 1 members stops this request.
    pub(super) fn is_full(&self, request: &JoinRequest, rules: &super::Rules) -> bool {
        let max = rules.v1.max_users;
        request.v1.is_some() && max > 0 && self.members >= max
    }
}

/// State of a version 1 member's seat.
pub struct V1Seat {
    /// Notified of what the connection may wait for: credit, or space in a queue.
    progress: Arc<Notify>,
    /// Files that version 2 members have offered to it and not yet sent.
    offers: VecDeque<Offer>,
}

impl V1Seat {
    /// The seat of a connection that waits for `progress`.
    pub fn new(progress: Arc<Notify>) -> V1Seat {
        V1Seat {
            progress,
            offers: VecDeque::new(),
        }
    }

    pub(super) fn notify(&self) {
        self.progress.notify_one();
    }
}

/// A room as its version 1 members use it. See [`Room::v1`].
pub struct V1Room<'a, O>(pub(super) &'a mut Room<O>);

impl<O: Outbox> V1Room<'_, O> {
    /// The first frame of a version 1 member; `None` for others.
    pub(super) fn welcome(&self, index: usize) -> Option<Bytes> {
        let is_v1 = self.0.seats[index].v1.is_some();
        is_v1.then(|| self.presence(None))
    }

    /// The names of online members, without one that is leaving.
    fn presence(&self, without: Option<usize>) -> Bytes {
        let here = self.0.seats.others(without.unwrap_or(usize::MAX));
        let here = here.filter(|(_, seat)| seat.member.status == Status::Online);
        let mut users: Vec<&str> = here.map(|(_, seat)| seat.member.name.as_str()).collect();
        users.sort_unstable();
        wire::text(&Reply::Presence {
            users,
            ts: self.0.now,
        })
    }

    /// Tells version 1 members who is online, if that has changed.
    pub(super) fn announce(&self, event: PresenceEvent, index: usize) {
        let room = &self.0;
        let leaves = event == PresenceEvent::Leave;
        let away = room.seats[index].member.status == Status::Away;
        if room.v1.members == 0 || event == PresenceEvent::Update || (leaves && away) {
            return;
        }
        let frame = self.presence(leaves.then_some(index));
        for (_, seat) in room.seats.others(index) {
            if seat.v1.is_some()
                && let Some(link) = &seat.link
            {
                link.outbox.push(frame.clone(), FrameClass::Message);
            }
        }
    }

    /// Queues a version 1 frame for a connection, if it is still there.
    fn send(&self, to: &SeatId, reply: &Reply) {
        if let Some(outbox) = self.0.seats.outbox(to) {
            outbox.push(wire::text(reply), FrameClass::Message);
        }
    }
}
