//! What waits for whom: messages in memory that their addressees are not known to have.
//!
//! Kept for each holder of a name: what waits for one is neither given to another nor settled by it.

use std::collections::{BTreeSet, HashMap};

use super::{memory::Addressee, seat::NameKey};
use crate::protocol::MemberKey;

/// See the [module](self).
#[derive(Default)]
pub(super) struct PendingMessages(HashMap<Recipient, Pending>);

/// A name, and the key that its holder must have; without one, whoever holds the name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Recipient {
    pub(super) name: NameKey,
    pub(super) key: Option<MemberKey>,
}

/// What waits for one recipient.
#[derive(Default)]
pub(super) struct Pending {
    /// Messages that were not sent, and those that were sent on the present or last connection, which may be
    /// lost yet.
    pub(super) seqs: BTreeSet<u64>,
    /// How far its last connection came: nothing above this was sent to it.
    pub(super) sent: u64,
}

static NOTHING: BTreeSet<u64> = BTreeSet::new();

impl PendingMessages {
    /// Whether nothing waits for anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(|pending| pending.seqs.is_empty())
    }

    /// The messages that wait for a recipient.
    pub(super) fn seqs(&self, recipient: &Recipient) -> &BTreeSet<u64> {
        self.0.get(recipient).map_or(&NOTHING, |pending| &pending.seqs)
    }

    /// What waits for a recipient, to be changed. Made where it is new.
    pub(super) fn entry(&mut self, recipient: &Recipient) -> &mut Pending {
        self.0.entry(recipient.clone()).or_default()
    }

    /// A message waits for an addressee.
    pub(super) fn add(&mut self, addressee: &Addressee, seq: u64) {
        self.entry(&addressee.recipient()).seqs.insert(seq);
    }

    /// A message has left the memory.
    pub(super) fn remove(&mut self, addressee: &Addressee, seq: u64) {
        if let Some(pending) = self.0.get_mut(&addressee.recipient()) {
            pending.seqs.remove(&seq);
        }
    }

    /// Gives a recipient's entry to another, whole.
    pub(super) fn rename(&mut self, from: &Recipient, to: &Recipient) {
        if let Some(progress_notify) = self.0.remove(from) {
            let pending = self.entry(to);
            pending.seqs.extend(progress_notify.seqs);
            pending.sent = pending.sent.max(progress_notify.sent);
        }
    }

    /// Takes what waits for a recipient out.
    pub(super) fn remove_all(&mut self, recipient: &Recipient) -> BTreeSet<u64> {
        self.0.remove(recipient).unwrap_or_default().seqs
    }

    /// Forgets a recipient who has no seat and for whom nothing waits.
    pub(super) fn forget(&mut self, recipient: &Recipient) {
        if self
            .0
            .get(recipient)
            .is_some_and(|pending| pending.seqs.is_empty())
        {
            self.0.remove(recipient);
        }
    }

    /// All recipients, for tests of what is kept about them.
    #[cfg(test)]
    pub(super) fn recipients(&self) -> impl Iterator<Item = (&Recipient, &Pending)> {
        self.0.iter()
    }
}
