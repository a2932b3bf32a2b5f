//! What a relay can be told, with the defaults of the protocol's table of limits.

use std::{fmt, time::Duration};

use subtle::ConstantTimeEq;

use crate::{
    handshake::Network,
    protocol::{Limits, same_name},
    tls::TlsFiles,
};

/// The shortest token that a relay takes which listens beyond loopback, in characters.
pub const MIN_TOKEN: usize = 16;

/// Everything that a relay can be told. Only the token has no default:
///
/// ```
/// use nexscope_relay::Config;
///
/// let config = Config { max_members: 10, ..Config::new("a secret of sixteen or more") };
/// assert_eq!(config.listen, "127.0.0.1:8080");
/// ```
///
/// 0 means no limit for `rate`, `burst`, `per_address` and every `max_…`.
#[derive(Debug, Clone)]
pub struct Config {
    /// `HOST:PORT` to listen on; port 0 takes a free one.
    pub listen: String,
    /// The secret that lets in.
    pub token: Token,
    /// The longest text frame, in bytes.
    pub message_bytes: usize,
    /// The longest payload of a stream's chunk, in bytes.
    pub chunk_bytes: usize,
    /// The most credit outstanding on a stream, in bytes.
    pub window_bytes: usize,
    /// Frames per second that a connection may send in the long run.
    pub rate: u32,
    /// Frames that a connection may send at once.
    pub burst: u32,
    /// The most bytes in a connection's outgoing queue; more, and it is closed.
    pub queue_bytes: usize,
    /// The most frames in a connection's outgoing queue; more, and it is closed.
    pub queue_frames: usize,
    /// The most messages that a room remembers; receipts have as many of their own.
    pub memory_messages: usize,
    /// The most bytes of messages that a room remembers; receipts have as many of their own.
    pub memory_bytes: usize,
    /// The most members of a room.
    pub max_members: usize,
    /// The most rooms.
    pub max_rooms: usize,
    /// The most connections; never more than the process may open files, less 256.
    pub max_connections: usize,
    /// The most connections from one address; an IPv6 address counts by its /64.
    pub per_address: usize,
    /// Between pings to a connection; one that is silent for 2.5 of these is closed.
    pub heartbeat: Duration,
    /// How long the seat of a member is held whose connection ended without `bye`.
    pub seat: Duration,
    /// How long a connection may take for its HTTP head, and then for its hello.
    pub hello_timeout: Duration,
    /// Origins of web pages that may connect; all others are refused.
    pub allow_origin: Vec<String>,
    /// Whether `/metrics` answers everybody, not loopback alone.
    pub metrics_public: bool,
    /// More secrets, each for all rooms or for some.
    pub tokens: Vec<RoomToken>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxy: Vec<Network>,
    /// The certificate and its key; none where the relay speaks plain TCP.
    pub tls: Option<TlsFiles>,
    /// What version 1 clients may do.
    pub v1: Version1,
}

/// What holds for clients of protocol version 1. 0 means no limit for every `max_…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version1 {
    /// Whether they may join.
    pub enabled: bool,
    /// The room that they are in.
    pub room: String,
    /// The longest frame, in bytes.
    pub max_payload: usize,
    /// The longest file, in bytes.
    pub max_file: u64,
    /// The most members of them.
    pub max_users: usize,
    /// Between pings; after two without an answer the connection is closed.
    pub heartbeat: Duration,
    /// How long a file may take, without the pauses that its receivers need.
    pub file_time: Duration,
    /// How long a receiver may take nothing of a file before it leaves the transfer.
    pub stall: Duration,
}

impl Default for Version1 {
    fn default() -> Version1 {
        Version1 {
            enabled: true,
            room: "lobby".into(),
            // What the plugin's clients have as their own limits.
            max_payload: 10 * 1024 * 1024,
            max_file: 100 * 1024 * 1024,
            max_users: 50,
            heartbeat: Duration::from_secs(30),
            file_time: Duration::from_secs(60),
            stall: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// The defaults, with this token.
    pub fn new(token: impl Into<String>) -> Config {
        Config {
            listen: "127.0.0.1:8080".into(),
            token: Token(token.into()),
            message_bytes: 256 * 1024,
            chunk_bytes: 64 * 1024,
            window_bytes: 1024 * 1024,
            rate: 50,
            burst: 200,
            queue_bytes: 4 * 1024 * 1024,
            queue_frames: 4096,
            memory_messages: 1000,
            memory_bytes: 8 * 1024 * 1024,
            max_members: 1000,
            max_rooms: 1000,
            max_connections: 20_000,
            per_address: 100,
            heartbeat: Duration::from_secs(20),
            seat: Duration::from_secs(30),
            hello_timeout: Duration::from_secs(10),
            allow_origin: Vec::new(),
            metrics_public: false,
            tokens: Vec::new(),
            trusted_proxy: Vec::new(),
            tls: None,
            v1: Version1::default(),
        }
    }

    /// Whether a token lets into a room. All are compared, each in constant time, so that the time tells
    /// nothing about them.
    pub(crate) fn admits(&self, token: &str, room: &str) -> bool {
        let is = |secret: &Token| bool::from(token.as_bytes().ct_eq(secret.0.as_bytes()));
        let mut admitted = is(&self.token);
        for entry in &self.tokens {
            let bound = entry.rooms.is_empty() || entry.rooms.iter().any(|name| same_name(name, room));
            admitted |= is(&entry.token) & bound;
        }
        admitted
    }

    /// All secrets that let in.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Token> {
        std::iter::once(&self.token).chain(self.tokens.iter().map(|entry| &entry.token))
    }

    /// The limits that are announced to clients.
    pub(crate) fn announced(&self) -> Limits {
        Limits {
            message_bytes: self.message_bytes,
            chunk_bytes: self.chunk_bytes,
            window_bytes: self.window_bytes,
            rate: self.rate,
            burst: self.burst,
        }
    }
}

/// A secret that may be bound to rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomToken {
    /// The secret.
    pub token: Token,
    /// The rooms that it lets into; none is all.
    pub rooms: Vec<String>,
}

/// A secret, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl Token {
    /// A fresh one: 32 random bytes in base64url. Fails where the system has no randomness to give.
    pub fn random() -> std::io::Result<Token> {
        Ok(Token(crate::random::secret()?))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl From<&str> for Token {
    fn from(token: &str) -> Token {
        Token(token.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_may_be_bound_to_rooms() {
        let entry = |token: &str, rooms: &[&str]| RoomToken {
            token: token.into(),
            rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
        };
        let config = Config {
            tokens: vec![entry("den", &["den", "attic"]), entry("all", &[])],
            ..Config::new("main")
        };
        for (token, room, admitted) in [
            ("main", "lobby", true),
            ("den", "DEN", true),
            ("den", "attic", true),
            ("den", "lobby", false),
            ("all", "lobby", true),
            ("", "lobby", false),
            ("mai", "lobby", false),
        ] {
            assert_eq!(config.admits(token, room), admitted, "{token} {room}");
        }
    }
}
