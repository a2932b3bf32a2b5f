//! Runs of agents.

pub(crate) mod agents;
pub(crate) mod failures;
pub(crate) mod partial;
