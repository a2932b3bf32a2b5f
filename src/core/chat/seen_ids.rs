//! Ids of received messages, to drop duplicates. Each takes 16 bytes, since there are many.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use crate::core::review::inbox::Key;

/// The received messages, by a hash of sender and id. Senders choose both, so the hash is keyed with new keys at
/// each start: nobody can construct a collision, and by chance there is none in 2^64 messages.
#[derive(Debug, Default)]
pub(in crate::core) struct SeenIds {
    seen: HashSet<u128>,
    keys: (RandomState, RandomState),
}

impl SeenIds {
    /// Notes a received message. Returns whether it is new.
    pub fn insert(&mut self, key: &Key) -> bool {
        self.seen.insert(self.hash(key))
    }

    /// Whether a message was received before.
    pub fn contains(&self, key: &Key) -> bool {
        self.seen.contains(&self.hash(key))
    }

    fn hash(&self, key: &Key) -> u128 {
        let half = |state: &RandomState| u128::from(state.hash_one(key));
        half(&self.keys.0) << 64 | half(&self.keys.1)
    }
}
