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
}

impl Clock {
    pub fn advance(&mut self, steady: Steady) {
        self.steady = self.steady.max(steady);
    }

    /// Starts a session with that reading. If the time since the previous session is a guess, nothing expires for
    /// `grace` milliseconds.
    pub fn read(&mut self, reading: ClockReading, grace: Millis) {
        self.advance(reading.steady);
        if self
            .reading
            .as_ref()
            .is_some_and(|earlier| reading.is_guess(earlier))
        {
            self.nothing_expires_before = reading.steady.plus(grace);
        }
        self.reading = Some(reading);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;

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
