//! The requests of one run: each id is one request, for the whole of the run.

use std::collections::HashSet;

/// Requests that wait for a person at once; more are refused.
const OPEN: usize = 64;
/// Ids of one run that are remembered; a run with more is ended.
const MOST: usize = 10_000;
/// The longest id, in bytes; known programs use numbers and UUIDs.
const LONGEST: usize = 256;

/// Which requests a run has made, and which of them wait.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    seen: HashSet<String>,
    /// In the order in which they came.
    open: Vec<String>,
}

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestCheck {
    /// It is new, and waits.
    New,
    /// It is new, and nobody can be asked.
    Refused,
    /// Its id was used before, or cannot be told from others: an error of the agent's.
    Twice,
}

impl Requests {
    /// Takes note of a request; one that comes when the turn is `over` is refused.
    pub fn ask(&mut self, id: &str, over: bool) -> RequestCheck {
        if id.len() > LONGEST || self.seen.len() >= MOST || !self.seen.insert(id.to_owned()) {
            return RequestCheck::Twice;
        }
        if over || self.open.len() >= OPEN {
            return RequestCheck::Refused;
        }
        self.open.push(id.to_owned());
        RequestCheck::New
    }

    /// It waits no longer; whether it did.
    pub fn close(&mut self, id: &str) -> bool {
        let at = self.open.iter().position(|one| one == id);
        at.map(|at| self.open.remove(at)).is_some()
    }

    /// None waits any longer; those that did.
    pub fn close_all(&mut self) -> Vec<String> {
        std::mem::take(&mut self.open)
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_request() {
        let mut requests = Requests::default();
        assert_eq!(requests.ask("q1", false), RequestCheck::New);
        assert_eq!(requests.ask("q1", false), RequestCheck::Twice);
        assert_eq!(requests.ask("q2", true), RequestCheck::Refused);
        assert!(requests.close("q1") && !requests.close("q1") && !requests.close("q2"));
        // Also after its answer, and after it was refused.
        for id in ["q1", "q2", &"x".repeat(LONGEST + 1)] {
            assert_eq!(requests.ask(id, false), RequestCheck::Twice, "{id}");
        }
        for n in 0..OPEN {
            assert_eq!(requests.ask(&n.to_string(), false), RequestCheck::New);
        }
        assert_eq!(requests.ask("more", false), RequestCheck::Refused);
        assert_eq!(requests.close_all().len(), OPEN);
        assert!(requests.is_empty());
        let verdicts: Vec<RequestCheck> = (0..2 * MOST)
            .map(|n| requests.ask(&format!("n{n}"), true))
            .collect();
        assert_eq!(verdicts.last(), Some(&RequestCheck::Twice));
    }
}
