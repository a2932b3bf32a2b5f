//! When auto mode steps back and lets a person decide. Nothing of it depends on what the other side
//! chooses: counts are of our own agents' answers.

use std::collections::{HashMap, VecDeque};

use nexscope_relay::protocol::same_name;

use super::Millis;

/// Auto mode's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Answers of ours in a row in one thread, and the highest `hop` of a message that is answered.
    pub hop_limit: u32,
    /// Answers to one member in ten minutes, whatever the threads.
    pub per_member: usize,
    /// Answers of one agent in an hour, over all members.
    pub per_agent: usize,
    /// Answers of one agent in a day.
    pub per_day: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hop_limit: 3,
            per_member: 10,
            per_agent: 20,
            per_day: 50,
        }
    }
}

const TEN_MINUTES: Millis = 600_000;
const HOUR: Millis = 3_600_000;
const DAY: Millis = 86_400_000;

/// What auto mode has used up.
#[derive(Debug, Default)]
pub struct Guard {
    in_a_row: HashMap<String, u32>,
    answers: VecDeque<Answer>,
}

#[derive(Debug)]
struct Answer {
    at: Millis,
    member: String,
    agent: String,
}

/// A message that auto mode could answer.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its thread.
    pub thread: &'a str,
    /// Who sent it.
    pub member: &'a str,
    /// The agent that would answer.
    pub agent: &'a str,
    /// Its own `hop`.
    pub hop: u32,
}

impl Guard {
    /// Whether it may be answered without a person; else why not, in one sentence.
    pub(super) fn check(&self, one: Candidate, limits: &Limits, now: Millis) -> Result<(), String> {
        let in_a_row = self.in_a_row.get(one.thread).copied().unwrap_or(0);
        let since = |span: Millis| self.answers.iter().filter(move |answer| answer.at + span > now);
        let to_member = since(TEN_MINUTES)
            .filter(|answer| same_name(&answer.member, one.member))
            .count();
        let in_hour = since(HOUR).filter(|answer| answer.agent == one.agent).count();
        let in_day = since(DAY).filter(|answer| answer.agent == one.agent).count();
        let (agent, member) = (one.agent, one.member);
        if in_a_row >= limits.hop_limit || one.hop >= limits.hop_limit {
            Err(format!("hop limit {} reached in this thread", limits.hop_limit))
        } else if to_member >= limits.per_member {
            Err(format!(
                "{agent} has answered {member} {to_member} times in ten minutes"
            ))
        } else if in_hour >= limits.per_agent {
            Err(format!("{agent} has answered {in_hour} times in an hour"))
        } else if in_day >= limits.per_day {
            Err(format!("{agent} has used its {} runs of today", limits.per_day))
        } else {
            Ok(())
        }
    }

    /// Automatic runs of `agent` in the last day.
    pub fn runs_today(&self, agent: &str, now: Millis) -> usize {
        self.answers
            .iter()
            .filter(|answer| answer.agent == agent && answer.at + DAY > now)
            .count()
    }

    /// An automatic answer begins.
    pub(super) fn answered(&mut self, at: Millis, thread: &str, member: &str, agent: &str) {
        while self.answers.front().is_some_and(|answer| answer.at + DAY <= at) {
            self.answers.pop_front();
        }
        *self.in_a_row.entry(thread.to_owned()).or_default() += 1;
        self.answers.push_back(Answer {
            at,
            member: member.to_owned(),
            agent: agent.to_owned(),
        });
    }

    /// Our own person spoke or decided in a thread: its count begins anew. Rates and budgets do not.
    /// Returns whether there was a count.
    pub(super) fn person_spoke(&mut self, thread: &str) -> bool {
        self.in_a_row.remove(thread).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one<'a>(thread: &'a str, member: &'a str, hop: u32) -> Candidate<'a> {
        Candidate {
            thread,
            member,
            agent: "claude",
            hop,
        }
    }

    #[test]
    fn hop_limit_counts_our_own_answers_and_their_hop() {
        let (mut guard, limits) = (Guard::default(), Limits::default());
        for at in 0..3 {
            assert!(guard.check(one("t", "bob", 0), &limits, at).is_ok());
            guard.answered(at, "t", "bob", "claude");
        }
        assert!(guard.check(one("t", "bob", 0), &limits, 3).is_err());
        assert!(guard.check(one("fresh", "bob", 3), &limits, 3).is_err());
        assert!(guard.check(one("fresh", "bob", 2), &limits, 3).is_ok());
        assert!(guard.person_spoke("t"));
        assert!(guard.check(one("t", "bob", 0), &limits, 3).is_ok());
    }

    #[test]
    fn fresh_threads_and_changed_case_do_not_get_round_the_rates() {
        let (mut guard, limits) = (Guard::default(), Limits::default());
        for at in 0..10 {
            let thread = format!("t{at}");
            assert!(guard.check(one(&thread, "bob", 0), &limits, at).is_ok());
            guard.answered(at, &thread, "bob", "claude");
            guard.person_spoke(&thread);
        }
        assert!(guard.check(one("new", "BOB", 0), &limits, 10).is_err());
        assert!(guard.check(one("new", "carol", 0), &limits, 10).is_ok());
        assert!(
            guard
                .check(one("new", "bob", 0), &limits, 10 + TEN_MINUTES)
                .is_ok()
        );
    }

    #[test]
    fn an_agent_has_an_hour_and_a_day() {
        let (mut guard, limits) = (Guard::default(), Limits::default());
        for at in 0..20 {
            guard.answered(at, "t", &format!("m{at}"), "claude");
        }
        assert!(guard.check(one("new", "zoe", 0), &limits, 20).is_err());
        assert!(guard.check(one("new", "zoe", 0), &limits, 20 + HOUR).is_ok());
        for at in 0..30 {
            guard.answered(HOUR + at * TEN_MINUTES, "t", &format!("n{at}"), "claude");
        }
        assert!(guard.check(one("new", "zoe", 0), &limits, 7 * HOUR).is_err());
        assert_eq!(guard.runs_today("claude", 7 * HOUR), 50);
    }
}
