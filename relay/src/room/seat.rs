//! Seats, and what a room knows about a name.

use std::{borrow::Borrow, collections::BTreeSet, fmt, sync::Arc};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{v1::V1Seat, walk::Walk};
use crate::protocol::Member;

/// A name as it compares: in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(Arc<str>);

impl Key {
    pub(super) fn new(name: &str) -> Key {
        Key(name.to_ascii_lowercase().into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Key {
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
    pub fn key(&self) -> String {
        Sha256::digest(self.0)
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// A connection's right to its seat, given by `join`.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    pub(super) key: Key,
    pub(super) connection: u64,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.key.as_str(), self.connection)
    }
}

/// What a room knows about a name: kept while it has a seat, or something waits for it.
#[derive(Default)]
pub(super) struct Name {
    /// Its place among the seats.
    pub(super) seat: Option<usize>,
    /// Whom it belongs to.
    pub(super) owner: Option<Owner>,
    /// Messages in memory that are addressed to it, and that it is not known to have: those that were
    /// not sent, and those that were sent on the present or last connection, which may be lost yet.
    pub(super) pending: BTreeSet<u64>,
    /// How far its last connection came: nothing above this was sent to it.
    pub(super) sent: u64,
}

/// A member's place, held for a while when its connection ends.
pub(super) struct Seat<O> {
    pub(super) key: Key,
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
    pub(super) absences: u64,
    /// The newest message to this member alone that has left the memory.
    pub(super) forgotten: u64,
}

/// A seat's connection.
pub(super) struct Link<O> {
    pub(super) connection: u64,
    pub(super) outbox: O,
    /// Where its replay is; none once it is live. Boxed, since most are live.
    pub(super) walk: Option<Box<Walk>>,
}

impl<O> Seat<O> {
    pub(super) fn new(key: Key, session: String, member: Member) -> Seat<O> {
        let json = to_json(&member);
        Seat {
            key,
            session,
            member,
            json,
            link: None,
            v1: None,
            absences: 0,
            forgotten: 0,
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
        assert_eq!(Owner::of(&[0; 32]).key(), "2b32db6c2c0a6235");
        assert!(Owner::of(&[0; 32]) != Owner::of(&[1; 32]));
    }
}
