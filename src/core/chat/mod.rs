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
