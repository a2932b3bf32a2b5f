//! Counters for `/metrics`, in the text format of Prometheus.

use std::{
    fmt::{Display, Write},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Close codes with a counter of their own. Others count as 0.
const CODES: [u16; 19] = [
    0, 1000, 1001, 1002, 1006, 1007, 1008, 4009, 4010, 4011, 4012, 4013, 4014, 4020, 4021, 4022, 4023, 4024,
    4025,
];

/// Upper bounds of the histogram's buckets, in microseconds. The last bucket has none.
const BUCKETS: [u64; 10] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000,
];

#[derive(Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    pub fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().position(|bound| micros <= *bound);
        add(&self.buckets[bucket.unwrap_or(BUCKETS.len())], 1);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// Labels and values for Prometheus, where buckets are cumulative.
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

/// Counters since the start of the relay. See [`Gauges`] for present values.
#[derive(Default)]
pub struct Metrics {
    pub accepted: AtomicU64,
    pub messages: AtomicU64,
    /// Frames of messages and signals queued for connections.
    pub deliveries: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    /// Signals dropped because a queue was full.
    pub dropped: AtomicU64,
    /// Frames refused by the rate limit.
    pub limited: AtomicU64,
    pub streams: AtomicU64,
    /// Time that the oldest frame of each write waited in its queue.
    pub queued: Histogram,
    closes: [AtomicU64; CODES.len()],
}

/// Present values.
pub struct Gauges {
    pub connections: usize,
    /// Members of all rooms, away ones included.
    pub members: usize,
    pub rooms: usize,
}

impl Metrics {
    /// Counts the end of a connection. 1006 stands for an end without a close code.
    pub fn closed(&self, code: u16) {
        let index = CODES.iter().position(|known| *known == code).unwrap_or(0);
        add(&self.closes[index], 1);
    }

    /// The metrics in the text format of Prometheus.
    pub fn render(&self, now: &Gauges) -> String {
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let mut text = String::with_capacity(2048);
        #[rustfmt::skip]
        let families = [
            ("connections", "gauge", "Open connections.", now.connections as u64),
            ("members", "gauge", "Members of all rooms.", now.members as u64),
            ("rooms", "gauge", "Rooms.", now.rooms as u64),
            ("connections_total", "counter", "Connections accepted.", count(&self.accepted)),
            ("messages_total", "counter", "Messages accepted.", count(&self.messages)),
            ("deliveries_total", "counter", "Frames queued for receivers.", count(&self.deliveries)),
            ("received_bytes_total", "counter", "Bytes read from clients.", count(&self.bytes_in)),
            ("sent_bytes_total", "counter", "Bytes written to clients.", count(&self.bytes_out)),
            ("signals_dropped_total", "counter", "Signals dropped from full queues.", count(&self.dropped)),
            ("rate_limited_total", "counter", "Frames refused by the rate limit.", count(&self.limited)),
            ("streams_total", "counter", "Streams opened.", count(&self.streams)),
        ];
        for (name, kind, help, value) in families {
            put_header(&mut text, name, kind, help);
            put(&mut text, name, "", value);
        }
        put_header(
            &mut text,
            "closes_total",
            "counter",
            "Connections ended, by close code.",
        );
        for (code, closes) in CODES.iter().zip(&self.closes) {
            if count(closes) > 0 {
                put(
                    &mut text,
                    "closes_total",
                    &format!("{{code=\"{code}\"}}"),
                    count(closes),
                );
            }
        }
        let help = "Time that the oldest frame of each write waited in its queue.";
        put_header(&mut text, "queue_seconds", "histogram", help);
        for (label, value) in self.queued.lines() {
            put(&mut text, "queue_seconds", &label, value);
        }
        text
    }
}

fn put_header(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "# HELP nexscope_{name} {help}\n# TYPE nexscope_{name} {kind}"
    );
}

fn put(text: &mut String, name: &str, label: &str, value: impl Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "nexscope_{name}{label} {value}");
}

/// Increases a counter. Nothing depends on the order among counters.
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
