//! A member that speaks version 1, as nexscope-plugin does.

use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::{PATIENCE, Relay, TOKEN};

/// See the [module](self).
pub struct V1 {
    socket: WebSocket<TcpStream>,
    name: String,
    said: u32,
}

impl V1 {
    /// Joins.
    pub fn join(relay: &Relay, name: &str) -> Self {
        Self::join_at(&relay.address().to_string(), TOKEN, name)
    }

    /// Joins the relay at this address, with its token.
    pub fn join_at(address: &str, token: &str, name: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{address}/ws?name={name}&token={token}&v=1");
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        let mut client = Self {
            socket,
            name: name.to_owned(),
            said: 0,
        };
        client.next("presence");
        client
    }

    fn frame(&mut self, kind: &str, to: &[&str], text: &str, more: Value) -> Value {
        self.said += 1;
        let mut frame = json!({"type": kind, "msgId": format!("{}-{}", self.name, self.said), "from": self.name,
            "to": to, "role": "userAgent", "threadId": "a-thread", "text": text, "hopCount": 0});
        for (key, value) in more.as_object().unwrap() {
            frame[key] = value.clone();
        }
        frame
    }

    /// Sends a message as an agent, with other fields in `more`.
    pub fn say(&mut self, to: &[&str], text: &str, more: Value) {
        let frame = self.frame("msg", to, text, more);
        self.socket.send(Message::text(frame.to_string())).unwrap();
    }

    /// Pushes a file.
    pub fn send_file(&mut self, to: &[&str], name: &str, bytes: &[u8]) {
        let attachment = json!({"name": name, "size": bytes.len(), "mime": "text/plain", "chunkSize": 65536});
        let start = self.frame("file-start", to, "", json!({ "attachment": attachment }));
        let end = json!({"type": "file-end", "msgId": start["msgId"], "from": self.name});
        self.socket.send(Message::text(start.to_string())).unwrap();
        for chunk in bytes.chunks(65536) {
            self.socket.send(Message::binary(chunk.to_vec())).unwrap();
        }
        self.socket.send(Message::text(end.to_string())).unwrap();
    }

    /// The next frame of a type; skips others.
    #[track_caller]
    pub fn next(&mut self, kind: &str) -> Value {
        loop {
            if let Ok(frame) = self.any()
                && frame["type"] == kind
            {
                return frame;
            }
        }
    }

    /// The next file that is pushed to this member: its start and its bytes.
    pub fn receive_file(&mut self) -> (Value, Vec<u8>) {
        let start = self.next("file-start");
        let mut bytes = Vec::new();
        loop {
            match self.any() {
                Err(more) => bytes.extend(more),
                Ok(frame) if frame["type"] == "file-end" => return (start, bytes),
                Ok(_) => {}
            }
        }
    }

    /// The next frame, or bytes.
    #[track_caller]
    fn any(&mut self) -> Result<Value, Vec<u8>> {
        loop {
            match self.socket.read().unwrap() {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Binary(bytes) => return Err(bytes.to_vec()),
                _ => {}
            }
        }
    }
}
