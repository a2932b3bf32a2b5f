//! Messages: fan-out, round trip, and a receiver that never reads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::io::AsyncWriteExt;

use crate::support::{Member, Relay, at, message};

/// Maximum unacked messages.
const WINDOW: u64 = 256;
/// Messages per write of the sender.
const BATCH: u64 = 32;
const MESSAGE: &[u8] = b"{\"type\":\"message";

/// One sender and many receivers, of which `deaf` never read.
pub async fn fan_out(receivers: usize, deaf: usize, messages: u64) {
    let relay = Relay::start();
    let counts: Arc<Vec<AtomicU64>> = Arc::new((0..receivers).map(|_| AtomicU64::new(0)).collect());
    let mut silent = Vec::new();
    for i in 0..deaf {
        silent.push(Member::join(&relay, &format!("deaf{i}")).await);
    }
    let mut tasks = Vec::new();
    for i in 0..receivers {
        let mut member = Member::join(&relay, &format!("r{i}")).await;
        let counts = Arc::clone(&counts);
        tasks.push(tokio::spawn(async move {
            while counts[i].load(Relaxed) < messages {
                let new = member.frames(MESSAGE).await;
                counts[i].fetch_add(new, Relaxed);
            }
        }));
    }
    let mut sender = Member::join(&relay, "sender").await;
    let (cpu, begin) = (relay.process.cpu(), Instant::now());
    let (mut sent, mut acked) = (0, 0);
    while sent < messages {
        let batch: Vec<u8> = (sent..sent + BATCH).flat_map(message).collect();
        sender.stream.write_all(&batch).await.expect("sent");
        sent += BATCH;
        while sent + BATCH > WINDOW + acked {
            acked += sender.frames(b"{\"type\":\"ack").await;
        }
    }
    for task in tasks {
        task.await.expect("received");
    }
    let (time, deliveries) = (begin.elapsed().as_secs_f64(), receivers as f64 * messages as f64);
    let rate = deliveries / time / 1e6;
    let each = (relay.process.cpu() - cpu) / deliveries * 1e6;
    let beside = if deaf > 0 {
        format!(" beside {deaf} that never reads")
    } else {
        String::new()
    };
    println!(
        "| fan-out 1→{receivers}{beside} | {rate:.2} million deliveries/s, {each:.2} µs of the relay's CPU each |"
    );
}

/// Measures the round trip of a message and its answer.
pub async fn ping_pong(rounds: u64) {
    let relay = Relay::start();
    let mut ann = Member::join(&relay, "ann").await;
    let mut bob = Member::join(&relay, "bob").await;
    let mut times = Vec::new();
    for round in 0..rounds {
        let begin = Instant::now();
        ann.stream.write_all(&message(round)).await.expect("sent");
        while bob.frames(MESSAGE).await == 0 {}
        bob.stream.write_all(&message(round)).await.expect("sent");
        while ann.frames(MESSAGE).await == 0 {}
        times.push(begin.elapsed());
    }
    let (p50, p99, p999) = (at(&mut times, 0.5), at(&mut times, 0.99), at(&mut times, 0.999));
    println!("| round trip | p50 {p50} µs, p99 {p99} µs, p99.9 {p999} µs |");
}
