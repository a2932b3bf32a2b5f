//! Chaos, measured: while the relay and clients are killed and the network between them is cut and stalled,
//! no addressed message is lost or duplicated. A client that has missed a broadcast is told so. And once it
//! is calm again, each message is sent once and arrives in its sender's order.
//!
//! Each run is generated from a seed, printed with the results; `NEXSCOPE_CHAOS_SEEDS=1,2,3` sets others,
//! `NEXSCOPE_CHAOS_ROUNDS` the number of rounds.

mod support;

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::Write,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{Home, Relay, TOKEN, proxy::Proxy};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
/// The number of lines that each client writes in a round.
const LINES: usize = 34;
/// The timeout, at the end, for everything to arrive. Reconnecting alone takes up to 30 s.
const SETTLE: Duration = Duration::from_secs(90);

/// A pseudo-random generator, deterministic per seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

/// A client as a process.
struct Client {
    home: Arc<Home>,
    child: Child,
    input: ChildStdin,
    written: usize,
}

impl Client {
    fn start(home: Arc<Home>, written: usize) -> Self {
        let append = |name: &str| {
            let mut options = fs::OpenOptions::new();
            options
                .append(true)
                .create(true)
                .open(home.path().join(name))
                .unwrap()
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_nexscope-tui"))
            .args(["--plain", "--stay"])
            .env_clear()
            .envs(home.variables())
            .current_dir(home.work())
            .stdin(Stdio::piped())
            .stdout(append("said"))
            .stderr(append("errors"))
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        Self {
            home,
            child,
            input,
            written,
        }
    }

    /// Kills it, like a crash, and restarts it.
    fn crash(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::start(self.home.clone(), self.written)
    }

    /// Writes lines: every second one to another member, the rest to everyone.
    fn write_lines(&mut self, chance: &mut Chance) {
        let mut lines = String::new();
        for _ in 0..LINES {
            self.written += 1;
            let others: Vec<&str> = NAMES.into_iter().filter(|name| *name != self.home.name).collect();
            let line = match self.written % 2 {
                0 => format!(
                    "/tell @{} {} {}\n",
                    others[chance.below(2) as usize],
                    self.home.name,
                    self.written
                ),
                _ => format!("{} {}\n", self.home.name, self.written),
            };
            lines.push_str(&line);
        }
        // A client that was just killed does not read them; only lines on its disk count.
        let _ = self.input.write_all(lines.as_bytes());
    }

    /// Prints its state, for debugging.
    fn explain(&mut self) {
        let errors = fs::read_to_string(self.home.path().join("errors")).unwrap_or_default();
        let last: Vec<&str> = errors.lines().rev().take(5).collect();
        println!(
            "{}: exit {:?}; newest first: {last:#?}",
            self.home.name,
            self.child.try_wait()
        );
        let _ = self.input.write_all(b"/status\n");
    }

    /// Whether it was told that it may have missed messages.
    fn was_told(&self) -> bool {
        let said = fs::read_to_string(self.home.path().join("said")).unwrap_or_default();
        said.contains("may be missing")
    }

    /// Messages from others to it or to everyone above these numbers, in order of arrival: sender, number.
    fn heard_above(&self, marks: &HashMap<String, usize>) -> Vec<(String, usize)> {
        let records = self.journal();
        let chats = records.iter().map(|record| &record["in"]["message"]);
        let chats = chats.filter(|message| message["body"]["kind"] == "chat");
        chats
            .map(|message| {
                let words = text(&message["body"]["text"]);
                let number = words.rsplit(' ').next().unwrap().parse().unwrap();
                (text(&message["from"]), number)
            })
            .filter(|(from, number)| *number > marks[from])
            .collect()
    }

    /// Reconnects at once instead of waiting for the pause to end.
    fn dial(&mut self) {
        let _ = self.input.write_all(b"/start\n");
    }

    /// All records of its journal. A line that is still being written is skipped.
    fn journal(&self) -> Vec<Value> {
        let mut folders = vec![self.home.path().join("state")];
        let mut records = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path())
            {
                if entry.is_dir() {
                    folders.push(entry);
                } else if entry.ends_with("journal.jsonl") {
                    let text = fs::read_to_string(entry).unwrap_or_default();
                    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
                    records.extend(
                        whole
                            .lines()
                            .filter_map(|line| serde_json::from_str::<Value>(line).ok()),
                    );
                }
            }
        }
        records
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The state of all journals.
#[derive(Default)]
struct Count {
    /// Addressed messages in their sender's journal: sender, id, addressee.
    addressed: Vec<(String, String, String)>,
    /// Broadcasts in their sender's journal: sender, id.
    broadcasts: Vec<(String, String)>,
    /// Messages in an addressee's journal (addressee, sender, id), and how often they occur.
    arrived: HashMap<(String, String, String), usize>,
    /// Messages that the sender knows to be delivered: sender, id.
    known: HashSet<(String, String)>,
}

impl Count {
    fn of(clients: &[Client]) -> Self {
        let mut count = Self::default();
        for client in clients {
            let me = client.home.name.as_str();
            for record in client.journal() {
                let (out, message) = (&record["out"], &record["in"]["message"]);
                if out["body"]["kind"] == "chat" {
                    match out["to"][0].as_str() {
                        Some(to) => count.addressed.push((me.into(), text(&out["id"]), to.into())),
                        None => count.broadcasts.push((me.into(), text(&out["id"]))),
                    }
                }
                if message["body"]["kind"] == "chat" {
                    let key = (me.into(), text(&message["from"]), text(&message["id"]));
                    *count.arrived.entry(key).or_default() += 1;
                }
                if message["body"]["kind"] == "receipt" && message["body"]["state"] == "received" {
                    count.known.insert((me.into(), text(&message["body"]["of"])));
                }
            }
        }
        count
    }

    /// The number of others' broadcasts missing from this one's journal.
    fn missed(&self, me: &str) -> usize {
        let missed = |(from, id): &&(String, String)| {
            from != me && !self.arrived.contains_key(&(me.into(), from.clone(), id.clone()))
        };
        self.broadcasts.iter().filter(missed).count()
    }

    /// Addressed messages that are not finished yet.
    fn open(&self) -> Vec<&(String, String, String)> {
        let done = |(from, id, to): &&(String, String, String)| {
            self.arrived.contains_key(&(to.clone(), from.clone(), id.clone()))
                && self.known.contains(&(from.clone(), id.clone()))
        };
        self.addressed.iter().filter(|message| !done(message)).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn chaos(seed: u64, rounds: usize) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut relay = Some(Relay::start_with(&["--rate", "0", "--burst", "0"]));
    let proxy = Proxy::start(relay.as_ref().unwrap().address());
    let mut clients: Vec<Client> = NAMES
        .iter()
        .map(|name| {
            let home = Home::empty(name);
            home.configure(&format!(
                "name = \"{name}\"\nrelay = \"{}\"\ntoken = \"{TOKEN}\"\n",
                proxy.url()
            ));
            Client::start(Arc::new(home), 0)
        })
        .collect();

    let (mut crashes, mut cuts) = (0, 0);
    for _ in 0..rounds {
        for client in &mut clients {
            client.write_lines(&mut chance);
        }
        // Chaos takes time: this sleep does not wait for an event.
        std::thread::sleep(Duration::from_millis(200 + chance.below(600)));
        match chance.below(5) {
            0 => {
                crashes += 1;
                relay = Some(relay.take().unwrap().kill().revive());
            }
            1 => {
                crashes += 1;
                let client = clients.remove(chance.below(3) as usize);
                clients.push(client.crash());
            }
            2 => {
                cuts += 1;
                proxy.cut();
            }
            3 => {
                cuts += 1;
                proxy.stall(true);
                std::thread::sleep(Duration::from_millis(100 + chance.below(400)));
                proxy.stall(false);
            }
            _ => {}
        }
        if chance.below(2) == 0 {
            clients.iter_mut().for_each(Client::dial);
        }
    }
    clients.iter_mut().for_each(Client::dial);

    let until = Instant::now() + SETTLE;
    let mut count = Count::of(&clients);
    while !count.open().is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(250));
        count = Count::of(&clients);
    }
    let open = count.open();
    if !open.is_empty() {
        clients.iter_mut().for_each(Client::explain);
    }
    println!(
        "seed {seed}: {} addressed, {} broadcasts, {crashes} crashes, {cuts} cuts and stalls; {} on disk at others",
        count.addressed.len(),
        count.broadcasts.len(),
        count.arrived.len(),
    );
    for client in &clients {
        let (me, missed) = (&client.home.name, count.missed(&client.home.name));
        println!("seed {seed}: {me} missed {missed} broadcasts");
        assert!(
            missed == 0 || client.was_told(),
            "seed {seed}: {me} was not told of {missed}"
        );
    }
    assert!(
        open.is_empty(),
        "seed {seed}: {} of {} are lost: {open:?}",
        open.len(),
        count.addressed.len()
    );
    let doubled: Vec<_> = count.arrived.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "seed {seed}: doubled: {doubled:?}");
    assert!(
        count.addressed.len() > rounds * LINES / 2,
        "seed {seed}: hardly anything was sent"
    );
    calm(seed, &mut chance, &mut clients);
}

/// Nothing is killed or cut any more: each message is sent once, and arrives in order.
fn calm(seed: u64, chance: &mut Chance, clients: &mut [Client]) {
    let marks: HashMap<String, usize> = clients
        .iter()
        .map(|client| (client.home.name.clone(), client.written))
        .collect();
    for client in &mut *clients {
        client.write_lines(chance);
    }
    let until = Instant::now() + SETTLE;
    // Half of each one's lines are broadcasts, the rest go to one of the other two.
    let (others, rest) = (NAMES.len() - 1, NAMES.len() * (LINES / 2));
    let whole = NAMES.len() * others * (LINES - LINES / 2) + rest;
    let heard = |clients: &[Client]| -> Vec<Vec<(String, usize)>> {
        clients.iter().map(|client| client.heard_above(&marks)).collect()
    };
    let mut all = heard(clients);
    while all.iter().map(Vec::len).sum::<usize>() < whole && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(250));
        all = heard(clients);
    }
    assert_eq!(
        all.iter().map(Vec::len).sum::<usize>(),
        whole,
        "seed {seed}: calm again, and not all arrived"
    );
    for (client, heard) in clients.iter().zip(&all) {
        for from in NAMES {
            let of = heard
                .iter()
                .filter(|(name, _)| name == from)
                .map(|(_, number)| number);
            assert!(
                of.is_sorted(),
                "seed {seed}: {} has {from}'s out of order: {heard:?}",
                client.home.name
            );
        }
    }
    println!("seed {seed}: {whole} more in order");
}

#[test]
fn no_addressed_message_is_lost_and_none_is_duplicated() {
    let seeds = std::env::var("NEXSCOPE_CHAOS_SEEDS").unwrap_or_else(|_| "1,2,3".into());
    let rounds = std::env::var("NEXSCOPE_CHAOS_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(40);
    for seed in seeds
        .split(',')
        .map(|seed| seed.trim().parse().expect("a seed is a number"))
    {
        chaos(seed, rounds);
    }
}
