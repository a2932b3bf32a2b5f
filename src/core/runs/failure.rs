//! Failure reasons of a run, as told to its asker: one of a fixed list.
//!
//! The details are text of the agent, its program or its model. They stay with the agent's owner, on the owner's
//! screen and in the owner's audit log: an error must not bypass the review of answers.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Failure {
    /// Its program is not installed, not configured, or could not be started.
    NotStarted,
    /// It has no login or no valid key.
    LoggedOut,
    /// Its model refuses or drops requests, or cannot be reached.
    Unreachable,
    /// It reached its time limit.
    TimedOut,
    /// It showed no activity within its time limit.
    Stalled,
    /// It ended without an answer.
    NoAnswer,
    /// It ended before its answer was complete.
    Unfinished,
    /// It reported an error itself.
    Reported,
    /// Its program ended with an error.
    Exited,
    /// It broke the protocol by which it is driven.
    Protocol,
    Refused,
    Stopped,
    /// The program that ran it ended.
    Interrupted,
    /// A file that came with the request could not be fetched, or was not accepted.
    NoFile,
    /// A bug in this program.
    Internal,
    /// Any other reason, and reasons written by older versions.
    Other,
}

impl Failure {
    pub const ALL: [Failure; 16] = [
        Failure::NotStarted,
        Failure::LoggedOut,
        Failure::Unreachable,
        Failure::TimedOut,
        Failure::Stalled,
        Failure::NoAnswer,
        Failure::Unfinished,
        Failure::Reported,
        Failure::Exited,
        Failure::Protocol,
        Failure::Refused,
        Failure::Stopped,
        Failure::Interrupted,
        Failure::NoFile,
        Failure::Internal,
        Failure::Other,
    ];

    /// The name on disk, and the sentence for people.
    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Failure::NotStarted => ("not_started", "its program could not be started"),
            Failure::LoggedOut => ("logged_out", "it is not logged in"),
            Failure::Unreachable => ("unreachable", "its model did not respond"),
            Failure::TimedOut => ("timed_out", "it reached its time limit"),
            Failure::Stalled => ("stalled", "it stopped responding"),
            Failure::NoAnswer => ("no_answer", "it ended without an answer"),
            Failure::Unfinished => ("unfinished", "it ended before its answer was complete"),
            Failure::Reported => ("reported", "it reported an error"),
            Failure::Exited => ("exited", "its program ended with an error"),
            Failure::Protocol => ("protocol", "it broke its protocol"),
            Failure::Refused => ("refused", "it refused to answer"),
            Failure::Stopped => ("stopped", "stopped by its owner"),
            Failure::Interrupted => ("interrupted", "interrupted: its program was closed"),
            Failure::NoFile => ("no_file", "a file of the request could not be fetched"),
            Failure::Internal => ("internal", "an internal error of Nexscope"),
            Failure::Other => ("other", "it failed"),
        }
    }

    /// Returns `told` if it is the sentence of one of these reasons, otherwise that of [`Failure::Other`]. Reasons
    /// written by older versions may be an agent's own text.
    pub(in crate::core) fn checked(told: String) -> String {
        match Failure::ALL.iter().any(|one| one.in_words() == told) {
            true => told,
            false => Failure::Other.in_words().to_owned(),
        }
    }

    pub fn in_words(self) -> &'static str {
        self.texts().1
    }
}

impl From<String> for Failure {
    fn from(name: String) -> Self {
        let known = Failure::ALL.into_iter().find(|one| one.texts().0 == name);
        known.unwrap_or(Failure::Other)
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.texts().0.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_back_and_nothing_else_is_kept() {
        for failure in Failure::ALL {
            let written = serde_json::to_string(&failure).unwrap();
            assert_eq!(serde_json::from_str::<Failure>(&written).unwrap(), failure);
        }
        let old = "\"it ended with exit code 3: the unreleased plan\"";
        assert_eq!(serde_json::from_str::<Failure>(old).unwrap(), Failure::Other);
    }
}
