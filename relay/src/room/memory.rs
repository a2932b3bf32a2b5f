//! The most recent messages of a room, bounded by count and by bytes, and indexed by sender and id.
//!
//! Receipts have their own ring, so that many of them do not evict messages.

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

/// Bytes that an addressee of a message takes at most: its [`Addressee`] and, if it has no seat, its entry among the
/// pending messages.
const ADDRESSEE_COST: usize = 512;

/// A message that the room remembers.
pub(super) struct Stored {
    pub(super) seq: u64,
    pub(super) at: u64,
    pub(super) id: Box<str>,
    pub(super) from: NameKey,
    pub(super) from_holder: Holder,
    pub(super) to: Box<[Addressee]>,
    pub(super) only: bool,
    /// Number of connections that it was queued for on arrival.
    pub(super) count: usize,
    pub(super) receipt: bool,
    /// The encoded WebSocket frame, for version 2.
    pub(super) frame: Bytes,
}

/// A member that a message is addressed to.
pub(super) struct Addressee {
    pub(super) key: NameKey,
    /// As spelled in the message's frame.
    pub(super) name: Box<str>,
    /// The intended holder: a later holder of the name cannot read the message.
    pub(super) holder: Holder,
}

/// A member, as far as it decides which messages are visible.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) key: &'a NameKey,
    pub(super) holder: Holder,
}

impl Stored {
    /// The memory that it takes: its frame, and what is kept for each addressee.
    fn cost(&self) -> usize {
        self.frame.len() + self.to.len() * ADDRESSEE_COST
    }

    /// Whether this reader sent it. Without a key, only the name can tell.
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

    /// The recipient that the message waits for.
    pub(super) fn recipient(&self) -> Recipient {
        Recipient {
            name: self.key.clone(),
            key: self.holder.key,
        }
    }
}

pub(super) struct Memory {
    messages: Ring,
    receipts: Ring,
    /// The sequence number by sender, key and id.
    ids: HashMap<Box<str>, u64>,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Ring {
    /// By ascending `seq`.
    stored: VecDeque<Stored>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Memory {
        Memory {
            messages: Ring::default(),
            receipts: Ring::default(),
            ids: HashMap::new(),
            max_messages,
            max_bytes,
        }
    }

    /// Stores the newest message. Call [`Memory::evict`] afterwards until it returns `None`.
    pub(super) fn push(&mut self, message: Stored) {
        self.ids.insert(message.id_key(), message.seq);
        let ring = if message.receipt {
            &mut self.receipts
        } else {
            &mut self.messages
        };
        ring.bytes += message.cost();
        ring.stored.push_back(message);
    }

    /// Removes the oldest message of a ring that is over a limit.
    pub(super) fn evict(&mut self) -> Option<Stored> {
        let (max_messages, max_bytes) = (self.max_messages, self.max_bytes);
        let over = |ring: &&mut Ring| ring.stored.len() > max_messages || ring.bytes > max_bytes;
        let ring = [&mut self.messages, &mut self.receipts].into_iter().find(over)?;
        let oldest = ring.stored.pop_front()?;
        ring.bytes -= oldest.cost();
        self.ids.remove(&oldest.id_key());
        Some(oldest)
    }

    /// Replaces what later readers get of a message that is no receipt. Call [`Memory::evict`] afterwards.
    #[cfg(feature = "v1")]
    pub(super) fn replace(&mut self, seq: u64, with: impl FnOnce(&Bytes) -> Option<Bytes>) {
        let ring = &mut self.messages;
        let index = ring.stored.binary_search_by_key(&seq, |m| m.seq);
        if let Some(message) = index.ok().and_then(|index| ring.stored.get_mut(index))
            && let Some(frame) = with(&message.frame)
        {
            ring.bytes -= message.cost();
            message.frame = frame;
            ring.bytes += message.cost();
        }
    }

    /// The message that `sender` sent with this id.
    pub(super) fn find(&self, sender: Reader, id: &str) -> Option<&Stored> {
        self.get(*self.ids.get(&id_key(sender.key, sender.holder.key, id))?)
    }

    /// Assigns a message that waited for the next holder of a name to that holder.
    pub(super) fn claim(&mut self, seq: u64, name: &NameKey, holder: Holder) {
        let rings = [&mut self.messages, &mut self.receipts];
        let found = rings.into_iter().find_map(|ring| {
            let index = ring.stored.binary_search_by_key(&seq, |m| m.seq).ok()?;
            ring.stored.get_mut(index)
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
            .find_map(|ring| Some(&ring.stored[ring.stored.binary_search_by_key(&seq, |m| m.seq).ok()?]))
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
        let mut a = self.messages.stored.iter().rev().peekable();
        let mut b = self.receipts.stored.iter().rev().peekable();
        std::iter::from_fn(move || match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.seq < y.seq => b.next(),
            (Some(_), _) => a.next(),
            (None, _) => b.next(),
        })
    }

    /// Messages and bytes of both rings, for tests.
    #[cfg(test)]
    pub(super) fn size(&self) -> [(usize, usize); 2] {
        assert_eq!(
            self.ids.len(),
            self.messages.stored.len() + self.receipts.stored.len()
        );
        [&self.messages, &self.receipts].map(|ring| {
            assert_eq!(ring.bytes, ring.stored.iter().map(Stored::cost).sum::<usize>());
            (ring.stored.len(), ring.bytes)
        })
    }
}

impl Ring {
    fn after(&self, seq: u64) -> impl Iterator<Item = &Stored> {
        self.stored.range(self.stored.partition_point(|m| m.seq <= seq)..)
    }
}

impl Stored {
    fn id_key(&self) -> Box<str> {
        id_key(&self.from, self.from_holder.key, &self.id)
    }
}

/// Names and ids contain no spaces.
fn id_key(from: &NameKey, member: Option<MemberKey>, id: &str) -> Box<str> {
    let from = from.as_str();
    let mut key = String::with_capacity(from.len() + 18 + id.len());
    key.push_str(from);
    key.push(' ');
    if let Some(member) = member {
        // Writing to a string cannot fail.
        let _ = write!(key, "{member} ");
    }
    key.push_str(id);
    key.into()
}
