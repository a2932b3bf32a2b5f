//! The flags of the relay's command line. Each has an environment variable of the same name.

use std::{io, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum, builder::FalseyValueParser};
use ipnet::IpNet;

use super::values::{duration, nonzero_count, nonzero_size, path, size};
use crate::{Config, RoomToken, TlsFiles, Token, handshake::proxy::parse_network, protocol::is_token};

/// The heading of the main flags in the help.
const RELAY: &str = "Relay";

/// Carries chat rooms for people and their coding agents.
///
/// Nothing is stored on disk: rooms are in memory, and clients keep what must survive a restart.
#[derive(Debug, Parser)]
#[command(name = "nexscope-relay", version)]
pub struct Flags {
    /// Address to listen on. Port 0 selects a free one, which is printed. If only PORT is set, listen on that port
    /// of all addresses
    #[arg(long, env = "NEXSCOPE_LISTEN", value_name = "HOST:PORT", help_heading = RELAY)]
    listen: Option<String>,

    /// Port to listen on, on all addresses, if --listen is not given
    #[arg(long, env = "PORT", hide = true)]
    port: Option<u16>,

    /// Secret that members present to join. Without one, the relay generates one and prints an invite. Prefer
    /// NEXSCOPE_TOKEN, because others can see a program's arguments
    #[arg(long, env = "NEXSCOPE_TOKEN", hide_env_values = true, value_name = "SECRET", help_heading = RELAY)]
    token: Option<String>,

    /// File with settings, named like the flags. Flags and variables override it
    #[arg(long, env = "NEXSCOPE_CONFIG", value_name = "FILE", help_heading = RELAY)]
    config: Option<PathBuf>,

    /// Certificate for TLS with its chain, in PEM. SIGHUP reloads it
    #[arg(long, env = "NEXSCOPE_TLS_CERT", value_name = "FILE", requires = "tls_key", value_parser = path,
        help_heading = RELAY)]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM
    #[arg(long, env = "NEXSCOPE_TLS_KEY", value_name = "FILE", requires = "tls_cert", value_parser = path,
        help_heading = RELAY)]
    tls_key: Option<PathBuf>,

    /// Proxy whose X-Forwarded-For is trusted: an address, or a network like 10.0.0.0/8
    #[arg(long, env = "NEXSCOPE_TRUSTED_PROXY", value_name = "ADDRESS", value_delimiter = ',',
        value_parser = parse_network, help_heading = RELAY)]
    trusted_proxy: Vec<IpNet>,

    /// Format of the log on standard error
    #[arg(long, env = "NEXSCOPE_LOG_FORMAT", value_enum, default_value = "text", help_heading = RELAY)]
    pub log_format: LogFormat,

    /// Origin whose web pages may connect. All others are refused
    #[arg(long, env = "NEXSCOPE_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', help_heading = RELAY)]
    allow_origin: Vec<String>,

    /// Answer /metrics to everyone, not only to this machine
    #[arg(long, env = "NEXSCOPE_METRICS_PUBLIC", value_parser = FalseyValueParser::new(), help_heading = RELAY)]
    metrics_public: bool,

    /// Maximum length of a text frame
    #[arg(long, env = "NEXSCOPE_MESSAGE_BYTES", value_name = "SIZE", default_value = "256KiB", value_parser = nonzero_size)]
    message_bytes: usize,

    /// Maximum payload of a file chunk
    #[arg(long, env = "NEXSCOPE_CHUNK_BYTES", value_name = "SIZE", default_value = "64KiB", value_parser = nonzero_size)]
    chunk_bytes: usize,

    /// Maximum outstanding credit of a file stream
    #[arg(long, env = "NEXSCOPE_WINDOW_BYTES", value_name = "SIZE", default_value = "1MiB", value_parser = nonzero_size)]
    window_bytes: usize,

    /// Frames per second and connection; 0 is no limit
    #[arg(long, env = "NEXSCOPE_RATE", value_name = "N", default_value_t = 50)]
    rate: u32,

    /// Frames at once per connection; 0 is no limit
    #[arg(long, env = "NEXSCOPE_BURST", value_name = "N", default_value_t = 200)]
    burst: u32,

    /// Maximum bytes in the outgoing queue of a connection
    #[arg(long, env = "NEXSCOPE_QUEUE_BYTES", value_name = "SIZE", default_value = "4MiB", value_parser = nonzero_size)]
    queue_bytes: usize,

    /// Maximum frames in the outgoing queue of a connection
    #[arg(long, env = "NEXSCOPE_QUEUE_FRAMES", value_name = "N", default_value = "4096", value_parser = nonzero_count)]
    queue_frames: usize,

    /// Messages that a room remembers. The same limit applies to receipts separately
    #[arg(
        long,
        env = "NEXSCOPE_MEMORY_MESSAGES",
        value_name = "N",
        default_value_t = 1000
    )]
    memory_messages: usize,

    /// Bytes of messages that a room remembers, and 512 for each addressee. The same limit applies to receipts separately
    #[arg(long, env = "NEXSCOPE_MEMORY_BYTES", value_name = "SIZE", default_value = "8MiB", value_parser = size)]
    memory_bytes: usize,

    /// Maximum members of a room; 0 is no limit
    #[arg(long, env = "NEXSCOPE_MAX_MEMBERS", value_name = "N", default_value_t = 1000)]
    max_members: usize,

    /// Maximum rooms; 0 is no limit
    #[arg(long, env = "NEXSCOPE_MAX_ROOMS", value_name = "N", default_value_t = 1000)]
    max_rooms: usize,

    /// Maximum connections; 0 is as many as the process may open files
    #[arg(
        long,
        env = "NEXSCOPE_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = 20_000
    )]
    max_connections: usize,

    /// Maximum connections from one address (IPv6: one /64), and seats held for it; 0 is no limit
    #[arg(long, env = "NEXSCOPE_PER_ADDRESS", value_name = "N", default_value_t = 100)]
    per_address: usize,

    /// Interval between pings. A connection that is silent for 2.5 intervals is closed
    #[arg(long, env = "NEXSCOPE_HEARTBEAT", value_name = "TIME", default_value = "20s", value_parser = duration)]
    heartbeat: Duration,

    /// Maximum time for which a member's seat is held when its connection breaks
    #[arg(long, env = "NEXSCOPE_SEAT", value_name = "TIME", default_value = "30s", value_parser = duration)]
    seat: Duration,

    /// Time for a new connection to send its hello
    #[arg(long, env = "NEXSCOPE_HELLO_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = duration)]
    hello_timeout: Duration,

    #[cfg(feature = "v1")]
    #[command(flatten)]
    v1: crate::v1::V1Flags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

impl Flags {
    /// The settings, and whether the token was generated. Fails if the token is not valid, or the system has no random numbers.
    pub fn config(self, tokens: Vec<RoomToken>) -> io::Result<(Config, bool)> {
        let given = self.token.filter(|token| !token.is_empty()).map(Token);
        // Not a `value_parser`: clap's message would repeat the secret.
        if given.as_ref().is_some_and(|token| !is_token(&token.0)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, TOKEN_RULE));
        }
        // With tokens in the file, nobody needs this one. It is generated, but not printed.
        let is_generated = given.is_none() && tokens.is_empty();
        let token = given.map_or_else(Token::random, Ok)?;
        let listen = self
            .listen
            .or_else(|| self.port.map(|port| format!("0.0.0.0:{port}")));
        let defaults = Config::new(token.0);
        let config = Config {
            listen: listen.unwrap_or(defaults.listen),
            token: defaults.token,
            message_bytes: self.message_bytes,
            chunk_bytes: self.chunk_bytes,
            window_bytes: self.window_bytes,
            rate: self.rate,
            burst: self.burst,
            queue_bytes: self.queue_bytes,
            queue_frames: self.queue_frames,
            memory_messages: self.memory_messages,
            memory_bytes: self.memory_bytes,
            max_members: self.max_members,
            max_rooms: self.max_rooms,
            max_connections: self.max_connections,
            per_address: self.per_address,
            heartbeat: self.heartbeat,
            seat: self.seat,
            hello_timeout: self.hello_timeout,
            allow_origin: self.allow_origin,
            metrics_public: self.metrics_public,
            tokens,
            trusted_proxy: self.trusted_proxy,
            tls: self
                .tls_cert
                .zip(self.tls_key)
                .map(|(cert, key)| TlsFiles { cert, key }),
            #[cfg(feature = "v1")]
            v1: self.v1.config(),
        };
        Ok((config, is_generated))
    }
}

/// What [`is_token`] requires, for people.
pub(super) const TOKEN_RULE: &str =
    "a token has only ASCII letters, digits and punctuation, without spaces, so that it fits into an invite";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_library_s() {
        let flags = Flags::try_parse_from(["nexscope-relay", "--token", "t", "--listen", "127.0.0.1:8080"]);
        let (config, is_generated) = flags
            .and_then(|flags| Ok(flags.config(Vec::new())?))
            .expect("a config");
        assert!(!is_generated);
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::new("t")));
    }

    #[test]
    fn a_token_that_fits_into_no_invite_is_refused() {
        let parse = |token: &str| {
            let flags = Flags::try_parse_from(["nexscope-relay", "--token", token]).expect("flags");
            flags.config(Vec::new()).map_err(|error| error.to_string())
        };
        for bad in ["two words", "p\u{e4}ss", "tab\t"] {
            assert_eq!(parse(bad).err().as_deref(), Some(TOKEN_RULE), "{bad}");
        }
        assert!(parse("a#b?c").is_ok() && parse("").is_ok());
    }
}
