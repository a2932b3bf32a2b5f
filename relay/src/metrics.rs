//! Counters, shown at `/metrics` in Prometheus' text format.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Close codes that are counted each on its own; others count as 0.
const CODES: [u16; 19] = [
    0, 1000, 1001, 1002, 1006, 1007, 1008, 4009, 4010, 4011, 4012, 4013, 4014, 4020, 4021, 4022, 4023, 4024,
    4025,
];

/// Upper bounds of the histogram's buckets, in microseconds; the last bucket has none.
const BUCKETS: [u64; 10] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000,
];

/// How long something took, in buckets.
#[derive(Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().position(|bound| micros <= *bound);
        add(&self.buckets[bucket.unwrap_or(BUCKETS.len())], 1);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// The lines for Prometheus: buckets are cumulative there.
    fn lines(&self) -> Vec<(String, String)> {
        let mut total = 0;
        let bounds = BUCKETS.iter().map(|bound| (*bound as f64 / 1e6).to_string());
        let mut lines: Vec<_> = bounds
            .chain(["+Inf".to_owned()])
            .zip(&self.buckets)
            .map(|(bound, count)| {
                total += count.load(Relaxed);
                (format!("_bucket{{le=\"{bound}\"}}"), total.to_string())
            })
            .collect();
        let sum = self.micros.load(Relaxed) as f64 / 1e6;
        lines.extend([
            ("_sum".to_owned(), sum.to_string()),
            ("_count".to_owned(), total.to_string()),
        ]);
        lines
    }
}

/// What a relay counts since it started. What is there at the moment is asked where it lives.
#[derive(Default)]
pub struct Metrics {
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Messages that got a place in a room's order.
    pub messages: AtomicU64,
    /// Frames queued for connections because of messages and signals.
    pub deliveries: AtomicU64,
    /// Bytes read from WebSocket connections.
    pub bytes_in: AtomicU64,
    /// Bytes written to WebSocket connections.
    pub bytes_out: AtomicU64,
    /// Signals dropped because a queue was full.
    pub dropped: AtomicU64,
    /// Frames refused by the rate limit.
    pub limited: AtomicU64,
    /// Streams opened.
    pub streams: AtomicU64,
    /// How long the oldest frame of each write has waited in its queue.
    pub queued: Histogram,
    closes: [AtomicU64; CODES.len()],
}

/// What is there at the moment.
pub struct Gauges {
    /// Open TCP connections.
    pub connections: usize,
    /// Members of all rooms, those who are away included.
    pub members: usize,
    /// Rooms.
    pub rooms: usize,
}

impl Metrics {
    /// Counts a connection that ended with a close code; 1006 is one that ended without.
    pub fn closed(&self, code: u16) {
        let index = CODES.iter().position(|known| *known == code).unwrap_or(0);
        add(&self.closes[index], 1);
    }

    /// The text for Prometheus.
    pub fn render(&self, now: &Gauges) -> String {
        let mut text = String::with_capacity(2048);
        let mut put = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "# HELP nexscope_{name} {help}\n# TYPE nexscope_{name} {kind}"
            );
            for (label, value) in values {
                let _ = writeln!(text, "nexscope_{name}{label} {value}");
            }
        };
        let one = |value: u64| [(String::new(), value)];
        let count = |counter: &AtomicU64| one(counter.load(Relaxed));
        put(
            "connections",
            "gauge",
            "Open connections.",
            &one(now.connections as u64),
        );
        put(
            "members",
            "gauge",
            "Members of all rooms.",
            &one(now.members as u64),
        );
        put("rooms", "gauge", "Rooms.", &one(now.rooms as u64));
        put(
            "connections_total",
            "counter",
            "Connections accepted.",
            &count(&self.accepted),
        );
        put(
            "messages_total",
            "counter",
            "Messages taken.",
            &count(&self.messages),
        );
        put(
            "deliveries_total",
            "counter",
            "Frames queued for receivers.",
            &count(&self.deliveries),
        );
        put(
            "received_bytes_total",
            "counter",
            "Bytes read from clients.",
            &count(&self.bytes_in),
        );
        put(
            "sent_bytes_total",
            "counter",
            "Bytes written to clients.",
            &count(&self.bytes_out),
        );
        put(
            "signals_dropped_total",
            "counter",
            "Signals dropped from full queues.",
            &count(&self.dropped),
        );
        put(
            "rate_limited_total",
            "counter",
            "Frames refused by the rate limit.",
            &count(&self.limited),
        );
        put(
            "streams_total",
            "counter",
            "Streams opened.",
            &count(&self.streams),
        );
        let closes: Vec<_> = CODES
            .iter()
            .zip(&self.closes)
            .map(|(code, count)| (format!("{{code=\"{code}\"}}"), count.load(Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect();
        put(
            "closes_total",
            "counter",
            "Connections ended, by close code.",
            &closes,
        );
        text += "# HELP nexscope_queue_seconds How long the oldest frame of each write has waited in its queue.\n\
                 # TYPE nexscope_queue_seconds histogram\n";
        for (label, value) in self.queued.lines() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "nexscope_queue_seconds{label} {value}");
        }
        text
    }
}

/// Counts; the order among counters does not matter to anybody.
pub fn add(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_cumulative() {
        let metrics = Metrics::default();
        for micros in [0, 100, 101, 2_000_000] {
            metrics.queued.observe(Duration::from_micros(micros));
        }
        let text = metrics.render(&Gauges {
            connections: 0,
            members: 0,
            rooms: 0,
        });
        for line in [
            "nexscope_queue_seconds_bucket{le=\"0.0001\"} 2",
            "nexscope_queue_seconds_bucket{le=\"0.00025\"} 3",
            "nexscope_queue_seconds_bucket{le=\"1\"} 3",
            "nexscope_queue_seconds_bucket{le=\"+Inf\"} 4",
            "nexscope_queue_seconds_sum 2.000201",
            "nexscope_queue_seconds_count 4",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
