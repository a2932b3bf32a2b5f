//! Two members who talk, at first alone, then beside five hundred connections that mean no good.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::support::{self, Member, Relay, at, frame, masked, message};

/// Connections that mean no good; they come one after the other, over the time that is measured.
const ILLS: usize = 500;
const TIME: Duration = Duration::from_secs(20);
/// Between two messages of the good ones, who stay below the relay's rate.
const PAUSE: Duration = Duration::from_millis(25);

/// Made once: what making it costs is not to be felt by anybody.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| (0..1 << 20).map(|i: usize| (i * 197) as u8).collect());
static LONG: LazyLock<Vec<u8>> = LazyLock::new(|| frame(0x1, &[&vec![b'x'; 16 << 20]]));

/// What the good ones feel. The relay has its own limits, but for those on one address.
pub async fn afternoon() {
    let relay = Relay::start_with(&["--per-address", "0", "--max-members", "0"]);
    let elsewhere = Relay::start_with(&["--per-address", "0", "--max-members", "0"]);
    let (p50, p99) = talk(&relay, 0).await;
    println!("| two talk 40 times a second, alone | p50 {p50} µs, p99 {p99} µs |");
    LazyLock::force(&NOISE);
    LazyLock::force(&LONG);
    let ills = attack(&elsewhere);
    let (p50, p99) = talk(&relay, 1).await;
    drop((ills, elsewhere));
    println!(
        "| the same beside {ILLS} hostile connections to another relay on the machine | p50 {p50} µs, p99 {p99} µs |"
    );
    let before = relay.process.memory();
    let _ills = attack(&relay);
    let (p50, p99) = talk(&relay, 2).await;
    let more = relay.process.memory().saturating_sub(before) as f64 / 1024.0;
    println!(
        "| the same beside {ILLS} to theirs | p50 {p50} µs, p99 {p99} µs; the relay's memory rises by {more:.1} MiB |"
    );
}

/// Begins with connections that mean no good; they end when this is dropped.
fn attack(relay: &Relay) -> JoinSet<()> {
    let mut ills = JoinSet::new();
    for number in 0..ILLS {
        let address = relay.address.clone();
        ills.spawn(async move {
            tokio::time::sleep(TIME.mul_f64(0.8) * number as u32 / ILLS as u32).await;
            ill(number, &address).await;
        });
    }
    ills
}

/// Messages from one to the other at an even pace; p50 and p99 in µs, one way. Each time by two who have just come:
/// they answer no pings.
async fn talk(relay: &Relay, time: usize) -> (u128, u128) {
    let mut ann = Member::join_room(relay, &format!("ann{time}"), 1).await;
    let mut bob = Member::join_room(relay, &format!("bob{time}"), 1).await;
    let (begin, mut times) = (Instant::now(), Vec::new());
    for number in 0.. {
        let due = begin + PAUSE * number as u32;
        if due > begin + TIME {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let sent = Instant::now();
        ann.stream.write_all(&message(number)).await.expect("sent");
        while bob.frames(b"{\"type\":\"message").await == 0 {}
        times.push(sent.elapsed());
    }
    (at(&mut times, 0.5), at(&mut times, 0.99))
}

/// One of six ways to be ill. What the relay does about it is the relay's affair: errors end it.
async fn ill(number: usize, address: &str) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    let kind = number % 6;
    if kind > 1 {
        support::upgrade(&mut stream).await;
    }
    let hello = masked(&support::hello(&format!("ill{number}"), 1));
    let _ = match kind {
        // Says nothing.
        0 => Ok(()),
        // One byte a second.
        1 => loop {
            if stream.write_all(b"G").await.is_err() {
                break Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        },
        // Joins the room, and never reads what is said there.
        2 => stream.write_all(&hello).await,
        // Garbage.
        3 => stream.write_all(&NOISE[number..]).await,
        // A frame of 16 MiB.
        4 => stream.write_all(&LONG).await,
        // 100,000 small frames, or as many as the relay takes.
        _ => {
            let frames = masked("{\"type\":\"message\",\"id\":\"a\",\"body\":{}}").repeat(1000);
            let mut sent = stream.write_all(&hello).await;
            for _ in 0..100 {
                if sent.is_ok() {
                    sent = stream.write_all(&frames).await;
                }
            }
            sent
        }
    };
    if kind != 2 {
        // Held until the relay closes it.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    } else {
        std::future::pending::<()>().await;
    }
}
