//! Replay of missed messages. Nothing is queued for it: a connection reads the room's memory as fast as it drains, and
//! then goes live.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::{
    Outbox, Room,
    memory::{Memory, Reader, Stored},
    seat::SeatId,
};
use crate::protocol::{Code, ErrorFrame};

/// A connection's position in the memory, and the messages that belong to its replay.
pub(super) struct ReplayCursor {
    /// The last message that was looked at.
    pub(super) at: u64,
    /// The room's newest message when the connection joined. Everything live for the connection is above it.
    joined_at: u64,
    /// Messages of others above this are replayed; `None` without a resume.
    missed: Option<u64>,
    /// Every visible message from here on is replayed, including the member's own.
    history: u64,
    /// Acks for messages that the member sent during the replay, to keep their place in the order.
    acks: VecDeque<(u64, Bytes)>,
    ack_bytes: usize,
}

/// The state of a replay after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayStep {
    More,
    /// The connection is live: from now on the room pushes to it.
    Live,
}

impl ReplayCursor {
    /// Plans the replay of a connection that joins when the room's newest message is `joined_at`. `missed` is the
    /// position of its resume, `history` the number of recent messages that it wants. Returns `None` if there is
    /// nothing to replay.
    pub(super) fn plan(
        memory: &Memory,
        reader: Reader,
        pending: &BTreeSet<u64>,
        joined_at: u64,
        missed: Option<u64>,
        history: u64,
    ) -> Option<Box<ReplayCursor>> {
        let history = usize::try_from(history).unwrap_or(usize::MAX);
        let visible = memory.newest_first().filter(|m| m.is_for(reader));
        let history = visible.take(history).last().map_or(u64::MAX, |m| m.seq);
        let waiting = pending.first().copied().unwrap_or(u64::MAX);
        let at = history
            .min(waiting)
            .saturating_sub(1)
            .min(missed.unwrap_or(u64::MAX));
        (at < joined_at).then(|| {
            Box::new(ReplayCursor {
                at,
                joined_at,
                missed,
                history,
                acks: VecDeque::new(),
                ack_bytes: 0,
            })
        })
    }

    /// Whether a message is part of this replay.
    fn includes(&self, message: &Stored, reader: Reader, pending: &BTreeSet<u64>) -> bool {
        let is_missed = || message.is_for(reader) && !message.is_from(reader);
        if message.seq > self.joined_at {
            return is_missed();
        }
        pending.contains(&message.seq)
            || self.missed.is_some_and(|seq| message.seq > seq) && is_missed()
            || message.seq >= self.history && message.is_for(reader)
    }

    /// Holds an ack until the replay reaches its place. Returns false if too many are held.
    pub(super) fn hold_ack(&mut self, seq: u64, ack: Bytes, max_frames: usize, max_bytes: usize) -> bool {
        self.ack_bytes += ack.len();
        self.acks.push_back((seq, ack));
        self.acks.len() <= max_frames && self.ack_bytes <= max_bytes
    }

    fn release_acks(&mut self, up_to: u64, out: &mut impl Extend<Bytes>) {
        while self.acks.front().is_some_and(|(seq, _)| *seq <= up_to)
            && let Some((_, ack)) = self.acks.pop_front()
        {
            self.ack_bytes -= ack.len();
            out.extend([ack]);
        }
    }
}

impl<O: Outbox> Room<O> {
    /// Appends the next frames of a connection's replay to `out`, about `budget` bytes. A connection whose seat was
    /// taken over gets nothing more.
    pub fn replay(&mut self, seat_id: &SeatId, budget: usize, out: &mut impl Extend<Bytes>) -> ReplayStep {
        let Some(index) = self.seats.index_of(seat_id) else {
            return ReplayStep::Live;
        };
        let seat = &mut self.seats[index];
        let pending = self.pending.seqs(&seat.recipient());
        let reader = Reader {
            key: &seat.key,
            holder: seat.holder(),
        };
        let Some(link) = &mut seat.link else {
            return ReplayStep::Live;
        };
        let Some(cursor) = &mut link.replay else {
            return ReplayStep::Live;
        };
        let mut bytes = 0;
        for message in self.memory.after(cursor.at) {
            if bytes >= budget {
                return ReplayStep::More;
            }
            cursor.at = message.seq;
            if cursor.includes(message, reader, pending) {
                cursor.release_acks(message.seq - 1, out);
                bytes += message.frame.len();
                if seat.v1.is_some() {
                    out.extend(self.v1.translate(&message.frame, &seat.key));
                } else {
                    out.extend([message.frame.clone()]);
                }
            }
        }
        cursor.release_acks(u64::MAX, out);
        link.replay = None;
        self.replaying -= 1;
        ReplayStep::Live
    }

    /// Evicts messages until the memory is within its limits.
    pub(super) fn forget(&mut self) {
        while let Some(message) = self.memory.evict() {
            if !message.only {
                self.forgotten_public = self.forgotten_public.max(message.seq);
            }
            if self.replaying > 0 {
                self.close_overrun(&message);
            }
            for addressee in &message.to {
                self.pending.remove(addressee, message.seq);
                let seat = self.seats.named(&addressee.key);
                let seat = seat.map(|seat| &mut self.seats[seat]);
                match seat.filter(|seat| seat.recipient() == addressee.recipient()) {
                    Some(seat) => seat.forgotten = seat.forgotten.max(message.seq),
                    None => {
                        self.forgotten_private = self.forgotten_private.max(message.seq);
                        self.pending.remove_if_empty(&addressee.recipient());
                    }
                }
            }
        }
    }

    /// Closes connections whose replay had not yet reached an evicted message.
    fn close_overrun(&self, message: &Stored) {
        for seat in self.seats.iter() {
            let Some(link) = &seat.link else { continue };
            let Some(cursor) = &link.replay else { continue };
            let pending = self.pending.seqs(&seat.recipient());
            if message.seq > cursor.at && cursor.includes(message, seat.reader(), pending) {
                link.outbox.close(ErrorFrame::new(
                    Code::SlowConsumer,
                    "The room's memory moved past your replay. Reconnect and read faster.",
                ));
            }
        }
    }
}
