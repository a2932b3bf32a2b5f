//! The words that the relay's command line knows. Every flag has a variable of the same name.

use std::{path::PathBuf, time::Duration};

use crate::{Config, Network, RoomToken, TlsFiles, Token, Version1};
use clap::{Parser, ValueEnum};

use super::settings::path;

/// Carries chat rooms for people and their coding agents.
///
/// Nothing is on disk: rooms are in memory, and what must survive a restart is kept by the clients.
#[derive(Debug, Parser)]
#[command(name = "nexscope-relay", version)]
pub struct Flags {
    /// Address to listen on; port 0 takes a free one, which is printed. With only PORT set, all addresses
    /// at that port
    #[arg(
        long,
        env = "NEXSCOPE_LISTEN",
        value_name = "HOST:PORT",
        help_heading = "Relay"
    )]
    listen: Option<String>,

    /// Port to listen on where --listen is not given, on all addresses
    #[arg(long, env = "PORT", hide = true)]
    port: Option<u16>,

    /// The secret that lets in; without one, it is made and an invite is printed. Better set as NEXSCOPE_TOKEN,
    /// since others can see a program's arguments
    #[arg(
        long,
        env = "NEXSCOPE_TOKEN",
        hide_env_values = true,
        value_name = "SECRET",
        help_heading = "Relay"
    )]
    token: Option<String>,

    /// A file with settings, each named like its flag; flags and variables go before it
    #[arg(long, env = "NEXSCOPE_CONFIG", value_name = "FILE", help_heading = "Relay")]
    config: Option<PathBuf>,

    /// The certificate for TLS, with its chain, in PEM; SIGHUP reads it again
    #[arg(long, env = "NEXSCOPE_TLS_CERT", value_name = "FILE", requires = "tls_key", value_parser = path,
        help_heading = "Relay")]
    tls_cert: Option<PathBuf>,

    /// Its private key, in PEM
    #[arg(long, env = "NEXSCOPE_TLS_KEY", value_name = "FILE", requires = "tls_cert", value_parser = path,
        help_heading = "Relay")]
    tls_key: Option<PathBuf>,

    /// A proxy whose X-Forwarded-For is believed: an address, or a network like 10.0.0.0/8
    #[arg(
        long,
        env = "NEXSCOPE_TRUSTED_PROXY",
        value_name = "ADDRESS",
        value_delimiter = ',',
        help_heading = "Relay"
    )]
    trusted_proxy: Vec<Network>,

    /// How log lines look; they go to standard error
    #[arg(
        long,
        env = "NEXSCOPE_LOG_FORMAT",
        value_enum,
        default_value = "text",
        help_heading = "Relay"
    )]
    pub log_format: LogFormat,

    /// An origin whose web pages may connect; all others may not
    #[arg(
        long,
        env = "NEXSCOPE_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Relay"
    )]
    allow_origin: Vec<String>,

    /// Answer /metrics to everybody, not to this machine alone
    #[arg(
        long,
        env = "NEXSCOPE_METRICS_PUBLIC",
        value_parser = clap::builder::FalseyValueParser::new(),
        help_heading = "Relay"
    )]
    metrics_public: bool,

    /// Longest text frame
    #[arg(long, env = "NEXSCOPE_MESSAGE_BYTES", value_name = "SIZE", default_value = "256KiB", value_parser = some_size)]
    message_bytes: usize,

    /// Longest payload of a file's chunk
    #[arg(long, env = "NEXSCOPE_CHUNK_BYTES", value_name = "SIZE", default_value = "64KiB", value_parser = some_size)]
    chunk_bytes: usize,

    /// Most credit outstanding on a file's stream
    #[arg(long, env = "NEXSCOPE_WINDOW_BYTES", value_name = "SIZE", default_value = "1MiB", value_parser = some_size)]
    window_bytes: usize,

    /// Frames a second per connection; 0 is no limit
    #[arg(long, env = "NEXSCOPE_RATE", value_name = "N", default_value_t = 50)]
    rate: u32,

    /// Frames at once per connection; 0 is no limit
    #[arg(long, env = "NEXSCOPE_BURST", value_name = "N", default_value_t = 200)]
    burst: u32,

    /// Outgoing queue per connection, in bytes
    #[arg(long, env = "NEXSCOPE_QUEUE_BYTES", value_name = "SIZE", default_value = "4MiB", value_parser = some_size)]
    queue_bytes: usize,

    /// Outgoing queue per connection, in frames
    #[arg(long, env = "NEXSCOPE_QUEUE_FRAMES", value_name = "N", default_value = "4096", value_parser = some)]
    queue_frames: usize,

    /// Messages that a room remembers; receipts have as many of their own
    #[arg(
        long,
        env = "NEXSCOPE_MEMORY_MESSAGES",
        value_name = "N",
        default_value_t = 1000
    )]
    memory_messages: usize,

    /// Bytes of messages that a room remembers; receipts have as many of their own
    #[arg(long, env = "NEXSCOPE_MEMORY_BYTES", value_name = "SIZE", default_value = "8MiB", value_parser = size)]
    memory_bytes: usize,

    /// Members of a room; 0 is no limit
    #[arg(long, env = "NEXSCOPE_MAX_MEMBERS", value_name = "N", default_value_t = 1000)]
    max_members: usize,

    /// Rooms; 0 is no limit
    #[arg(long, env = "NEXSCOPE_MAX_ROOMS", value_name = "N", default_value_t = 1000)]
    max_rooms: usize,

    /// Connections; 0 is as many as the process may open files
    #[arg(
        long,
        env = "NEXSCOPE_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = 20_000
    )]
    max_connections: usize,

    /// Connections from one address (IPv6: one /64); 0 is no limit
    #[arg(long, env = "NEXSCOPE_PER_ADDRESS", value_name = "N", default_value_t = 100)]
    per_address: usize,

    /// Between pings; who is silent for 2.5 of these is closed
    #[arg(long, env = "NEXSCOPE_HEARTBEAT", value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    heartbeat: Duration,

    /// How long a member's seat is held when its connection breaks
    #[arg(long, env = "NEXSCOPE_SEAT", value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    seat: Duration,

    /// How long a new connection may take for its hello
    #[arg(long, env = "NEXSCOPE_HELLO_TIMEOUT", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    hello_timeout: Duration,

    /// Do not let clients of protocol version 1 in
    #[arg(
        long,
        env = "NEXSCOPE_NO_V1",
        value_parser = clap::builder::FalseyValueParser::new(),
        help_heading = "Version 1"
    )]
    no_v1: bool,

    /// The room that clients of version 1 are in
    #[arg(
        long,
        env = "NEXSCOPE_V1_ROOM",
        value_name = "ROOM",
        default_value = "lobby",
        value_parser = room,
        help_heading = "Version 1"
    )]
    v1_room: String,

    /// Longest frame of version 1
    #[arg(long, env = "NEXSCOPE_MAX_PAYLOAD", value_name = "SIZE", default_value = "10MiB", value_parser = size,
        help_heading = "Version 1")]
    max_payload: usize,

    /// Longest file of version 1; 0 is no limit
    #[arg(long, env = "NEXSCOPE_MAX_FILE", value_name = "SIZE", default_value = "100MiB", value_parser = size64,
        help_heading = "Version 1")]
    max_file: u64,

    /// Members of version 1; 0 is no limit
    #[arg(
        long,
        env = "NEXSCOPE_MAX_USERS",
        value_name = "N",
        default_value_t = 50,
        help_heading = "Version 1"
    )]
    max_users: usize,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Flags {
    /// What they ask for, and whether the token was made here. Fails where the system has no randomness.
    pub fn config(self, tokens: Vec<RoomToken>) -> std::io::Result<(Config, bool)> {
        let given = self.token.filter(|token| !token.is_empty()).map(Token);
        // With others in the file, nobody misses this one; what is made is known to nobody.
        let made = given.is_none() && tokens.is_empty();
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
            v1: Version1 {
                enabled: !self.no_v1,
                room: self.v1_room,
                max_payload: self.max_payload,
                max_file: self.max_file,
                max_users: self.max_users,
                ..defaults.v1
            },
        };
        Ok((config, made))
    }
}

/// Reads a number of bytes, with KiB, MiB or GiB behind it or nothing.
fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: usize = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err("a size is a number, with KiB, MiB or GiB behind it or nothing".into()),
    };
    let number: usize = digits
        .parse()
        .map_err(|_| "a size begins with a whole number".to_owned())?;
    number
        .checked_mul(unit)
        .ok_or_else(|| "that is more than any machine has".into())
}

/// The same, where nothing could be said with none at all.
fn some_size(text: &str) -> Result<usize, String> {
    size(text).and_then(not_none)
}

/// Reads a number of things of which there has to be one at least.
fn some(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "this is a whole number".to_owned());
    number.and_then(not_none)
}

fn not_none(number: usize) -> Result<usize, String> {
    let none = || {
        "it is 1 or more; 0 means no limit for --rate, --burst, --per-address and every --max-... alone"
            .to_owned()
    };
    (number > 0).then_some(number).ok_or_else(none)
}

/// Reads a size that may be more than memory holds.
fn size64(text: &str) -> Result<u64, String> {
    size(text).map(|size| size as u64)
}

/// Reads a room's name.
fn room(text: &str) -> Result<String, String> {
    if crate::protocol::is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("a room is 1 to 32 of A-Z a-z 0-9 _ -, and no reserved word".into())
    }
}

/// Reads a time in seconds, with a fraction or without.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "a time is a number of seconds".to_owned())?;
    if !(0.01..=1e6).contains(&seconds) {
        return Err("a time is between 0.01 and 1000000 seconds".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(
            (size("7"), size("4 MiB"), size("1k")),
            (Ok(7), Ok(4 << 20), Ok(1024))
        );
        assert!(size("").is_err() && size("MiB").is_err() && size("1.5M").is_err() && size("-1").is_err());
        assert!(size("99999999999999999999").is_err() && size("99999999999GiB").is_err());
        assert!(
            some_size("0").is_err() && some_size("1").is_ok() && some("0").is_err() && some("7") == Ok(7)
        );
        assert_eq!(seconds("0.2"), Ok(Duration::from_millis(200)));
        assert!(seconds("0").is_err() && seconds("NaN").is_err() && seconds("-1").is_err());
    }

    #[test]
    fn the_defaults_are_the_library_s() {
        let flags = Flags::try_parse_from(["nexscope-relay", "--token", "t", "--listen", "127.0.0.1:8080"]);
        let (config, made) = flags
            .and_then(|flags| Ok(flags.config(Vec::new())?))
            .expect("a config");
        assert!(!made);
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::new("t")));
    }
}
