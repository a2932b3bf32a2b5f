//! Members and their keys, the timeline, threads, and outgoing messages.

pub(super) mod address;
pub(super) mod broadcast_limit;
pub(super) mod group_answers;
pub(super) mod identity;
pub(super) mod members;
pub(super) mod outbox;
pub(in crate::core) mod outgoing;
pub(super) mod pins;
pub(super) mod receive;
pub(super) mod recent_map;
pub(super) mod seen_ids;
pub(super) mod threads;
pub(super) mod timeline;
pub(super) mod unknown_name;

use std::collections::HashSet;

use nexscope_relay::protocol::body::ReceiptState;

use crate::core::{Members, Outbox, PartialAnswers, Threads, Timeline, review::inbox::Key};

use recent_map::RecentMap;

/// The number of messages to us whose last receipt is remembered, to send it again for a duplicate.
const RECEIPTS: usize = 10_000;

/// Members, messages and their receipts, as far as this member knows them.
pub struct ChatState {
    /// Program and version of the relay.
    pub(in crate::core) relay: String,
    pub(in crate::core) members: Members,
    pub(in crate::core) timeline: Timeline,
    pub(in crate::core) threads: Threads,
    pub(in crate::core) outbox: Outbox,
    /// Answers that agents of others are writing.
    pub(in crate::core) partials: PartialAnswers,
    pub(in crate::core) group_answers: group_answers::GroupAnswers,
    pub(in crate::core) position: RelayPosition,
    /// Features for names that the relay announced.
    pub(in crate::core) features: identity::Features,
    /// The longest text frame that the relay takes, in bytes.
    pub(in crate::core) message_bytes: usize,
    /// Every received message, to drop duplicates.
    pub(in crate::core) seen_ids: seen_ids::SeenIds,
    /// Received messages that are not yet on disk.
    pub(in crate::core) unkept: HashSet<Key>,
    /// The last receipt sent for each of the newest messages to us.
    pub(in crate::core) last_receipts: RecentMap<Key, (ReceiptState, String)>,
    /// The size of recent messages that are not addressed to us.
    pub(in crate::core) broadcasts: broadcast_limit::BroadcastLimit,
}

/// This member's position in the relay's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::core) struct RelayPosition {
    pub session: Option<String>,
    pub epoch: String,
    /// The newest message that is on disk.
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
            last_receipts: RecentMap::new(RECEIPTS),
            broadcasts: broadcast_limit::BroadcastLimit::default(),
        }
    }
}

impl ChatState {
    /// Program and version of the relay.
    pub fn relay(&self) -> &str {
        &self.relay
    }

    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Messages and events of the room.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Our own messages and their delivery status.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Answers that agents of others are writing.
    pub fn partials(&self) -> &PartialAnswers {
        &self.partials
    }
}
