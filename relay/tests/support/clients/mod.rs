//! WebSocket clients for tests. They can send what breaks the protocol, and every wait has a timeout.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod connection;
pub mod raw;
pub mod v1;
pub mod v2;

use std::{net::SocketAddr, time::Duration};

/// The token of all relays in tests.
pub const TOKEN: &str = "a-token-for-tests-only";

/// The longest time to wait for anything expected. Long, for a busy machine; tests never wait for all of it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A relay to connect to, in this process or in another one.
pub trait Listening {
    fn address(&self) -> SocketAddr;
}

impl Listening for nexscope_relay::Running {
    fn address(&self) -> SocketAddr {
        self.address()
    }
}

impl Listening for SocketAddr {
    fn address(&self) -> SocketAddr {
        *self
    }
}
