//! A command of the shell that has passed the policy's table: only such a one is carried out.

use super::{Failure, Word};
use crate::control::{
    Caller,
    policy::{self, Asks, Who},
};

/// A command, and who wants it.
pub(super) struct Admitted {
    word: Word,
    who: Who,
}

impl Admitted {
    /// Judges a command by who has started this program.
    ///
    /// # Errors
    ///
    /// Where it is not for them, with what to do instead.
    pub(super) fn new(word: Word) -> Result<Self, Failure> {
        let caller = Caller::here();
        let who = Who::new(caller.of_agent, caller.person);
        for asks in asked(&word) {
            let admitted = policy::admit(asks, who, policy::SessionKind::default());
            admitted.map_err(|why| Failure::Words(why.to_owned()))?;
        }
        Ok(Self { word, who })
    }

    pub(super) fn into_parts(self) -> (Word, Who) {
        (self.word, self.who)
    }
}

/// What a command asks for of this computer. Those of the room are judged by the session that they are asked of.
fn asked(word: &Word) -> Vec<Asks> {
    match word {
        Word::Start(start) => start.asks(),
        Word::Room(_) | Word::Attach(_) => Vec::new(),
        Word::Invite { .. } => vec![Asks::Invite],
        Word::Relay { .. } => vec![Asks::Relay],
        Word::Mcp => vec![Asks::Mcp],
        Word::Setup(_) => vec![Asks::Setup],
        Word::Doctor { .. } => vec![Asks::Doctor],
        Word::Config(_) => vec![Asks::Config],
        Word::Audit(audit) => vec![audit.asks()],
        Word::Demo | Word::DemoAgent => vec![Asks::Demo],
        Word::Completions { .. } => vec![Asks::Completions],
        Word::Hook { .. } => vec![Asks::Hook],
    }
}
