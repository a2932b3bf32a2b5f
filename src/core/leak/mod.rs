//! Checks for text and files that must not leave unseen: secrets, text from outside, and attachments of drafts.

pub(super) mod attachment;
pub(super) mod overlap;
pub(super) mod secrets;
