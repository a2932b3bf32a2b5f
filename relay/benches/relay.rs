//! What the relay does under load: `cargo bench -p nexscope-relay`.
//!
//! One sender, many receivers, the program itself in a process of its own. Receivers read raw bytes and count
//! frames, so that the figures are the relay's and not a client library's. No criterion: what is measured is
//! a process, and one number a line says it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

const TOKEN: &str = "a-token-for-benches";
/// Messages that may be on their way before the slowest receiver has them; below the relay's queue limit.
const WINDOW: u64 = 1024;
/// Messages in one write of the sender.
const BATCH: u64 = 32;

#[tokio::main]
async fn main() {
    for (receivers, messages) in [(10, 200_000), (100, 50_000), (1000, 5_000)] {
        fan_out(receivers, messages).await;
    }
    ping_pong(5_000).await;
    idle(5_000).await;
}

/// A relay in a process of its own, killed when dropped.
struct Relay {
    child: Child,
    address: String,
}

impl Relay {
    fn start() -> Relay {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nexscope-relay"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--rate",
                "0",
                "--per-address",
                "0",
                "--max-members",
                "0",
                "--max-rooms",
                "0",
            ])
            .env("NEXSCOPE_TOKEN", TOKEN)
            .env("NEXSCOPE_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the relay starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line
            .trim_end()
            .strip_prefix("listening on ")
            .expect("an address")
            .to_owned();
        Relay { child, address }
    }

    /// A value of its /proc status in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0)
    }

    /// CPU time so far, in seconds, at 100 ticks a second.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A member that counts the text frames it gets, by their first bytes.
struct Member {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
}

impl Member {
    async fn join(relay: &Relay, name: &str) -> Member {
        Member::join_room(relay, name, 0).await
    }

    async fn join_room(relay: &Relay, name: &str, room: usize) -> Member {
        let mut stream = TcpStream::connect(&relay.address).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let head = "GET /ws HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("an answer"));
        }
        let hello = format!(r#"{{"type":"hello","v":2,"name":"{name}","room":"r{room}","token":"{TOKEN}"}}"#);
        stream.write_all(&masked(&hello)).await.expect("sent");
        let mut member = Member {
            stream,
            buffer: Vec::new(),
            start: 0,
        };
        while member.frames(b"{\"type\":\"welcome").await == 0 {}
        member
    }

    /// Reads once; gives how many text frames began with these bytes.
    async fn frames(&mut self, prefix: &[u8]) -> u64 {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(64 * 1024);
        assert_ne!(
            self.stream.read_buf(&mut self.buffer).await.expect("bytes"),
            0,
            "the relay closed"
        );
        let mut count = 0;
        while let Some(rest) = self.buffer.get(self.start..).filter(|rest| rest.len() > 1) {
            let (header, length) = match rest[1] {
                126 if rest.len() >= 4 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
                127 if rest.len() >= 10 => (
                    10,
                    u32::from_be_bytes([rest[6], rest[7], rest[8], rest[9]]) as usize,
                ),
                126 | 127 => break,
                short => (2, usize::from(short)),
            };
            let Some(payload) = rest.get(header..header + length) else {
                break;
            };
            count += u64::from(payload.starts_with(prefix));
            self.start += header + length;
        }
        count
    }
}

/// A client's text frame; masked with zeros, which is a mask too.
fn masked(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        n @ 0..=125 => frame.push(0x80 | n as u8),
        n => {
            frame.push(0x80 | 126);
            frame.extend((n as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

fn message(id: u64) -> Vec<u8> {
    let text = "x".repeat(150);
    masked(&format!(
        r#"{{"type":"message","id":"m{id:010}","body":{{"kind":"chat","text":"{text}"}}}}"#
    ))
}

async fn fan_out(receivers: usize, messages: u64) {
    let relay = Relay::start();
    let counts: Arc<Vec<AtomicU64>> = Arc::new((0..receivers).map(|_| AtomicU64::new(0)).collect());
    let progress = Arc::new(Notify::new());
    let mut tasks = Vec::new();
    for i in 0..receivers {
        let mut member = Member::join(&relay, &format!("r{i}")).await;
        let (counts, progress) = (Arc::clone(&counts), Arc::clone(&progress));
        tasks.push(tokio::spawn(async move {
            while counts[i].load(Relaxed) < messages {
                let new = member.frames(b"{\"type\":\"message").await;
                counts[i].fetch_add(new, Relaxed);
                progress.notify_one();
            }
        }));
    }
    let mut sender = Member::join(&relay, "sender").await;
    let (cpu, begin) = (relay.cpu(), Instant::now());
    let (mut read, mut write) = sender.stream.split();
    let mut sent = 0;
    let send = async {
        while sent < messages {
            while sent >= WINDOW + counts.iter().map(|count| count.load(Relaxed)).min().unwrap_or(0) {
                progress.notified().await;
            }
            let batch: Vec<u8> = (sent..sent + BATCH).flat_map(message).collect();
            write.write_all(&batch).await.expect("sent");
            sent += BATCH;
        }
    };
    let acks = async {
        let mut buffer = vec![0; 64 * 1024];
        while read.read(&mut buffer).await.expect("acks") > 0 {}
    };
    tokio::select! {
        () = async { send.await; for task in tasks { task.await.expect("received"); } } => {}
        () = acks => {}
    }
    let (time, deliveries) = (begin.elapsed().as_secs_f64(), receivers as f64 * messages as f64);
    println!(
        "fan-out 1→{receivers}: {:.2} million deliveries/s, {:.2} µs of the relay's CPU each",
        deliveries / time / 1e6,
        (relay.cpu() - cpu) / deliveries * 1e6
    );
}

async fn ping_pong(rounds: u64) {
    let relay = Relay::start();
    let mut ann = Member::join(&relay, "ann").await;
    let mut bob = Member::join(&relay, "bob").await;
    let mut times = Vec::new();
    for round in 0..rounds {
        let begin = Instant::now();
        ann.stream.write_all(&message(round)).await.expect("sent");
        while bob.frames(b"{\"type\":\"message").await == 0 {}
        bob.stream.write_all(&message(round)).await.expect("sent");
        while ann.frames(b"{\"type\":\"message").await == 0 {}
        times.push(begin.elapsed());
    }
    times.sort();
    let at = |part: f64| times[(times.len() as f64 * part) as usize].as_micros();
    println!(
        "there and back: {} µs in the middle, {} µs for 99 of 100",
        at(0.5),
        at(0.99)
    );
}

async fn idle(connections: usize) {
    let relay = Relay::start();
    let before = relay.memory();
    let begin = Instant::now();
    let mut members = Vec::new();
    for i in 0..connections {
        // Rooms of ten, since everybody hears of everybody who joins.
        let mut stream = Member::join_room(&relay, &format!("m{i}"), i / 10).await;
        stream.buffer = Vec::new();
        members.push(stream);
    }
    let time = begin.elapsed();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let each = (relay.memory() - before) as f64 / connections as f64;
    let rate = connections as f64 / time.as_secs_f64();
    println!(
        "idle: {each:.1} KiB a connection at {connections}; {rate:.0} new ones a second, one after the other"
    );
}
