//! The relay of Nexscope: it carries chat rooms for people and their coding agents.
//!
//! It stores nothing on disk, does not read the bodies of messages, and bounds every queue. A program can embed it:
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use nexscope_relay::{Config, Relay};
//!
//! let config = Config { listen: "127.0.0.1:0".into(), ..Config::new("a secret of sixteen or more") };
//! let relay = Relay::start(config).await?;
//! println!("connect to {}", relay.url());
//! relay.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! [`protocol`] has the frames, [`limits`] the rate limit that clients use too.

// A test may tell a long story.
#![cfg_attr(not(test), warn(clippy::too_many_lines))]

mod config;
mod connection;
mod handshake;
mod hub;
pub mod limits;
mod metrics;
pub mod program;
pub mod protocol;
pub mod random;
mod room;
mod server;
mod tls;
#[cfg(feature = "v1")]
mod v1;
#[cfg(not(feature = "v1"))]
#[path = "v1/disabled.rs"]
mod v1;
mod wire;

pub use config::{Config, MIN_TOKEN, RoomToken, Token};
pub use ipnet::IpNet;
pub use room::Owner;
pub use server::{Relay, Reloader, Running, StartError};
pub use tls::{TlsError, TlsFiles};
#[cfg(feature = "v1")]
pub use v1::Version1;

/// Entry points for the fuzz targets.
#[doc(hidden)]
pub mod fuzzing {
    /// Parses the head of an HTTP request and everything that the relay reads from it.
    pub fn http_head(bytes: &[u8]) {
        if let Ok(Some(head)) = crate::handshake::http::RequestHead::parse(bytes) {
            // Only panics matter.
            let _ = (
                head.upgrade_response(),
                head.is_forwarded(),
                crate::v1::Query::parse(&head.query),
            );
            let _ = crate::handshake::proxy::client(
                &[],
                std::net::Ipv4Addr::LOCALHOST.into(),
                &head.headers("x-forwarded-for"),
            );
        }
    }
}
