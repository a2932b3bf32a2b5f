//! The task that owns the socket.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use nexscope_relay::protocol::{Bye, ChunkHead, Code, ErrorFrame, Frame, Hello, VERSION, Welcome, stream_id};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, interval_at, sleep_until, timeout},
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{
        self, Bytes, Message, Utf8Bytes,
        client::IntoClientRequest,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use super::{
    End, Login, Order, Standing,
    backoff::Backoff,
    files::{FileFrame, FileLanes, Piece, Streams},
    pace::Pace,
};
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
    pub files: FileLanes,
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
                () = self.files.drop_all() => return false,
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
    ///
    /// Reading and writing go side by side: a slow way out holds nothing up that comes in.
    async fn stay(&mut self, socket: Socket, welcome: Welcome) -> Option<End> {
        let heartbeat = Duration::from_secs(welcome.heartbeat.clamp(1, 3600));
        let pace = Mutex::new(Pace::new(&welcome.limits, Instant::now()));
        tracing::info!(room = %welcome.room, server = %welcome.server, resumed = ?welcome.resumed, "joined");
        // What waited in the channels is in the outbox, and the room sends that again on the welcome; and
        // no stream outlives its connection.
        while self.outgoing.try_recv().is_ok() {}
        self.files.begin(&welcome.limits);
        self.events.send(Event::Welcome(Box::new(welcome))).await.ok()?;

        let (sink, stream) = socket.split();
        let streams = self.files.streams.clone();
        let mut reader = Reader {
            stream,
            events: self.events.clone(),
            streams: self.files.streams.clone(),
            pace: &pace,
            silent: heartbeat.mul_f64(2.5),
            last_error: None,
        };
        let mut writer = Writer {
            sink,
            outgoing: &mut self.outgoing,
            files: &mut self.files,
            pace: &pace,
            heartbeat,
        };
        let ended = tokio::select! {
            end = reader.run() => end,
            end = writer.run() => end.map(Ended::Broken).unwrap_or(Ended::Gone),
            () = leaving(&mut self.orders) => Ended::Gone,
            () = self.events.closed() => Ended::Gone,
        };
        streams.cut();
        match ended {
            Ended::Because(end) => Some(end),
            Ended::Broken(error) => Some(reader.last_error.map_or_else(|| lost(&error), said)),
            Ended::Gone => {
                leave(writer.sink, reader.stream).await;
                None
            }
        }
    }
}

/// How carrying frames ended.
enum Ended {
    /// As the relay, or its silence, said.
    Because(End),
    /// Nothing can be written any more.
    Broken(tungstenite::Error),
    /// On purpose, or nobody listens any more.
    Gone,
}

/// Ready when the session wants to leave.
async fn leaving(orders: &mut mpsc::Receiver<Order>) {
    while orders.recv().await == Some(Order::Dial) {}
}

/// What comes.
struct Reader<'a> {
    stream: SplitStream<Socket>,
    events: mpsc::Sender<Event>,
    streams: Streams,
    pace: &'a Mutex<Pace>,
    /// After so long without a sound the connection counts as gone.
    silent: Duration,
    /// The relay's last word before it closes.
    last_error: Option<ErrorFrame>,
}

impl Reader<'_> {
    async fn run(&mut self) -> Ended {
        loop {
            let incoming = match timeout(self.silent, self.stream.next()).await {
                Ok(incoming) => incoming,
                Err(_) => return Ended::Because(End::because("the relay has gone silent")),
            };
            let text = match incoming {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Binary(chunk))) => {
                    self.chunk(chunk);
                    continue;
                }
                Some(Ok(Message::Close(close))) => {
                    return Ended::Because(ended(close, self.last_error.take()));
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Ended::Broken(error),
                None => return Ended::Because(ended(None, self.last_error.take())),
            };
            match Frame::parse(&text) {
                Ok(frame) => {
                    if !self.frame(frame).await {
                        return Ended::Gone;
                    }
                }
                Err(error) => tracing::warn!(%error, "a frame that cannot be read was passed over"),
            }
        }
    }

    /// Passes a frame on; `false` where nobody listens any more.
    async fn frame(&mut self, frame: Frame) -> bool {
        match &frame {
            Frame::Error(error) => {
                tracing::warn!(code = ?error.code, "the relay refused a frame");
                if let Some(retry) = error.retry_ms {
                    locked(self.pace).pause(Duration::from_millis(retry), Instant::now());
                }
                if error.code.close().is_some() {
                    self.last_error = Some(error.clone());
                    return true;
                }
            }
            Frame::StreamCredit(credit) => {
                if let Some(stream) = stream_id(&credit.stream) {
                    // A stream that is over takes none.
                    self.streams.deliver(stream, Piece::Credit(credit.bytes));
                }
                return true;
            }
            // One that was opened just now may not be known yet: then the session, which has its opening
            // before it, hands this over too.
            Frame::StreamClose(close) if self.streams.closed(close) => return true,
            _ => {}
        }
        self.events.send(frame.into()).await.is_ok()
    }

    fn chunk(&self, frame: Bytes) {
        let Some((head, bytes)) = ChunkHead::parse(&frame) else {
            return;
        };
        let piece = Piece::Chunk {
            stream: head.stream,
            offset: head.offset,
            bytes: frame.slice_ref(bytes),
        };
        // Of a stream that was ended a few may still come.
        self.streams.deliver(head.stream, piece);
    }
}

/// What goes.
struct Writer<'a> {
    sink: SplitSink<Socket, Message>,
    outgoing: &'a mut mpsc::Receiver<Outbound>,
    files: &'a mut FileLanes,
    pace: &'a Mutex<Pace>,
    heartbeat: Duration,
}

impl Writer<'_> {
    /// Writes until nothing can be written, or nobody writes any more (`None`).
    async fn run(&mut self) -> Option<tungstenite::Error> {
        let mut ping = interval_at(Instant::now() + self.heartbeat, self.heartbeat);
        // One that counts for the relay's limits, and waits for its turn.
        let mut file_waits: Option<FileFrame> = None;
        loop {
            let now = Instant::now();
            let ready = locked(self.pace).ready_at(now);
            let may = ready <= now;
            if may && let Some(frame) = file_waits.take() {
                locked(self.pace).take();
                if let Err(error) = self.sink.send(encode_file(frame)).await {
                    return Some(error);
                }
                continue;
            }
            let written = tokio::select! {
                biased;
                // Also where nothing waits yet: what comes meanwhile would wake nobody.
                () = sleep_until(ready), if !may => Ok(()),
                frame = self.outgoing.recv(), if may => self.text(frame?).await,
                _ = ping.tick() => self.sink.send(Message::Ping(Bytes::new())).await,
                frame = self.files.next(), if file_waits.is_none() => self.file(frame?, &mut file_waits).await,
            };
            if let Err(error) = written {
                return Some(error);
            }
        }
    }

    /// Writes a text frame and what else waits, as far as the pace allows, and flushes once.
    async fn text(&mut self, first: Outbound) -> Result<(), tungstenite::Error> {
        let mut next = Some(first);
        while let Some(frame) = next {
            locked(self.pace).take();
            self.sink.feed(Message::Text(encode(&frame))).await?;
            let now = Instant::now();
            next = if locked(self.pace).ready_at(now) <= now {
                self.outgoing.try_recv().ok()
            } else {
                None
            };
        }
        self.sink.flush().await
    }

    /// Writes a frame of a file's. Chunks and credits are free; others keep to the pace.
    async fn file(
        &mut self,
        frame: FileFrame,
        waits: &mut Option<FileFrame>,
    ) -> Result<(), tungstenite::Error> {
        match frame {
            FileFrame::Open(_) | FileFrame::Close(_) => {
                *waits = Some(frame);
                Ok(())
            }
            FileFrame::Chunk(_) | FileFrame::Credit(_) => self.sink.send(encode_file(frame)).await,
        }
    }
}

fn locked(pace: &Mutex<Pace>) -> std::sync::MutexGuard<'_, Pace> {
    // Nothing panics while it holds the lock.
    pace.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a look at a relay finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It is there, and takes the token.
    Well,
    /// It is there, and does not take the token.
    WrongToken,
    /// It cannot be reached, or is no relay: why.
    Unreachable(String),
}

/// Looks whether a relay is there and takes a token, without joining a room: a hello with a name that no member can
/// have is refused for its name only after the token was found right.
pub async fn check(target: &super::Target, token: &str) -> Check {
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
        let mut socket = dial(target).await?;
        let hello = serde_json::to_string(&hello).unwrap_or_default();
        socket
            .send(Message::text(hello))
            .await
            .map_err(|error| lost(&error))?;
        await_welcome(&mut socket).await.map(drop)
    });
    match answer.await {
        Ok(Ok(())) => Check::Well,
        Ok(Err(end)) => match end.code {
            Some(Code::BadName) => Check::Well,
            Some(Code::BadToken) => Check::WrongToken,
            _ => Check::Unreachable(end.why),
        },
        Err(_) => Check::Unreachable("it does not answer".to_owned()),
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

fn encode_file(frame: FileFrame) -> Message {
    // As above.
    let json = match &frame {
        FileFrame::Open(open) => serde_json::to_string(open),
        FileFrame::Credit(credit) => serde_json::to_string(credit),
        FileFrame::Close(close) => serde_json::to_string(close),
        FileFrame::Chunk(chunk) => return Message::Binary(chunk.clone()),
    };
    Message::text(json.unwrap_or_default())
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
async fn leave(mut sink: SplitSink<Socket, Message>, mut stream: SplitStream<Socket>) {
    let bye = serde_json::to_string(&Bye {}).unwrap_or_default();
    if sink.send(Message::text(bye)).await.is_ok() {
        let closed = async { while let Some(Ok(_)) = stream.next().await {} };
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
