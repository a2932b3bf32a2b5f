//! The compared servers, and a connection to each for the generator.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use crate::{
    process::Process,
    support::{self, Relay},
};

/// Bytes in a message.
const MESSAGE: usize = 256;

/// A compared server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nexscope,
    Tcp,
    Uws,
    Nats,
    NatsWs,
    NodeWs,
}

pub const KINDS: [Kind; 6] = [
    Kind::Nexscope,
    Kind::Tcp,
    Kind::Uws,
    Kind::Nats,
    Kind::NatsWs,
    Kind::NodeWs,
];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Nexscope => "Nexscope",
            Kind::Tcp => "plain TCP",
            Kind::Uws => "uWebSockets (Bun)",
            Kind::Nats => "NATS",
            Kind::NatsWs => "NATS over ws",
            Kind::NodeWs => "Node `ws`",
        }
    }

    /// Deliveries per measurement, for about one or two seconds.
    pub fn deliveries(self) -> u64 {
        if self == Kind::NodeWs { 150_000 } else { 3_000_000 }
    }

    fn is_nats(self) -> bool {
        matches!(self, Kind::Nats | Kind::NatsWs)
    }
}

/// A running server.
pub enum Server {
    Ours(Relay),
    Other(Kind, Process, u16),
}

impl Server {
    /// Starts a server. `dir` has the servers of `install`.
    pub async fn start(kind: Kind, dir: &Path) -> Server {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/relay/compare");
        let port = free_port();
        let mut command = match kind {
            Kind::Nexscope => return Server::Ours(Relay::start()),
            Kind::Tcp => {
                let mut command = Command::new(std::env::current_exe().expect("this program"));
                command.arg("tcp").arg(port.to_string());
                command
            }
            Kind::Uws => {
                let mut command = Command::new(dir.join("node_modules/.bin/bun"));
                command.arg(format!("{here}/uws.js")).arg(port.to_string());
                command
            }
            Kind::NodeWs => {
                let mut command = Command::new("node");
                command.arg(format!("{here}/ws.mjs")).arg(port.to_string());
                command
            }
            Kind::Nats | Kind::NatsWs => {
                let config = dir.join("nats.conf");
                let ports = (port, free_port());
                let (tcp, ws) = if kind == Kind::Nats {
                    ports
                } else {
                    (ports.1, ports.0)
                };
                let text = format!(
                    "host: 127.0.0.1\nport: {tcp}\nwebsocket {{ host: 127.0.0.1, port: {ws}, no_tls: true }}\n"
                );
                std::fs::write(&config, text).expect("its config");
                let mut command = Command::new(dir.join("nats/bin/nats-server"));
                command.arg("-c").arg(config);
                command
            }
        };
        command
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = Server::Other(kind, Process::start(&mut command), port);
        let begin = Instant::now();
        while TcpStream::connect(server.address()).await.is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "{kind:?} does not listen"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server
    }

    pub fn address(&self) -> String {
        match self {
            Server::Ours(relay) => relay.address.clone(),
            Server::Other(_, _, port) => format!("127.0.0.1:{port}"),
        }
    }

    pub fn process(&self) -> &Process {
        match self {
            Server::Ours(relay) => &relay.process,
            Server::Other(_, process, _) => process,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Server::Ours(_) => Kind::Nexscope,
            Server::Other(kind, ..) => *kind,
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// An event on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    Message,
    /// Acks for this many messages.
    Acks(u64),
    /// Bytes of a file.
    Chunk(u64),
    /// Credit for a file, as an offset.
    Credit(u64),
    /// The start of a file.
    Opened,
    Other,
}

/// Messages per write of a sender.
pub const BATCH: u64 = 32;

/// A connection to a server.
pub struct Peer {
    pub stream: TcpStream,
    kind: Kind,
    raw: Buffer,
    /// Bytes from the WebSocket frames of NATS, which carry a stream.
    inner: Buffer,
}

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Discards handled bytes and makes space.
    fn renew(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.reserve(64 * 1024);
    }
}

impl Peer {
    /// Connects and joins.
    pub async fn join(server: &Server, name: &str) -> Peer {
        let kind = server.kind();
        let stream = TcpStream::connect(server.address()).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let mut peer = Peer {
            stream,
            kind,
            raw: Buffer::default(),
            inner: Buffer::default(),
        };
        if !matches!(kind, Kind::Tcp | Kind::Nats) {
            support::upgrade(&mut peer.stream).await;
        }
        match kind {
            Kind::Nexscope => {
                let hello = support::hello(name, 0);
                peer.write(&support::masked(&hello)).await;
                peer.until(|got| got == Got::Other).await;
            }
            Kind::Nats | Kind::NatsWs => {
                let connect = "CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB room 1\r\nPING\r\n";
                let bytes = peer.wrap(connect.as_bytes());
                peer.write(&bytes).await;
                peer.until(|got| matches!(got, Got::Acks(_))).await;
            }
            Kind::Tcp => {
                peer.write(b"\0\0\0\x01j").await;
                peer.until(|got| matches!(got, Got::Acks(_))).await;
            }
            // The upgrade joins.
            Kind::Uws | Kind::NodeWs => {}
        }
        peer
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("sent");
    }

    /// Reads until there is an event.
    pub async fn until(&mut self, what: impl Fn(Got) -> bool) {
        let mut found = false;
        while !found {
            self.read(|got| found |= what(got)).await;
        }
    }

    fn wrap(&self, bytes: &[u8]) -> Vec<u8> {
        match self.kind {
            Kind::NatsWs => support::frame(0x2, &[bytes]),
            _ => bytes.to_vec(),
        }
    }

    /// Sends messages of 256 bytes with these numbers.
    pub fn messages(&self, from: u64, to: u64) -> Vec<u8> {
        let payload = [b'm'; MESSAGE];
        match self.kind {
            Kind::Nexscope => (from..to).flat_map(support::message).collect(),
            Kind::Tcp => [&(MESSAGE as u32).to_be_bytes()[..], &payload]
                .concat()
                .repeat((to - from) as usize),
            Kind::Uws | Kind::NodeWs => support::frame(0x1, &[&payload]).repeat((to - from) as usize),
            Kind::Nats | Kind::NatsWs => {
                let message = [format!("PUB room {MESSAGE}\r\n").as_bytes(), &payload, b"\r\n"].concat();
                let mut bytes = message.repeat((to - from) as usize);
                // NATS has no acks: the answer to a ping confirms what was sent before it.
                bytes.extend(b"PING\r\n");
                self.wrap(&bytes)
            }
        }
    }

    /// Sends a chunk of a file.
    pub fn chunk(&self, id: Uuid, offset: u64, data: &[u8]) -> Vec<u8> {
        match self.kind {
            Kind::Nexscope => support::frame(0x2, &[id.as_bytes(), &offset.to_be_bytes(), data]),
            Kind::Tcp => [&(data.len() as u32 + 1).to_be_bytes()[..], b"c", data].concat(),
            Kind::Uws | Kind::NodeWs => support::frame(0x2, &[b"c", data]),
            Kind::Nats | Kind::NatsWs => {
                let head = format!("PUB room {}\r\n", data.len() + 1);
                self.wrap(&[head.as_bytes(), b"c", data, b"\r\n"].concat())
            }
        }
    }

    /// Gives credit to the sender of a file.
    pub fn credit(&self, id: Uuid, up_to: u64) -> Vec<u8> {
        let plain = [b"k", &up_to.to_be_bytes()[..]].concat();
        match self.kind {
            Kind::Nexscope => support::masked(&format!(
                r#"{{"type":"stream_credit","stream":"{id}","bytes":{up_to}}}"#
            )),
            Kind::Tcp => [&(plain.len() as u32).to_be_bytes()[..], &plain].concat(),
            Kind::Uws | Kind::NodeWs => support::frame(0x2, &[&plain]),
            Kind::Nats | Kind::NatsWs => self.wrap(
                &[
                    format!("PUB room {}\r\n", plain.len()).as_bytes(),
                    &plain,
                    b"\r\n",
                ]
                .concat(),
            ),
        }
    }

    /// Reads once and passes the events on.
    pub async fn read(&mut self, mut show: impl FnMut(Got)) {
        self.raw.renew();
        let read = self.stream.read_buf(&mut self.raw.bytes).await.expect("bytes");
        assert_ne!(read, 0, "{:?} has closed", self.kind);
        match self.kind {
            Kind::Nats => nats(&mut self.raw, &mut show),
            Kind::Tcp => {
                while let Some((length, rest)) = self.raw.rest().split_first_chunk::<4>() {
                    let length = u32::from_be_bytes(*length) as usize;
                    let Some(payload) = rest.get(..length) else { break };
                    show(plain(payload));
                    self.raw.start += 4 + length;
                }
            }
            kind => {
                while let Some((header, length)) = support::header(self.raw.rest()) {
                    let Some(payload) = self.raw.rest().get(header..header + length) else {
                        break;
                    };
                    match kind {
                        Kind::Nexscope => show(ours(payload)),
                        Kind::NatsWs => self.inner.bytes.extend(payload),
                        _ => show(plain(payload)),
                    }
                    self.raw.start += header + length;
                }
                if kind.is_nats() {
                    nats(&mut self.inner, &mut show);
                    self.inner.renew();
                }
            }
        }
    }
}

/// The event of a frame of this relay.
fn ours(payload: &[u8]) -> Got {
    match payload {
        [b'{', ..] if payload.starts_with(b"{\"type\":\"message") => Got::Message,
        [b'{', ..] if payload.starts_with(b"{\"type\":\"ack") => Got::Acks(1),
        [b'{', ..] if payload.starts_with(b"{\"type\":\"stream_credit") => {
            let text = String::from_utf8_lossy(payload);
            let bytes = text.rsplit(':').next().map(|text| text.trim_end_matches('}'));
            Got::Credit(bytes.and_then(|bytes| bytes.parse().ok()).expect("a number"))
        }
        [b'{', ..] if payload.starts_with(b"{\"type\":\"stream_open") => Got::Opened,
        [b'{', ..] => {
            assert!(
                !payload.starts_with(b"{\"type\":\"error"),
                "{}",
                String::from_utf8_lossy(payload)
            );
            Got::Other
        }
        chunk => Got::Chunk(chunk.len() as u64 - 24),
    }
}

/// The event of a frame of the minimal relays.
fn plain(payload: &[u8]) -> Got {
    match payload {
        [b'm', ..] => Got::Message,
        [b'a'] => Got::Acks(1),
        [b'c', data @ ..] => Got::Chunk(data.len() as u64),
        [b'k', bytes @ ..] => Got::Credit(u64::from_be_bytes(bytes.try_into().expect("eight bytes"))),
        _ => Got::Other,
    }
}

/// Parses the protocol of NATS: lines, and payloads behind lines that start with MSG.
fn nats(buffer: &mut Buffer, show: &mut impl FnMut(Got)) {
    while let Some(end) = buffer.rest().windows(2).take(4096).position(|two| two == b"\r\n") {
        let line = &buffer.rest()[..end];
        let mut used = end + 2;
        if line.starts_with(b"MSG ") {
            let digits = line.rsplit(|byte| *byte == b' ').next().expect("a length");
            let length = digits
                .iter()
                .fold(0usize, |n, digit| n * 10 + usize::from(digit - b'0'));
            let Some(payload) = buffer
                .rest()
                .get(used..used + length + 2)
                .map(|bytes| &bytes[..length])
            else {
                break;
            };
            show(plain(payload));
            used += length + 2;
        } else if line == b"PONG" {
            show(Got::Acks(BATCH));
        } else {
            show(Got::Other);
        }
        buffer.start += used;
    }
}
