//! Threads: which messages belong together, and who sees them.

use std::collections::HashMap;

use nexscope_relay::protocol::same_name;
use serde::{Deserialize, Serialize};

use crate::core::{Millis, Post};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Everybody in the room, and whoever joins later.
    Everyone,
    /// These members, and the one who speaks.
    Only(Vec<String>),
}

impl Audience {
    /// The audience of a thread that this message starts, ourselves left out if we are addressed.
    pub fn of(post: &Post, me: &str) -> Self {
        if !post.only {
            return Audience::Everyone;
        }
        let mut names: Vec<String> = Vec::new();
        for name in std::iter::once(&post.from).chain(&post.to) {
            if !same_name(name, me) && !names.iter().any(|known| same_name(known, name)) {
                names.push(name.clone());
            }
        }
        Audience::Only(names)
    }

    /// The intersection of both.
    pub fn both(&self, other: &Audience) -> Audience {
        match (self, other) {
            (Audience::Everyone, audience) | (audience, Audience::Everyone) => audience.clone(),
            (Audience::Only(some), Audience::Only(others)) => Audience::Only(
                some.iter()
                    .filter(|name| others.iter().any(|other| same_name(other, name)))
                    .cloned()
                    .collect(),
            ),
        }
    }

    /// Whether everyone of this audience is in `other` too.
    pub fn is_within(&self, other: &Audience) -> bool {
        match (self, other) {
            (_, Audience::Everyone) => true,
            (Audience::Everyone, Audience::Only(_)) => false,
            (Audience::Only(some), Audience::Only(others)) => some
                .iter()
                .all(|name| others.iter().any(|other| same_name(other, name))),
        }
    }

    /// The `to` and `only` fields of a frame for this audience.
    pub(in crate::core) fn addresses(&self, me: &str) -> (Vec<String>, bool) {
        match self {
            Audience::Everyone => (Vec::new(), false),
            Audience::Only(names) => (
                names
                    .iter()
                    .filter(|name| !same_name(name, me))
                    .cloned()
                    .collect(),
                true,
            ),
        }
    }

    /// Formats it for a person: `everyone`, `bob only`, `bob and carol only`.
    pub fn in_words(&self) -> String {
        match self {
            Audience::Everyone => "everyone".to_owned(),
            Audience::Only(names) => match names.as_slice() {
                [] => "nobody else".to_owned(),
                [one] => format!("{one} only"),
                [first @ .., last] => format!("{} and {last} only", first.join(", ")),
            },
        }
    }
}

#[derive(Debug, Clone)]
pub struct Thread {
    /// Its number here: `t3` is what people type.
    pub number: u32,
    /// Its id on the wire; chosen by a sender, so it proves nothing.
    pub id: String,
    /// Whether the person began it.
    pub mine: bool,
    /// The members who see it: set by the first message, and never widened by a later one.
    pub audience: Audience,
    /// Number of messages in it.
    pub posts: u32,
    /// Number of its first message.
    pub first: u32,
    /// The time at which its newest message was received.
    pub newest: Millis,
}

#[derive(Debug, Default)]
pub struct Threads {
    /// Index of each thread in the list.
    by_id: HashMap<String, u32>,
    /// In the order of their numbers, starting with t1.
    list: Vec<Thread>,
}

impl Threads {
    pub fn get(&self, id: &str) -> Option<&Thread> {
        self.list.get(*self.by_id.get(id)? as usize)
    }

    pub fn numbered(&self, number: u32) -> Option<&Thread> {
        self.list.get((number as usize).checked_sub(1)?)
    }

    /// Adds a message to its thread; `number` is the message's.
    pub(in crate::core) fn add(&mut self, post: &Post, number: u32, me: &str, now: Millis) {
        let next = self.list.len() as u32;
        let at = *self.by_id.entry(post.thread.clone()).or_insert(next);
        if at == next {
            self.list.push(Thread {
                number: next + 1,
                id: post.thread.clone(),
                mine: post.sender.mine && post.author.agent.is_none(),
                audience: Audience::of(post, me),
                posts: 0,
                first: number,
                newest: now,
            });
        }
        let thread = &mut self.list[at as usize];
        thread.posts += 1;
        thread.newest = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(names: &[&str]) -> Audience {
        Audience::Only(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn audiences() {
        let table = [
            (only(&["bob"]), Audience::Everyone, true),
            (Audience::Everyone, only(&["bob"]), false),
            (Audience::Everyone, Audience::Everyone, true),
            (only(&["bob"]), only(&["carol", "BOB"]), true),
            (only(&["bob", "dan"]), only(&["carol", "bob"]), false),
        ];
        for (some, other, expected) in table {
            assert_eq!(some.is_within(&other), expected, "{some:?} in {other:?}");
        }
        assert_eq!(only(&["bob", "dan"]).both(&only(&["Dan"])), only(&["dan"]));
        assert_eq!(Audience::Everyone.both(&only(&["dan"])), only(&["dan"]));
    }

    #[test]
    fn in_words() {
        assert_eq!(Audience::Everyone.in_words(), "everyone");
        assert_eq!(only(&["bob"]).in_words(), "bob only");
        assert_eq!(only(&["a", "b", "c"]).in_words(), "a, b and c only");
    }
}
