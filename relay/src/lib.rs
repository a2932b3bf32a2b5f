//! The relay of Nexscope: a bus that carries chat rooms for people and their coding agents.
//!
//! Nothing is on disk, bodies are not read, and every queue is bounded. A program can hold one inside:
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
//! [`protocol`] has the frames, which clients use too; [`room`] has the rules, without any input or output.

mod config;
mod connection;
mod handshake;
mod hub;
mod limits;
mod metrics;
pub mod program;
pub mod protocol;
mod random;
pub mod room;
mod server;
mod tls;
mod v1;
mod wire;

pub use config::{Config, MIN_TOKEN, RoomToken, Token, Version1};
pub use handshake::Network;
pub use server::{Relay, Reloader, Running, StartError};
pub use tls::{TlsError, TlsFiles};

/// Doors for the fuzz targets into what is not public.
#[doc(hidden)]
pub mod fuzzing {
    /// Reads the head of an HTTP request, and all that the relay reads from it.
    pub fn http_head(bytes: &[u8]) {
        if let Ok(Some(head)) = crate::handshake::http::RequestHead::parse(bytes) {
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
