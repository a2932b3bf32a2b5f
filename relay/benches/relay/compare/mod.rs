//! Compares the relay with other servers: one generator measures each in alternating rounds.

pub mod peer;
pub mod tcp;

use std::{path::Path, time::Instant};

use peer::{BATCH, Got, KINDS, Kind, Peer, Server};
use uuid::Uuid;

use crate::support;

/// Maximum unacked messages.
const WINDOW: u64 = 256;
/// Bytes of a file in transit, and of a chunk.
const CREDIT: u64 = 1 << 20;
const CHUNK: u64 = 64 * 1024;
/// Bytes of a file.
const FILE: u64 = 1 << 30;
/// Round trips per measurement.
const PINGS: u64 = 3_000;

/// The measurements and their units.
const ROWS: [&str; 7] = [
    "1→100, million deliveries/s",
    "1→1,000, million deliveries/s",
    "its CPU per delivery at 1→100, µs",
    "its CPU per delivery at 1→1,000, µs",
    "there and back p50, µs",
    "there and back p99, µs",
    "1 GiB stream, MB/s",
];

/// Measures all servers in `rounds` rounds and prints medians and ranges. `dir` has the servers of `install`.
pub async fn compare(dir: &Path, rounds: usize) {
    let mut figures = vec![vec![Vec::new(); KINDS.len()]; ROWS.len()];
    for round in 0..rounds {
        for i in 0..KINDS.len() {
            // Rotate the order for the next round.
            let i = (i + round) % KINDS.len();
            let kind = KINDS[i];
            let (hundred, cpu_hundred) = fan_out(kind, dir, 100).await;
            let (thousand, cpu_thousand) = fan_out(kind, dir, 1000).await;
            let (p50, p99) = ping_pong(kind, dir).await;
            // Other servers would take minutes; a quarter is enough for them.
            let file = if kind == Kind::NodeWs { FILE / 4 } else { FILE };
            let stream = stream(kind, dir, file).await;
            let row = [hundred, thousand, cpu_hundred, cpu_thousand, p50, p99, stream];
            for (figure, values) in row.into_iter().zip(&mut figures) {
                values[i].push(figure);
            }
            eprintln!("round {}: {}: {row:.2?}", round + 1, kind.name());
        }
    }
    let names: Vec<_> = KINDS.iter().map(|kind| kind.name()).collect();
    println!("| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    for (name, values) in ROWS.iter().zip(&mut figures) {
        let cells: Vec<_> = values.iter_mut().map(|values| spread(values)).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
}

/// Median (least–most).
fn spread(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    let digits = if values[0] < 20.0 { 2 } else { 0 };
    let (least, middle, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    format!("{middle:.digits$} ({least:.digits$}–{most:.digits$})")
}

/// One sender and many receivers: million deliveries per second, and the server's CPU per delivery in µs.
async fn fan_out(kind: Kind, dir: &Path, receivers: u64) -> (f64, f64) {
    let server = Server::start(kind, dir).await;
    let messages = (kind.deliveries() / receivers).next_multiple_of(BATCH);
    let mut sender = Peer::join(&server, "sender").await;
    let mut peers = Vec::new();
    for i in 0..receivers {
        peers.push(Peer::join(&server, &format!("r{i}")).await);
    }
    let receive = |mut peer: Peer| async move {
        let mut count = 0;
        while count < messages {
            peer.read(|got| count += u64::from(got == Got::Message)).await;
        }
    };
    let tasks: Vec<_> = peers
        .into_iter()
        .map(|peer| tokio::spawn(receive(peer)))
        .collect();
    let (cpu, begin) = (server.process().cpu(), Instant::now());
    let (mut sent, mut acked) = (0, 0);
    while sent < messages {
        let batch = sender.messages(sent, sent + BATCH);
        sender.write(&batch).await;
        sent += BATCH;
        while sent + BATCH > WINDOW + acked {
            sender
                .read(|got| {
                    if let Got::Acks(n) = got {
                        acked += n;
                    }
                })
                .await;
        }
    }
    for task in tasks {
        task.await.expect("received");
    }
    let (time, deliveries) = (begin.elapsed().as_secs_f64(), (receivers * messages) as f64);
    (
        deliveries / time / 1e6,
        (server.process().cpu() - cpu) / deliveries * 1e6,
    )
}

/// The round trip of a message and its answer: p50 and p99 in µs.
async fn ping_pong(kind: Kind, dir: &Path) -> (f64, f64) {
    let server = Server::start(kind, dir).await;
    let mut ann = Peer::join(&server, "ann").await;
    let mut bob = Peer::join(&server, "bob").await;
    let mut times = Vec::new();
    for round in 0..PINGS {
        let message = ann.messages(round, round + 1);
        let begin = Instant::now();
        ann.write(&message).await;
        bob.until(|got| got == Got::Message).await;
        bob.write(&message).await;
        ann.until(|got| got == Got::Message).await;
        times.push(begin.elapsed());
    }
    (
        support::at(&mut times, 0.5) as f64,
        support::at(&mut times, 0.99) as f64,
    )
}

/// A file with a window of 1 MiB, in MB/s.
async fn stream(kind: Kind, dir: &Path, size: u64) -> f64 {
    let server = Server::start(kind, dir).await;
    let mut bob = Peer::join(&server, "bob").await;
    let mut ann = Peer::join(&server, "ann").await;
    let id = Uuid::new_v4();
    if kind == Kind::Nexscope {
        let open = format!(
            r#"{{"type":"stream_open","stream":"{id}","to":"bob","size":{size},"of":"f","offset":0}}"#
        );
        ann.write(&support::masked(&open)).await;
        bob.until(|got| got == Got::Opened).await;
    }
    let begin = Instant::now();
    let sending = tokio::spawn(async move {
        let (mut sent, mut credit) = (0, 0);
        let data = vec![7; CHUNK as usize];
        while sent < size {
            while sent + CHUNK <= credit.min(size) {
                let chunk = ann.chunk(id, sent, &data);
                ann.write(&chunk).await;
                sent += CHUNK;
            }
            if sent < size {
                ann.read(|got| {
                    if let Got::Credit(bytes) = got {
                        credit = credit.max(bytes);
                    }
                })
                .await;
            }
        }
        ann
    });
    let (mut received, mut granted) = (0, 0);
    while received < size {
        if received + CREDIT >= granted + CREDIT / 4 {
            granted = received + CREDIT;
            let credit = bob.credit(id, granted);
            bob.write(&credit).await;
        }
        bob.read(|got| {
            if let Got::Chunk(bytes) = got {
                received += bytes;
            }
        })
        .await;
    }
    let time = begin.elapsed().as_secs_f64();
    drop(sending.await.expect("sent"));
    size as f64 / time / 1e6
}
