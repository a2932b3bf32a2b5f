//! One run of an agent, from its prompt to its end.

pub(crate) mod attachments;
pub(crate) mod outbox;
pub(crate) mod pipes;
pub(crate) mod requests;
pub(crate) mod run_loop;
pub(crate) mod runner;
pub(crate) mod tail;
pub(crate) mod watch;
