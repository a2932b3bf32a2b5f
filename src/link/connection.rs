//! The task that owns the socket.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use nexscope_relay::protocol::{Bye, Code, ErrorFrame, Frame, Hello, VERSION, Welcome};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{
        self, Message, Utf8Bytes,
        client::IntoClientRequest,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use super::{End, Login, Order, Standing, backoff::Backoff, pace::Pace};
use crate::room::{Connection, Event, Outbound};

/// How long a relay may take to be reached and to answer the hello.
const DIAL: Duration = Duration::from_secs(10);
/// A connection that lasted so long was sound: the next pause is short.
const SOUND: Duration = Duration::from_secs(10);
/// The longest frame that is taken from a relay, in bytes; more than any relay's limit needs.
const FRAME_MAX: usize = 16 * 1024 * 1024;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) struct Task {
    pub login: Login,
    pub standing: watch::Receiver<Standing>,
    pub outgoing: mpsc::Receiver<Outbound>,
    pub orders: mpsc::Receiver<Order>,
    pub events: mpsc::Sender<Event>,
}

impl Task {
    /// Dials for ever, until told to leave or the session is gone.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        let session_gone = self.events.clone();
        loop {
            let end = tokio::select! {
                joined = self.join() => match joined {
                    Ok((socket, welcome)) => {
                        let since = Instant::now();
                        let Some(end) = self.stay(socket, welcome).await else { return };
                        if since.elapsed() > SOUND {
                            backoff.reset();
                        }
                        end
                    }
                    Err(end) => end,
                },
                () = session_gone.closed() => return,
            };
            if !self.pause(end, &mut backoff).await {
                return;
            }
        }
    }

    /// Tells how the connection ended and waits until it is time to dial again; `false` to end.
    async fn pause(&mut self, end: End, backoff: &mut Backoff) -> bool {
        tracing::info!(code = ?end.code, why = %end.why, "not connected");
        let mut random = [0; 4];
        // Without randomness the pause has no jitter, which is no reason to stop.
        let _ = getrandom::fill(&mut random);
        let pause = backoff.next(u32::from_ne_bytes(random));
        let is_final = end.is_final();
        let connection = if is_final {
            end.refused()
        } else {
            Connection::Waiting {
                why: end.why,
                until: crate::session::now() + pause.as_millis() as u64,
            }
        };
        if self.events.send(Event::Connection(connection)).await.is_err() {
            return false;
        }
        let again = Instant::now() + pause;
        loop {
            tokio::select! {
                order = self.orders.recv() => return order == Some(Order::Dial),
                () = sleep_until(again), if !is_final => return true,
                // What the room wants sent meanwhile is in its outbox, and sent after the next welcome.
                frame = self.outgoing.recv() => if frame.is_none() { return false },
                () = self.events.closed() => return false,
            }
        }
    }

    /// Dials and says hello.
    async fn join(&mut self) -> Result<(Socket, Welcome), End> {
        let target = self.login.target.clone();
        let joined = timeout(DIAL, async {
            let mut socket = dial(&target).await?;
            let hello = self.hello();
            socket
                .send(Message::text(hello))
                .await
                .map_err(|error| lost(&error))?;
            let welcome = await_welcome(&mut socket).await?;
            Ok((socket, welcome))
        });
        joined.await.unwrap_or_else(|_| {
            Err(End::because(format!(
                "{} did not answer within {} s",
                target.authority(),
                DIAL.as_secs()
            )))
        })
    }

    fn hello(&self) -> String {
        let standing = self.standing.borrow().clone();
        let hello = Hello {
            v: VERSION,
            room: self.login.room.clone(),
            name: self.login.name.clone(),
            token: self.login.token.clone(),
            owner: Some(self.login.owner.clone()),
            client: concat!("nexscope-tui/", env!("CARGO_PKG_VERSION")).into(),
            agents: self.login.agents.clone(),
            mode: standing.mode,
            history: if standing.resume.is_none() {
                self.login.history
            } else {
                0
            },
            resume: standing.resume,
        };
        // Strings and numbers only: this cannot fail.
        serde_json::to_string(&hello).unwrap_or_default()
    }

    /// Carries frames until the connection ends. `None`: left on purpose, or the session is gone.
    async fn stay(&mut self, mut socket: Socket, welcome: Welcome) -> Option<End> {
        let heartbeat = Duration::from_secs(welcome.heartbeat.clamp(1, 3600));
        let silent = heartbeat.mul_f64(2.5);
        let mut pace = Pace::new(&welcome.limits, Instant::now());
        tracing::info!(room = %welcome.room, server = %welcome.server, resumed = ?welcome.resumed, "joined");
        // What waited in the channel is in the outbox, and the room sends that again on the welcome.
        while self.outgoing.try_recv().is_ok() {}
        self.events.send(Event::Welcome(Box::new(welcome))).await.ok()?;

        let (mut heard, mut ping_at) = (Instant::now(), Instant::now() + heartbeat);
        let mut last_error: Option<ErrorFrame> = None;
        loop {
            let ready = pace.ready_at(Instant::now());
            tokio::select! {
                incoming = socket.next() => {
                    heard = Instant::now();
                    let text = match incoming {
                        Some(Ok(Message::Text(text))) => text,
                        Some(Ok(Message::Close(close))) => return Some(ended(close, last_error)),
                        Some(Ok(_)) => continue,
                        Some(Err(error)) => return Some(last_error.map_or_else(|| lost(&error), said)),
                        None => return Some(ended(None, last_error)),
                    };
                    match Frame::parse(&text) {
                        Ok(frame) => {
                            if let Frame::Error(error) = &frame {
                                tracing::warn!(code = ?error.code, "the relay refused a frame");
                                if let Some(retry) = error.retry_ms {
                                    pace.pause(Duration::from_millis(retry), Instant::now());
                                }
                                if error.code.close().is_some() {
                                    last_error = Some(error.clone());
                                    continue;
                                }
                            }
                            self.events.send(frame.into()).await.ok()?;
                        }
                        Err(error) => tracing::warn!(%error, "a frame that cannot be read was passed over"),
                    }
                }
                // Also where nothing waits yet: what comes meanwhile would wake nobody.
                () = sleep_until(ready), if ready > Instant::now() => {}
                frame = self.outgoing.recv(), if ready <= Instant::now() => {
                    if let Err(error) = self.send_all(&mut socket, frame?, &mut pace).await {
                        return Some(last_error.map_or_else(|| lost(&error), said));
                    }
                }
                () = sleep_until(ping_at) => {
                    if heard.elapsed() > silent {
                        return Some(End::because("the relay has gone silent"));
                    }
                    ping_at = Instant::now() + heartbeat;
                    if let Err(error) = socket.send(Message::Ping(Vec::new().into())).await {
                        return Some(lost(&error));
                    }
                }
                order = self.orders.recv() => if order != Some(Order::Dial) {
                    leave(socket).await;
                    return None;
                },
                () = self.events.closed() => {
                    leave(socket).await;
                    return None;
                }
            }
        }
    }

    /// Writes a frame and what else waits, as far as the pace allows, and flushes once.
    async fn send_all(
        &mut self,
        socket: &mut Socket,
        first: Outbound,
        pace: &mut Pace,
    ) -> Result<(), tungstenite::Error> {
        let mut next = Some(first);
        while let Some(frame) = next {
            pace.take();
            socket.feed(Message::Text(encode(&frame))).await?;
            let now = Instant::now();
            next = if pace.ready_at(now) <= now {
                self.outgoing.try_recv().ok()
            } else {
                None
            };
        }
        socket.flush().await
    }
}

fn encode(frame: &Outbound) -> Utf8Bytes {
    // Frames are made of strings, numbers and JSON that was written before: this cannot fail.
    let json = match frame {
        Outbound::Message(message) => serde_json::to_string(message),
        Outbound::Signal(signal) => serde_json::to_string(signal),
        Outbound::Update(update) => serde_json::to_string(update),
    };
    json.unwrap_or_default().into()
}

async fn dial(target: &super::Target) -> Result<Socket, End> {
    let unreachable = |error: std::io::Error| {
        End::because(format!("cannot reach {}: {}", target.authority(), plain(&error)))
    };
    let stream = TcpStream::connect((target.host.as_str(), target.port))
        .await
        .map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let request = target
        .to_string()
        .into_client_request()
        .map_err(|error| lost(&error))?;
    let connector = if target.tls { tls()? } else { Connector::Plain };
    let config = WebSocketConfig::default()
        .read_buffer_size(64 * 1024)
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX));
    match client_async_tls_with_config(request, stream, Some(config), Some(connector)).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) => Err(End::because(format!(
            "{} is no Nexscope relay: it answered {}; check the address",
            target.authority(),
            answer.status()
        ))),
        Err(error) => Err(lost(&error)),
    }
}

/// TLS with the certificates that this system trusts.
fn tls() -> Result<Connector, End> {
    let roots = rustls_native_certs::load_native_certs();
    let mut store = rustls::RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(roots.certs);
    if added == 0 {
        return Err(End::because(
            "this system trusts no certificates; install ca-certificates for wss://",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| End::because(format!("TLS cannot be used: {error}")))?;
    Ok(Connector::Rustls(Arc::new(
        config.with_root_certificates(store).with_no_client_auth(),
    )))
}

async fn await_welcome(socket: &mut Socket) -> Result<Welcome, End> {
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

/// Says bye, and waits until the relay has closed, so that the others see us leave at once.
async fn leave(mut socket: Socket) {
    let bye = serde_json::to_string(&Bye {}).unwrap_or_default();
    if socket.send(Message::text(bye)).await.is_ok() {
        let closed = async { while let Some(Ok(_)) = socket.next().await {} };
        let _ = timeout(Duration::from_millis(800), closed).await;
    }
}

fn said(error: ErrorFrame) -> End {
    End {
        code: Some(error.code),
        why: crate::text::clean_line(&error.message, 300),
    }
}

/// How a connection ended that the relay closed: its error frame says more than the close code.
fn ended(close: Option<CloseFrame>, error: Option<ErrorFrame>) -> End {
    if let Some(error) = error {
        return said(error);
    }
    let Some(close) = close else {
        return End::because("the relay has cut the connection");
    };
    let number = u16::from(close.code);
    let code = CLOSING.into_iter().find(|code| code.close() == Some(number));
    let why = match code {
        Some(Code::ShuttingDown) => "the relay is shutting down".to_owned(),
        _ => format!("the relay has closed the connection ({number})"),
    };
    End { code, why }
}

/// The codes that end a connection.
const CLOSING: [Code; 13] = [
    Code::ShuttingDown,
    Code::BadToken,
    Code::NameTaken,
    Code::Silent,
    Code::TooLarge,
    Code::BadName,
    Code::Abuse,
    Code::BadHello,
    Code::BadVersion,
    Code::Full,
    Code::HelloTimeout,
    Code::Replaced,
    Code::SlowConsumer,
];

fn lost(error: &tungstenite::Error) -> End {
    End::because(match error {
        tungstenite::Error::Io(error) => format!("the connection was cut: {}", plain(error)),
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            "the relay has cut the connection".to_owned()
        }
        other => format!(
            "the connection failed: {}",
            crate::text::clean_line(&other.to_string(), 200)
        ),
    })
}

/// An error of the system without its number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    crate::text::clean_line(&text.to_lowercase(), 200)
}
