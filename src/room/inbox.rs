//! The review queue: what waits for our person.

use std::collections::HashMap;

use nexscope_relay::protocol::body::ReceiptState;
use serde::{Deserialize, Serialize};

use super::{Millis, Post, Risk, ask::Speaker, risk};

/// An item's id: the number of the message that it is about (`m12`).
pub type ItemId = u32;

/// A message's identity: the sender's name in lower case, and the id.
pub(super) type Key = (String, String);

/// The key of a message.
pub(super) fn key(from: &str, id: &str) -> Key {
    (from.to_ascii_lowercase(), id.to_owned())
}

/// Something that waits for our person: a mention.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its id, and the number of its message.
    pub id: ItemId,
    /// Who asks.
    pub from: Speaker,
    /// What they ask: another member's words, for our person's eyes.
    pub text: String,
    /// The thread that it belongs to.
    pub thread: String,
    /// What to beware of.
    pub risks: Vec<Risk>,
    /// It answers our own agent, so it is one agent asking another.
    pub is_reply: bool,
    /// When it came.
    pub arrived: Millis,
    /// Put off by our person.
    pub later: bool,
    /// Why it waits although auto mode is on.
    pub held: Option<String>,
    pub(super) key: Key,
}

/// What became of a mention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Our person let an agent work on it: the agent's name.
    Accepted(String),
    /// Our person did not: the reason, may be empty.
    Rejected(String),
    /// The agent has answered.
    Answered,
    /// The agent could not: why.
    Failed(String),
    /// Nobody decided in time.
    Expired,
}

impl Fate {
    /// What the sender is told.
    pub(super) fn receipt(&self) -> (ReceiptState, String) {
        match self {
            Fate::Accepted(_) => (ReceiptState::Accepted, String::new()),
            Fate::Rejected(why) => (ReceiptState::Rejected, why.clone()),
            Fate::Answered => (ReceiptState::Answered, String::new()),
            Fate::Failed(why) => (ReceiptState::Failed, why.clone()),
            Fate::Expired => (ReceiptState::Expired, String::new()),
        }
    }
}

/// What waits, oldest first, and what was decided.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Vec<Item>,
    decided: HashMap<Key, Fate>,
}

impl Inbox {
    /// What waits, oldest first; what was put off comes last.
    pub fn waiting(&self) -> impl Iterator<Item = &Item> {
        let (later, now): (Vec<_>, Vec<_>) = self.waiting.iter().partition(|item| item.later);
        now.into_iter().chain(later)
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The one that the strip shows: the oldest that was not put off.
    pub fn next(&self) -> Option<&Item> {
        self.waiting.iter().find(|item| !item.later)
    }

    /// The item with that id.
    pub fn get(&self, id: ItemId) -> Option<&Item> {
        self.waiting.iter().find(|item| item.id == id)
    }

    /// What became of a message that asked our agent.
    pub fn fate(&self, post: &Post) -> Option<&Fate> {
        self.decided.get(&key(&post.from, &post.id))
    }

    pub(super) fn waits(&self, key: &Key) -> bool {
        self.waiting.iter().any(|item| item.key == *key)
    }

    pub(super) fn oldest(&self) -> Option<Millis> {
        self.waiting.iter().map(|item| item.arrived).min()
    }

    pub(super) fn add(&mut self, post: &Post, is_reply: bool, held: Option<String>, arrived: Millis) {
        self.waiting.push(Item {
            id: post.number,
            from: post.speaker(),
            text: post.text.clone(),
            thread: post.thread.clone(),
            risks: risk::of(&post.text, post.hidden),
            is_reply,
            arrived,
            later: false,
            held,
            key: key(&post.from, &post.id),
        });
    }

    /// Puts an item off: it leaves the strip, and stays in the list.
    pub(super) fn put_off(&mut self, id: ItemId) -> bool {
        let item = self.waiting.iter_mut().find(|item| item.id == id);
        item.map(|item| item.later = true).is_some()
    }

    /// Takes an item out to be decided.
    pub(super) fn take(&mut self, id: ItemId) -> Option<Item> {
        let at = self.waiting.iter().position(|item| item.id == id)?;
        Some(self.waiting.remove(at))
    }

    /// Takes out all that came at or before a time.
    pub(super) fn take_older(&mut self, arrived: Millis) -> Vec<Item> {
        let (old, kept) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|item| item.arrived <= arrived);
        self.waiting = kept;
        old
    }

    /// Notes what became of a mention; it waits no longer.
    pub(super) fn decided(&mut self, key: Key, fate: Fate) {
        self.waiting.retain(|item| item.key != key);
        self.decided.insert(key, fate);
    }

    /// Mentions that were accepted and neither answered nor failed: their runs ended with the program.
    pub(super) fn interrupted(&self) -> Vec<Key> {
        let accepted = self
            .decided
            .iter()
            .filter(|(_, fate)| matches!(fate, Fate::Accepted(_)));
        let mut keys: Vec<Key> = accepted.map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }
}
