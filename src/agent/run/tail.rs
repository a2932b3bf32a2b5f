//! Waits briefly after a turn for its late output.
//!
//! Some programs answer the request that began a turn before they have written the last pieces of its text.

use std::time::Duration;

use tokio::time::Instant;

/// Timeouts for output after the turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailLimits {
    /// The silence after which the turn is complete.
    pub silence: Duration,
    /// The maximum wait for a program that keeps writing.
    pub at_most: Duration,
}

impl Default for TailLimits {
    fn default() -> Self {
        Self {
            silence: Duration::from_millis(250),
            at_most: Duration::from_secs(2),
        }
    }
}

/// A finished turn that may still send output.
#[derive(Debug)]
pub(crate) struct TailTimer {
    silence: Duration,
    heard: Instant,
    grew: Option<Instant>,
    /// When the wait ends.
    pub at_most: Instant,
}

impl TailTimer {
    /// Starts the timer at `now`.
    pub fn since(now: Instant, waits: TailLimits) -> Self {
        Self {
            silence: waits.silence,
            heard: now,
            grew: None,
            at_most: now + waits.at_most,
        }
    }

    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Records more text of the answer.
    pub fn grew(&mut self, now: Instant) {
        self.grew = Some(now);
    }

    /// When it has been silent for long enough, or the wait ends.
    pub fn silent_at(&self) -> Instant {
        (self.heard + self.silence).min(self.at_most)
    }

    /// Whether it was still writing when the wait ended: then there may be more.
    pub fn is_cut(&self, now: Instant) -> bool {
        now >= self.at_most && self.grew.is_some_and(|at| at + self.silence > self.at_most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_silence_and_after_two_seconds_at_most() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut settling = TailTimer::since(start, TailLimits::default());
        assert_eq!(settling.silent_at(), at(250));
        settling.heard(at(10));
        settling.grew(at(10));
        assert_eq!((settling.silent_at(), settling.is_cut(at(260))), (at(260), false));
        settling.heard(at(1900));
        assert_eq!(
            (settling.silent_at(), settling.is_cut(at(2000))),
            (at(2000), false)
        );
        settling.grew(at(1900));
        assert!(settling.is_cut(at(2000)));
    }
}
