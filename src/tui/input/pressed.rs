//! A key that decides, from when it is pressed until it takes effect.
//!
//! It takes effect a moment later, on what was on the screen when it was pressed; what is typed in that moment says
//! that it was no decision but text.

use std::time::Instant;

use super::{
    action::Action,
    gate::{Press, Refusal},
};
use crate::core::{Decision, Intent, ItemId, Shown};

/// The effect of a key that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionKey {
    /// Accept it, with another look at the answer or without.
    Accept {
        /// The answer waits as a draft.
        review: bool,
    },
    /// Ask for a reason, and reject it.
    Reject,
    /// Write other words for it.
    Edit,
    Instruct,
    /// Allow it for the rest of the thread.
    Grant,
    Later,
    /// Run or send again what failed: the number of its message.
    Retry(u32),
    /// Do what was written as a command.
    Written(Intent),
}

impl DecisionKey {
    /// The decision that an action is; none where it decides nothing.
    pub fn of(action: Action) -> Option<Self> {
        match action {
            Action::Accept => Some(Self::Accept { review: false }),
            Action::AcceptReview => Some(Self::Accept { review: true }),
            Action::Reject => Some(Self::Reject),
            Action::Edit => Some(Self::Edit),
            Action::Instruct => Some(Self::Instruct),
            Action::Grant => Some(Self::Grant),
            Action::Later => Some(Self::Later),
            _ => None,
        }
    }
}

/// A key that was pressed and has not taken effect yet.
#[derive(Debug, Clone)]
pub struct Pressed {
    pub deed: DecisionKey,
    /// The items that it is about.
    pub ids: Vec<ItemId>,
    /// The version that the person saw, or why the key does not decide.
    pub seen: Result<Shown, Refusal>,
    /// The decision that the person was asked to confirm, where the key may do so.
    pub confirms: Option<Decision>,
    pub press: Press,
    pub at: Instant,
}

impl Pressed {
    pub fn due(&self) -> Instant {
        self.at + self.press.settles_in()
    }

    /// Whether something that comes now, a letter or not, says that it was not meant as a decision.
    pub fn is_undone_by(&self, letter: bool, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.at);
        since < super::gate::BURST || letter && self.press == Press::Letter && since < super::gate::TYPING
    }
}
