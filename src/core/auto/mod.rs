//! What runs without a person, and its limits.

pub(super) mod budget;
pub(super) mod dispatch;
pub(super) mod limits;

use std::collections::HashSet;

/// What auto mode has used up, and where it has stepped back.
#[derive(Default)]
pub(in crate::core) struct AutoState {
    pub guard: limits::Guard,
    /// Threads in which the asker was told why auto mode has stepped back.
    pub hold_notices: HashSet<String>,
}
