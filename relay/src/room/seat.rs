//! Seats, and the identity of their holders.

use std::{fmt, sync::Arc};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{
    FrameBatch, Outbox, Rules, memory::Reader, pending::Recipient, replay::ReplayCursor, v1::V1Seat,
};
use crate::protocol::{Code, ErrorFrame, Member, MemberKey};

/// A member or room name in lower case, for comparison.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NameKey(Arc<str>);

impl NameKey {
    pub(super) fn new(name: &str) -> NameKey {
        NameKey(name.to_ascii_lowercase().into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The owner of a name: the SHA-256 of the owner's secret. The secret itself is not stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Owner([u8; 32]);

impl Owner {
    /// The owner with this secret.
    pub fn of(secret: &[u8; 32]) -> Owner {
        Owner(Sha256::digest(secret).into())
    }

    /// The public key that other members see: the first 8 bytes of the SHA-256 of the stored hash.
    pub fn key(&self) -> MemberKey {
        let hash: [u8; 32] = Sha256::digest(self.0).into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        MemberKey::new([a, b, c, d, e, f, g, h])
    }
}

/// The holder of a name at some moment, identified by key. Without a key the name alone identifies the holder, except
/// for version 1: its members cannot resume, so each seat is a new holder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) key: Option<MemberKey>,
    /// The number of a version 1 member's seat; 0 for all others.
    pub(super) seat: u64,
}

impl Holder {
    /// Whether the present holder is the same as this one.
    pub(super) fn is(self, now: Holder) -> bool {
        match self.key {
            Some(key) => now.key == Some(key),
            None => now.key.is_none() && self.seat == now.seat,
        }
    }
}

/// Identifies a connection's seat. Becomes stale when another connection takes the seat over.
#[derive(Clone, PartialEq, Eq)]
pub struct SeatId {
    pub(super) key: NameKey,
    pub(super) connection: u64,
}

impl fmt::Debug for SeatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.key.as_str(), self.connection)
    }
}

/// A member's place in the room. It is held for a while when the connection ends.
pub(super) struct Seat<O> {
    pub(super) key: NameKey,
    pub(super) owner: Option<Owner>,
    /// Unique within the room.
    pub(super) number: u64,
    /// Whether the holder has sent a message.
    pub(super) spoke: bool,
    /// The secret that takes the seat over.
    pub(super) session: String,
    /// The member as others see it. Modify it with [`Seat::change`] only.
    pub(super) member: Member,
    /// `member` as JSON, because every welcome repeats it.
    pub(super) json: Box<RawValue>,
    /// `None` while away.
    pub(super) link: Option<Link<O>>,
    /// State of a version 1 member. Boxed, because few members have it.
    pub(super) v1: Option<Box<V1Seat>>,
    /// When the member went away, if it is away.
    pub(super) away_since: u64,
    /// How often the member has been away. Tells apart the grace periods of one seat.
    pub(super) absence_count: u64,
    /// The newest private message for this member that has left the memory.
    pub(super) forgotten: u64,
}

pub(super) struct Link<O> {
    pub(super) connection: u64,
    pub(super) outbox: O,
    /// The position of the replay; `None` once the connection is live. Boxed, because most connections are live.
    pub(super) replay: Option<Box<ReplayCursor>>,
}

impl<O> Seat<O> {
    pub(super) fn new(key: NameKey, number: u64, session: String, member: Member) -> Seat<O> {
        let json = to_json(&member);
        Seat {
            key,
            owner: None,
            number,
            spoke: false,
            session,
            member,
            json,
            link: None,
            v1: None,
            away_since: 0,
            absence_count: 0,
            forgotten: 0,
        }
    }

    pub(super) fn holder(&self) -> Holder {
        Holder {
            key: self.owner.map(|owner| owner.key()),
            seat: if self.v1.is_some() { self.number } else { 0 },
        }
    }

    /// The recipient under which messages for this seat wait.
    pub(super) fn recipient(&self) -> Recipient {
        Recipient {
            name: self.key.clone(),
            key: self.holder().key,
        }
    }

    /// This seat as a reader of the memory.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            key: &self.key,
            holder: self.holder(),
        }
    }

    /// Changes what others see. Returns whether anything is different.
    pub(super) fn change(&mut self, with: impl FnOnce(&mut Member)) -> bool {
        let before = self.member.clone();
        with(&mut self.member);
        let changed = self.member != before;
        if changed {
            self.json = to_json(&self.member);
        }
        changed
    }
}

impl<O: Outbox> Seat<O> {
    /// Queues acks in the order of their messages, even while the connection replays. `first` is the sequence number
    /// of the first acked message; the others follow.
    pub(super) fn push_acks(&mut self, first: u64, acks: &FrameBatch, rules: &Rules) {
        let Some(link) = &mut self.link else { return };
        let Some(replay) = &mut link.replay else {
            link.outbox.push_batch(acks);
            return;
        };
        for (seq, ack) in (first..).zip(acks.frames()) {
            if !replay.hold_ack(seq, ack, rules.queue_frames, rules.queue_bytes) {
                let message = "Too many acks wait for the end of your replay. Reconnect and read faster.";
                return link.outbox.close(ErrorFrame::new(Code::SlowConsumer, message));
            }
        }
    }
}

fn to_json(member: &Member) -> Box<RawValue> {
    // A struct of strings and numbers always serialises; if it did not, the member would show as null.
    serde_json::value::to_raw_value(member).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_hash_of_the_hash() {
        // printf 32 zero bytes | sha256sum | xxd -r -p | sha256sum
        assert_eq!(Owner::of(&[0; 32]).key().to_string(), "2b32db6c2c0a6235");
        assert!(Owner::of(&[0; 32]) != Owner::of(&[1; 32]));
    }
}
