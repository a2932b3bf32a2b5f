//! Who is here and what was said: members and their keys, the timeline, threads, and what is on its way.

pub(super) mod address;
pub(super) mod group_answers;
pub(super) mod identity;
pub(super) mod members;
pub(super) mod outbox;
pub(in crate::core) mod outgoing;
pub(super) mod pins;
pub(super) mod receive;
pub(super) mod seen_ids;
pub(super) mod threads;
pub(super) mod timeline;
pub(super) mod unknown_name;

use std::collections::{HashMap, HashSet};

use nexscope_relay::protocol::body::ReceiptState;

use crate::core::{Members, Outbox, PartialAnswers, Threads, Timeline, review::inbox::Key};

/// Members, messages and their receipts, as far as this member knows them.
pub struct ChatState {
    /// What the relay calls itself: program and version.
    pub(in crate::core) relay: String,
    pub(in crate::core) members: Members,
    pub(in crate::core) timeline: Timeline,
    pub(in crate::core) threads: Threads,
    pub(in crate::core) outbox: Outbox,
    /// Answers of others' agents that are being written.
    pub(in crate::core) partials: PartialAnswers,
    pub(in crate::core) group_answers: group_answers::GroupAnswers,
    pub(in crate::core) position: RelayPosition,
    /// What the relay does for names.
    pub(in crate::core) features: identity::Features,
    /// The longest text frame that the relay takes, in bytes.
    pub(in crate::core) message_bytes: usize,
    /// Every message that came, so that none is taken twice.
    pub(in crate::core) seen_ids: seen_ids::SeenIds,
    /// Those of them that are not yet safely on disk.
    pub(in crate::core) unkept: HashSet<Key>,
    /// The last receipt that each sender of a message to us got.
    pub(in crate::core) last_receipts: HashMap<Key, (ReceiptState, String)>,
}

/// How far this member has come in the relay's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::core) struct RelayPosition {
    pub session: Option<String>,
    pub epoch: String,
    /// The newest message that is safely kept.
    pub seq: u64,
}

impl Default for ChatState {
    fn default() -> Self {
        Self {
            relay: String::new(),
            members: Members::default(),
            timeline: Timeline::default(),
            threads: Threads::default(),
            outbox: Outbox::default(),
            partials: PartialAnswers::default(),
            group_answers: group_answers::GroupAnswers::default(),
            position: RelayPosition::default(),
            features: identity::Features::default(),
            message_bytes: 262_144,
            seen_ids: seen_ids::SeenIds::default(),
            unkept: HashSet::new(),
            last_receipts: HashMap::new(),
        }
    }
}

impl ChatState {
    /// What the relay calls itself: program and version.
    pub fn relay(&self) -> &str {
        &self.relay
    }

    pub fn members(&self) -> &Members {
        &self.members
    }

    /// What was said and what happened.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Our own messages, and what became of them.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Answers of others' agents that are being written.
    pub fn partials(&self) -> &PartialAnswers {
        &self.partials
    }
}
