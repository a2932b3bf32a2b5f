//! A relay for tests, and its clients. They wait for frames with a timeout and never sleep.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]

pub mod both_versions;
pub mod clients;

pub use clients::{
    PATIENCE, TOKEN,
    connection::{Any, Connection, End, end},
    raw,
    v1::V1,
    v2::{Client, hello, ids, message},
};
use nexscope_relay::{Config, Relay, Running};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Settings with a free port and without a rate limit.
pub fn config() -> Config {
    Config {
        listen: "127.0.0.1:0".into(),
        rate: 0,
        ..Config::new(TOKEN)
    }
}

/// Starts a relay on a free port. `change` changes its settings.
pub async fn relay(change: impl FnOnce(&mut Config)) -> Running {
    let mut config = config();
    change(&mut config);
    Relay::start(config).await.expect("a relay")
}

/// Sends a plain request and returns the whole response.
pub async fn request(relay: &Running, head: &str) -> String {
    let mut stream = TcpStream::connect(relay.address()).await.expect("a connection");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    answer
}
