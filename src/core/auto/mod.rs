//! What runs without a person, and its limits.

pub(super) mod alone;
pub(super) mod budget;
pub(super) mod guard;
