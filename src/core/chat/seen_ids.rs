//! Ids of received messages, to drop duplicates. Each takes 16 bytes, since there are many.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
};

use crate::core::{Millis, Steady, review::inbox::Key};

/// The time for which an id is remembered: a day more than the relay keeps a message for an absent member.
const REMEMBERED: Millis = 8 * 86_400_000;
/// The highest number of remembered ids, some 70 MB.
const MOST: usize = 1_000_000;

/// The received messages, by a hash of sender and id. Senders choose both, so the hash is keyed with new keys at
/// each start: nobody can construct a collision, and by chance there is none in 2^64 messages.
///
/// An id is remembered for 8 days, and at most [`MOST`] are; the oldest is forgotten first.
#[derive(Debug, Default)]
pub(in crate::core) struct SeenIds {
    seen: HashSet<u128>,
    /// The same, oldest first, with their arrival.
    by_age: VecDeque<(Steady, u128)>,
    keys: (RandomState, RandomState),
}

impl SeenIds {
    /// Notes a message that was received at `now`, by time that has surely passed. Returns whether it is new.
    pub fn insert(&mut self, key: &Key, now: Steady) -> bool {
        self.insert_with_limit(key, now, MOST)
    }

    fn insert_with_limit(&mut self, key: &Key, now: Steady, limit: usize) -> bool {
        let hash = self.hash(key);
        if !self.seen.insert(hash) {
            return false;
        }
        self.by_age.push_back((now, hash));
        while let Some((arrived, oldest)) = self.by_age.front().copied()
            && (self.by_age.len() > limit || now.since(arrived) > REMEMBERED)
        {
            self.by_age.pop_front();
            self.seen.remove(&oldest);
        }
        true
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        ("bob".to_owned(), number.to_string())
    }

    #[test]
    fn an_id_is_known_for_eight_days_and_then_forgotten() {
        let mut ids = SeenIds::default();
        assert!(ids.insert(&key(1), Steady::new(0)));
        assert!(ids.insert(&key(2), Steady::new(REMEMBERED)));
        assert!(!ids.insert(&key(1), Steady::new(REMEMBERED)));
        assert!(ids.insert(&key(3), Steady::new(REMEMBERED + 1)));
        assert!(!ids.contains(&key(1)));
        assert!(ids.contains(&key(2)));
        assert_eq!((ids.seen.len(), ids.by_age.len()), (2, 2));
    }

    #[test]
    fn the_oldest_ids_are_forgotten_beyond_the_limit() {
        let mut ids = SeenIds::default();
        for number in 0..10 {
            assert!(ids.insert_with_limit(&key(number), Steady::new(0), 4));
        }
        assert_eq!((ids.seen.len(), ids.by_age.len()), (4, 4));
        let known: Vec<u64> = (0..10).filter(|number| ids.contains(&key(*number))).collect();
        assert_eq!(known, [6, 7, 8, 9]);
    }
}
