//! The input for an agent, once a person has accepted it.

use crate::text::Clean;

/// Text of another member that a person has accepted for an agent.
///
/// Quarantine as a type: everything that an agent reads is made from this and never from a plain string of another
/// member's, and only the review queue's `accept` makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved(Clean);

impl Approved {
    /// Marks `text` as accepted by a person.
    pub(in crate::core) fn by_person(text: impl Into<Clean>) -> Self {
        Self(text.into())
    }

    /// Marks `text` as accepted, for tests of what follows the review.
    #[cfg(test)]
    pub(crate) fn for_test(text: &str) -> Self {
        Self(text.into())
    }

    /// The text; it is still another member's, and has to be quoted as such.
    pub fn text(&self) -> &Clean {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    pub member: String,
    /// The member's agent, if the agent wrote it.
    pub agent: Option<String>,
}

impl Speaker {
    /// Formats it for a person: `bob`, or `bob·claude` for his agent.
    pub fn in_words(&self) -> String {
        match &self.agent {
            Some(agent) => format!("{}·{agent}", self.member),
            None => self.member.clone(),
        }
    }
}

/// An earlier message of the thread that the agent may know: accepted text of others, or our own side's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub who: Speaker,
    pub text: Approved,
}

/// A job for an agent: the accepted mention, with the person's instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// This run's id: 1 to 64 of `A-Z a-z 0-9 _ -`, globally unique.
    pub run: String,
    /// The name of the agent that is to answer, as in the configuration.
    pub agent: String,
    /// The name of the person that it works for.
    pub me: String,
    pub room: String,
    pub from: Speaker,
    pub text: Approved,
    /// The person's own instructions: trusted.
    pub instructions: Option<String>,
    /// Paths of the files that came with it and that a person has accepted.
    pub files: Vec<std::path::PathBuf>,
    /// Earlier messages of the thread, oldest first; empty if the agent's session is resumed and knows them.
    pub earlier: Vec<Said>,
    /// The members who will see the answer; `None` is everybody in the room.
    pub audience: Option<Vec<String>>,
    /// Whether auto mode runs it, without a person having accepted it.
    pub alone: bool,
    /// The agent's own session id of the thread's last run, to resume.
    pub resume: Option<String>,
}
