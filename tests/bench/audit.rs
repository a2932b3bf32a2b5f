//! Measures how long the real `nexscope-tui audit verify` takes for an audit log of 100,000 lines.

#[path = "../support/mod.rs"]
mod support;

use std::{fmt::Write as _, fs, time::Instant};

use sha2::{Digest, Sha256};
use support::{Home, shell::shell, spread};

const LINES: u64 = 100_000;

fn main() {
    let home = Home::empty("alice");
    let folder = home.path().join("state/nexscope/relay/lobby/alice");
    fs::create_dir_all(&folder).unwrap();
    let hash = |line: &str| {
        let digest = Sha256::digest(line);
        digest.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    };
    let (mut text, mut prev) = (String::new(), "0".repeat(64));
    for seq in 1..=LINES {
        let what = format!("line {seq} of what an agent's tools were used on, ").repeat(6);
        let entry = format!(r#"{{"tool":{{"run":"run-{seq}","tool":"Bash","what":"{what}"}}}}"#);
        let at = 1_740_000_000_000 + seq;
        let line = format!(r#"{{"seq":{seq},"at":{at},"prev":"{prev}","entry":{entry}}}"#);
        prev = hash(&line);
        writeln!(text, "{line}").unwrap();
    }
    let bytes = text.len();
    fs::write(folder.join("audit.jsonl"), text).unwrap();
    let head = format!(r#"{{"count":{LINES},"hash":"{prev}","bytes":{bytes}}}"#);
    fs::write(folder.join("audit.head"), head).unwrap();
    let times = (0..11).map(|_| {
        let begin = Instant::now();
        let output = shell(&home, &["audit", "verify"]);
        let took = begin.elapsed();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.ends_with(&format!("whole, {LINES} lines\n")), "{said}");
        took
    });
    println!(
        "{LINES} lines, {} MiB, verified: {}",
        bytes >> 20,
        spread(times.collect())
    );
}
