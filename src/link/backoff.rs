//! The pause before a reconnect.

use std::time::Duration;

const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(30);

/// Doubles from 1 s to 30 s, with jitter, so that the members of a room do not reconnect all at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns the next pause. The low bits of `random` choose the jitter.
    pub fn next(&mut self, random: u32) -> Duration {
        let base = LEAST.saturating_mul(1 << self.failures.min(5)).min(MOST);
        self.failures += 1;
        let jitter = base.mul_f64(f64::from(random % 1000) / 2000.0);
        (base + jitter).min(MOST)
    }

    /// Resets to the shortest pause, after a stable connection.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_one_to_thirty_seconds() {
        for random in [0, 499, 999, u32::MAX] {
            let mut backoff = Backoff::default();
            let pauses: Vec<Duration> = (0..40).map(|_| backoff.next(random)).collect();
            assert!(
                pauses.iter().all(|pause| (LEAST..=MOST).contains(pause)),
                "{pauses:?}"
            );
            assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
            assert_eq!(pauses[39], MOST);
            backoff.reset();
            assert!(backoff.next(random) < Duration::from_secs(2));
        }
    }
}
