//! Connects to a relay: dial, handshake, and its first response.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use jiff::Timestamp;
use nexscope_relay::protocol::{Code, Frame, Hello, VERSION, Welcome};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

use super::{
    End,
    ending::{ended, lost, said},
    proxy::Proxy,
    tls, tunnel,
};

/// The timeout for reaching a relay and its answer to the hello.
pub(super) const DIAL: Duration = Duration::from_secs(10);
/// The longest frame accepted from a relay, in bytes; more than any relay's limit needs.
const FRAME_MAX: usize = 16 * 1024 * 1024;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The result of checking a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It is reachable and accepts the token.
    Well,
    /// It is reachable and rejects the token.
    WrongToken,
    /// It is unreachable or not a relay; with the reason.
    Unreachable(String),
}

/// Checks that a relay is reachable and accepts a token, without joining a room: a hello with an invalid name
/// is refused for its name only after the token was accepted.
pub async fn check(target: &super::Target, token: &str) -> Check {
    check_with_clock(target, token).await.0
}

/// Like [`check`], and returns the number of seconds that this machine's clock is ahead of the relay's, if the relay
/// says its time.
pub async fn check_with_clock(target: &super::Target, token: &str) -> (Check, Option<i64>) {
    let mut ahead = None;
    let hello = Hello {
        v: VERSION,
        room: "lobby".into(),
        name: "system".into(),
        token: token.to_owned(),
        owner: None,
        client: String::new(),
        agents: Vec::new(),
        mode: nexscope_relay::protocol::Mode::Manual,
        history: 0,
        resume: None,
    };
    let answer = timeout(DIAL, async {
        let (mut socket, time) = dial_with_time(target).await?;
        ahead = time.map(|time| (Timestamp::now() - time).get_seconds());
        let hello = super::io::json(&hello);
        socket
            .send(Message::text(hello))
            .await
            .map_err(|error| lost(&error))?;
        await_welcome(&mut socket).await.map(drop)
    });
    let check = match answer.await {
        Ok(Ok(())) => Check::Well,
        Ok(Err(end)) => match end.code {
            Some(Code::BadName) => Check::Well,
            Some(Code::BadToken) => Check::WrongToken,
            _ => Check::Unreachable(end.why),
        },
        Err(_) => Check::Unreachable("it does not answer".to_owned()),
    };
    (check, ahead)
}

pub(super) async fn dial(target: &super::Target) -> Result<Socket, End> {
    Ok(dial_with_time(target).await?.0)
}

/// Dials, and returns the relay's time from the `Date` of its response, if that has one.
async fn dial_with_time(target: &super::Target) -> Result<(Socket, Option<Timestamp>), End> {
    let proxy = Proxy::of(target, |name| std::env::var(name).ok());
    let proxy = proxy.map_err(|error| End::because(error.to_string()))?;
    let stream = tunnel::connect(target, proxy.as_ref()).await?;
    let request = target
        .to_string()
        .into_client_request()
        .map_err(|error| lost(&error))?;
    let connector = if target.tls {
        tls::connector()?
    } else {
        Connector::Plain
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(64 * 1024)
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX));
    match client_async_tls_with_config(request, stream, Some(config), Some(connector)).await {
        Ok((socket, answer)) => {
            let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
            Ok((socket, date.and_then(time_of)))
        }
        Err(tungstenite::Error::Http(answer)) => Err(End::because(format!(
            "{} is not a Nexscope relay: it answered {}; check the address",
            target.authority(),
            answer.status()
        ))),
        Err(error) => Err(tls::explain(&error, target).map_or_else(|| lost(&error), End::because)),
    }
}

/// The time in a `Date` header.
fn time_of(date: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp())
}

pub(super) async fn await_welcome(socket: &mut Socket) -> Result<Welcome, End> {
    let mut error = None;
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Text(text)) => match Frame::parse(&text) {
                Ok(Frame::Welcome(welcome)) => return Ok(*welcome),
                Ok(Frame::Error(refusal)) => error = Some(refusal),
                Ok(_) | Err(_) => {
                    return Err(End::because(
                        "the relay does not speak this protocol; check the address",
                    ));
                }
            },
            Ok(Message::Close(close)) => return Err(ended(close, error)),
            Ok(_) => {}
            Err(failure) => return Err(error.map_or_else(|| lost(&failure), said)),
        }
    }
    Err(ended(None, error))
}
