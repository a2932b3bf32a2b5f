//! What an agent is asked, once a person has said yes.

/// Words of another member which a person has accepted for an agent.
///
/// Quarantine as a type: everything that faces an agent takes this and never a plain string of another
/// member's, and only the review queue's `accept` makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved(String);

impl Approved {
    /// Marks `text` as accepted by a person.
    pub(in crate::core) fn by_person(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For tests of what comes after the review queue.
    #[cfg(test)]
    pub(crate) fn for_test(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The words; still another's, and to be quoted as such.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    pub member: String,
    /// The member's agent, where it was not the person.
    pub agent: Option<String>,
}

impl Speaker {
    /// `bob`, or `bob·claude` for his agent.
    pub fn in_words(&self) -> String {
        match &self.agent {
            Some(agent) => format!("{}·{agent}", self.member),
            None => self.member.clone(),
        }
    }
}

/// One thing said earlier in the thread that the agent may know: accepted words of others, or our own side's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub who: Speaker,
    pub text: Approved,
}

/// A job for an agent: the accepted mention, with what its person added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// This run's id: 1 to 64 of `A-Z a-z 0-9 _ -`, unique for all time.
    pub run: String,
    /// The name of the agent that is to answer, as in the configuration.
    pub agent: String,
    /// Its person's name in the room.
    pub me: String,
    pub room: String,
    pub from: Speaker,
    pub text: Approved,
    /// What its own person adds: trusted.
    pub instructions: Option<String>,
    /// Files that came with it and that a person has accepted: where they lie.
    pub files: Vec<std::path::PathBuf>,
    /// Earlier in the thread, oldest first; empty where the agent's session is resumed and knows it.
    pub earlier: Vec<Said>,
    /// The members who will see the answer; `None` is everybody in the room.
    pub audience: Option<Vec<String>>,
    /// No person has accepted it: auto mode lets it run.
    pub alone: bool,
    /// The agent's own session id of the thread's last run, to go on from.
    pub resume: Option<String>,
}
