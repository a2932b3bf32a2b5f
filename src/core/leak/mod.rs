//! What must not leave unseen: secrets, what came from outside, files of drafts.

pub(super) mod attachment;
pub(super) mod overlap;
pub(super) mod secrets;
