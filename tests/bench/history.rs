//! A journal of many messages, like that of a busy room after a year.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::support::{Home, Relay};

/// Typical messages of people and agents.
const TEXTS: [&str; 8] = [
    "good morning",
    "I have pushed the branch, the tests of the parser are green now and I will look at the rest after lunch.",
    "does anybody know why the deploy of yesterday took so long? The log says nothing that helps me.",
    "See **src/auth.rs**, line 42: `refresh()` is called by two tasks at once, and the second one wins.",
    "1. take the lock\n2. look whether the token is still old\n3. only then ask for a new one",
    "```rust\nlet token = store.lock().await;\nif token.is_fresh() { return Ok(token.clone()); }\n```",
    "yes",
    "日本語のテキストも少し 👍 and back to work, there is more to do before the week is over.",
];

/// A word that occurs in a few of the messages.
pub const NEEDLE: &str = "hippopotamus";

/// The text of the newest message.
pub const NEWEST: &str = "the newest of them all";

/// Writes a journal of `count` messages for `home` in the room of `relay`.
pub fn write(home: &Home, relay: &Relay, count: u32) -> PathBuf {
    let folder = folder(home, relay);
    fs::create_dir_all(&folder).unwrap();
    let mut text = String::with_capacity(count as usize * 420);
    for seq in 1..=count {
        let from = ["bob", "carol", "dave", "erin"][seq as usize % 4];
        let words = match seq {
            last if last == count => NEWEST,
            some if some % 5_000 == 17 => NEEDLE,
            other => TEXTS[other as usize * 7 % 8],
        };
        let words = words.replace('\n', "\\n");
        // Every third message begins a thread; the next two answer in it.
        let id = |seq: u32| format!("0194f0e2-7c3a-7a11-8b5e-{seq:012x}");
        let thread = if seq % 3 == 0 {
            String::new()
        } else {
            format!(r#""thread":"{}","#, id(seq - seq % 3))
        };
        let at = 1_740_000_000_000 + u64::from(seq) * 60_000;
        let body = format!(r#"{{"kind":"chat","text":"{words}","sent_at":{at}}}"#);
        writeln!(
            text,
            r#"{{"in":{{"epoch":"bench","message":{{"id":"{}","from":"{from}","to":[],"only":false,{thread}"seq":{seq},"at":{at},"body":{body}}}}}}}"#,
            id(seq)
        )
        .unwrap();
    }
    let path = folder.join("journal.jsonl");
    fs::write(&path, text).unwrap();
    path
}

fn folder(home: &Home, relay: &Relay) -> PathBuf {
    let host = relay.address().to_string().replace(':', "_");
    let state: &Path = &home.path().join("state/nexscope");
    state
        .join(host)
        .join("lobby")
        .join(home.name.to_ascii_lowercase())
}
