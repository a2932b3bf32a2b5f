//! One connection, from its HTTP head to its end.
//!
//! Two tasks: this one reads, and has the connection's life in its hands; a [`Writing`] beside it drains the
//! outgoing queue. They share the [`Queue`] alone, whose end tells both to stop.

use std::{
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::Notify,
    task::JoinHandle,
    time::{sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tracing::{debug, info};

use crate::{
    addresses::{Permit, group},
    burst,
    front::{self, Accepted},
    hub::Place,
    lanes::{Lanes, Turns},
    protocol::{CHUNK_HEAD, Code, ErrorFrame, Greeting, is_name},
    queue::Queue,
    random,
    room::{Entry, Outbox},
    server::Shared,
    session::Session,
    tap::Tap,
    v1::Query,
    wire,
    writer::Writing,
};

/// How long the peer has to take our last frames and to close, so that the code arrives.
const CLOSING: Duration = Duration::from_secs(5);
/// The same while the relay shuts down, which is to be over within 5 s.
const CLOSING_AT_SHUTDOWN: Duration = Duration::from_secs(3);
/// Bytes that are read and thrown away at most meanwhile.
const MAX_UNREAD: usize = 16 * 1024 * 1024;
/// How long an address waits for an answer that has presented too many wrong tokens.
const GUESSING: Duration = Duration::from_secs(1);
/// Frames that are taken before anybody is told of them.
const BURST: usize = 256;
/// The same, after a rest: fewer, so that what is still too fast is noticed soon.
const BURST_RESTED: usize = 32;
/// Bytes of text frames after which no more are taken before they are passed on.
const BURST_BYTES: usize = 64 * 1024;
/// tungstenite's read buffer; larger frames still fit. Its default is 128 KiB for every connection.
const READ_BUFFER: usize = 4 * 1024;

pub(crate) type Socket<S> = WebSocketStream<Tap<ReadHalf<S>>>;

/// Serves a connection until it ends. Faults of the peer end it; there is nobody to tell them to.
pub async fn serve<S>(shared: Arc<Shared>, mut stream: S, peer: SocketAddr, mut permit: Permit)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let accepted = tokio::select! {
        // Whoever has not asked for anything yet has nothing to be told.
        () = shared.shutdown.cancelled() => return,
        accepted = front::receive(&shared, &mut stream, peer) => accepted,
    };
    let Some(Accepted {
        rest: first,
        client: peer,
        v1,
    }) = accepted
    else {
        return;
    };
    permit.locate(peer);
    let (read, write) = tokio::io::split(stream);
    let config = &shared.config;
    let longest = match v1 {
        Some(_) => config.v1.max_payload,
        None => config.message_bytes.max(config.chunk_bytes + CHUNK_HEAD),
    };
    let turns = match v1 {
        Some(_) => Turns::OneByOne,
        None => Turns::Fair,
    };
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size((longest > 0).then_some(longest))
        .max_frame_size((longest > 0).then_some(longest));
    let tap = Tap::new(read, first);
    let socket = WebSocketStream::from_raw_socket(tap, Role::Server, Some(limits)).await;
    let queue = Queue::new(
        config.queue_bytes,
        config.queue_frames,
        Lanes::new(turns, config.chunk_bytes),
        Arc::clone(&shared.metrics),
    );
    let connection = Connection {
        queue: Arc::new(queue),
        shared,
        peer,
        permit,
    };
    connection.run(socket, write, v1).await;
}

/// One that has become a WebSocket, of either version.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: Arc<Queue>,
    /// Whom it is for: the peer, or who a trusted proxy says.
    pub(crate) peer: IpAddr,
    /// Held as long as the connection lives.
    pub(crate) permit: Permit,
}

/// Gives the seat up however the connection ends, by a panic too, and stops the writer.
struct Guard {
    queue: Arc<Queue>,
    place: Option<Place>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            place.lost();
        }
        self.queue.abort();
    }
}

/// Stops a task when dropped.
struct Stop(JoinHandle<std::io::Result<()>>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    async fn run<S>(self, mut socket: Socket<S>, mut write: WriteHalf<S>, v1: Option<Query>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let moved = Arc::new(Notify::new());
        let name = v1.as_ref().map(|query| query.name.clone());
        let place = match v1 {
            Some(query) => tokio::select! {
                () = self.shared.shutdown.cancelled() => { self.shut_down(); None }
                place = self.enter_v1(query, &moved) => place,
            },
            None => self.greet(&mut socket, &mut write).await,
        };
        let guard = Guard {
            queue: Arc::clone(&self.queue),
            place: place.clone(),
        };
        let writer = Writing::new(
            write,
            Arc::clone(&self.queue),
            place.clone(),
            Arc::clone(&self.shared.metrics),
        );
        let mut writer = Stop(tokio::spawn(writer));
        match (place, name) {
            (Some(place), Some(name)) => self.converse_v1(&mut socket, place, name, moved).await,
            (Some(place), None) => self.converse(&mut socket, place).await,
            (None, _) => {}
        }
        // The others learn at once that it is gone; the peer may take its time.
        let code = self.queue.end_code();
        drop(guard);
        debug!(peer = %self.peer, code, "closing");
        let mut tap = socket.into_inner();
        let rest = self.shared.waste.discard(&mut tap, MAX_UNREAD, Tap::closed);
        let closing = async { tokio::join!(rest, &mut writer.0) };
        let limit = if self.shared.shutdown.is_cancelled() {
            CLOSING_AT_SHUTDOWN
        } else {
            CLOSING
        };
        // A peer that takes longer does not learn the code.
        let _ = timeout(limit, closing).await;
    }

    /// Waits for the hello and lets the peer in; otherwise ends the queue with the reason.
    async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut Socket<S>,
        write: &mut WriteHalf<S>,
    ) -> Option<Place> {
        let first = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => break Some(text),
                    Some(Ok(Message::Ping(payload))) => {
                        // Nobody drains the queue yet. Where this cannot be written, reading will tell.
                        let _ = write.write_all(&wire::pong(&payload)).await;
                        let _ = write.flush().await;
                    }
                    Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Binary(_))) => {
                        self.refuse(ErrorFrame::new(
                            Code::BadHello,
                            "Begin with a hello: one JSON object.",
                        ));
                        break None;
                    }
                    other => {
                        self.ended_by_peer(other);
                        break None;
                    }
                }
            }
        };
        let text = tokio::select! {
            () = self.shared.shutdown.cancelled() => { self.shut_down(); None }
            () = sleep(self.shared.config.hello_timeout) => {
                self.refuse(ErrorFrame::new(Code::HelloTimeout, "Send a hello within the time; connect again."));
                None
            }
            text = first => text,
        }?;
        if text.len() > self.shared.config.message_bytes {
            self.too_large();
            return None;
        }
        match self.enter(&text).await {
            Ok(place) => Some(place),
            Err(error) => {
                self.refuse(error);
                None
            }
        }
    }

    /// The checks of a hello, in the order of the protocol.
    async fn enter(&self, hello: &str) -> Result<Place, ErrorFrame> {
        let shared = &self.shared;
        let greeting = Greeting::parse(hello)?;
        if !self.admits(&greeting.token, &greeting.room).await {
            let message = "The token is wrong; ask for a new invite, or check the one that you have.";
            return Err(ErrorFrame::new(Code::BadToken, message));
        }
        if !is_name(&greeting.name) || !is_name(&greeting.room) {
            let message =
                "Choose another member or room name: 1 to 32 of A-Z a-z 0-9 _ -, and no reserved word.";
            return Err(ErrorFrame::new(Code::BadName, message));
        }
        let full = |_| {
            ErrorFrame::new(
                Code::Full,
                "The relay has no randomness to give; try again later.",
            )
        };
        let entry = Entry {
            greeting,
            version: crate::protocol::VERSION,
            connection: shared.next_connection(),
            address: group(self.peer),
            session: random::secret().map_err(full)?,
            v1: None,
            crowded: self.permit.crowded(),
        };
        let place = shared.hub.join(entry, &self.queue)?;
        let (member, room) = place.describe();
        info!(peer = %self.peer, member, room, "joined");
        Ok(place)
    }

    /// Whether a token lets into a room. Wrong ones cost time, where there are many.
    pub(crate) async fn admits(&self, token: &str, room: &str) -> bool {
        let shared = &self.shared;
        let admitted = shared.config.admits(token, room);
        if !admitted && shared.addresses.guessed(self.peer, Instant::now()) {
            sleep(GUESSING).await;
        }
        admitted
    }

    /// Takes frames until the connection is to end.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(&self, socket: &mut Socket<S>, place: Place) {
        let config = &self.shared.config;
        let mut session = Session::new(place, Arc::clone(&self.queue), Arc::clone(&self.shared));
        let mut ended = pin!(self.queue.ended());
        let mut shutdown = pin!(self.shared.shutdown.cancelled());
        let patience = config.heartbeat.mul_f64(2.5);
        let mut heard = tokio::time::Instant::now();
        let mut ping = heard + config.heartbeat;
        let mut timer = pin!(sleep_until(ping));
        let mut burst = BURST;
        loop {
            tokio::select! {
                biased;
                () = &mut ended => return,
                () = &mut shutdown => return self.shut_down(),
                () = &mut timer => {
                    let now = tokio::time::Instant::now();
                    if now >= heard + patience {
                        let message = "Nothing was heard from you for 2.5 heartbeats; connect again.";
                        return self.refuse(ErrorFrame::new(Code::Silent, message));
                    }
                    if now >= ping {
                        self.queue.ping();
                        ping = now + config.heartbeat;
                    }
                    timer.as_mut().reset(ping.min(heard + patience));
                }
                (goes_on, rest) = poll_fn(|context| self.take(socket, &mut session, burst, context)) => {
                    if !goes_on {
                        return;
                    }
                    burst = BURST;
                    if !rest.is_zero() {
                        burst = BURST_RESTED;
                        sleep(rest).await;
                    }
                    heard = tokio::time::Instant::now();
                }
            }
        }
    }

    /// Takes the frames that are there, up to `burst` of them. False where the connection is to end; and for how
    /// long to rest then.
    fn take<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut Socket<S>,
        session: &mut Session,
        burst: usize,
        context: &mut Context<'_>,
    ) -> Poll<(bool, Duration)> {
        let (taken, rest) = burst::held(|| {
            let (mut texts, mut bytes) = (Vec::new(), 0);
            for taken in 0..burst {
                match socket.poll_next_unpin(context) {
                    Poll::Ready(Some(Ok(Message::Text(text))))
                        if text.len() <= self.shared.config.message_bytes =>
                    {
                        bytes += text.len();
                        texts.push(text);
                        if bytes > BURST_BYTES {
                            break;
                        }
                    }
                    Poll::Pending if taken == 0 => return Poll::Pending,
                    Poll::Pending => break,
                    Poll::Ready(other) => {
                        // All else keeps its place behind the texts.
                        session.texts(&texts);
                        texts.clear();
                        if !self.take_other(other, session) {
                            return Poll::Ready(false);
                        }
                    }
                }
            }
            session.texts(&texts);
            Poll::Ready(true)
        });
        taken.map(|goes_on| (goes_on, rest))
    }

    /// Takes what is no text frame within its limit. False where the connection is to end.
    fn take_other(&self, frame: Option<Result<Message, Error>>, session: &mut Session) -> bool {
        match frame {
            Some(Ok(Message::Binary(chunk)))
                if chunk.len() <= self.shared.config.chunk_bytes + CHUNK_HEAD =>
            {
                session.binary(chunk);
            }
            Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                self.too_large();
                return false;
            }
            Some(Ok(Message::Ping(payload))) => self.queue.pong(&payload),
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
            other => {
                self.ended_by_peer(other);
                return false;
            }
        }
        true
    }

    /// What ends a connection from the other side: a close, the end of TCP, a fault.
    pub(crate) fn ended_by_peer(&self, how: Option<Result<Message, Error>>) {
        match how {
            Some(Ok(Message::Close(frame))) => {
                // Codes that no one may send are not sent back.
                let code = frame.map(|frame| frame.code);
                let code = code.map(|code| {
                    if code.is_allowed() {
                        code
                    } else {
                        CloseCode::Protocol
                    }
                });
                self.queue.answer_close(code.map(u16::from));
            }
            Some(Err(Error::Capacity(_))) => self.too_large(),
            Some(Err(Error::Utf8(_))) => self.queue.answer_close(Some(1007)),
            Some(Err(Error::Protocol(_))) => self.queue.answer_close(Some(1002)),
            _ => self.queue.abort(),
        }
    }

    fn too_large(&self) {
        let message = "That frame is over the limit; send less, or a file.";
        self.refuse(ErrorFrame::new(Code::TooLarge, message));
    }

    pub(crate) fn shut_down(&self) {
        self.queue.close(ErrorFrame::new(
            Code::ShuttingDown,
            "The relay is shutting down; connect again soon.",
        ));
    }

    pub(crate) fn refuse(&self, error: ErrorFrame) {
        info!(peer = %self.peer, code = ?error.code, "closed");
        self.queue.close(error);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        sync::atomic::{AtomicBool, Ordering::Relaxed},
        task::{Context, Poll},
    };

    use futures_util::SinkExt;
    use tokio::io::{DuplexStream, ReadBuf, duplex};
    use tokio_tungstenite::client_async;

    use super::*;
    use crate::{Config, server};

    /// A stream that panics when it is read after its fuse was lit.
    struct Bomb(DuplexStream, Arc<AtomicBool>);

    impl AsyncRead for Bomb {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            assert!(!self.1.load(Relaxed), "this panic is part of a test");
            Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Bomb {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    #[tokio::test]
    async fn a_panic_ends_one_connection_alone() {
        let shared = Arc::new(server::shared(Config::new("token")));
        let fuse = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for (name, fuse) in [("ann", Arc::default()), ("bob", Arc::clone(&fuse))] {
            let (near, far) = duplex(1 << 16);
            let peer = SocketAddr::from(([127, 0, 0, 1], 1));
            let permit = shared.addresses.admit(Some(peer.ip())).expect("a place");
            tokio::spawn(serve(Arc::clone(&shared), Bomb(far, fuse), peer, permit));
            let (mut client, _) = client_async("ws://relay/ws", near).await.expect("an upgrade");
            let hello = format!(r#"{{"type":"hello","v":2,"name":"{name}","token":"token"}}"#);
            client.send(Message::text(hello)).await.expect("sent");
            let welcome = client.next().await.expect("a frame").expect("a frame");
            assert!(welcome.to_text().is_ok_and(|text| text.contains("welcome")));
            clients.push(client);
        }
        let [ann, bob] = &mut clients[..] else {
            panic!("two clients")
        };
        let joined = ann.next().await.expect("a frame").expect("a frame");
        assert!(joined.to_text().is_ok_and(|text| text.contains("\"join\"")));
        fuse.store(true, Relaxed);
        bob.send(Message::text("{}")).await.expect("sent");
        let away = ann.next().await.expect("a frame").expect("a frame");
        assert!(away.to_text().is_ok_and(|text| text.contains("\"away\"")));
        ann.send(Message::text(
            r#"{"type":"message","id":"a","to":["bob"],"body":{}}"#,
        ))
        .await
        .expect("sent");
        let ack = ann.next().await.expect("a frame").expect("a frame");
        assert!(
            ack.to_text()
                .is_ok_and(|text| text.contains(r#""absent":["bob"]"#))
        );
        assert_eq!(shared.addresses.count(), 1, "its place is free again");
    }
}
