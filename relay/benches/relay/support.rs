//! A relay in a process of its own, and members that read raw bytes.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const TOKEN: &str = "a-token-for-benches";
/// The limits that are raised for the table, which names them.
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

/// A relay in a process of its own, killed when dropped.
pub struct Relay {
    child: Child,
    pub address: String,
}

impl Relay {
    pub fn start() -> Relay {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nexscope-relay"))
            .args(["--listen", "127.0.0.1:0"])
            .args(RAISED)
            .env("NEXSCOPE_TOKEN", TOKEN)
            .env("NEXSCOPE_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the relay starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line
            .trim_end()
            .strip_prefix("listening on ")
            .expect("an address")
            .to_owned();
        Relay { child, address }
    }

    /// A value of its /proc status in KiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0)
    }

    /// CPU time so far, in seconds, at 100 ticks a second.
    pub fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
        let mut stream = TcpStream::connect(&relay.address).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let head = "GET /ws HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("an answer"));
        }
        let hello = format!(r#"{{"type":"hello","v":2,"name":"{name}","room":"r{room}","token":"{TOKEN}"}}"#);
        stream.write_all(&masked(&hello)).await.expect("sent");
        let mut member = Member {
            stream,
            buffer: Vec::new(),
            start: 0,
        };
        while member.frames(b"{\"type\":\"welcome").await == 0 {}
        member
    }

    /// Reads once; gives how many text frames began with these bytes.
    pub async fn frames(&mut self, prefix: &[u8]) -> u64 {
        let mut count = 0;
        self.read(|_, payload| count += u64::from(payload.starts_with(prefix)))
            .await;
        count
    }

    /// Reads once; shows each whole frame, its opcode and its payload.
    pub async fn read(&mut self, mut show: impl FnMut(u8, &[u8])) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(64 * 1024);
        let read = self.stream.read_buf(&mut self.buffer).await.expect("bytes");
        assert_ne!(read, 0, "the relay closed");
        while let Some(rest) = self.buffer.get(self.start..).filter(|rest| rest.len() > 1) {
            let (header, length) = match rest[1] {
                126 if rest.len() >= 4 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
                127 if rest.len() >= 10 => (
                    10,
                    u32::from_be_bytes([rest[6], rest[7], rest[8], rest[9]]) as usize,
                ),
                126 | 127 => break,
                short => (2, usize::from(short)),
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

/// A client's text frame; masked with zeros, which is a mask too.
pub fn masked(text: &str) -> Vec<u8> {
    frame(0x1, &[text.as_bytes()])
}

/// A client's frame of any kind.
pub fn frame(opcode: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut frame = Vec::with_capacity(length + 14);
    frame.push(0x80 | opcode);
    match length {
        n @ 0..=125 => frame.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(0x80 | 127);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    parts.iter().for_each(|part| frame.extend(*part));
    frame
}

/// A message of 256 bytes.
pub fn message(id: u64) -> Vec<u8> {
    let text = "x".repeat(180);
    masked(&format!(
        r#"{{"type":"message","id":"m{id:010}","body":{{"kind":"chat","text":"{text}"}}}}"#
    ))
}

/// The value at a part of what was measured.
pub fn at(times: &mut [std::time::Duration], part: f64) -> u128 {
    times.sort();
    let index = ((times.len() as f64 * part) as usize).min(times.len() - 1);
    times[index].as_micros()
}
