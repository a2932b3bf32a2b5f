//! Automatic runs and their limits.

pub(super) mod budget;
pub(super) mod dispatch;
pub(super) mod limits;
mod why_held;

use std::collections::HashSet;

pub use why_held::WhyHeld;

use crate::core::RoomId;

/// Usage counters of auto mode, and the threads in which it has stepped back.
#[derive(Default)]
pub(in crate::core) struct AutoState {
    pub guard: limits::Guard,
    /// Threads whose asker was notified that auto mode has stepped back.
    pub hold_notices: HashSet<(RoomId, String)>,
}
