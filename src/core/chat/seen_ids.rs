//! Which messages came before, so that none is taken twice: in 16 bytes each, since there are many.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use crate::core::review::inbox::Key;

/// Every message that came, by a hash of its sender and id. Both are chosen by senders, so the hash is keyed
/// again at each start: nobody can choose two that meet, and by chance none do in 2^64 messages.
#[derive(Debug, Default)]
pub(in crate::core) struct SeenIds {
    seen: HashSet<u128>,
    keys: (RandomState, RandomState),
}

impl SeenIds {
    /// A message came. Returns whether it is new.
    pub fn insert(&mut self, key: &Key) -> bool {
        self.seen.insert(self.hash(key))
    }

    /// Whether a message came before.
    pub fn contains(&self, key: &Key) -> bool {
        self.seen.contains(&self.hash(key))
    }

    fn hash(&self, key: &Key) -> u128 {
        let half = |state: &RandomState| u128::from(state.hash_one(key));
        half(&self.keys.0) << 64 | half(&self.keys.1)
    }
}
