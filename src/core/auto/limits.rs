//! Limits at which auto mode steps back and lets a person decide. They do not depend on what the other side
//! chooses: only answers of our own agents are counted.

use std::collections::{HashMap, VecDeque};

use nexscope_relay::protocol::same_name;

use crate::core::{
    Millis, RoomId, Steady,
    auto::{
        WhyHeld,
        budget::{Budget, BudgetUse, Used},
    },
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Highest number of our answers in a row in one thread, and highest `hop` of a message that is answered.
    pub hop_limit: u32,
    /// Answers to one member in ten minutes, over all threads.
    pub per_member: usize,
    /// Answers of one agent in an hour, over all members.
    pub per_agent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hop_limit: 3,
            per_member: 10,
            per_agent: 20,
        }
    }
}

const TEN_MINUTES: Millis = 600_000;
const HOUR: Millis = 3_600_000;
const DAY: Millis = 86_400_000;

/// Usage counters of auto mode. All times are those of [`Clock::proven`](crate::core::Clock::proven).
#[derive(Debug, Default)]
pub struct Guard {
    /// By room and thread: senders choose the ids of threads.
    in_a_row: HashMap<(RoomId, String), u32>,
    answers: VecDeque<Answer>,
    /// Usage of the runs of the last day.
    used: VecDeque<(Steady, String, Used)>,
    /// Usage of each agent's last run, of any age.
    last: HashMap<String, Used>,
}

#[derive(Debug)]
struct Answer {
    at: Steady,
    room: RoomId,
    thread: String,
    member: String,
    agent: String,
}

/// A message that auto mode could answer.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub room: RoomId,
    pub thread: &'a str,
    pub member: &'a str,
    /// The agent that would answer.
    pub agent: &'a str,
    /// The message's `hop`.
    pub hop: u32,
    /// The thread of our message that it claims to answer.
    pub answers: Option<&'a str>,
    /// Whether an agent wrote it, or it says so.
    pub by_agent: bool,
}

impl<'a> Candidate<'a> {
    /// A message that was answered, of which only this matters from then on.
    pub(in crate::core) fn answered(room: RoomId, thread: &'a str, member: &'a str, agent: &'a str) -> Self {
        Self {
            room,
            thread,
            member,
            agent,
            hop: 0,
            answers: None,
            by_agent: false,
        }
    }

    /// Whether that was an answer to the same member.
    fn is_of(&self, answer: &Answer) -> bool {
        answer.room == self.room && same_name(&answer.member, self.member)
    }
}

impl Guard {
    /// Checks whether it may be answered without a person. Fails with the reason.
    pub(in crate::core) fn check(
        &self,
        one: Candidate,
        limits: &Limits,
        budget: &Budget,
        now: Steady,
    ) -> Result<(), WhyHeld> {
        let since = |span: Millis| {
            self.answers
                .iter()
                .filter(move |answer| now.since(answer.at) < span)
        };
        let to_member = since(TEN_MINUTES).filter(|answer| one.is_of(answer)).count();
        let in_hour = since(HOUR).filter(|answer| answer.agent == one.agent).count();
        let (agent, member) = (|| one.agent.to_owned(), || one.member.to_owned());
        let hop_limit = limits.hop_limit;
        let in_thread = self.in_a_row.get(&(one.room, one.thread.to_owned()));
        if in_thread.is_some_and(|row| *row >= hop_limit) {
            Err(WhyHeld::ThreadHops(hop_limit))
        } else if self.in_a_row(one, now) >= hop_limit {
            Err(WhyHeld::PairHops {
                agent: agent(),
                member: member(),
                hop_limit,
            })
        } else if one.hop >= hop_limit {
            Err(WhyHeld::ChainHops {
                hop: one.hop,
                hop_limit,
            })
        } else if to_member >= limits.per_member {
            Err(WhyHeld::AnsweredMember {
                agent: agent(),
                member: member(),
                times: to_member,
            })
        } else if in_hour >= limits.per_agent {
            Err(WhyHeld::AnsweredInHour {
                agent: agent(),
                times: in_hour,
            })
        } else {
            budget.check(one.agent, &self.standing(one.agent, now))
        }
    }

    /// Number of our answers in a row before this message, since the person last spoke. Senders choose threads, so
    /// a message also counts in the thread that it claims to answer; and a message of an agent also continues the
    /// latest streak with that member, whatever it claims.
    pub(in crate::core) fn in_a_row(&self, one: Candidate, now: Steady) -> u32 {
        let recent = self.answers.iter().rev().find(|answer| one.is_of(answer));
        let recent = recent.filter(|answer| one.by_agent && now.since(answer.at) < TEN_MINUTES);
        let threads = [
            Some(one.thread),
            one.answers,
            recent.map(|answer| answer.thread.as_str()),
        ];
        let counts = threads
            .into_iter()
            .flatten()
            .filter_map(|thread| self.in_a_row.get(&(one.room, thread.to_owned())));
        counts.copied().max().unwrap_or(0)
    }

    /// Automatic runs of `agent` in the last day.
    pub fn runs_today(&self, agent: &str, now: Steady) -> usize {
        self.answers
            .iter()
            .filter(|answer| answer.agent == agent && now.since(answer.at) < DAY)
            .count()
    }

    /// Usage of `agent` against its budget.
    pub fn standing(&self, agent: &str, now: Steady) -> BudgetUse {
        let mut standing = BudgetUse {
            runs: self.runs_today(agent, now),
            last: self.last.get(agent).copied(),
            ..BudgetUse::default()
        };
        for (at, of, used) in &self.used {
            if of == agent && now.since(*at) < DAY {
                standing.usd += used.usd.unwrap_or(0.0);
                standing.tokens = standing.tokens.saturating_add(used.tokens.unwrap_or(0));
            }
        }
        standing
    }

    /// Records the usage of a finished run, whoever started it.
    pub(in crate::core) fn used(&mut self, at: Steady, agent: &str, used: Used) {
        while self.used.front().is_some_and(|(then, ..)| at.since(*then) >= DAY) {
            self.used.pop_front();
        }
        self.used.push_back((at, agent.to_owned(), used));
        self.last.insert(agent.to_owned(), used);
    }

    /// Records an automatic answer with streak position `row`.
    pub(in crate::core) fn answered(&mut self, at: Steady, one: Candidate, row: u32) {
        while self
            .answers
            .front()
            .is_some_and(|answer| at.since(answer.at) >= DAY)
        {
            self.answers.pop_front();
        }
        self.in_a_row.insert((one.room, one.thread.to_owned()), row);
        self.answers.push_back(Answer {
            at,
            room: one.room,
            thread: one.thread.to_owned(),
            member: one.member.to_owned(),
            agent: one.agent.to_owned(),
        });
    }

    /// Resets the streak of a thread, because the person spoke or decided in it. Rates and budgets stay. Returns
    /// whether there was a streak.
    pub(in crate::core) fn person_spoke(&mut self, room: RoomId, thread: &str) -> bool {
        self.in_a_row.remove(&(room, thread.to_owned())).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A budget in runs, the unit that every kind has.
    const ALL: Budget = Budget {
        unit: crate::core::auto::budget::Unit::Runs,
        runs: 50,
    };

    fn one<'a>(thread: &'a str, member: &'a str, hop: u32) -> Candidate<'a> {
        Candidate {
            hop,
            ..Candidate::answered(RoomId::FIRST, thread, member, "claude")
        }
    }

    #[test]
    fn hop_limit_counts_our_own_answers_and_their_hop() {
        let (mut guard, limits) = (Guard::default(), Limits::default());
        for at in 0..3 {
            assert!(
                guard
                    .check(one("t", "bob", 0), &limits, &ALL, Steady::new(at))
                    .is_ok()
            );
            guard.answered(Steady::new(at), one("t", "bob", 0), at as u32 + 1);
        }
        assert!(
            guard
                .check(one("t", "bob", 0), &limits, &ALL, Steady::new(3))
                .is_err()
        );
        assert!(
            guard
                .check(one("fresh", "bob", 3), &limits, &ALL, Steady::new(3))
                .is_err()
        );
        assert!(
            guard
                .check(one("fresh", "bob", 2), &limits, &ALL, Steady::new(3))
                .is_ok()
        );
        assert!(guard.person_spoke(RoomId::FIRST, "t"));
        assert!(
            guard
                .check(one("t", "bob", 0), &limits, &ALL, Steady::new(3))
                .is_ok()
        );
    }

    /// Issue 16, 37: "in this thread" was said of a message in a new thread.
    #[test]
    fn the_reason_names_the_thread_only_if_it_is_the_threads() {
        let (mut guard, limits) = (Guard::default(), Limits::default());
        for at in 0..3 {
            guard.answered(Steady::new(at), one("t", "bob", 0), at as u32 + 1);
        }
        let by_agent = |thread| Candidate {
            by_agent: true,
            ..one(thread, "bob", 0)
        };
        let why = |candidate| {
            guard
                .check(candidate, &limits, &ALL, Steady::new(3))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(why(by_agent("t")), "hop limit 3 reached in this thread");
        let linked = "claude and agents of bob have answered each other 3 times in a row (hop limit)";
        assert_eq!(why(by_agent("new")), linked);
        let far = "automatic answers have led to it 5 times in a row (hop limit 3)";
        assert_eq!(why(one("new", "carol", 5)), far);
    }

    #[test]
    fn fresh_threads_and_changed_case_do_not_get_round_the_rates() {
        let (mut guard, limits) = (Guard::default(), Limits::default());
        for at in 0..10 {
            let thread = format!("t{at}");
            assert!(
                guard
                    .check(one(&thread, "bob", 0), &limits, &ALL, Steady::new(at))
                    .is_ok()
            );
            guard.answered(Steady::new(at), one(&thread, "bob", 0), 1);
            guard.person_spoke(RoomId::FIRST, &thread);
        }
        assert!(
            guard
                .check(one("new", "BOB", 0), &limits, &ALL, Steady::new(10))
                .is_err()
        );
        assert!(
            guard
                .check(one("new", "carol", 0), &limits, &ALL, Steady::new(10))
                .is_ok()
        );
        assert!(
            guard
                .check(one("new", "bob", 0), &limits, &ALL, Steady::new(10 + TEN_MINUTES))
                .is_ok()
        );
    }

    #[test]
    fn an_agent_has_an_hour_and_a_day() {
        let (mut guard, limits) = (Guard::default(), Limits::default());
        for at in 0..20 {
            guard.answered(Steady::new(at), one("t", &format!("m{at}"), 0), 1);
        }
        assert!(
            guard
                .check(one("new", "zoe", 0), &limits, &ALL, Steady::new(20))
                .is_err()
        );
        assert!(
            guard
                .check(one("new", "zoe", 0), &limits, &ALL, Steady::new(20 + HOUR))
                .is_ok()
        );
        for at in 0..30 {
            guard.answered(
                Steady::new(HOUR + at * TEN_MINUTES),
                one("t", &format!("n{at}"), 0),
                1,
            );
        }
        assert!(
            guard
                .check(one("new", "zoe", 0), &limits, &ALL, Steady::new(7 * HOUR))
                .is_err()
        );
        assert_eq!(guard.runs_today("claude", Steady::new(7 * HOUR)), 50);
    }
}
