//! The token bucket that limits the rate of frames, for both sides of a connection.

use std::time::{Duration, Instant};

/// Admits `rate` frames per second in the long run, and up to `burst` frames at once.
///
/// ```
/// use std::time::{Duration, Instant};
/// use nexscope_relay::limits::TokenBucket;
///
/// let now = Instant::now();
/// let mut bucket = TokenBucket::new(10.0, 1.0, now).expect("neither is 0");
/// assert_eq!(bucket.try_acquire(now), Ok(()));
/// assert_eq!(bucket.try_acquire(now), Err(Duration::from_millis(100)));
/// ```
#[derive(Debug, Clone)]
pub struct TokenBucket {
    /// Tokens per second.
    rate: f64,
    /// Maximum number of tokens.
    burst: f64,
    /// One is spent per frame. Negative while frames were admitted beyond the limit.
    tokens: f64,
    refilled: Instant,
}

impl TokenBucket {
    /// A full bucket. Returns `None` for no limit, which is what 0 stands for.
    pub fn new(rate: f64, burst: f64, now: Instant) -> Option<TokenBucket> {
        (rate > 0.0 && burst > 0.0).then_some(TokenBucket {
            rate,
            burst,
            tokens: burst,
            refilled: now,
        })
    }

    /// The time until a frame is within the limit.
    pub fn delay(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
        self.refilled = now;
        Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / self.rate)
    }

    /// Admits a frame even beyond the limit. The next delays are longer in that case.
    pub fn spend(&mut self) {
        self.tokens -= 1.0;
    }

    /// Admits a frame.
    ///
    /// # Errors
    ///
    /// The time until the frame is within the limit, if it is beyond. It is not admitted then.
    pub fn try_acquire(&mut self, now: Instant) -> Result<(), Duration> {
        match self.delay(now) {
            Duration::ZERO => {
                self.spend();
                Ok(())
            }
            delay => Err(delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(delay: Result<(), Duration>) -> Result<(), u128> {
        delay.map_err(|delay| delay.as_millis())
    }

    #[test]
    fn the_bucket_refills() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10.0, 3.0, start).expect("a limit");
        for _ in 0..3 {
            assert_eq!(bucket.try_acquire(start), Ok(()));
        }
        assert_eq!(millis(bucket.try_acquire(start)), Err(100));
        let later = start + Duration::from_millis(100);
        assert_eq!(bucket.try_acquire(later), Ok(()));
        assert_eq!(millis(bucket.try_acquire(later)), Err(100));
        let much_later = start + Duration::from_secs(100);
        assert_eq!(
            (0..5).filter(|_| bucket.try_acquire(much_later).is_ok()).count(),
            3
        );
    }

    #[test]
    fn a_debt_is_paid_back() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10.0, 2.0, start).expect("a limit");
        let delays = [(); 5].map(|()| {
            let delay = bucket.delay(start);
            bucket.spend();
            delay.as_millis()
        });
        assert_eq!(delays, [0, 0, 100, 200, 300]);
    }

    #[test]
    fn zero_is_no_limit() {
        let now = Instant::now();
        assert!(TokenBucket::new(0.0, 3.0, now).is_none() && TokenBucket::new(3.0, 0.0, now).is_none());
    }
}
