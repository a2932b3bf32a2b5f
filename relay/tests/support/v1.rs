//! A version 1 client that sends anything, even if it breaks the protocol.

use futures_util::{SinkExt, StreamExt};
use nexscope_relay::Running;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::{End, PATIENCE, TOKEN};

pub struct V1 {
    pub socket: WebSocketStream<TcpStream>,
    pub name: String,
}

/// A received frame.
#[derive(Debug, PartialEq)]
pub enum Any {
    Text(Value),
    Bytes(Vec<u8>),
}

impl V1 {
    /// Connects with a query.
    pub async fn connect(relay: &Running, query: &str) -> V1 {
        let stream = TcpStream::connect(relay.address()).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let url = format!("{}?{query}", relay.url());
        let (socket, _) = client_async(url, stream).await.expect("an upgrade");
        V1 {
            socket,
            name: String::new(),
        }
    }

    /// Joins and reads the first presence.
    pub async fn join(relay: &Running, name: &str) -> V1 {
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

    pub async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        timeout(PATIENCE, self.socket.send(Message::text(text)))
            .await
            .expect("in time")
            .expect("sent");
    }

    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        timeout(PATIENCE, self.socket.send(Message::binary(bytes)))
            .await
            .expect("in time")
            .expect("sent");
    }

    /// The next text or binary frame.
    pub async fn any(&mut self) -> Any {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("a frame in time")
            {
                Some(Ok(Message::Text(text))) => {
                    return Any::Text(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Binary(bytes))) => return Any::Bytes(bytes.to_vec()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("instead of a frame: {other:?}"),
            }
        }
    }

    /// The next frame, which must be text.
    pub async fn next(&mut self) -> Value {
        match self.any().await {
            Any::Text(frame) => frame,
            Any::Bytes(bytes) => panic!("{} bytes instead of text", bytes.len()),
        }
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
        self.send(self.file_start(id, to, bytes.len())).await;
        for part in bytes.chunks(65536) {
            self.send_bytes(part.to_vec()).await;
        }
        self.send(self.file_end(id)).await;
    }

    /// Reads a file. Returns its `file-start` and the bytes.
    pub async fn receive_file(&mut self) -> (Value, Vec<u8>) {
        let start = self.next_said().await;
        assert_eq!(start["type"], "file-start", "{start}");
        let mut bytes = Vec::new();
        loop {
            match self.any().await {
                Any::Bytes(part) => bytes.extend(part),
                Any::Text(frame) if frame["type"] == "file-end" => {
                    assert_eq!(frame["msgId"], start["msgId"]);
                    return (start, bytes);
                }
                Any::Text(frame) => assert_eq!(frame["type"], "presence", "{frame}"),
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
}
