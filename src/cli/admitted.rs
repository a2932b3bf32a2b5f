//! A command of the shell that has passed the policy's table: only such a one is carried out.

use super::{Failure, Word};
use crate::control::{
    Caller,
    policy::{self, Rule, SessionKind, Who},
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
        for rule in rules(&word) {
            let admitted = policy::admit(rule, who, SessionKind::default());
            admitted.map_err(|why| Failure::Words(why.to_owned()))?;
        }
        Ok(Self { word, who })
    }

    pub(super) fn into_parts(self) -> (Word, Who) {
        (self.word, self.who)
    }
}

/// The rules of a command of this computer. Those of a running session are judged there.
fn rules(word: &Word) -> Vec<Rule> {
    match word {
        Word::Start(start) => start.rules(),
        Word::Invite { .. } => vec![Rule::Invite],
        Word::Audit(audit) => vec![audit.rule()],
        Word::Client(_)
        | Word::Attach(_)
        | Word::Relay { .. }
        | Word::Mcp
        | Word::Setup(_)
        | Word::Doctor { .. }
        | Word::Demo
        | Word::DemoAgent
        | Word::Completions { .. }
        | Word::Man(_)
        | Word::Config(_)
        | Word::Hook { .. } => vec![Rule::Open],
    }
}
