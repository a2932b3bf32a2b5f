//! Seats, and what a room knows about a name.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{pending::Recipient, replay::ReplayCursor, v1::V1Seat};
use crate::protocol::{Member, MemberKey};

/// A name as it compares: in lower case.
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

impl Borrow<str> for NameKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Whose a name is: the SHA-256 of its owner's secret. The secret itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Owner([u8; 32]);

impl Owner {
    /// The owner who presents this secret.
    pub fn of(secret: &[u8; 32]) -> Owner {
        Owner(Sha256::digest(secret).into())
    }

    /// What members are shown: the first 16 hex digits of the SHA-256 of the hash that is kept.
    pub fn key(&self) -> MemberKey {
        let hash: [u8; 32] = Sha256::digest(self.0).into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        MemberKey::new([a, b, c, d, e, f, g, h])
    }
}

/// Who holds a name, or held it when a message came: by its key. Without one the name is all there is, but for
/// version 1, whose members do not come back: each of them is another one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) key: Option<MemberKey>,
    /// The number of a version 1 member's seat; 0 for all others.
    pub(super) seat: u64,
}

impl Holder {
    /// Whether somebody who asks now is the one that this was.
    pub(super) fn is(self, now: Holder) -> bool {
        match self.key {
            Some(key) => now.key == Some(key),
            None => now.key.is_none() && self.seat == now.seat,
        }
    }
}

/// A connection's right to its seat, given by `join`.
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

/// A member's place, held for a while when its connection ends.
pub(super) struct Seat<O> {
    pub(super) key: NameKey,
    /// Whose the name is, where its holder has said so.
    pub(super) owner: Option<Owner>,
    /// A number that no other seat of the room has.
    pub(super) number: u64,
    /// Whether its holder has said anything yet.
    pub(super) spoke: bool,
    /// The secret that takes the seat over.
    pub(super) session: String,
    /// The member as others see it. Changed with [`Seat::change`] alone.
    pub(super) member: Member,
    /// The same as JSON, since every welcome repeats it.
    pub(super) json: Box<RawValue>,
    /// The connection; none while away.
    pub(super) link: Option<Link<O>>,
    /// Where it speaks version 1: what that needs. Boxed, since few do.
    pub(super) v1: Option<Box<V1Seat>>,
    /// How often it has been away: tells a returned member from one that never came back.
    pub(super) absence_count: u64,
    /// The newest message to this member alone that has left the memory.
    pub(super) forgotten: u64,
}

/// A seat's connection.
pub(super) struct Link<O> {
    pub(super) connection: u64,
    pub(super) outbox: O,
    /// Where its replay is; none once it is live. Boxed, since most are live.
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
            absence_count: 0,
            forgotten: 0,
        }
    }

    /// Who has it.
    pub(super) fn holder(&self) -> Holder {
        Holder {
            key: self.owner.map(|owner| owner.key()),
            seat: if self.v1.is_some() { self.number } else { 0 },
        }
    }

    /// Whom messages wait for that are meant for it.
    pub(super) fn recipient(&self) -> Recipient {
        Recipient {
            name: self.key.clone(),
            key: self.holder().key,
        }
    }

    /// Changes what others see. True where something is different now.
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

fn to_json(member: &Member) -> Box<RawValue> {
    // A struct of strings and numbers always serialises; were it not so, the member would show as null.
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
