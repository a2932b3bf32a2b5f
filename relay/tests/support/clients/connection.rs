//! A WebSocket of either version.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Bytes, Message, client::IntoClientRequest},
};

use super::{Listening, PATIENCE, TOKEN};

/// A connection over TCP, or over another transport.
pub struct Connection<S = TcpStream> {
    pub socket: WebSocketStream<S>,
}

/// A received frame.
#[derive(Debug, PartialEq)]
pub enum Any {
    Text(Value),
    Bytes(Bytes),
}

/// The end of a connection: its close code, and the code of the error frame before it.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    pub close: u16,
    pub error: Option<String>,
}

/// An end after an error frame.
pub fn end(close: u16, error: &str) -> End {
    End {
        close,
        error: Some(error.into()),
    }
}

impl Connection {
    /// Connects with a query, which may be empty, and sends nothing.
    pub async fn open(relay: &impl Listening, query: &str) -> Connection {
        let address = relay.address();
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Connection::over(stream, format!("ws://{address}/ws{query}")).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Connects over an open transport.
    pub async fn over(stream: S, request: impl IntoClientRequest + Unpin) -> Connection<S> {
        let upgrade = timeout(PATIENCE, client_async(request, stream)).await;
        let (socket, _) = upgrade.expect("in time").expect("an upgrade");
        Connection { socket }
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.send_message(Message::binary(bytes)).await;
    }

    async fn send_message(&mut self, message: Message) {
        let sent = timeout(PATIENCE, self.socket.send(message)).await;
        sent.expect("in time").expect("sent");
    }

    /// The next text, bytes or close.
    async fn next_message(&mut self) -> Message {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("a frame in time")
            {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return message,
                other => panic!("instead of a frame: {other:?}"),
            }
        }
    }

    /// The next text or bytes.
    pub async fn any(&mut self) -> Any {
        match self.next_message().await {
            Message::Text(text) => Any::Text(serde_json::from_str(&text).expect("JSON")),
            Message::Binary(bytes) => Any::Bytes(bytes),
            other => panic!("instead of a frame: {other:?}"),
        }
    }

    /// The next frame, which must be text, unparsed.
    pub async fn next_text(&mut self) -> String {
        match self.next_message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("instead of text: {other:?}"),
        }
    }

    /// The next frame, which must be text.
    pub async fn next(&mut self) -> Value {
        match self.any().await {
            Any::Text(frame) => frame,
            Any::Bytes(bytes) => panic!("{} bytes instead of text", bytes.len()),
        }
    }

    /// The next text frame that matches. Other frames before it are dropped.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let look = async {
            loop {
                let frame = self.next().await;
                if wanted(&frame) {
                    return frame;
                }
            }
        };
        timeout(PATIENCE, look).await.expect("the frame in time")
    }

    /// The next frame of a type. Other frames before it are dropped.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        self.until(|frame| frame["type"] == kind).await
    }

    /// Reads until the close frame.
    pub async fn end(&mut self) -> End {
        let mut error = None;
        loop {
            match self.next_message().await {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    if frame["type"] == "error" {
                        assert!(!text.contains(TOKEN), "an error repeats the token");
                        error = frame["code"].as_str().map(str::to_owned);
                    }
                }
                Message::Close(frame) => {
                    return End {
                        close: frame.map_or(1005, |frame| frame.code.into()),
                        error,
                    };
                }
                _ => {}
            }
        }
    }
}
