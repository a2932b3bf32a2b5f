//! What version 1 members have asked and were asked, as far as receipts need it: version 1 has no receipts.
//!
//! Everything is bounded: of each kind, the oldest entries are dropped first. A rejection or an answer that comes after
//! that is an ordinary message, and a receipt starts a thread of its own.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, Hash, RandomState},
};

use crate::room::seat::NameKey;

/// Entries of each kind that a room remembers.
const MAX_ENTRIES: usize = 1000;

/// Words with which a version 1 client begins the text of a rejection: nexscope-plugin's own, and the relay's.
const REJECTIONS: [&str; 2] = ["[reject]", "[rejected]"];
/// What nexscope-plugin writes for a rejection without a reason.
const NO_REASON: &str = "(no reason given)";

/// The reason of a rejection, if the text is one.
pub(super) fn rejection(text: &str) -> Option<&str> {
    let text = text.trim();
    let (word, reason) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let reason = reason.trim();
    REJECTIONS
        .contains(&word)
        .then_some(if reason == NO_REASON { "" } else { reason })
}

#[derive(Default)]
pub(super) struct Asks {
    /// Questions of version 2 members that are not settled, the oldest first.
    open: VecDeque<OpenAsk>,
    /// The threads of version 1 messages, by sender and id.
    threads: Recent<(NameKey, String), String>,
    /// The sequence number of the first receipt with this content, by a keyed hash of it.
    receipts: Recent<u64, u64>,
    hash_keys: RandomState,
}

/// A question to a version 1 member.
struct OpenAsk {
    asker: NameKey,
    asked: NameKey,
    id: String,
    thread: String,
}

impl Asks {
    /// Notes that `asker` has asked the version 1 member `asked`.
    pub(super) fn ask(&mut self, asker: &NameKey, asked: &NameKey, id: &str, thread: &str) {
        let mut open = self.open.iter();
        // A replay may bring it twice.
        if open.any(|ask| ask.id == id && ask.asker == *asker && ask.asked == *asked) {
            return;
        }
        if self.open.len() >= MAX_ENTRIES {
            self.open.pop_front();
        }
        self.open.push_back(OpenAsk {
            asker: asker.clone(),
            asked: asked.clone(),
            id: id.to_owned(),
            thread: thread.to_owned(),
        });
    }

    /// Who waits for an answer of `asked` in a thread, each once.
    pub(super) fn askers(&self, asked: &NameKey, thread: &str) -> Vec<NameKey> {
        let mut askers: Vec<NameKey> = Vec::new();
        for ask in &self.open {
            if ask.asked == *asked && ask.thread == thread && !askers.contains(&ask.asker) {
                askers.push(ask.asker.clone());
            }
        }
        askers
    }

    /// Removes the questions of `asker` to `asked` in a thread. Returns their ids.
    pub(super) fn settle(&mut self, asker: &NameKey, asked: &NameKey, thread: &str) -> Vec<String> {
        let is_settled = |ask: &OpenAsk| ask.asker == *asker && ask.asked == *asked && ask.thread == thread;
        let settled: Vec<String> = self
            .open
            .iter()
            .filter(|ask| is_settled(ask))
            .map(|ask| ask.id.clone())
            .collect();
        self.open.retain(|ask| !is_settled(ask));
        settled
    }

    /// Notes the thread of a version 1 message.
    pub(super) fn set_thread(&mut self, from: &NameKey, id: &str, thread: &str) {
        self.threads
            .insert((from.clone(), id.to_owned()), thread.to_owned());
    }

    /// The thread of a version 1 message.
    pub(super) fn thread(&self, from: &NameKey, id: &str) -> Option<&str> {
        self.threads
            .get(&(from.clone(), id.to_owned()))
            .map(String::as_str)
    }

    /// Whether an earlier receipt than the one with this sequence number had the same content. A client sends receipts
    /// again, and a replay brings the same one twice.
    pub(super) fn is_repeated(&mut self, content: &impl Hash, seq: u64) -> bool {
        let hash = self.hash_keys.hash_one(content);
        match self.receipts.get(&hash) {
            Some(first) => *first != seq,
            None => {
                self.receipts.insert(hash, seq);
                false
            }
        }
    }
}

/// A map that forgets its oldest entries.
struct Recent<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > MAX_ENTRIES
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Recent {
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_have_a_reason() {
        for (text, reason) in [
            ("[reject] no time", Some("no time")),
            ("[rejected]  later,\nplease ", Some("later,\nplease")),
            ("[reject]", Some("")),
            ("[reject] (no reason given)", Some("")),
            ("[rejects] all", None),
            ("I [reject] this", None),
            ("", None),
        ] {
            assert_eq!(rejection(text), reason, "{text}");
        }
    }

    #[test]
    fn questions_are_settled_by_thread_and_asker() {
        let [cat, dan, bob, ann] = ["cat", "dan", "bob", "ann"].map(NameKey::new);
        let mut asks = Asks::default();
        for (asker, asked, id, thread) in [
            (&cat, &bob, "1", "t"),
            (&cat, &bob, "1", "t"),
            (&cat, &bob, "2", "t"),
            (&dan, &bob, "1", "t"),
            (&cat, &bob, "3", "u"),
            (&cat, &ann, "1", "t"),
        ] {
            asks.ask(asker, asked, id, thread);
        }
        assert!(
            asks.askers(&bob, "t") == [cat.clone(), dan.clone()] && asks.askers(&bob, "u") == [cat.clone()]
        );
        assert_eq!(asks.settle(&cat, &bob, "t"), ["1", "2"]);
        assert_eq!(asks.settle(&dan, &bob, "u"), [""; 0]);
        assert!(asks.askers(&bob, "t") == [dan] && asks.askers(&bob, "u") == [cat.clone()]);
        assert!(asks.askers(&ann, "t") == [cat]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let [cat, bob] = ["cat", "bob"].map(NameKey::new);
        let mut asks = Asks::default();
        for number in 0..3 * MAX_ENTRIES {
            let id = number.to_string();
            asks.ask(&cat, &bob, &id, &id);
            asks.set_thread(&bob, &id, "t");
            assert!(!asks.is_repeated(&number, number as u64));
        }
        assert_eq!(
            (
                asks.open.len(),
                asks.threads.order.len(),
                asks.receipts.entries.len()
            ),
            (MAX_ENTRIES, MAX_ENTRIES, MAX_ENTRIES)
        );
        let oldest = (2 * MAX_ENTRIES).to_string();
        assert!(asks.askers(&bob, &oldest) == [cat] && asks.askers(&bob, "1999").is_empty());
        assert_eq!(
            (asks.thread(&bob, &oldest), asks.thread(&bob, "0")),
            (Some("t"), None)
        );
        assert!(asks.is_repeated(&2999usize, 7) && !asks.is_repeated(&2999usize, 2999));
    }
}
