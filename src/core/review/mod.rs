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

use crate::core::{Grants, Inbox};

/// What waits for the person, and what they have allowed for the rest of a thread.
#[derive(Default)]
pub struct ReviewState {
    pub(in crate::core) inbox: Inbox,
    pub(in crate::core) grants: Grants,
}

impl ReviewState {
    /// What waits for the person.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// What was allowed for the rest of a thread.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }
}
