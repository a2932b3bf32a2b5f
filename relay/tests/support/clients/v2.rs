//! A client of protocol version 2.

use std::ops::{Deref, DerefMut};

use nexscope_relay::protocol::ChunkHead;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Listening, TOKEN,
    connection::{Connection, End},
};

/// A member. Its connection may be used directly.
pub struct Client {
    pub connection: Connection,
    pub welcome: Value,
}

/// A hello without optional fields.
pub fn hello(name: &str) -> Value {
    json!({"type": "hello", "v": 2, "name": name, "token": TOKEN})
}

/// A message.
pub fn message(id: &str, to: &[&str], only: bool) -> Value {
    json!({"type": "message", "id": id, "to": to, "only": only, "body": {"kind": "chat", "text": id}})
}

/// The ids of messages among frames.
pub fn ids(frames: &[Value]) -> Vec<String> {
    let messages = frames.iter().filter(|frame| frame["type"] == "message");
    messages
        .map(|frame| frame["id"].as_str().expect("an id").to_owned())
        .collect()
}

impl Client {
    /// Connects without sending anything.
    pub async fn connect(relay: &impl Listening) -> Client {
        Client {
            connection: Connection::open(relay, "").await,
            welcome: Value::Null,
        }
    }

    /// Connects with a hello and waits for the welcome.
    pub async fn enter(relay: &impl Listening, hello: Value) -> Client {
        let mut client = Client::connect(relay).await;
        client.send(hello).await;
        client.welcome = client.next().await;
        assert_eq!(client.welcome["type"], "welcome", "{}", client.welcome);
        client
    }

    /// Joins the lobby under a name.
    pub async fn join(relay: &impl Listening, name: &str) -> Client {
        Client::enter(relay, hello(name)).await
    }

    /// The `resume` for a client that has received everything up to `seq`.
    pub fn resume(&self, seq: u64) -> Value {
        json!({"session": self.welcome["session"], "epoch": self.welcome["epoch"], "seq": seq})
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

    /// Sends files that `to` has accepted, by their ids, all at once and as the receiver gives credit.
    pub async fn send_files(&mut self, to: &str, files: &[(String, &[u8])]) {
        let streams: Vec<Uuid> = files.iter().map(|_| Uuid::new_v4()).collect();
        for (stream, (id, file)) in streams.iter().zip(files) {
            let size = file.len();
            self.send(json!({"type": "stream_open", "stream": stream.to_string(), "to": to, "size": size, "of": id, "offset": 0})).await;
        }
        let mut sent = vec![0; files.len()];
        for (index, (_, file)) in files.iter().enumerate() {
            if file.is_empty() {
                self.end_stream(streams[index], "done").await;
            }
        }
        while sent.iter().zip(files).any(|(sent, (_, file))| *sent < file.len()) {
            let credit = self.next_of("stream_credit").await;
            let index = streams
                .iter()
                .position(|stream| credit["stream"] == stream.to_string());
            let index = index.expect("a stream");
            let file = files[index].1;
            let up_to = credit["bytes"].as_u64().expect("bytes") as usize;
            let up_to = up_to.min(file.len());
            for offset in (sent[index]..up_to).step_by(30_000) {
                let part = &file[offset..up_to.min(offset + 30_000)];
                self.send_chunk(streams[index], offset as u64, part).await;
            }
            if sent[index] < file.len() && up_to == file.len() {
                self.end_stream(streams[index], "done").await;
            }
            sent[index] = up_to;
        }
    }

    /// Sends a chunk of a stream.
    pub async fn send_chunk(&mut self, stream: Uuid, offset: u64, data: &[u8]) {
        let mut frame = ChunkHead { stream, offset }.to_bytes().to_vec();
        frame.extend(data);
        self.send_bytes(frame).await;
    }

    /// Closes a stream.
    pub async fn end_stream(&mut self, stream: Uuid, reason: &str) {
        self.send(json!({"type": "stream_close", "stream": stream.to_string(), "reason": reason}))
            .await;
    }

    /// Waits for a presence event of a member.
    pub async fn presence(&mut self, event: &str, name: &str) -> Value {
        let mut frame = self
            .until(|frame| {
                frame["type"] == "presence" && frame["event"] == event && frame["member"]["name"] == name
            })
            .await;
        frame["member"].take()
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

impl Deref for Client {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
