//! The requests of one run: each id stands for one request during the whole run.

use std::collections::HashSet;

/// The maximum number of open requests; more are refused.
const OPEN: usize = 64;
/// The maximum number of ids remembered per run; a run with more is ended.
const MOST: usize = 10_000;
/// The longest id, in bytes; known programs use numbers and UUIDs.
const LONGEST: usize = 256;

/// The requests of a run, and which of them are open.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    seen: HashSet<String>,
    /// In order of arrival.
    open: Vec<String>,
}

/// The handling of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestCheck {
    /// It is new, and now open.
    New,
    /// It is new, and refused because nobody can be asked.
    Refused,
    /// Its id was used before, or cannot be told from others: an error of the agent.
    Twice,
}

impl Requests {
    /// Records a request; refused if the turn is `over`.
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

    /// Closes it; returns whether it was open.
    pub fn close(&mut self, id: &str) -> bool {
        let at = self.open.iter().position(|one| one == id);
        at.map(|at| self.open.remove(at)).is_some()
    }

    /// Closes all; returns those that were open.
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
        // Even after it was answered or refused.
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
