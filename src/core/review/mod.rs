//! Pending items, and how they are decided.

pub(super) mod confirm;
pub(super) mod decide;
pub(super) mod draft;
pub(super) mod grant;
pub(super) mod inbox;
pub(super) mod item;
pub(super) mod permission;
pub(super) mod risk;
pub(super) mod shown;

use crate::core::{Grants, Inbox};

/// The inbox, and the grants for the rest of a thread.
#[derive(Default)]
pub struct ReviewState {
    pub(in crate::core) inbox: Inbox,
    pub(in crate::core) grants: Grants,
}

impl ReviewState {
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    pub fn grants(&self) -> &Grants {
        &self.grants
    }
}
