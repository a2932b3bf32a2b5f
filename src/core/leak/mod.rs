//! What must not leave unseen: secrets, what came from outside, files of drafts.

pub(super) mod enclosed;
pub(super) mod flag;
pub(super) mod shared;
