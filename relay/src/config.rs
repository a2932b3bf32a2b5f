//! The settings of a relay and their defaults.

use std::{
    fmt,
    time::{Duration, Instant},
};

use ipnet::IpNet;
use subtle::ConstantTimeEq;

#[cfg(feature = "v1")]
use crate::v1::Version1;
use crate::{
    limits::TokenBucket,
    protocol::{Limits, same_name},
    tls::TlsFiles,
};

/// Minimum length of a token for a relay that listens beyond loopback, in characters.
pub const MIN_TOKEN: usize = 16;

/// The settings of a relay. Only the token has no default:
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
    /// `HOST:PORT` to listen on. Port 0 selects a free one.
    pub listen: String,
    /// The secret that members present to join.
    pub token: Token,
    /// Maximum length of a text frame, in bytes.
    pub message_bytes: usize,
    /// Maximum payload of a chunk, in bytes.
    pub chunk_bytes: usize,
    /// Maximum outstanding credit of a stream, in bytes.
    pub window_bytes: usize,
    /// Frames per second that a connection may send in the long run.
    pub rate: u32,
    /// Frames that a connection may send at once.
    pub burst: u32,
    /// Maximum bytes in a connection's outgoing queue. The connection is closed if there are more.
    pub queue_bytes: usize,
    /// Maximum frames in a connection's outgoing queue. The connection is closed if there are more.
    pub queue_frames: usize,
    /// Messages that a room remembers. The same limit applies to receipts separately.
    pub memory_messages: usize,
    /// Bytes of messages that a room remembers, and 512 for each addressee. The same limit applies to receipts separately.
    pub memory_bytes: usize,
    /// Maximum members of a room.
    pub max_members: usize,
    /// Maximum rooms.
    pub max_rooms: usize,
    /// Maximum connections. The limit on open files, less 256, applies as well.
    pub max_connections: usize,
    /// Maximum connections from one address, and seats that are held for it. An IPv6 address stands for its /64.
    pub per_address: usize,
    /// Interval between pings. A connection that is silent for 2.5 intervals is closed.
    pub heartbeat: Duration,
    /// Time for which a seat is held when its connection ends without `bye`.
    pub seat: Duration,
    /// Time for a connection to send its HTTP head, and again to send its hello.
    pub hello_timeout: Duration,
    /// Origins of web pages that may connect. All others are refused.
    pub allow_origin: Vec<String>,
    /// Whether `/metrics` answers everyone instead of loopback only.
    pub metrics_public: bool,
    /// More secrets, each for all rooms or for some.
    pub tokens: Vec<RoomToken>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxy: Vec<IpNet>,
    /// The certificate and its key. `None` for plain TCP.
    pub tls: Option<TlsFiles>,
    /// Settings for clients of protocol version 1.
    #[cfg(feature = "v1")]
    pub v1: Version1,
}

impl Config {
    /// The default settings with this token.
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
            #[cfg(feature = "v1")]
            v1: Version1::default(),
        }
    }

    /// The same settings with another room for members of version 1, if they may join.
    #[must_use]
    pub fn with_v1_room(self, room: &str) -> Config {
        #[cfg(not(feature = "v1"))]
        let _ = room;
        Config {
            #[cfg(feature = "v1")]
            v1: Version1 {
                room: room.to_owned(),
                ..self.v1
            },
            ..self
        }
    }

    /// Whether a token admits to a room. Every secret is compared in constant time, so that timing reveals nothing about
    /// them.
    pub(crate) fn admits(&self, token: &str, room: &str) -> bool {
        let is = |secret: &Token| bool::from(token.as_bytes().ct_eq(secret.0.as_bytes()));
        let mut admitted = is(&self.token);
        for entry in &self.tokens {
            let is_valid = entry.rooms.is_empty() || entry.rooms.iter().any(|name| same_name(name, room));
            admitted |= is(&entry.token) & is_valid;
        }
        admitted
    }

    /// All secrets that admit to a room.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Token> {
        std::iter::once(&self.token).chain(self.tokens.iter().map(|entry| &entry.token))
    }

    /// The limit on frames of a new connection.
    pub(crate) fn bucket(&self) -> Option<TokenBucket> {
        TokenBucket::new(self.rate.into(), self.burst.into(), Instant::now())
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

/// A secret, limited to some rooms or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomToken {
    /// The secret.
    pub token: Token,
    /// The rooms that it admits to. Empty for all rooms.
    pub rooms: Vec<String>,
}

/// A secret. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl Token {
    /// A new token: 32 random bytes in base64url.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers.
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
