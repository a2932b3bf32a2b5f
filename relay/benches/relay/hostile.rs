//! Two members who talk: alone, then beside five hundred connections that mean no good.
//!
//! The relay has a core of its own, as on a machine of its own; all others share another, where those who mean no good
//! wait for those who talk. So what is measured is the relay, and not the wait for a core behind who floods it.

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

/// Connections that mean no good; they come one after the other, over the time that is measured.
const ILLS: usize = 500;
/// Ways to be ill.
const KINDS: usize = 6;
const TIME: Duration = Duration::from_secs(20);
/// Between two messages of the good ones, who stay below the relay's rate.
const PAUSE: Duration = Duration::from_millis(25);
/// The relay has its own limits, but for those that one address would reach.
const LIMITS: [&str; 4] = ["--per-address", "0", "--max-members", "0"];
/// Bytes that are written at once by who has many: what a core does for one of them is not to last.
const WRITE: usize = 64 * 1024;
/// Small frames of each who sends many of them.
const SMALL: usize = 100_000;

/// Made once: what making it costs is not to be felt by anybody.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| (0..1 << 20).map(|i: usize| (i * 197) as u8).collect());
static LONG: LazyLock<Vec<u8>> = LazyLock::new(|| frame(0x1, &[&vec![b'x'; 16 << 20]]));
static FRAMES: LazyLock<Vec<u8>> =
    LazyLock::new(|| masked("{\"type\":\"message\",\"id\":\"a\",\"body\":{}}").repeat(SMALL));

/// What those have done who mean no good.
static CONNECTED: AtomicU64 = AtomicU64::new(0);
static CLOSED: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Whom the five hundred go to.
#[derive(Clone, Copy, PartialEq)]
enum Aim {
    Nobody,
    Another,
    Theirs,
}

/// What the good ones feel, in turn alone, beside those who flood another relay, and beside those who flood theirs.
/// `kind`: only those come of the five hundred that are ill in this way, where it is given.
pub fn afternoon(rounds: usize, kind: Option<usize>) {
    let aims = [
        (Aim::Nobody, "two talk 40 times a second, alone".to_owned()),
        (
            Aim::Another,
            format!("the same beside {ILLS} hostile connections to another relay"),
        ),
        (Aim::Theirs, format!("the same beside {ILLS} to theirs")),
    ];
    let mut figures = aims.clone().map(|_| Vec::new());
    for round in 0..rounds {
        for i in 0..aims.len() {
            // Each has another before it in the next round.
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

/// What one run came to.
struct Figure {
    p50: u64,
    p99: u64,
    /// Seconds of the relay's CPU.
    cpu: f64,
    /// MiB by which the relay's memory rose.
    more: f64,
    /// What was sent by those who mean no good.
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

/// A part of this benchmark in a process of its own.
fn start<'a>(core: Core, words: impl IntoIterator<Item = &'a str>) -> Process {
    let program = std::env::current_exe().expect("this program");
    Process::start(core.command(program).args(words).stdout(Stdio::piped()))
}

fn read(process: &mut Process) -> String {
    let mut told = String::new();
    process.output().read_to_string(&mut told).expect("what it tells");
    told
}

/// Messages from one to the other at an even pace; p50 and p99 in µs, one way.
pub async fn talk(address: &str) {
    let mut ann = Member::join_at(address, "ann", 1).await;
    let mut bob = Member::join_at(address, "bob", 1).await;
    let (begin, mut times) = (Instant::now(), Vec::new());
    for number in 0.. {
        let due = begin + PAUSE * number as u32;
        if due > begin + TIME {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let sent = Instant::now();
        ann.stream.write_all(&message(number)).await.expect("sent");
        while bob.frames(b"{\"type\":\"message\",\"id\":\"m").await == 0 {}
        times.push(sent.elapsed());
    }
    println!("{} {}", at(&mut times, 0.5), at(&mut times, 0.99));
}

/// Five hundred who mean no good, for as long as is measured; tells what they did.
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

/// One of six ways to be ill. What the relay does about it is the relay's affair: errors end it.
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
        // Says nothing.
        0 => true,
        // One byte a second.
        1 => loop {
            if !send(&mut stream, b"G").await {
                break false;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        },
        // Joins the room, and never reads what is said there.
        2 => send(&mut stream, &hello).await,
        // Garbage.
        3 => send(&mut stream, &NOISE[number..]).await,
        // A frame of 16 MiB.
        4 => send(&mut stream, &LONG).await,
        // 100,000 small frames, or as many as the relay takes.
        _ => send(&mut stream, &hello).await && send(&mut stream, &FRAMES).await,
    };
    if kind == 2 && goes_on {
        std::future::pending::<()>().await;
    }
    // Held until the relay closes it.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    CLOSED.fetch_add(1, Relaxed);
}

/// Writes all that is taken, and counts it. False where the relay has closed.
async fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    for part in bytes.chunks(WRITE) {
        if stream.write_all(part).await.is_err() {
            return false;
        }
        BYTES.fetch_add(part.len() as u64, Relaxed);
    }
    true
}
