//! Two members who talk: alone, then with five hundred hostile connections.
//!
//! The relay has one core for itself, as on a separate machine. All others share the second core, where hostile clients have
//! a lower priority. So the result is the latency of the relay and not the wait for a core.

use std::{
    io::Read,
    process::Stdio,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use crate::{
    process::{Core, Process},
    support::{self, Member, Relay, at, frame, masked, message},
};

/// Hostile connections, opened one after the other during the measurement.
const ILLS: usize = 500;
/// Kinds of hostile connections.
const KINDS: usize = 10;
const TIME: Duration = Duration::from_secs(20);
/// Interval between messages of the two members, below the relay's rate.
const PAUSE: Duration = Duration::from_millis(25);
/// Default limits, except that one address may have all the connections and hold as many seats.
const LIMITS: [&str; 2] = ["--per-address", "600"];
/// Bytes per write of a hostile client, so that none occupies the core for long.
const WRITE: usize = 64 * 1024;
/// Small frames per connection that sends them.
const SMALL: usize = 100_000;
/// Joins that are dropped at once, per connection that does so: 1,000 in all.
const DROPPED: usize = 1000 * KINDS / ILLS;
/// Messages or receipts of a flood: what the relay accepts at once.
const BURST: usize = 200;
/// Large broadcasts per connection that sends them, and their bytes.
const LARGE: usize = 5;
const LARGE_BYTES: usize = 200_000;

/// Generated once, so that generating it does not affect the measurement.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| (0..1 << 20).map(|i: usize| (i * 197) as u8).collect());
static LONG: LazyLock<Vec<u8>> = LazyLock::new(|| frame(0x1, &[&vec![b'x'; 16 << 20]]));
static FRAMES: LazyLock<Vec<u8>> =
    LazyLock::new(|| masked("{\"type\":\"message\",\"id\":\"a\",\"body\":{}}").repeat(SMALL));

/// Totals of the hostile connections.
static CONNECTED: AtomicU64 = AtomicU64::new(0);
static CLOSED: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The target of the hostile connections.
#[derive(Clone, Copy, PartialEq)]
enum Aim {
    Nobody,
    Another,
    Theirs,
}

/// Measures the two members in alternating runs: alone, with the hostile connections at another relay, and at theirs. With
/// `kind`, only hostile connections of that kind take part.
pub fn afternoon(rounds: usize, kind: Option<usize>) {
    let aims = [
        (Aim::Nobody, "two talk 40 times a second, alone".to_owned()),
        (
            Aim::Another,
            format!("the same with {ILLS} hostile connections to another relay"),
        ),
        (Aim::Theirs, format!("the same with {ILLS} to theirs")),
    ];
    let mut figures = aims.clone().map(|_| Vec::new());
    for round in 0..rounds {
        for i in 0..aims.len() {
            // Rotate the order for the next round.
            let i = (i + round) % aims.len();
            figures[i].push(measure(aims[i].0, kind));
        }
    }
    for ((_, name), figures) in aims.iter().zip(&mut figures) {
        figures.sort_by_key(|figure| figure.p99);
        let (least, most) = (figures[0].p99, figures[rounds - 1].p99);
        let Figure {
            p50,
            p99,
            cpu,
            more,
            sent,
        } = &figures[rounds / 2];
        println!(
            "| {name} | p50 {p50} µs, p99 {p99} µs ({least}–{most}); the relay's CPU {cpu:.2} s, its memory rises by {more:.1} MiB{sent} |"
        );
    }
}

/// The result of a run.
struct Figure {
    p50: u64,
    p99: u64,
    /// Seconds of the relay's CPU.
    cpu: f64,
    /// MiB by which the relay's memory rose.
    more: f64,
    /// The totals of the hostile connections.
    sent: String,
}

fn measure(aim: Aim, kind: Option<usize>) -> Figure {
    let relay = Relay::start_on(Core::Relays, &LIMITS);
    let elsewhere = (aim == Aim::Another).then(|| Relay::start_on(Core::Last, &LIMITS));
    let target = elsewhere.as_ref().unwrap_or(&relay);
    let (memory, cpu) = (relay.process.memory(), relay.process.cpu());
    let kind = kind.map(|kind| kind.to_string());
    let attack = (aim != Aim::Nobody).then(|| {
        let words = ["attack", &target.address].into_iter().chain(kind.as_deref());
        start(Core::Last, words)
    });
    let mut talk = start(Core::Others, ["talk", &relay.address]);
    let told = read(&mut talk);
    let mut numbers = told.split_whitespace().map(|n| n.parse().expect("a number"));
    let mut number = || numbers.next().expect("two numbers");
    Figure {
        p50: number(),
        p99: number(),
        cpu: relay.process.cpu() - cpu,
        more: relay.process.memory().saturating_sub(memory) as f64 / 1024.0,
        sent: attack.map_or_else(String::new, |mut attack| {
            format!("; {}", read(&mut attack).trim())
        }),
    }
}

/// Starts a part of this benchmark as a process.
fn start<'a>(core: Core, words: impl IntoIterator<Item = &'a str>) -> Process {
    let program = std::env::current_exe().expect("this program");
    Process::start(core.command(program).args(words).stdout(Stdio::piped()))
}

fn read(process: &mut Process) -> String {
    let mut told = String::new();
    process.output().read_to_string(&mut told).expect("what it tells");
    told
}

/// Sends messages from one member to the other at an even rate and prints the one-way p50 and p99 in µs.
pub async fn talk(address: &str) {
    let ann = Member::join_at(address, "ann", 1).await;
    let (mut answers, mut ann) = ann.stream.into_split();
    // Her acks and what the others send.
    tokio::spawn(async move { tokio::io::copy(&mut answers, &mut tokio::io::sink()).await });
    let mut bob = Member::join_at(address, "bob", 1).await;
    let (begin, mut times) = (Instant::now(), Vec::new());
    for number in 0.. {
        let due = begin + PAUSE * number as u32;
        if due > begin + TIME {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let sent = Instant::now();
        ann.write_all(&message(number)).await.expect("sent");
        while bob.frames(b"{\"type\":\"message\",\"id\":\"m").await == 0 {}
        times.push(sent.elapsed());
    }
    println!("{} {}", at(&mut times, 0.5), at(&mut times, 0.99));
}

/// Opens the hostile connections during the measurement and prints their totals.
pub async fn attack(address: &str, kind: Option<usize>) {
    for made in [&NOISE, &LONG, &FRAMES] {
        LazyLock::force(made);
    }
    let mut ills = JoinSet::new();
    for number in 0..ILLS {
        let address = address.to_owned();
        if kind.is_some_and(|kind| kind != number % KINDS) {
            continue;
        }
        ills.spawn(async move {
            tokio::time::sleep(TIME.mul_f64(0.8) * number as u32 / ILLS as u32).await;
            ill(number, &address).await;
        });
    }
    tokio::time::sleep(TIME).await;
    let [connected, closed, bytes] = [&CONNECTED, &CLOSED, &BYTES].map(|count| count.load(Relaxed));
    println!(
        "{connected} connected, {} MB were taken of them, {closed} closed by the relay",
        bytes / 1_000_000
    );
}

/// Runs one hostile connection. Errors end it.
async fn ill(number: usize, address: &str) {
    let kind = number % KINDS;
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    CONNECTED.fetch_add(1, Relaxed);
    if kind > 1 {
        support::upgrade(&mut stream).await;
    }
    let hello = masked(&support::hello(&format!("ill{number}"), 1));
    let goes_on = match kind {
        // Sends nothing.
        0 => true,
        // One byte a second.
        1 => loop {
            if !send(&mut stream, b"G").await {
                break false;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        },
        // Joins the room and never reads.
        2 => send(&mut stream, &hello).await,
        // Garbage.
        3 => send(&mut stream, &NOISE[number..]).await,
        // A frame of 16 MiB.
        4 => send(&mut stream, &LONG).await,
        // 100,000 small frames, or as many as the relay accepts.
        5 => send(&mut stream, &hello).await && send(&mut stream, &FRAMES).await,
        // Joins and drops its connection, again and again.
        6 => drop_joins(number, address).await,
        // Messages to 64 absent names each, receipts, and broadcasts of 200 KB.
        _ => {
            let frames = (0..if kind == 9 { LARGE } else { BURST }).map(|i| masked(&flood(kind, number, i)));
            send(&mut stream, &hello).await && send(&mut stream, &frames.collect::<Vec<_>>().concat()).await
        }
    };
    if kind == 2 && goes_on {
        std::future::pending::<()>().await;
    }
    // Keep it open until the relay closes it.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    CLOSED.fetch_add(1, Relaxed);
}

/// Joins under new names, each on a connection that is dropped at once. Returns false if the relay refuses one.
async fn drop_joins(number: usize, address: &str) -> bool {
    for join in 0..DROPPED {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            return false;
        };
        CONNECTED.fetch_add(1, Relaxed);
        support::upgrade(&mut stream).await;
        let hello = masked(&support::hello(&format!("gone{number}-{join}"), 1));
        if !send(&mut stream, &hello).await {
            return false;
        }
    }
    true
}

/// A frame of a flood.
fn flood(kind: usize, number: usize, i: usize) -> String {
    let (to, body) = match kind {
        7 => {
            let names: Vec<_> = (0..64)
                .map(|name| format!("absent-{number}-{i}-{name}"))
                .collect();
            (names, r#"{"kind":"chat","text":"x"}"#.to_owned())
        }
        8 => (
            vec!["ann".to_owned()],
            r#"{"kind":"receipt","of":"m0","state":"received"}"#.to_owned(),
        ),
        _ => (
            Vec::new(),
            format!(r#"{{"kind":"chat","text":"{}"}}"#, "x".repeat(LARGE_BYTES)),
        ),
    };
    let only = !to.is_empty();
    format!(r#"{{"type":"message","id":"f{number}-{i}","to":{to:?},"only":{only},"body":{body}}}"#)
}

/// Writes and counts as much as the relay accepts. Returns false if the relay has closed the connection.
async fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    for part in bytes.chunks(WRITE) {
        if stream.write_all(part).await.is_err() {
            return false;
        }
        BYTES.fetch_add(part.len() as u64, Relaxed);
    }
    true
}
