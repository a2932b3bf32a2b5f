//! Files between real clients over a real relay: `cargo bench -p nexscope-tui --bench files` prints a table.
//!
//! One GiB cut twenty times, with what is sent counted; the same to five receivers of different speed; and how chat and
//! keys go while four files are on their way. All of it on loopback; it needs 8 GiB of the temporary folder.

#[path = "../support/mod.rs"]
mod support;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{
    Home, Relay, TOKEN,
    proxy::Proxy,
    shell::{Running, ask},
    spread,
};

/// Limits of the relay that are raised.
const LIMITS: [&str; 4] = ["--rate", "0", "--per-address", "0"];

fn main() {
    // One of cut, receivers, chat; all of them where none is named.
    let part = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let dir = tempfile::tempdir().unwrap();
    println!("| what | figure |\n|---|---|");
    if wanted("cut") || wanted("receivers") {
        let gib = file(dir.path(), "gib.bin", 1 << 30);
        if wanted("cut") {
            cut(&gib);
        }
        if wanted("receivers") {
            receivers(&gib);
        }
    }
    if wanted("chat") {
        beside_four(dir.path());
    }
}

fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}

/// A file that nothing makes smaller.
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
    out.flush().unwrap();
    path
}

/// Somebody who takes files, from a folder of their own, and their way to the relay.
struct Receiver {
    home: Home,
    way: Proxy,
    seat: Option<Running>,
}

impl Receiver {
    fn new(name: &str, relay: &Relay) -> Self {
        let (home, way) = (Home::empty(name), Proxy::start(relay.address()));
        let files = home.path().join("files");
        home.configure(&format!(
            "name = \"{name}\"\nrelay = \"{}\"\ntoken = \"{TOKEN}\"\n[files]\ndir = {files:?}\n",
            way.url(),
        ));
        let mut receiver = Self {
            home,
            way,
            seat: None,
        };
        receiver.start();
        receiver
    }

    fn start(&mut self) {
        let seat = Running::start(&self.home, &["start", "--headless", "--allow-remote-decisions"]);
        seat.wait_for("in #lobby as");
        self.seat = Some(seat);
    }

    fn kill(&mut self) {
        self.seat = None;
    }

    /// Waits for a file, and takes it.
    fn accept(&self, id: &str) {
        while ask(&self.home, &["inbox"])["pending"]
            .as_array()
            .is_none_or(|pending| pending.iter().all(|item| item["id"] != id))
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        ask(&self.home, &["accept", id]);
    }

    fn file(&self, id: &str) -> Value {
        let files = ask(&self.home, &["files"])["files"].clone();
        let files = files.as_array().cloned().unwrap_or_default();
        files
            .into_iter()
            .find(|file| file["id"] == id)
            .unwrap_or_default()
    }

    fn is_done(&self, id: &str) -> bool {
        self.file(id)["state"] == "done"
    }

    fn until_done(&self, id: &str) {
        while !self.is_done(id) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn got(&self, name: &str) -> PathBuf {
        self.home.path().join("files/lobby").join(name)
    }
}

/// A sender with lines, who offers a file to somebody.
fn offers(home: &Home, to: &str, file: &Path) -> Running {
    let mut sender = Running::lines(home);
    sender.say(&format!("/say {to} --note --file {} look", file.display()));
    sender
}

/// Twenty cuts at any moment: of the receiver, the sender, the relay, the network.
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
    assert!(fs::read(gib).unwrap() == fs::read(bob.got("gib.bin")).unwrap());
    let carried = bob.way.carried() as f64 / size as f64;
    row(
        "1 GiB, cut 20 times (sender, receiver, relay, network): bytes to the receiver, of its size",
        &format!("{carried:.3}"),
    );
    row("the same, to the last byte", &seconds(took));
    drop(sender);
}

/// The same file to one, and to five of whom three are slow.
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

/// How long each receiver of so many bytes a second takes.
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

/// Messages and keys while four files are on their way to who reads and types.
fn beside_four(dir: &Path) {
    let relay = Relay::start_with(&LIMITS);
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let carol = Receiver::new("carol", &relay);
    let mut sender = Running::lines(&alice);
    let reader = Running::lines(&bob);
    let quiet = messages(&mut sender, &reader, "quiet");
    for nth in 1..=4 {
        let path = file(dir, &format!("four-{nth}.bin"), 1 << 30);
        sender.say(&format!("/say @carol --note --file {} look", path.display()));
    }
    // Slow enough that they last, and are all on their way together.
    carol.way.slow(40_000_000);
    for nth in 1..=4 {
        carol.accept(&format!("f{nth}"));
    }
    while (1..=4).any(|nth| carol.file(&format!("f{nth}"))["percent"].as_u64().unwrap_or(0) < 1) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let beside = messages(&mut sender, &reader, "beside");
    let still = (1..=4).all(|nth| !carol.is_done(&format!("f{nth}")));
    assert!(still, "the files were there too soon");
    row("a message, typed line to printed line", &spread(quiet));
    row("the same, while its sender sends four files", &spread(beside));
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
