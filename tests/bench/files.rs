//! Files between real clients over a real relay: `cargo bench -p nexscope-tui --bench files` prints a table.
//!
//! Transfers one GiB in comparison with `nc`, and cut twenty times while sent bytes are counted; the same to five
//! receivers of different speeds; and measures chat and keys during four transfers. Everything is on loopback and
//! needs 12 GiB in the temporary folder.

mod keys;
mod netcat;
mod receiver;
#[path = "../support/mod.rs"]
mod support;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use receiver::Receiver;
use support::{Home, Relay, Term, memory, shell::Running, spread};

/// Raised limits of the relay.
const LIMITS: [&str; 4] = ["--rate", "0", "--per-address", "0"];

fn main() {
    // One of speed, big, cut, receivers, chat, keys; all of them if none is named.
    let part = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let dir = tempfile::tempdir().unwrap();
    println!("| what | figure |\n|---|---|");
    if wanted("speed") || wanted("cut") || wanted("receivers") {
        let gib = file(dir.path(), "gib.bin", 1 << 30);
        if wanted("speed") {
            beside_netcat(&gib, dir.path());
        }
        if wanted("cut") {
            cut(&gib);
        }
        if wanted("receivers") {
            receivers(&gib);
        }
    }
    if wanted("big") {
        big(&file(dir.path(), "big.bin", 4 << 30));
    }
    if wanted("chat") || wanted("keys") {
        let four = [1, 2, 3, 4].map(|nth| file(dir.path(), &format!("four-{nth}.bin"), 1 << 30));
        if wanted("chat") {
            chat_beside(&four);
        }
        if wanted("keys") {
            keys_beside(&four);
        }
    }
}

fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}

/// A file that cannot be compressed.
fn file(dir: &Path, name: &str, size: usize) -> PathBuf {
    let path = dir.join(name);
    let mut out = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..size / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.write_all(&state.to_le_bytes()).unwrap();
    }
    // Pending writes to disk would disturb the measurement.
    out.into_inner().unwrap().sync_all().unwrap();
    path
}

/// A sender in plain mode that offers a file to a member.
fn offers(home: &Home, to: &str, file: &Path) -> Running {
    let mut sender = Running::lines(home);
    sender.say(&format!("/say {to} --note --file {} look", file.display()));
    sender
}

/// Twenty cuts at random moments: of the receiver, the sender, the relay, the network.
fn cut(gib: &Path) {
    const CUTS: u64 = 20;
    let size = gib.metadata().unwrap().len();
    let mut relay = Relay::start_with(&LIMITS);
    let alice = Home::new("alice", &relay, "");
    let url = relay.url();
    let mut bob = Receiver::new("bob", &relay);
    let mut sender = Some(offers(&alice, "@bob", gib));
    bob.accept("f1");
    let began = Instant::now();
    for cut in 1..=CUTS {
        let far = 100 * cut / (CUTS + 1);
        while !bob.is_done("f1") && bob.file("f1")["percent"].as_u64().unwrap_or(0) < far {
            std::thread::sleep(Duration::from_millis(5));
        }
        match cut % 4 {
            0 => {
                bob.kill();
                bob.start();
            }
            1 => {
                drop(sender.take());
                sender = Some(Running::lines(&alice));
            }
            2 => bob.way.cut(),
            _ => {
                relay = relay.kill().revive();
                assert_eq!(relay.url(), url);
            }
        }
    }
    bob.until_done("f1");
    let took = began.elapsed();
    assert!(same(gib, &bob.got("gib.bin")));
    let carried = bob.way.carried() as f64 / size as f64;
    row(
        "1 GiB, cut 20 times (sender, receiver, relay, network): bytes to the receiver, of its size",
        &format!("{carried:.3}"),
    );
    row("the same, to the last byte", &seconds(took));
    drop(sender);
}

/// The same file to one receiver, and to five, three of which are slow.
fn receivers(gib: &Path) {
    let alone = fan(gib, &[0]);
    let five = fan(gib, &[0, 0, 40_000_000, 20_000_000, 10_000_000]);
    row("1 GiB to one receiver", &seconds(alone[0]));
    row(
        "1 GiB to five at once: two fast ones, and 40, 20 and 10 MB/s",
        &five
            .iter()
            .map(|took| seconds(*took))
            .collect::<Vec<_>>()
            .join(", "),
    );
}

/// The time that each receiver takes at its number of bytes per second.
fn fan(gib: &Path, speeds: &[u64]) -> Vec<Duration> {
    let relay = Relay::start_with(&LIMITS);
    let alice = Home::new("alice", &relay, "");
    let all: Vec<Receiver> = (0..speeds.len())
        .map(|nth| Receiver::new(&format!("bob{nth}"), &relay))
        .collect();
    let to: Vec<String> = (0..speeds.len()).map(|nth| format!("@bob{nth}")).collect();
    let sender = offers(&alice, &to.join(" "), gib);
    for (receiver, speed) in all.iter().zip(speeds) {
        receiver.accept("f1");
        receiver.way.slow(*speed);
    }
    let began = Instant::now();
    let mut took = vec![None; all.len()];
    while took.iter().any(Option::is_none) {
        for (receiver, took) in all.iter().zip(&mut took) {
            if took.is_none() && receiver.is_done("f1") {
                *took = Some(began.elapsed());
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(sender);
    took.into_iter().flatten().collect()
}

/// The same file with `nc` and with our programs, alternately.
fn beside_netcat(gib: &Path, dir: &Path) {
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        theirs.extend(netcat::sends(gib, dir));
        ours.extend(fan(gib, &[0]));
    }
    if theirs.is_empty() {
        return row(
            "nc through socat, with sha256sum at both ends",
            "nc or socat is not there",
        );
    }
    row(
        "1 GiB by nc through socat, with sha256sum at both ends",
        &rates(gib, &theirs),
    );
    row(
        "1 GiB between two clients, from the accept to the last byte",
        &rates(gib, &ours),
    );
}

fn rates(file: &Path, took: &[Duration]) -> String {
    let size = file.metadata().unwrap().len() as f64 / 1e6;
    let rates = took
        .iter()
        .map(|took| format!("{:.0}", size / took.as_secs_f64()));
    format!("{} MB/s", rates.collect::<Vec<_>>().join(", "))
}

/// Four GiB, and how much the memory of each of the three programs grew.
fn big(file: &Path) {
    let relay = Relay::start_with(&LIMITS);
    let alice = Home::new("alice", &relay, "");
    let bob = Receiver::new("bob", &relay);
    let sender = offers(&alice, "@bob", file);
    let pids = [
        sender.child.id(),
        relay.pid(),
        bob.seat.as_ref().map_or(0, |seat| seat.child.id()),
    ];
    let before = pids.map(|pid| memory(pid, "VmRSS"));
    bob.accept("f1");
    let began = Instant::now();
    bob.until_done("f1");
    let took = began.elapsed();
    let most = pids.map(|pid| memory(pid, "VmHWM"));
    let more: Vec<String> = (0..3)
        .map(|nth| format!("{:.1}", (most[nth] - before[nth]) as f64 / 1024.0))
        .collect();
    assert!(same(file, &bob.got("big.bin")));
    row("4 GiB between two clients", &rates(file, &[took]));
    row(
        "the same, memory beyond the start: sender, relay, receiver",
        &format!("{} MiB", more.join(", ")),
    );
}

/// Whether two files have the same content, without reading either into memory as a whole.
fn same(one: &Path, other: &Path) -> bool {
    let compared = std::process::Command::new("cmp").args([one, other]).status();
    compared.is_ok_and(|status| status.success())
}

/// Messages while their sender sends four files.
fn chat_beside(four: &[PathBuf]) {
    let relay = Relay::start_with(&LIMITS);
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let carol = Receiver::new("carol", &relay);
    let mut sender = Running::lines(&alice);
    let reader = Running::lines(&bob);
    let quiet = messages(&mut sender, &reader, "quiet");
    let ids = carol.take_slowly(four, |line| sender.say(line));
    let beside = messages(&mut sender, &reader, "beside");
    carol.must_still_take(&ids);
    row("a message, typed line to printed line", &spread(quiet));
    row("the same, while its sender sends four files", &spread(beside));
}

/// Keys on the screen of the sender of four files, and on that of their receiver.
fn keys_beside(four: &[PathBuf]) {
    let relay = Relay::start_with(&LIMITS);
    let alice = Home::new("alice", &relay, "");
    let a = alice.screen(120, 36);
    let carol = Receiver::new("carol", &relay);
    a.wait_for("People 2");
    let quiet = typed(&a);
    let ids = carol.take_slowly(four, |line| a.say(line));
    let sending = typed(&a);
    carol.must_still_take(&ids);
    row("a key, to its letter on the screen", &spread(quiet));
    row(
        "the same, while its screen shows four files that leave",
        &spread(sending),
    );
}

/// Letters on the screen, deleted afterwards.
fn typed(a: &Term) -> Vec<Duration> {
    let times = keys::letters(a, 300);
    a.send("\x15");
    times
}

fn messages(sender: &mut Running, reader: &Running, mark: &str) -> Vec<Duration> {
    (0..500)
        .map(|nth| {
            let words = format!("{mark}-{nth}.");
            let began = Instant::now();
            sender.say(&words);
            reader.wait_for(&words);
            let took = began.elapsed();
            std::thread::sleep(Duration::from_millis(10));
            took
        })
        .collect()
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
