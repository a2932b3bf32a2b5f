//! What runs without a person, and its limits.

pub(super) mod budget;
pub(super) mod dispatch;
pub(super) mod limits;
