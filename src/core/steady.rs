//! A steady clock for how long something has waited, unaffected by changes of the system's clock.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Millis;

/// A point in time by a clock that only runs forward, at the speed of real time, also across restarts of the
/// program. It starts near the time of day, and is not set when that is: it says how long ago something was, not
/// when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Steady(Millis);

impl Steady {
    /// The point that is `millis` milliseconds after the clock's zero.
    #[cfg(test)]
    pub const fn new(millis: Millis) -> Self {
        Self(millis)
    }

    #[must_use]
    pub const fn plus(self, millis: Millis) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds that have passed since `earlier`; 0 if that is later.
    pub const fn since(self, earlier: Self) -> Millis {
        self.0.saturating_sub(earlier.0)
    }
}

/// When something arrived: a time of day for people, and a steady time to measure how long it has waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// The time of day, in milliseconds since the Unix epoch. The system's clock may be wrong, or be set.
    pub at: Millis,
    /// The same by the steady clock.
    pub steady: Steady,
}

/// A reading of the steady clock at the start of a session, from which it continues after a restart of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    pub steady: Steady,
    /// The machine's uptime, in milliseconds, sleep included.
    pub uptime: Millis,
    /// The id of the boot that `uptime` counts from; `None` if it is unknown.
    pub boot: Option<String>,
}

impl ClockReading {
    /// Computes the current reading: `earlier` is the reading of the previous session, `latest` the latest time of
    /// any event in it, `now` the time of day.
    ///
    /// As long as the machine has not been rebooted, its uptime says exactly how much time has passed. After a
    /// reboot only the time of day can.
    pub fn new(
        earlier: Option<&Self>,
        latest: Steady,
        boot: Option<String>,
        uptime: Millis,
        now: Millis,
    ) -> Self {
        let same_boot =
            earlier.filter(|earlier| boot.is_some() && earlier.boot == boot && earlier.uptime <= uptime);
        let steady = match same_boot {
            Some(earlier) => earlier.steady.plus(uptime - earlier.uptime),
            None => Steady(now),
        };
        Self {
            steady: steady.max(latest),
            uptime,
            boot,
        }
    }

    /// The shortest time that has passed from `latest` in the previous session, which began at `earlier`, to this
    /// reading, whatever the time of day says.
    fn proven_since(&self, earlier: Option<&Self>, latest: Steady) -> Millis {
        let Some(earlier) = earlier else { return 0 };
        let rebooted = self.uptime < earlier.uptime || self.boot.is_some() && self.boot != earlier.boot;
        match rebooted {
            // The machine has been up for that long since, and was off for an unknown time before.
            true => self.uptime,
            false => (self.uptime - earlier.uptime).saturating_sub(latest.since(earlier.steady)),
        }
    }

    /// Whether the time since the earlier reading is only as reliable as the time of day.
    pub fn is_guess(&self, earlier: &Self) -> bool {
        self.boot.is_none() || self.boot != earlier.boot
    }

    /// The steady time at that uptime.
    pub const fn at(&self, uptime: Millis) -> Steady {
        self.steady.plus(uptime.saturating_sub(self.uptime))
    }
}

impl fmt::Display for Steady {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} ms", self.0)
    }
}

/// The program's clock, for whatever waits.
#[derive(Debug, Default)]
pub(in crate::core) struct Clock {
    pub steady: Steady,
    /// The reading at the start of the previous session.
    pub reading: Option<ClockReading>,
    /// Nothing expires before this time, because the time waited is a guess.
    pub nothing_expires_before: Steady,
    /// The part of `steady` that is a guess: times between sessions that only the time of day tells.
    guessed: Millis,
}

impl Clock {
    pub fn advance(&mut self, steady: Steady) {
        self.steady = self.steady.max(steady);
    }

    /// The current time by a clock that counts only time that has surely passed. It never runs faster than real
    /// time, and slower where the machine was off.
    ///
    /// Budgets go by it: a time of day that is wrong at one start must not renew them.
    pub fn proven(&self) -> Steady {
        Steady(self.steady.0.saturating_sub(self.guessed))
    }

    /// Continues from the reading of an earlier session, found in the journal.
    pub fn continue_from(&mut self, reading: ClockReading) {
        let claimed = reading.steady.since(self.steady);
        let proven = reading.proven_since(self.reading.as_ref(), self.steady);
        self.guessed = self.guessed.saturating_add(claimed.saturating_sub(proven));
        self.advance(reading.steady);
        self.reading = Some(reading);
    }

    /// Starts a session with that reading. If the time since the previous session is a guess, nothing expires for
    /// `grace` milliseconds.
    pub fn read(&mut self, reading: ClockReading, grace: Millis) {
        if self
            .reading
            .as_ref()
            .is_some_and(|earlier| reading.is_guess(earlier))
        {
            self.nothing_expires_before = reading.steady.plus(grace);
        }
        self.continue_from(reading);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::{
        RoomId,
        auto::{
            budget::{Budget, Unit},
            limits::{Candidate, Guard, Limits},
        },
    };

    const HOUR: Millis = 3_600_000;
    const DAY: Millis = 24 * HOUR;

    /// What happens between two automatic answers.
    #[derive(Debug, Clone)]
    enum Step {
        Passes(Millis),
        Restart { ahead: i64 },
        Reboot { off: Millis, ahead: i64 },
    }

    fn steps() -> impl Strategy<Value = Step> {
        // The time of day may be wrong by weeks, and otherwise at each start.
        let ahead = || prop_oneof![Just(0), -500..500_i64].prop_map(|hours| hours * HOUR as i64);
        prop_oneof![
            (0..30 * HOUR).prop_map(Step::Passes),
            ahead().prop_map(|ahead| Step::Restart { ahead }),
            (0..30 * HOUR, ahead()).prop_map(|(off, ahead)| Step::Reboot { off, ahead }),
        ]
    }

    proptest! {
        /// Issue 16, 32c: a clock that was 26 h ahead at one start renewed the budget of a day.
        #[test]
        fn no_sequence_of_readings_allows_more_than_a_days_budget_in_a_day(
            steps in proptest::collection::vec(steps(), 1..60),
            has_boot_ids in any::<bool>(),
        ) {
            const RUNS: usize = 3;
            let budget = Budget { unit: Unit::Runs, runs: RUNS };
            let limits = Limits::default();
            let (mut clock, mut guard) = (Clock::default(), Guard::default());
            // The truth.
            let (start, mut time, mut booted, mut boot) = (1_700_000_000_000, 0, 0, 0);
            let mut reading: Option<ClockReading> = None;
            let mut answers: Vec<Millis> = Vec::new();
            let first = [Step::Restart { ahead: 0 }];
            for step in first.into_iter().chain(steps) {
                let ahead = match step {
                    Step::Passes(passed) => {
                        time += passed;
                        None
                    }
                    Step::Restart { ahead } => Some(ahead),
                    Step::Reboot { off, ahead } => {
                        time += off;
                        boot += 1;
                        booted = time;
                        Some(ahead)
                    }
                };
                if let Some(ahead) = ahead {
                    let now = (start + time).saturating_add_signed(ahead);
                    let id = has_boot_ids.then(|| boot.to_string());
                    let new = ClockReading::new(clock.reading.as_ref(), clock.steady, id, time - booted, now);
                    clock.read(new.clone(), HOUR);
                    reading = Some(new);
                }
                clock.advance(reading.as_ref().unwrap().at(time - booted));
                for _ in 0..=RUNS {
                    let member = answers.len().to_string();
                    let one = Candidate::answered(RoomId::FIRST, &member, &member, "claude");
                    if guard.check(one, &limits, &budget, clock.proven()).is_ok() {
                        guard.answered(clock.proven(), one, 1);
                        answers.push(time);
                    }
                }
            }
            for (at, answer) in answers.iter().enumerate() {
                let in_a_day = answers[at..].iter().filter(|later| *later - answer < DAY).count();
                prop_assert!(in_a_day <= RUNS, "{in_a_day} at {answer}: {answers:?}");
            }
        }
    }

    fn reading(boot: &str, uptime: Millis, steady: Millis) -> ClockReading {
        ClockReading {
            steady: Steady(steady),
            uptime,
            boot: Some(boot.into()),
        }
    }

    #[test]
    fn a_clock_that_was_set_changes_nothing_as_long_as_the_machine_runs() {
        let earlier = reading("one", HOUR, 100 * HOUR);
        for now in [0, 50 * HOUR, 101 * HOUR, 126 * HOUR] {
            let later = ClockReading::new(
                Some(&earlier),
                Steady(100 * HOUR),
                Some("one".into()),
                2 * HOUR,
                now,
            );
            assert_eq!(later.steady, Steady(101 * HOUR), "{now}");
            assert!(!later.is_guess(&earlier));
            assert_eq!(later.at(3 * HOUR), Steady(102 * HOUR));
        }
    }

    #[test]
    fn after_a_start_of_the_machine_the_time_of_day_counts_and_never_runs_backward() {
        let earlier = reading("one", 9 * HOUR, 100 * HOUR);
        let latest = Steady(105 * HOUR);
        let later = |now| ClockReading::new(Some(&earlier), latest, Some("two".into()), 0, now);
        assert_eq!(later(110 * HOUR).steady, Steady(110 * HOUR));
        assert_eq!(later(3 * HOUR).steady, latest);
        assert!(later(0).is_guess(&earlier));
        // Without a boot id, the result is the same.
        let nameless = ClockReading {
            boot: None,
            ..earlier.clone()
        };
        let later = ClockReading::new(Some(&nameless), latest, None, 10 * HOUR, 106 * HOUR);
        assert_eq!(later.steady, Steady(106 * HOUR));
        assert!(later.is_guess(&nameless));
    }
}
