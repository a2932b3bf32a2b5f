//! Who is here and what was said: members and their keys, the timeline, threads, and what is on its way.

pub(super) mod address;
pub(super) mod gathered;
pub(super) mod keys;
pub(super) mod known;
pub(super) mod members;
pub(super) mod outbox;
pub(super) mod pins;
pub(super) mod receive;
pub(super) mod thread;
pub(super) mod timeline;
pub(super) mod unknown;
