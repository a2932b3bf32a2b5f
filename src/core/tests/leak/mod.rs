//! Secrets, and files of drafts.

pub(crate) mod attachment;
pub(crate) mod secrets;
