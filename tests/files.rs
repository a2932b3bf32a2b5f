//! File transfers with the real binaries: with members of version 1 in both directions, from malicious
//! senders, and on a full disk.

mod support;

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use nexscope_relay::protocol::ChunkHead;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{
    Home, Relay,
    shell::{Running, agents_shell, ask, decide, fails},
    v1::V1,
    v2::V2,
};
use uuid::Uuid;

/// A headless session whose person's programs may decide, and its download folder.
struct Seat {
    home: Home,
    running: Option<Running>,
}

impl Seat {
    fn new(name: &str, relay: &Relay) -> Self {
        let home = Home::empty(name);
        let files = home.path().join("files");
        home.join(relay, &format!("[files]\ndir = {files:?}\n"));
        let running = Running::start(&home, &["start", "--headless", "--allow-remote-decisions"]);
        running.wait_for("in #lobby as");
        Self {
            home,
            running: Some(running),
        }
    }

    /// Restarts the program.
    fn again(&mut self) {
        let running = self.running.take().expect("it runs");
        ask(&self.home, &["stop"]);
        assert_eq!(running.end().0, 0);
        let running = Running::start(&self.home, &["start", "--headless", "--allow-remote-decisions"]);
        running.wait_for("in #lobby as");
        self.running = Some(running);
    }

    fn got(&self) -> PathBuf {
        self.home.path().join("files/lobby")
    }

    /// Waits until a file has a state.
    #[track_caller]
    fn until(&self, id: &str, state: &str) -> Value {
        let mut last = Value::Null;
        for _ in 0..2000 {
            let files = ask(&self.home, &["files"])["files"].clone();
            let file = files.as_array().unwrap().iter().find(|file| file["id"] == id);
            last = file.cloned().unwrap_or_default();
            if last["state"] == state {
                return last;
            }
        }
        panic!("{id} does not become {state}: {last}");
    }

    /// All files below the home except the program's own.
    fn everything(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut folders = vec![self.home.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let below = path.strip_prefix(self.home.path()).unwrap().to_owned();
                if below.starts_with("state") || below.starts_with("config") {
                    continue;
                }
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(path),
                    false => all.push(below.display().to_string()),
                }
            }
        }
        all.sort();
        all
    }
}

#[test]
fn files_go_both_ways_with_a_member_of_version_1() {
    let relay = Relay::start();
    let seat = Seat::new("bob", &relay);
    let mut plugin = V1::join(&relay, "plugin");
    let bytes: Vec<u8> = (0..300_000_u32).map(|nth| (nth % 251) as u8).collect();

    // A pushed file is kept apart, outside the folder, until it is accepted.
    plugin.send_file(&["bob"], "../report one.txt", &bytes);
    seat.until("f1", "waits");
    assert!(!seat.got().join("report one.txt").exists());
    assert_eq!(decide(&seat.home, &["accept", "f1"])["decided"], json!(true));
    seat.until("f1", "done");
    assert_eq!(fs::read(seat.got().join("report one.txt")).unwrap(), bytes);

    plugin.send_file(&["bob"], "unwanted.txt", b"no");
    seat.until("f2", "waits");
    decide(&seat.home, &["reject", "f2", "not", "now"]);
    seat.until("f2", "declined");
    assert_eq!(plugin.next("ack")["delivered"], json!(["bob"]));

    let path = seat.home.work().join("back.bin");
    fs::write(&path, &bytes).unwrap();
    let said = ask(
        &seat.home,
        &["say", "--file", "back.bin", "@plugin", "here it is"],
    );
    until_looked_through(&seat.home, 1, 1);
    decide(&seat.home, &["accept", said["draft"].as_str().unwrap()]);
    let (start, got) = plugin.receive_file();
    assert_eq!(
        (
            &start["attachment"]["name"],
            &start["attachment"]["size"],
            &start["from"]
        ),
        (&json!("back.bin"), &json!(bytes.len()), &json!("bob"))
    );
    assert!(got == bytes);
}

/// The sender of a file sees what each receiver did with it, even after a restart.
#[test]
fn the_sender_sees_the_outcome_of_each_offer() {
    let relay = Relay::start();
    let mut alice = Seat::new("alice", &relay);
    let bob = Seat::new("bob", &relay);
    let wants = [
        ("wanted.txt", "accept", "done"),
        ("unwanted.txt", "reject", "declined"),
    ];
    for (nth, (name, decision, state)) in wants.into_iter().enumerate() {
        let id = format!("f{}", nth + 1);
        fs::write(alice.home.work().join(name), name).unwrap();
        let said = ask(&alice.home, &["say", "--file", name, "@bob", "look"]);
        decide(&alice.home, &["accept", said["draft"].as_str().unwrap()]);
        bob.until(&id, "waits");
        assert_eq!(alice.until(&id, "offered")["to"], json!([]));
        decide(&bob.home, &[decision, &id]);
        let to = alice.until(&id, state)["to"].clone();
        assert_eq!(to, json!([{ "name": "bob", "state": state }]));
    }
    alice.again();
    for (nth, (_, _, state)) in wants.into_iter().enumerate() {
        alice.until(&format!("f{}", nth + 1), state);
    }
}

/// Names that would escape the folder, be hidden, or be executed, from a real sender; each file stays in the
/// folder.
#[test]
fn hostile_names_stay_in_the_folder() {
    let relay = Relay::start();
    let seat = Seat::new("bob", &relay);
    let mut plugin = V1::join(&relay, "plugin");
    let names = [
        "../../etc/passwd",
        "/etc/cron.d/x",
        "..\\..\\win.ini",
        ".bashrc",
        "~/.ssh/authorized_keys",
        "-rf",
        "a\u{0}b",
        "a\nb",
        "\u{1b}]0;title\u{7}",
        "\u{202e}txt.exe",
        "con",
        "..",
        "",
        " ",
    ];
    for (nth, name) in names.iter().enumerate() {
        let id = format!("f{}", nth + 1);
        plugin.send_file(&["bob"], name, format!("{nth}").as_bytes());
        plugin.next("ack");
        seat.until(&id, "waits");
        decide(&seat.home, &["accept", &id]);
        seat.until(&id, "done");
    }
    let all = seat.everything();
    assert_eq!(all.len(), names.len(), "{all:?}");
    for path in &all {
        let name = path
            .strip_prefix("files/lobby/")
            .unwrap_or_else(|| panic!("{path}"));
        assert!(
            !name.starts_with(['.', '-', '~']) && !name.contains(['/', '\\']),
            "{name:?}"
        );
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
    assert!(!seat.home.path().join("passwd").exists());
}

/// Offers bob a file of `size` bytes with a hash, and sends `bytes` once it is accepted.
fn lies(liar: &mut V2, id: &str, size: usize, sha256: &str, bytes: &[u8], seat: &Seat, number: usize) {
    liar.say(
        &json!({"type": "message", "id": format!("message-{id}"), "to": ["bob"], "only": true,
            "body": {"kind": "chat", "text": "look", "origin": "human",
                "files": [{"id": id, "name": format!("{id}.bin"), "size": size, "sha256": sha256}]}}),
    );
    seat.until(&format!("f{number}"), "waits");
    decide(&seat.home, &["accept", &format!("f{number}")]);
    liar.next("file_accept");
    let stream = Uuid::new_v4();
    liar.say(
        &json!({"type": "stream_open", "stream": stream, "to": "bob", "size": size, "of": id, "offset": 0}),
    );
    liar.next("stream_credit");
    let mut chunk = ChunkHead { stream, offset: 0 }.to_bytes().to_vec();
    chunk.extend(bytes);
    liar.send_bytes(chunk);
    liar.say(&json!({"type": "stream_close", "stream": stream, "reason": "done", "message": ""}));
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A sender that starts again after everything has arrived is told that the file is not expected, or
/// continues; it never waits forever.
#[test]
fn a_stream_that_comes_too_late_is_answered() {
    let relay = Relay::start();
    let seat = Seat::new("bob", &relay);
    let mut sender = V2::join(&relay, &json!({"name": "sender"}));
    let bytes = vec![b'x'; 1000];
    for nth in 1..=8 {
        let id = format!("late-{nth}");
        lies(&mut sender, &id, 1000, &hash(&bytes), &bytes, &seat, nth);
        let stream = Uuid::new_v4();
        sender.say(
            &json!({"type": "stream_open", "stream": stream, "to": "bob", "size": 1000, "of": id, "offset": 0}),
        );
        let answer = sender.until(|frame| frame["stream"] == json!(stream));
        if answer["type"] == "stream_credit" {
            let mut chunk = ChunkHead { stream, offset: 0 }.to_bytes().to_vec();
            chunk.extend(&bytes);
            sender.send_bytes(chunk);
            sender.say(&json!({"type": "stream_close", "stream": stream, "reason": "done", "message": ""}));
        }
        seat.until(&format!("f{nth}"), "done");
    }
}

#[test]
fn a_wrong_size_or_hash_ends_only_that_file() {
    let relay = Relay::start();
    let seat = Seat::new("bob", &relay);
    let mut liar = V2::join(&relay, &json!({"name": "liar"}));
    let bytes = vec![b'x'; 1000];
    // A wrong hash; too few bytes, declared complete; more than were announced, which the relay rejects.
    lies(&mut liar, "hash", 1000, &hash(b"other"), &bytes, &seat, 1);
    let wrong = seat.until("f1", "failed");
    lies(&mut liar, "short", 1000, &hash(&bytes), &bytes[..500], &seat, 2);
    lies(&mut liar, "honest", 1000, &hash(&bytes), &bytes, &seat, 3);
    seat.until("f3", "done");
    seat.until("f2", "failed");
    assert_eq!(wrong["bytes"], json!(1000));
    let left: Vec<String> = seat
        .everything()
        .into_iter()
        .filter(|path| !path.ends_with(".part"))
        .collect();
    assert_eq!(
        left,
        ["files/lobby/honest.bin"],
        "nothing under a name of a file that did not come whole"
    );
    assert_eq!(fs::read(seat.got().join("honest.bin")).unwrap(), bytes);
}

/// Waits for a pending draft.
fn draft(home: &Home) -> Value {
    loop {
        let inbox = ask(home, &["inbox"])["pending"][0].clone();
        if inbox["kind"] == "draft" {
            return inbox;
        }
    }
}

/// An answer that names a file of its folder waits as a draft, and the file is sent once the person approves.
#[test]
fn an_answers_file_is_sent_once_the_person_approves() {
    let relay = Relay::start();
    let alice = Seat::new("alice", &relay);
    let bob = Home::empty("bob");
    let agent = bob.script(
        "agent",
        "cat > \"$HOME/prompt\"; echo 'what was found' > report.md; echo 'See the report.'\n\
         echo '[[attach: report.md]]'; echo '[[attach: ../config/nexscope/config.toml]]'",
    );
    bob.join(&relay, &support::command_agent("helper", &agent));
    let seat = Running::start(&bob, &["start", "--headless", "--allow-remote-decisions"]);
    seat.wait_for("in #lobby as");
    let carol = Home::empty("carol");
    let files = carol.path().join("files");
    carol.join(
        &relay,
        &format!("[files]\ndir = {files:?}\nauto_accept_below = \"1 MiB\"\n"),
    );
    let mut person = Running::lines(&carol);
    person.say("@bob what did you find?");
    seat.wait_for("m1 from carol");
    decide(&bob, &["accept", "m1"]);
    until_looked_through(&bob, 1, 1);
    let draft = draft(&bob);
    let text = draft["text"].as_str().unwrap();
    assert!(text.starts_with("See the report.\n(Not attached: "), "{text}");
    assert!(!person.has_seen("See the report"));
    decide(&bob, &["accept", "d1"]);
    person.wait_for("See the report.");
    person.wait_for("report.md from bob is here");
    assert_eq!(
        fs::read_to_string(files.join("lobby/report.md")).unwrap(),
        "what was found\n"
    );
    // Only carol was meant to see it.
    assert_eq!(ask(&alice.home, &["files"])["files"], json!([]));
    let prompt = fs::read_to_string(bob.path().join("prompt")).unwrap();
    assert!(prompt.contains("[[attach: PATH]]"), "{prompt}");
}

/// An agent's attachment is scanned; a program cannot release a secret, and the scanned content is what is
/// sent.
#[test]
fn a_secret_in_an_attachment_is_found_and_the_scanned_content_is_sent() {
    let relay = Relay::start();
    let bob = Home::empty("bob");
    let secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let agent = bob.script(
        "agent",
        &format!(
            "if grep -q secret; then printf 'first\\nkey {secret}\\n' > a.txt; else echo 'what was found' > a.txt; fi\n\
             head -c 100 /dev/zero > b.bin; echo '[[attach: a.txt]]'; echo '[[attach: b.bin]]'"
        ),
    );
    bob.join(&relay, &support::command_agent("helper", &agent));
    let seat = Running::start(&bob, &["start", "--headless", "--allow-remote-decisions"]);
    seat.wait_for("in #lobby as");
    let carol = Seat::new("carol", &relay);
    let person = |text: &str| {
        let said = ask(&carol.home, &["say", text]);
        decide(&carol.home, &["accept", said["draft"].as_str().unwrap()]);
    };
    person("@bob something secret, please");
    seat.wait_for("m1 from carol");
    decide(&bob, &["accept", "m1"]);
    draft(&bob);
    until_looked_through(&bob, 1, 1);
    ask(&bob, &["inbox"]);
    let (code, why) = fails(&bob, &["accept", "d1"]);
    assert_eq!(code, 1);
    assert!(why.contains("a.txt line 2 looks like a GitHub token"), "{why}");
    decide(&bob, &["reject", "d1", "not that"]);

    person("@bob something harmless, please");
    seat.wait_for("m2 from carol");
    decide(&bob, &["accept", "m2"]);
    draft(&bob);
    let file = bob.work().join("a.txt");
    // After the scan, it replaces the original.
    until_looked_through(&bob, 2, 1);
    fs::write(&file, format!("as long as it was\n{secret}\n")).unwrap();
    ask(&bob, &["inbox"]);
    let (_, why) = fails(&bob, &["accept", "d2"]);
    assert!(
        why.contains("a.txt of d2 has changed since it was checked"),
        "{why}"
    );
    until_looked_through(&bob, 2, 2);
    ask(&bob, &["inbox"]);
    let (_, why) = fails(&bob, &["accept", "d2"]);
    assert!(why.contains("a.txt line 2 looks like a GitHub token"), "{why}");
    fs::write(&file, "what was found\n").unwrap();
    ask(&bob, &["inbox"]);
    fails(&bob, &["accept", "d2"]);
    until_looked_through(&bob, 2, 3);
    decide(&bob, &["accept", "d2"]);
    carol.until("f1", "waits");
    decide(&carol.home, &["accept", "f1"]);
    carol.until("f1", "done");
    assert_eq!(
        fs::read_to_string(carol.got().join("a.txt")).unwrap(),
        "what was found\n"
    );
    let state = bob.path().join("state");
    let log = fs::read_to_string(audit_log(&state)).unwrap();
    for holds in ["line 2: GitHub token", "it is not text"] {
        assert!(log.contains(holds), "{holds}");
    }
    assert!(
        !log.contains(secret),
        "what was found and rejected is not in the log"
    );
}

/// The content that replaces a file after the scan.
type ConfigDiff = fn(&std::path::Path);

/// A file that was replaced before it is accepted is not sent, whoever drafted it, even after a restart.
#[test]
fn a_file_replaced_after_the_check_is_not_sent() {
    const SIZE: usize = 9 << 20;
    let changes: &[(&str, ConfigDiff)] = &[
        ("it is a link", |work| {
            fs::remove_file(work.join("out/a.bin")).unwrap();
            symlink("../../secret", work.join("out/a.bin")).unwrap();
        }),
        ("a folder on the way to it is one", |work| {
            fs::rename(work.join("out"), work.join("before")).unwrap();
            symlink("..", work.join("out")).unwrap();
        }),
        ("it is not a regular file", |work| {
            fs::remove_file(work.join("out/a.bin")).unwrap();
            let made = std::process::Command::new("mkfifo")
                .arg(work.join("out/a.bin"))
                .status();
            assert!(made.unwrap().success());
        }),
        ("there is no such file", |work| {
            fs::remove_file(work.join("out/a.bin")).unwrap()
        }),
        ("", |work| {
            fs::write(work.join("new"), vec![7; SIZE]).unwrap();
            fs::rename(work.join("new"), work.join("out/a.bin")).unwrap();
        }),
    ];
    let relay = Relay::start();
    let carol = Seat::new("carol", &relay);
    let bob = Home::empty("bob");
    bob.join(&relay, "");
    let start = || {
        let seat = Running::start(&bob, &["start", "--headless", "--allow-remote-decisions"]);
        seat.wait_for("in #lobby as");
        seat
    };
    let work = bob.work();
    for name in ["secret", "a.bin"] {
        fs::write(bob.path().join(name), vec![7; SIZE]).unwrap();
    }
    for (nth, (then, change)) in changes.iter().enumerate() {
        let mut seat = start();
        for left in ["out", "before"] {
            let _ = fs::remove_file(work.join(left));
            let _ = fs::remove_dir_all(work.join(left));
        }
        fs::create_dir(work.join("out")).unwrap();
        fs::write(work.join("out/a.bin"), vec![0; SIZE]).unwrap();
        let said = agents_shell(&bob, &["say", "--file", "out/a.bin", "@carol", "see"]);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let number = nth as u32 + 1;
        let id = format!("d{number}");
        until_looked_through(&bob, number, 1);
        if nth % 2 == 0 {
            drop(seat);
            seat = start();
        }
        change(&work);
        ask(&bob, &["inbox"]);
        let (_, why) = fails(&bob, &["accept", &id]);
        assert!(
            why.contains(&format!("a.bin of {id} has changed since it was checked")),
            "{why}"
        );
        until_looked_through(&bob, number, 2);
        ask(&bob, &["inbox"]);
        if !then.is_empty() {
            let (_, why) = fails(&bob, &["accept", &id]);
            assert!(
                why.contains(&format!("a.bin of {id} cannot be sent: ")) && why.contains(then),
                "{why}"
            );
            until_looked_through(&bob, number, 3);
        }
        decide(&bob, &["reject", &id, "no"]);
        drop(seat);
    }
    let _seat = start();
    // None of that was sent; the next file is the first.
    fs::write(work.join("last.txt"), "fine").unwrap();
    agents_shell(&bob, &["say", "--file", "last.txt", "@carol", "see"]);
    let last = changes.len() as u32 + 1;
    until_looked_through(&bob, last, 1);
    decide(&bob, &["accept", &format!("d{last}")]);
    assert_eq!(carol.until("f1", "waits")["bytes"], json!(4));
    // The checked file is offered, and also sent on request.
    fs::remove_file(work.join("last.txt")).unwrap();
    symlink("../secret", work.join("last.txt")).unwrap();
    decide(&carol.home, &["accept", "f1"]);
    carol.until("f1", "failed");
    assert!(carol.everything().iter().all(|path| !path.ends_with("last.txt")));
}

/// Waits until the files of a draft were scanned `times` times, and that is on disk.
fn until_looked_through(home: &Home, draft: u32, times: usize) {
    let looked = format!("{{\"looked\":{{\"number\":{draft},");
    loop {
        // A round trip to the session.
        ask(home, &["inbox"]);
        let journal = fs::read_to_string(below(&home.path().join("state"), "journal.jsonl")).unwrap();
        if journal.matches(&looked).count() >= times {
            return;
        }
    }
}

/// The audit log below a folder.
fn audit_log(folder: &std::path::Path) -> PathBuf {
    below(folder, "audit.jsonl")
}

/// The file of that name below a folder.
fn below(folder: &std::path::Path, name: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with(name) => return path,
                false => {}
            }
        }
    }
    panic!("there is no {name}")
}
