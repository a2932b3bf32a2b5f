//! A map that remembers a limited number of entries.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// A map of at most `limit` entries; the one inserted first goes first.
#[derive(Debug)]
pub(in crate::core) struct RecentMap<K, V> {
    limit: usize,
    entries: HashMap<K, V>,
    /// The keys of `entries`, oldest first.
    by_age: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, V> RecentMap<K, V> {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: HashMap::new(),
            by_age: VecDeque::new(),
        }
    }

    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Inserts or replaces an entry; a replaced one keeps its age. Returns the key that had to go for it, if any.
    pub fn insert(&mut self, key: K, value: V) -> Option<K> {
        if self.entries.insert(key.clone(), value).is_some() {
            return None;
        }
        self.by_age.push_back(key);
        if self.by_age.len() <= self.limit {
            return None;
        }
        let oldest = self.by_age.pop_front()?;
        self.entries.remove(&oldest);
        Some(oldest)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.by_age.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_goes_first_and_a_replaced_one_keeps_its_age() {
        let mut map = RecentMap::new(2);
        assert_eq!(map.insert("a", 1), None);
        assert_eq!(map.insert("b", 1), None);
        assert_eq!(map.insert("a", 2), None);
        assert_eq!(map.insert("c", 1), Some("a"));
        assert_eq!((map.get(&"a"), map.get(&"b"), map.len()), (None, Some(&1), 2));
    }
}
