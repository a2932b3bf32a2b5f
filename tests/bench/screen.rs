//! Measures the screen with 100,000 messages in its room: `cargo bench -p nexscope-tui` prints a table.
//!
//! Runs the real program in a pseudo-terminal and measures its output: the number of bytes, and their times. Does
//! not use criterion, because it measures a process with its loop, threads and terminal. Everything is on loopback.

mod history;
mod keys;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::{Home, Relay, Term, spread};

/// Messages in the room.
const MESSAGES: u32 = 100_000;
/// The time without output after which a screen counts as drawn.
const QUIET: Duration = Duration::from_millis(120);

fn main() {
    let relay = Relay::start_with(&["--rate", "0", "--max-members", "0"]);
    let alice = Home::new("alice", &relay, "");
    let path = history::write(&alice, &relay, MESSAGES);
    let size = path.metadata().unwrap().len() / (1 << 20);
    println!("{MESSAGES} messages, a journal of {size} MiB; 120x36 but where told otherwise.\n");
    println!("| what | figure |\n|---|---|");
    start(&alice);
    redraw(&opened(&alice, 200, 60));
    let a = opened(&alice, 120, 36);
    row(
        "memory",
        &format!("{} MB", support::memory(a.pid(), "VmRSS") / 1000),
    );
    typing(&a, "a key, to the first byte", "bytes a key");
    idle(&a);
    scrolling(&a);
    search(&a);
    arriving(&a, &relay);
}

fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}

fn opened(home: &Home, columns: u16, rows: u16) -> Term {
    let a = home.screen(columns, rows);
    a.wait_for("People 1");
    a.wait_for(history::NEWEST);
    a.settle(QUIET);
    a
}

/// From the start of the process to its first byte and to the messages on the screen.
fn start(home: &Home) {
    let (mut first, mut drawn, mut joined) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let began = Instant::now();
        let a = home.screen(120, 36);
        first.push(a.wait_for_more(0).duration_since(began));
        a.wait_for(history::NEWEST);
        drawn.push(began.elapsed());
        a.wait_for("People 1");
        joined.push(began.elapsed());
    }
    row("start, to the first byte", &spread(first));
    row("start, to the newest messages on the screen", &spread(drawn));
    row(
        "start, to being in the room, with all of its history",
        &spread(joined),
    );
}

/// Types keys one by one, each after the one before has been drawn.
fn typing(a: &Term, what: &str, bytes: &str) {
    let (mut times, mut count) = (Vec::new(), 0);
    let text = "The quick brown fox jumps over the lazy dog, and then it does so once more. ";
    for key in text.chars().cycle().take(400) {
        let before = a.written();
        let began = Instant::now();
        a.send(&key.to_string());
        times.push(a.wait_for_more(before).duration_since(began));
        // Type the next key after this one is on the screen, and not in the same frame.
        std::thread::sleep(Duration::from_millis(20));
        count += a.written() - before;
    }
    row(what, &spread(times));
    row(bytes, &format!("{:.0}", count as f64 / 400.0));
    a.send("\x15\x15");
    a.settle(QUIET);
}

fn idle(a: &Term) {
    std::thread::sleep(Duration::from_secs(2));
    let (bytes, ticks) = (a.written(), a.ticks());
    std::thread::sleep(Duration::from_secs(10));
    let (bytes, ticks) = (a.written() - bytes, a.ticks() - ticks);
    row("idle for 10 s", &format!("{bytes} bytes, {ticks} ticks of 10 ms"));
}

/// From a key to the last byte of what it draws.
fn drawn_by(a: &Term, key: &str) -> Duration {
    let before = a.written();
    let began = Instant::now();
    a.send(key);
    a.wait_for_more(before);
    let last = a.last_byte_after(QUIET);
    last.duration_since(began)
}

fn scrolling(a: &Term) {
    let up = (0..20).map(|_| drawn_by(a, "\x1b[5~")).collect();
    row("a page up, to the last byte", &spread(up));
    let top = drawn_by(a, "\x1b[1~");
    row("to the first message", &spread(vec![top]));
    let down = (0..10).map(|_| drawn_by(a, "\x1b[6~")).collect();
    row("a page down from there", &spread(down));
    a.send("\x1b[4~");
    a.settle(QUIET);
}

fn search(a: &Term) {
    a.send("\x06");
    a.settle(QUIET);
    let mut times = Vec::new();
    for end in 1..=history::NEEDLE.len() {
        times.push(drawn_by(a, &history::NEEDLE[end - 1..end]));
    }
    row(
        "a letter of a search over all of it, to the last byte",
        &spread(times),
    );
    a.wait_for("of 20");
    a.send("\x1b");
    a.settle(QUIET);
    a.send("\x1b[4~");
    a.settle(QUIET);
}

/// Keys while 1,000 messages a second arrive.
fn arriving(a: &Term, relay: &Relay) {
    let url = relay.url();
    let flood = std::thread::spawn(move || {
        let mut bob = tungstenite::connect(url).unwrap().0;
        // Read the relay's frames, because it stops reading from a client that does not read.
        if let tungstenite::stream::MaybeTlsStream::Plain(stream) = bob.get_ref() {
            let mut said = stream.try_clone().unwrap();
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        }
        let hello = format!(
            r#"{{"type":"hello","v":2,"room":"lobby","name":"bob","token":"{}","client":"bench"}}"#,
            support::TOKEN
        );
        bob.send(tungstenite::Message::text(hello)).unwrap();
        let began = Instant::now();
        for nth in 0..10_000_u32 {
            let frame = format!(
                r#"{{"type":"message","id":"flood-{nth}","body":{{"kind":"chat","text":"message {nth} of many"}}}}"#
            );
            bob.send(tungstenite::Message::text(frame)).unwrap();
            let due = began + Duration::from_millis(u64::from(nth));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        began.elapsed()
    });
    a.wait_for("of many");
    let times = keys::letters(a, 300);
    row(
        "a key while 1,000 messages a second arrive, to its letter on the screen",
        &spread(times),
    );
    let took = flood.join().unwrap();
    a.wait_for("message 9999 of many");
    row(
        "of those, the flood of 10,000 took",
        &format!("{:.1} s", took.as_secs_f64()),
    );
    a.send("\x15");
}

fn redraw(a: &Term) {
    let times = (0..20).map(|_| drawn_by(a, "\x0c")).collect();
    row("all redrawn at 200x60, to the last byte", &spread(times));
}
