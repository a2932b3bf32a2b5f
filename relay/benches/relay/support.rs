//! A relay process, and members that read raw bytes.

#[path = "../../tests/support/clients/raw.rs"]
mod raw;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::process::{Core, Process};

use raw::UPGRADE;
pub use raw::{frame, header, masked};

const PROGRAM: &str = env!("CARGO_BIN_EXE_nexscope-relay");
const TOKEN: &str = "a-token-for-benches";
/// Limits that are raised for the table of the README.
pub const RAISED: [&str; 8] = [
    "--rate",
    "0",
    "--per-address",
    "0",
    "--max-members",
    "0",
    "--max-rooms",
    "0",
];

/// A relay on a free port of loopback.
pub struct Relay {
    pub process: Process,
    pub address: String,
}

impl Relay {
    pub fn start() -> Relay {
        Relay::start_by(Command::new(PROGRAM), &RAISED)
    }

    /// Starts a relay on one core with these limits.
    pub fn start_on(core: Core, limits: &[&str]) -> Relay {
        Relay::start_by(core.command(PROGRAM), limits)
    }

    fn start_by(mut command: Command, limits: &[&str]) -> Relay {
        let mut process = Process::start(
            command
                .args(["--listen", "127.0.0.1:0"])
                .args(limits)
                .env("NEXSCOPE_TOKEN", TOKEN)
                .env("NEXSCOPE_LOG", "warn")
                .stdout(Stdio::piped()),
        );
        let mut line = String::new();
        BufReader::new(process.output())
            .read_line(&mut line)
            .expect("a line");
        let address = line
            .trim_end()
            .strip_prefix("listening on ")
            .expect("an address")
            .to_owned();
        Relay { process, address }
    }
}

/// A member that counts the text frames it gets, by their first bytes.
pub struct Member {
    pub stream: TcpStream,
    pub buffer: Vec<u8>,
    start: usize,
}

impl Member {
    pub async fn join(relay: &Relay, name: &str) -> Member {
        Member::join_room(relay, name, 0).await
    }

    pub async fn join_room(relay: &Relay, name: &str, room: usize) -> Member {
        Member::join_at(&relay.address, name, room).await
    }

    pub async fn join_at(address: &str, name: &str, room: usize) -> Member {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        upgrade(&mut stream).await;
        stream.write_all(&masked(&hello(name, room))).await.expect("sent");
        let mut member = Member {
            stream,
            buffer: Vec::new(),
            start: 0,
        };
        while member.frames(b"{\"type\":\"welcome").await == 0 {}
        member
    }

    /// Reads once. Returns the number of text frames that start with these bytes.
    pub async fn frames(&mut self, prefix: &[u8]) -> u64 {
        let mut count = 0;
        self.read(|_, payload| count += u64::from(payload.starts_with(prefix)))
            .await;
        count
    }

    /// Reads once. Passes the opcode and payload of each complete frame on.
    pub async fn read(&mut self, mut show: impl FnMut(u8, &[u8])) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(64 * 1024);
        let read = self.stream.read_buf(&mut self.buffer).await.expect("bytes");
        assert_ne!(read, 0, "the relay closed");
        while let Some(rest) = self.buffer.get(self.start..) {
            let Some((header, length)) = header(rest) else {
                break;
            };
            let Some(payload) = rest.get(header..header + length) else {
                break;
            };
            show(rest[0] & 0xf, payload);
            self.start += header + length;
        }
    }

    pub async fn send(&mut self, text: &str) {
        self.stream.write_all(&masked(text)).await.expect("sent");
    }
}

/// Requests a WebSocket and reads the response.
pub async fn upgrade(stream: &mut TcpStream) {
    stream.write_all(UPGRADE.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("an answer"));
    }
}

/// The first frame of a member.
pub fn hello(name: &str, room: usize) -> String {
    format!(r#"{{"type":"hello","v":2,"name":"{name}","room":"r{room}","token":"{TOKEN}"}}"#)
}

/// A message of 256 bytes.
pub fn message(id: u64) -> Vec<u8> {
    let text = "x".repeat(180);
    masked(&format!(
        r#"{{"type":"message","id":"m{id:010}","body":{{"kind":"chat","text":"{text}"}}}}"#
    ))
}

/// The value at a quantile.
pub fn at(times: &mut [std::time::Duration], part: f64) -> u128 {
    times.sort();
    let index = ((times.len() as f64 * part) as usize).min(times.len() - 1);
    times[index].as_micros()
}
