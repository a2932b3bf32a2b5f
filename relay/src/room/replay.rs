//! Replay. It is not queued: a connection walks the room's memory as it drains, then goes live.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::{
    Outbox, Room,
    memory::{Memory, Reader, Stored},
    seat::SeatId,
};
use crate::protocol::{Code, ErrorFrame};

/// Where a connection's replay is, and what of the memory belongs to it.
pub(super) struct ReplayCursor {
    /// The last message that was looked at.
    pub(super) at: u64,
    /// The room's newest message when the connection joined. Above it, all that is live for it follows.
    pub(super) joined_at: u64,
    /// What others sent above this is replayed; `None` without a resume.
    pub(super) missed: Option<u64>,
    /// From here on what it may see is replayed, its own included.
    pub(super) history: u64,
    /// Acks for what it has sent meanwhile, which keep their place in the order.
    acks: VecDeque<(u64, Bytes)>,
    ack_bytes: usize,
}

/// What a step of a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayStep {
    /// There is more in the memory.
    More,
    /// The connection is live: from here on the room pushes to it.
    Live,
}

impl ReplayCursor {
    /// A walk for a connection that joins when the room's newest message is `joined_at`. `missed` is the
    /// place of its resume, `history` how many of the last messages it wants. `None` where nothing is
    /// to be replayed.
    pub(super) fn plan(
        memory: &Memory,
        reader: Reader,
        pending: &BTreeSet<u64>,
        joined_at: u64,
        missed: Option<u64>,
        history: u64,
    ) -> Option<Box<ReplayCursor>> {
        let history = usize::try_from(history).unwrap_or(usize::MAX);
        let history = memory
            .newest_first()
            .filter(|m| m.is_for(reader))
            .take(history)
            .last();
        let history = history.map_or(u64::MAX, |m| m.seq);
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
        let missed = || message.is_for(reader) && !message.is_from(reader);
        if message.seq > self.joined_at {
            return missed();
        }
        pending.contains(&message.seq)
            || self.missed.is_some_and(|seq| message.seq > seq) && missed()
            || message.seq >= self.history && message.is_for(reader)
    }

    /// Keeps an ack until the walk has come to its place. False where too many wait.
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
    /// Takes the next frames of a connection's replay, about `budget` bytes of them, and says whether the
    /// connection is live now. A connection whose seat was taken over gets nothing more.
    pub fn replay(&mut self, seat_id: &SeatId, budget: usize, out: &mut impl Extend<Bytes>) -> ReplayStep {
        let Some(index) = self.seat_of(seat_id) else {
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
        let mut taken = 0;
        for message in self.memory.after(cursor.at) {
            if taken >= budget {
                return ReplayStep::More;
            }
            cursor.at = message.seq;
            if cursor.includes(message, reader, pending) {
                cursor.release_acks(message.seq - 1, out);
                taken += message.frame.len();
                if seat.v1.is_some() {
                    out.extend(Room::<O>::v1_replay(&self.v1.ids, &message.frame, &seat.key));
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

    /// Takes what is too much out of the memory.
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
                let seat = self.names.get(&addressee.key).map(|seat| &mut self.seats[*seat]);
                match seat.filter(|seat| seat.recipient() == addressee.recipient()) {
                    Some(seat) => seat.forgotten = seat.forgotten.max(message.seq),
                    None => {
                        self.forgotten_private = self.forgotten_private.max(message.seq);
                        self.pending.forget(&addressee.recipient());
                    }
                }
            }
        }
    }

    /// Closes the connections whose replay had not come to a message that leaves the memory.
    fn close_overrun(&self, message: &Stored) {
        for seat in &self.seats {
            let Some(link) = &seat.link else { continue };
            let Some(cursor) = &link.replay else { continue };
            let pending = self.pending.seqs(&seat.recipient());
            let reader = Reader {
                key: &seat.key,
                holder: seat.holder(),
            };
            if message.seq > cursor.at && cursor.includes(message, reader, pending) {
                link.outbox.close(ErrorFrame::new(
                    Code::SlowConsumer,
                    "The room's memory moved past your replay; connect again, and read faster.",
                ));
            }
        }
    }
}
