//! Messages in memory that their addressees may not have received.
//!
//! They are kept per holder of a name, so that one holder neither receives nor confirms the messages of another.

use std::collections::{BTreeSet, HashMap};

use super::{memory::Addressee, seat::NameKey};
use crate::protocol::MemberKey;

#[derive(Default)]
pub(super) struct PendingMessages(HashMap<Recipient, Pending>);

/// A name, and the key that its holder must have. Without a key, any holder of the name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Recipient {
    pub(super) name: NameKey,
    pub(super) key: Option<MemberKey>,
}

/// The messages that wait for one recipient.
#[derive(Default)]
pub(super) struct Pending {
    /// Messages that were not sent, or sent on the present or last connection and may be lost.
    pub(super) seqs: BTreeSet<u64>,
    /// Nothing above this was sent on its last connection.
    pub(super) sent: u64,
}

static NOTHING: BTreeSet<u64> = BTreeSet::new();

impl PendingMessages {
    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(|pending| pending.seqs.is_empty())
    }

    /// The messages that wait for a recipient.
    pub(super) fn seqs(&self, recipient: &Recipient) -> &BTreeSet<u64> {
        self.0.get(recipient).map_or(&NOTHING, |pending| &pending.seqs)
    }

    /// A recipient's entry, created if there is none.
    pub(super) fn entry(&mut self, recipient: &Recipient) -> &mut Pending {
        self.0.entry(recipient.clone()).or_default()
    }

    pub(super) fn add(&mut self, addressee: &Addressee, seq: u64) {
        self.entry(&addressee.recipient()).seqs.insert(seq);
    }

    pub(super) fn remove(&mut self, addressee: &Addressee, seq: u64) {
        if let Some(pending) = self.0.get_mut(&addressee.recipient()) {
            pending.seqs.remove(&seq);
        }
    }

    /// Moves a recipient's entry to another recipient.
    pub(super) fn rename(&mut self, from: &Recipient, to: &Recipient) {
        if let Some(moved) = self.0.remove(from) {
            let pending = self.entry(to);
            pending.seqs.extend(moved.seqs);
            pending.sent = pending.sent.max(moved.sent);
        }
    }

    /// Removes a recipient and returns the messages that waited for it.
    pub(super) fn remove_all(&mut self, recipient: &Recipient) -> BTreeSet<u64> {
        self.0.remove(recipient).unwrap_or_default().seqs
    }

    /// Removes a recipient without a seat if no message waits for it.
    pub(super) fn remove_if_empty(&mut self, recipient: &Recipient) {
        if self.seqs(recipient).is_empty() {
            self.0.remove(recipient);
        }
    }

    /// All recipients, for tests.
    #[cfg(test)]
    pub(super) fn recipients(&self) -> impl Iterator<Item = (&Recipient, &Pending)> {
        self.0.iter()
    }
}
