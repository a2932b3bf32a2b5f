//! What waits for a person, and how it is decided.

pub(super) mod confirm;
pub(super) mod decide;
pub(super) mod draft;
pub(super) mod grant;
pub(super) mod inbox;
pub(super) mod item;
pub(super) mod permission;
pub(super) mod risk;
pub(super) mod shown;
