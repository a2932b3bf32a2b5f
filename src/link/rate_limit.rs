//! Keeps frames below the relay's rate limits, so that it refuses none of ours.

use std::time::Duration;

use nexscope_relay::{limits::TokenBucket, protocol::Limits};
use tokio::time::Instant;

/// The share of the relay's limits to use. The relay counts frames when they arrive, which may differ from
/// when they were sent.
const SHARE: f64 = 0.9;

/// Schedules the next frame.
#[derive(Debug)]
pub(super) struct Pace {
    /// `None` for no limit.
    bucket: Option<TokenBucket>,
    paused_until: Option<Instant>,
}

impl Pace {
    pub fn new(limits: &Limits, now: Instant) -> Self {
        let rate = f64::from(limits.rate) * SHARE;
        let burst = match limits.burst {
            0 => 0.0,
            burst => (f64::from(burst) * SHARE).max(1.0),
        };
        Self {
            bucket: TokenBucket::new(rate, burst, now.into_std()),
            paused_until: None,
        }
    }

    /// The time at which the next frame may be sent: `now` or earlier if it may be sent at once.
    pub fn ready_at(&mut self, now: Instant) -> Instant {
        let bucket = self.bucket.as_mut();
        let ready = now + bucket.map_or(Duration::ZERO, |bucket| bucket.delay(now.into_std()));
        self.paused_until.map_or(ready, |until| ready.max(until))
    }

    /// Counts a sent frame.
    pub fn take(&mut self) {
        if let Some(bucket) = &mut self.bucket {
            bucket.spend();
        }
    }

    /// Stops sending for a while, as requested by the relay.
    pub fn pause(&mut self, length: Duration, now: Instant) {
        self.paused_until = Some(now + length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(rate: u32, burst: u32) -> Limits {
        Limits {
            message_bytes: 1,
            chunk_bytes: 1,
            window_bytes: 1,
            rate,
            burst,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(&limits(50, 10), start);
        for _ in 0..9 {
            assert!(pace.ready_at(start) <= start);
            pace.take();
        }
        let next = pace.ready_at(start);
        assert!(next > start && next < start + Duration::from_millis(50));
        assert!(pace.ready_at(next) <= next);
        pace.pause(Duration::from_secs(3), next);
        assert_eq!(pace.ready_at(next), next + Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_no_limit() {
        let now = Instant::now();
        let mut pace = Pace::new(&limits(0, 0), now);
        for _ in 0..100_000 {
            assert!(pace.ready_at(now) <= now);
            pace.take();
        }
    }
}
