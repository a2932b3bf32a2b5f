//! A relay and small clients for tests. They wait for frames with a timeout and never sleep.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod v1;

use std::{collections::VecDeque, time::Duration};

use futures_util::{SinkExt, StreamExt};
use nexscope_relay::{Config, Relay, Running};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// The token of all relays in tests.
pub const TOKEN: &str = "a-token-for-tests-only";

/// The timeout of a test for anything it waits for.
pub const PATIENCE: Duration = Duration::from_secs(10);

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

/// A hello without optional fields.
pub fn hello(name: &str) -> Value {
    json!({"type": "hello", "v": 2, "name": name, "token": TOKEN})
}

/// A message.
pub fn message(id: &str, to: &[&str], only: bool) -> Value {
    json!({"type": "message", "id": id, "to": to, "only": only, "body": {"kind": "chat", "text": id}})
}

/// A client that sends anything, even if it breaks the protocol.
pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    /// Frames that were read while waiting for another.
    pub seen: VecDeque<Value>,
    pub welcome: Value,
}

/// The end of a connection: its close code, and the code of the error frame before it.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    pub close: u16,
    pub error: Option<String>,
}

impl Client {
    /// Connects without sending anything.
    pub async fn connect(relay: &Running) -> Client {
        let stream = TcpStream::connect(relay.address()).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let (socket, _) = client_async(relay.url(), stream).await.expect("an upgrade");
        Client {
            socket,
            seen: VecDeque::new(),
            welcome: Value::Null,
        }
    }

    /// Connects with a hello and waits for the welcome.
    pub async fn enter(relay: &Running, hello: Value) -> Client {
        let mut client = Client::connect(relay).await;
        client.send(hello).await;
        client.welcome = client.next().await;
        assert_eq!(client.welcome["type"], "welcome", "{}", client.welcome);
        client
    }

    /// Joins the lobby under a name.
    pub async fn join(relay: &Running, name: &str) -> Client {
        Client::enter(relay, hello(name)).await
    }

    /// The `resume` for a client that has received everything up to `seq`.
    pub fn resume(&self, seq: u64) -> Value {
        json!({"session": self.welcome["session"], "epoch": self.welcome["epoch"], "seq": seq})
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        timeout(PATIENCE, self.socket.send(Message::text(text)))
            .await
            .expect("in time")
            .expect("sent");
    }

    /// The next text frame, unparsed.
    pub async fn next_text(&mut self) -> String {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("a frame in time")
            {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("instead of a frame: {other:?}"),
            }
        }
    }

    /// The next text frame.
    pub async fn next(&mut self) -> Value {
        match self.seen.pop_front() {
            Some(frame) => frame,
            None => serde_json::from_str(&self.next_text().await).expect("JSON"),
        }
    }

    /// The next frame of a type. Other frames before it are dropped.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Sends a message and waits for its ack.
    pub async fn post(&mut self, id: &str, to: &[&str], only: bool) -> Value {
        self.send(message(id, to, only)).await;
        let ack = self.next_of("ack").await;
        assert_eq!(ack["id"], id);
        ack
    }

    /// Sends a frame that is answered, and returns all frames before the answer.
    pub async fn settled(&mut self) -> Vec<Value> {
        self.send(json!({"type": "no_such_type", "id": "settled"})).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            if frame["code"] == "unknown_type" {
                // A good frame, so that many calls are not abuse.
                self.send(json!({"type": "signal", "to": ["nobody-at-all"], "only": true, "body": {}}))
                    .await;
                return frames;
            }
            frames.push(frame);
        }
    }

    /// The ids of all messages in flight.
    pub async fn messages(&mut self) -> Vec<String> {
        ids(&self.settled().await)
    }

    /// Waits for a presence event of a member.
    pub async fn presence(&mut self, event: &str, name: &str) -> Value {
        loop {
            let frame = self.next_of("presence").await;
            if frame["event"] == event && frame["member"]["name"] == name {
                return frame["member"].clone();
            }
        }
    }

    /// Reads until the close frame.
    pub async fn end(&mut self) -> End {
        let mut error = None;
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("an end in time")
            {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    if frame["type"] == "error" {
                        assert!(!text.contains(TOKEN), "an error repeats the token");
                        error = frame["code"].as_str().map(str::to_owned);
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    return End {
                        close: frame.map_or(1005, |frame| frame.code.into()),
                        error,
                    };
                }
                Some(Ok(_)) => {}
                other => panic!("instead of a close: {other:?}"),
            }
        }
    }

    /// Drops the connection without a close frame.
    pub fn cut(self) {
        drop(self);
    }

    /// Leaves with `bye`.
    pub async fn bye(mut self) {
        self.send(json!({"type": "bye"})).await;
        assert_eq!(
            self.end().await,
            End {
                close: 1000,
                error: None
            }
        );
    }
}

/// An expected end.
pub fn end(close: u16, error: &str) -> End {
    End {
        close,
        error: Some(error.into()),
    }
}

/// The ids of messages among frames.
pub fn ids(frames: &[Value]) -> Vec<String> {
    let messages = frames.iter().filter(|frame| frame["type"] == "message");
    messages
        .map(|frame| frame["id"].as_str().expect("an id").to_owned())
        .collect()
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
