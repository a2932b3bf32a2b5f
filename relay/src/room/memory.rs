//! The last messages of a room, bounded by count and by bytes, and found by (sender, id).
//!
//! Receipts have a part of their own, so that a busy exchange of them pushes nobody's words out.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write,
};

use bytes::Bytes;

use super::{
    pending::Recipient,
    seat::{Holder, NameKey},
};
use crate::protocol::MemberKey;

/// A message that the room remembers.
pub(super) struct Stored {
    pub(super) seq: u64,
    pub(super) at: u64,
    pub(super) id: Box<str>,
    pub(super) from: NameKey,
    /// Who had the sender's name.
    pub(super) from_holder: Holder,
    pub(super) to: Box<[Addressee]>,
    pub(super) only: bool,
    /// Connections that it was queued for when it came.
    pub(super) count: usize,
    pub(super) receipt: bool,
    /// The encoded WebSocket frame.
    pub(super) frame: Bytes,
}

/// One of whom a message is addressed to.
pub(super) struct Addressee {
    pub(super) key: NameKey,
    /// As the message's frame spells it.
    pub(super) name: Box<str>,
    /// Who it is meant for: a later holder of the name does not read it.
    pub(super) holder: Holder,
}

/// Somebody who asks what it may see.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) key: &'a NameKey,
    pub(super) holder: Holder,
}

impl Stored {
    /// Whether this reader sent it, for all that can be told: without a key, names are all there is.
    pub(super) fn is_from(&self, reader: Reader) -> bool {
        self.from == *reader.key && self.from_holder.key == reader.holder.key
    }

    /// Whether this reader may see it.
    pub(super) fn is_for(&self, reader: Reader) -> bool {
        let sent = || self.from == *reader.key && self.from_holder.is(reader.holder);
        !self.only || sent() || self.to.iter().any(|to| to.is(reader))
    }
}

impl Addressee {
    fn is(&self, reader: Reader) -> bool {
        self.key == *reader.key && self.holder.is(reader.holder)
    }

    /// Whom it waits for.
    pub(super) fn recipient(&self) -> Recipient {
        Recipient {
            name: self.key.clone(),
            key: self.holder.key,
        }
    }
}

/// See the [module](self).
pub(super) struct Memory {
    messages: Part,
    receipts: Part,
    /// The sequence number of each (sender, its key, id).
    ids: HashMap<Box<str>, u64>,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Part {
    /// By rising `seq`.
    ring: VecDeque<Stored>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Memory {
        Memory {
            messages: Part::default(),
            receipts: Part::default(),
            ids: HashMap::new(),
            max_messages,
            max_bytes,
        }
    }

    /// Keeps the newest message. The caller then takes out what is too much, with [`Memory::evict`].
    pub(super) fn push(&mut self, message: Stored) {
        self.ids.insert(message.id_key(), message.seq);
        let part = if message.receipt {
            &mut self.receipts
        } else {
            &mut self.messages
        };
        part.bytes += message.frame.len();
        part.ring.push_back(message);
    }

    /// Takes out the oldest message of a part that is over a limit.
    pub(super) fn evict(&mut self) -> Option<Stored> {
        let (max_messages, max_bytes) = (self.max_messages, self.max_bytes);
        let over = |part: &&mut Part| part.ring.len() > max_messages || part.bytes > max_bytes;
        let part = [&mut self.messages, &mut self.receipts].into_iter().find(over)?;
        let oldest = part.ring.pop_front()?;
        part.bytes -= oldest.frame.len();
        self.ids.remove(&oldest.id_key());
        Some(oldest)
    }

    /// The message that `from`, with this key, sent with this id.
    pub(super) fn find(&self, from: &NameKey, key: Option<MemberKey>, id: &str) -> Option<&Stored> {
        self.get(*self.ids.get(&id_key(from, key, id))?)
    }

    /// Gives a message that waited for whoever takes a name to its first holder.
    pub(super) fn claim(&mut self, seq: u64, name: &NameKey, holder: Holder) {
        let parts = [&mut self.messages, &mut self.receipts];
        let found = parts.into_iter().find_map(|part| {
            let index = part.ring.binary_search_by_key(&seq, |m| m.seq).ok()?;
            part.ring.get_mut(index)
        });
        let Some(message) = found else { return };
        let mut to = message.to.iter_mut();
        if let Some(addressee) = to.find(|to| to.key == *name && to.holder.key.is_none()) {
            addressee.holder = holder;
        }
    }

    fn get(&self, seq: u64) -> Option<&Stored> {
        [&self.messages, &self.receipts]
            .into_iter()
            .find_map(|part| Some(&part.ring[part.ring.binary_search_by_key(&seq, |m| m.seq).ok()?]))
    }

    /// Messages above `seq`, in order.
    pub(super) fn after(&self, seq: u64) -> impl Iterator<Item = &Stored> {
        let mut a = self.messages.after(seq).peekable();
        let mut b = self.receipts.after(seq).peekable();
        std::iter::from_fn(move || match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.seq > y.seq => b.next(),
            (Some(_), _) => a.next(),
            (None, _) => b.next(),
        })
    }

    /// All messages, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Stored> {
        let mut a = self.messages.ring.iter().rev().peekable();
        let mut b = self.receipts.ring.iter().rev().peekable();
        std::iter::from_fn(move || match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.seq < y.seq => b.next(),
            (Some(_), _) => a.next(),
            (None, _) => b.next(),
        })
    }

    /// Messages and bytes of both parts, for tests of their bounds.
    #[cfg(test)]
    pub(super) fn size(&self) -> [(usize, usize); 2] {
        assert_eq!(
            self.ids.len(),
            self.messages.ring.len() + self.receipts.ring.len()
        );
        [&self.messages, &self.receipts].map(|part| {
            assert_eq!(part.bytes, part.ring.iter().map(|m| m.frame.len()).sum::<usize>());
            (part.ring.len(), part.bytes)
        })
    }
}

impl Part {
    fn after(&self, seq: u64) -> impl Iterator<Item = &Stored> {
        self.ring.range(self.ring.partition_point(|m| m.seq <= seq)..)
    }
}

impl Stored {
    fn id_key(&self) -> Box<str> {
        id_key(&self.from, self.from_holder.key, &self.id)
    }
}

/// Neither names nor ids hold a space.
fn id_key(from: &NameKey, member: Option<MemberKey>, id: &str) -> Box<str> {
    let from = from.as_str();
    let mut key = String::with_capacity(from.len() + 18 + id.len());
    key.push_str(from);
    key.push(' ');
    if let Some(member) = member {
        // Writing to a string does not fail.
        let _ = write!(key, "{member} ");
    }
    key.push_str(id);
    key.into()
}
