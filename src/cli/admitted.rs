//! A shell command that has passed the policy table: no other is carried out.

use super::{Failure, Word};
use crate::control::{
    Caller,
    policy::{self, Rule, SessionKind, Who},
};

/// A command, and its caller.
pub(super) struct Admitted {
    word: Word,
    who: Who,
}

impl Admitted {
    /// Checks a command against the process that started this program.
    ///
    /// # Errors
    ///
    /// If the caller may not use it, with what to do instead.
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

/// The rules of a local command. Commands for a running session are checked there.
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
