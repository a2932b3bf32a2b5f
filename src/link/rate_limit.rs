//! Keeps below the relay's limits on frames, so that nothing of ours is refused.

use std::time::Duration;

use nexscope_relay::protocol::Limits;
use tokio::time::Instant;

/// A token bucket, somewhat smaller than the relay's.
#[derive(Debug)]
pub(super) struct Pace {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
    paused_until: Option<Instant>,
}

impl Pace {
    pub fn new(limits: &Limits, now: Instant) -> Self {
        // The relay counts when frames arrive, which is never quite when they were sent. 0 is no limit.
        let rate = f64::from(limits.rate) * 0.9;
        let burst = (f64::from(limits.burst) * 0.9).max(1.0);
        let unlimited = limits.rate == 0 || limits.burst == 0;
        let (rate, burst) = if unlimited {
            (f64::MAX, f64::MAX)
        } else {
            (rate, burst)
        };
        Self {
            rate,
            burst,
            tokens: burst,
            at: now,
            paused_until: None,
        }
    }

    /// When the next frame may go; now or earlier, if it may go at once.
    pub fn ready_at(&mut self, now: Instant) -> Instant {
        if self.rate < f64::MAX {
            self.tokens = (self.tokens + (now - self.at).as_secs_f64() * self.rate).min(self.burst);
            self.at = now;
        }
        let by_tokens = if self.tokens >= 1.0 {
            now
        } else {
            now + Duration::from_secs_f64((1.0 - self.tokens) / self.rate)
        };
        self.paused_until.map_or(by_tokens, |until| by_tokens.max(until))
    }

    pub fn take(&mut self) {
        if self.rate < f64::MAX {
            self.tokens -= 1.0;
        }
    }

    /// The relay wants a pause anyway.
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
