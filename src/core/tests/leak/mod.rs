//! Secrets, and attachments of drafts.

pub(crate) mod attachment;
pub(crate) mod secrets;
