//! A version 2 member that follows no rules.

use std::{net::TcpStream, time::Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::{PATIENCE, Relay, TOKEN};

/// See the [module](self).
pub struct V2 {
    socket: WebSocket<TcpStream>,
}

impl V2 {
    /// Joins with a `hello` that has the given fields, including `name`.
    pub fn join(relay: &Relay, more: &Value) -> Self {
        let stream = TcpStream::connect(relay.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(relay.url(), stream).unwrap();
        let mut member = Self { socket };
        let mut hello = json!({"type": "hello", "v": 2, "room": "lobby", "token": TOKEN});
        for (field, value) in more.as_object().unwrap() {
            hello[field] = value.clone();
        }
        member.say(&hello);
        member.next("welcome");
        member
    }

    /// Sends a frame.
    pub fn say(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).unwrap();
    }

    /// Sends a chunk of a stream.
    pub fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).unwrap();
    }

    /// The next frame of a type, or with a body of a kind; skips others.
    #[track_caller]
    pub fn next(&mut self, kind: &str) -> Value {
        self.until(|frame| frame["type"] == kind || frame["body"]["kind"] == kind)
    }

    /// The next frame that matches; skips others.
    #[track_caller]
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            // The relay keeps sending pings.
            assert!(Instant::now() < end, "the frame that was waited for has not come");
            if let Message::Text(text) = self.socket.read().unwrap()
                && let Ok(frame) = serde_json::from_str::<Value>(&text)
                && wanted(&frame)
            {
                return frame;
            }
        }
    }
}
