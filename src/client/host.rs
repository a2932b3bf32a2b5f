//! A relay inside the program, for a person who hosts a room here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::link::Target;

/// A relay that runs inside this program.
pub struct Host {
    relay: nexscope_relay::Running,
}

/// The built-in relay cannot run.
#[derive(Debug, thiserror::Error)]
#[error("cannot host on {address}: {why}; choose another address in config.toml (host = \"IP:PORT\")")]
pub struct HostError {
    address: SocketAddr,
    why: String,
}

impl Host {
    /// Starts a relay for a room on `address`; port 0 picks a free one. Members of version 1, who name no room, join
    /// that room. Fails if it cannot listen there.
    pub async fn start(address: SocketAddr, token: &str, room: &str) -> Result<Self, HostError> {
        let config = nexscope_relay::Config {
            listen: address.to_string(),
            ..nexscope_relay::Config::new(token).with_v1_room(room)
        };
        match nexscope_relay::Relay::start(config).await {
            Ok(relay) => Ok(Self { relay }),
            Err(error) => Err(HostError {
                address,
                why: error.to_string(),
            }),
        }
    }

    /// The address at which this program joins it.
    pub fn target(&self) -> Target {
        let address = self.relay.address();
        let host = match address.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        target(host, address.port())
    }

    /// The address at which others join it: this machine's address if it listens on all.
    pub fn reachable(&self) -> Target {
        reachable(self.relay.address())
    }

    /// Notifies all members and shuts down.
    pub async fn stop(self) {
        self.relay.stop().await;
    }
}

/// The address at which others join a relay that listens on `address`: this machine's address if that means
/// all.
pub fn reachable(address: SocketAddr) -> Target {
    let ip = match address.ip() {
        ip if ip.is_unspecified() => own_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ip => ip,
    };
    target(ip, address.port())
}

/// Creates a secret for a new relay: 24 random bytes, base64url.
pub fn fresh_token() -> String {
    let mut bytes = [0; 24];
    match getrandom::fill(&mut bytes) {
        Ok(()) => BASE64_URL_SAFE_NO_PAD.encode(bytes),
        // The system has no randomness: two version 4 UUIDs use another source, and panic without one.
        Err(_) => format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        ),
    }
}

/// The address that this machine uses towards others. No packet is sent: a UDP socket is only connected, and
/// the system chooses the address for that.
pub fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket
        .local_addr()
        .ok()
        .map(|address| address.ip())
        .filter(|ip| !ip.is_unspecified())
}

fn target(ip: IpAddr, port: u16) -> Target {
    Target {
        host: ip.to_string(),
        port,
        tls: false,
        path: "/ws".into(),
    }
}
