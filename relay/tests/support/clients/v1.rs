//! A client of protocol version 1, as nexscope-plugin is one.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use super::{
    Listening, TOKEN,
    connection::{Any, Connection},
};

/// A member. Its connection may be used directly.
pub struct V1 {
    pub connection: Connection,
    pub name: String,
}

impl V1 {
    /// Connects with a query.
    pub async fn connect(relay: &impl Listening, query: &str) -> V1 {
        V1 {
            connection: Connection::open(relay, &format!("?{query}")).await,
            name: String::new(),
        }
    }

    /// Joins and reads the first presence.
    pub async fn join(relay: &impl Listening, name: &str) -> V1 {
        let mut client = V1::connect(relay, &format!("name={name}&token={TOKEN}&v=1")).await;
        client.name = name.to_owned();
        let users = client.next().await;
        assert_eq!(users["type"], "presence", "{users}");
        assert!(
            users["users"]
                .as_array()
                .is_some_and(|users| users.iter().any(|user| user == name)),
            "{users}"
        );
        client
    }

    /// Sends a frame. Without `Deref`, so that the frame may be made from the client in the same call.
    pub async fn send(&mut self, frame: Value) {
        self.connection.send(frame).await;
    }

    /// The next frame except presence.
    pub async fn next_said(&mut self) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] != "presence" {
                return frame;
            }
        }
    }

    /// Waits until exactly these are online.
    pub async fn until_users(&mut self, users: &[&str]) {
        loop {
            let frame = self.next().await;
            if frame["type"] == "presence" && frame["users"] == json!(users) {
                assert!(
                    frame["ts"].as_u64().is_some_and(|ts| ts > 1_700_000_000_000),
                    "{frame}"
                );
                return;
            }
        }
    }

    /// A `msg` from this client.
    pub fn msg(&self, id: &str, to: &[&str]) -> Value {
        json!({"type": "msg", "msgId": id, "from": self.name, "to": to, "role": "user", "threadId": "t1",
            "text": format!("text of {id}"), "hopCount": 0, "attachments": []})
    }

    /// A `file-start` from this client.
    pub fn file_start(&self, id: &str, to: &[&str], size: usize) -> Value {
        json!({"type": "file-start", "msgId": id, "from": self.name, "to": to, "role": "user", "threadId": "t1",
            "text": "look", "hopCount": 0,
            "attachment": {"name": "../a b.txt", "size": size, "mime": "text/plain", "chunkSize": 65536}})
    }

    /// A `file-end` from this client.
    pub fn file_end(&self, id: &str) -> Value {
        json!({"type": "file-end", "msgId": id, "from": self.name})
    }

    /// Sends a file.
    pub async fn send_file(&mut self, id: &str, to: &[&str], bytes: &[u8]) {
        self.send_file_after(self.file_start(id, to, bytes.len()), bytes)
            .await;
    }

    /// Sends a file that begins with `start`.
    pub async fn send_file_after(&mut self, start: Value, bytes: &[u8]) {
        let end = self.file_end(start["msgId"].as_str().expect("an id"));
        self.send(start).await;
        for part in bytes.chunks(65536) {
            self.send_bytes(part.to_vec()).await;
        }
        self.send(end).await;
    }

    /// Reads a file. Returns its `file-start` and the bytes.
    pub async fn receive_file(&mut self) -> (Value, Vec<u8>) {
        let start = self.next_said().await;
        assert_eq!(start["type"], "file-start", "{start}");
        let bytes = self.receive_bytes(&start).await;
        (start, bytes)
    }

    /// Reads the bytes of a file that begins with `start`.
    pub async fn receive_bytes(&mut self, start: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            match self.any().await {
                Any::Bytes(part) => bytes.extend(part),
                Any::Text(frame) if frame["type"] == "file-end" => {
                    assert_eq!(frame["msgId"], start["msgId"]);
                    return bytes;
                }
                Any::Text(frame) => assert_eq!(frame["type"], "presence", "{frame}"),
            }
        }
    }
}

impl Deref for V1 {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for V1 {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
