//! How much one connection may send: a token bucket, and patience with faults.

mod conn_limits;

use std::time::Instant;

pub(crate) use conn_limits::{ConnectionLimits, ConnectionPermit, network_of};

/// Lets `rate` frames a second through in the long run, and `burst` at once.
pub struct TokenBucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    /// A full bucket; 0 for either is no limit.
    pub fn new(rate: u32, burst: u32, now: Instant) -> Option<TokenBucket> {
        let (rate, burst) = (f64::from(rate), f64::from(burst));
        (rate > 0.0 && burst > 0.0).then_some(TokenBucket {
            rate,
            burst,
            tokens: burst,
            filled: now,
        })
    }

    /// Lets a frame through whatever there is, and says after how many milliseconds it will be paid for.
    pub fn charge(&mut self, now: Instant) -> u64 {
        self.fill(now);
        self.tokens -= 1.0;
        (-self.tokens / self.rate * 1000.0).ceil().max(0.0) as u64
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
        self.filled = now;
    }

    /// Lets a frame through, or says after how many milliseconds one will be let through.
    pub fn try_acquire(&mut self, now: Instant) -> Result<(), u64> {
        self.fill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err((((1.0 - self.tokens) / self.rate * 1000.0).ceil() as u64).max(1))
    }
}

/// Counts faults; a good frame makes up for all before it.
#[derive(Default)]
pub struct FaultCounter {
    bad: u32,
    limited: u32,
}

impl FaultCounter {
    const MAX_BAD: u32 = 10;
    const MAX_LIMITED: u32 = 100;

    /// A frame was taken.
    pub fn record_good(&mut self) {
        *self = FaultCounter::default();
    }

    /// A frame was bad. True where it was one too many.
    pub fn record_bad(&mut self) -> bool {
        self.bad += 1;
        self.bad >= FaultCounter::MAX_BAD
    }

    /// A frame was refused by the rate limit. True where it was one too many.
    pub fn record_limited(&mut self) -> bool {
        self.limited += 1;
        self.limited >= FaultCounter::MAX_LIMITED
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_bucket_refills() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10, 3, start).expect("a limit");
        for _ in 0..3 {
            assert_eq!(bucket.try_acquire(start), Ok(()));
        }
        assert_eq!(bucket.try_acquire(start), Err(100));
        let later = start + Duration::from_millis(100);
        assert_eq!(
            (bucket.try_acquire(later), bucket.try_acquire(later)),
            (Ok(()), Err(100))
        );
        let much_later = start + Duration::from_secs(100);
        assert_eq!(
            (0..5).filter(|_| bucket.try_acquire(much_later).is_ok()).count(),
            3
        );
        let mut bucket = TokenBucket::new(10, 2, start).expect("a limit");
        assert_eq!([(); 4].map(|()| bucket.charge(start)), [0, 0, 100, 200]);
        assert!(TokenBucket::new(0, 3, start).is_none() && TokenBucket::new(3, 0, start).is_none());
    }

    #[test]
    fn a_good_frame_makes_up() {
        let mut faults = FaultCounter::default();
        assert!((1..10).all(|_| !faults.record_bad()));
        faults.record_good();
        assert!((1..10).all(|_| !faults.record_bad()) && faults.record_bad());
        faults.record_good();
        assert!((1..100).all(|_| !faults.record_limited()) && faults.record_limited());
    }
}
