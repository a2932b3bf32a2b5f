//! Maps ids of version 1 clients, which may have any form, to valid ids of version 2 and back.

use std::collections::{HashMap, VecDeque};

/// Ids that are remembered. The oldest are dropped first; a reply to one of them shows the relay's id.
const MAX_IDS: usize = 1000;
/// Maximum length of a remembered id, in bytes.
const MAX_LENGTH: usize = 256;

#[derive(Default)]
pub(super) struct Ids {
    to_v2: HashMap<String, String>,
    to_v1: HashMap<String, String>,
    order: VecDeque<String>,
    made: u64,
}

impl Ids {
    /// Makes a valid id that is unique across lifetimes of the room.
    pub(super) fn fresh(&mut self, epoch: &str) -> String {
        self.made += 1;
        format!("v1-{epoch}-{}", self.made)
    }

    /// Makes an id that stands for a version 1 client's.
    pub(super) fn stand_in(&mut self, v1: &str, epoch: &str) -> String {
        let v2 = self.fresh(epoch);
        if !v1.is_empty() && v1.len() <= MAX_LENGTH {
            if self.order.len() >= MAX_IDS
                && let Some(oldest) = self.order.pop_front()
                && let Some(v1) = self.to_v1.remove(&oldest)
                && self.to_v2.get(&v1) == Some(&oldest)
            {
                self.to_v2.remove(&v1);
            }
            self.to_v2.insert(v1.to_owned(), v2.clone());
            self.to_v1.insert(v2.clone(), v1.to_owned());
            self.order.push_back(v2.clone());
        }
        v2
    }

    /// The id that stands for a version 1 client's.
    pub(super) fn to_v2(&self, v1: &str) -> Option<&str> {
        self.to_v2.get(v1).map(String::as_str)
    }

    /// The id as version 1 clients know it.
    pub(super) fn to_v1<'a>(&'a self, v2: &'a str) -> &'a str {
        self.to_v1.get(v2).map_or(v2, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::is_id;

    #[test]
    fn they_come_back_and_are_bounded() {
        let mut ids = Ids::default();
        for i in 0..3000 {
            let v2 = ids.stand_in(&format!("any thing {i}"), "epoch");
            assert!(is_id(&v2));
            assert_eq!(ids.to_v1(&v2), format!("any thing {i}"));
        }
        assert!(ids.to_v2("any thing 1999").is_none() && ids.to_v2("any thing 2000").is_some());
        assert_eq!(
            (ids.to_v1.len(), ids.to_v2.len(), ids.order.len()),
            (MAX_IDS, MAX_IDS, MAX_IDS)
        );
        assert_eq!(ids.to_v1("v1-epoch-1"), "v1-epoch-1");
        ids.stand_in(&"x".repeat(300), "epoch");
        assert_eq!(ids.order.len(), MAX_IDS);
    }
}
