//! One connection, from its HTTP head to its end.
//!
//! Two tasks: this one reads, and has the connection's life in its hands; a [`WriteTask`] beside it drains the
//! outgoing queue. They share the [`Queue`] alone, whose end tells both to stop.

pub(crate) mod drain;
pub(crate) mod queue;
mod requests;
pub(crate) mod stream_queue;
pub(crate) mod wake_batch;
mod writer;
mod ws_read;

use queue::Queue;
use requests::RequestHandler;
use stream_queue::{Scheduling, StreamQueues};
use writer::WriteTask;
use ws_read::ReadHalf;

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
    io::{self, AsyncRead, AsyncWrite, AsyncWriteExt, WriteHalf},
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
    handshake::{self, Accepted},
    hub::Membership,
    limits::{ConnectionPermit, network_of},
    protocol::{CHUNK_HEAD, Code, ErrorFrame, Greeting, is_name},
    random,
    room::{JoinRequest, Outbox},
    server::Shared,
    v1::Query,
    wire,
};

/// How long the peer has to take our last frames and to close, so that the code arrives.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The same while the relay shuts down, which is to be over within 5 s.
const CLOSE_TIMEOUT_AT_SHUTDOWN: Duration = Duration::from_secs(3);
/// Bytes that are read and thrown away at most meanwhile.
const MAX_DISCARD: usize = 16 * 1024 * 1024;
/// How long an address waits for an answer that has presented too many wrong tokens.
const WRONG_TOKEN_DELAY: Duration = Duration::from_secs(1);
/// Frames that are taken before anybody is told of them.
const BATCH_FRAMES: usize = 256;
/// The same, after a rest: fewer, so that what is still too fast is noticed soon.
const BATCH_AFTER_THROTTLE: usize = 32;
/// Bytes of text frames after which no more are taken before they are passed on.
const BATCH_BYTES: usize = 64 * 1024;
/// tungstenite's read buffer; larger frames still fit. Its default is 128 KiB for every connection.
const READ_BUFFER: usize = 4 * 1024;

pub(crate) type Socket<S> = WebSocketStream<ReadHalf<io::ReadHalf<S>>>;

/// Serves a connection until it ends. Faults of the peer end it; there is nobody to tell them to.
pub async fn serve<S>(shared: Arc<Shared>, mut stream: S, peer: SocketAddr, mut permit: ConnectionPermit)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let accepted = tokio::select! {
        // Whoever has not asked for anything yet has nothing to be told.
        () = shared.shutdown.cancelled() => return,
        accepted = handshake::accept(&shared, &mut stream, peer) => accepted,
    };
    let Some(Accepted {
        rest: first,
        client: peer,
        v1,
    }) = accepted
    else {
        return;
    };
    permit.set_address(peer);
    let (read, write) = tokio::io::split(stream);
    let config = &shared.config;
    let longest = match v1 {
        Some(_) => config.v1.max_payload,
        None => config.message_bytes.max(config.chunk_bytes + CHUNK_HEAD),
    };
    let scheduling = match v1 {
        Some(_) => Scheduling::Sequential,
        None => Scheduling::RoundRobin,
    };
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size((longest > 0).then_some(longest))
        .max_frame_size((longest > 0).then_some(longest));
    let reader = ReadHalf::new(read, first);
    let socket = WebSocketStream::from_raw_socket(reader, Role::Server, Some(limits)).await;
    let queue = Queue::new(
        config.queue_bytes,
        config.queue_frames,
        StreamQueues::new(scheduling, config.chunk_bytes),
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
    pub(crate) permit: ConnectionPermit,
}

/// Gives the seat up however the connection ends, by a panic too, and stops the writer.
struct LeaveOnDrop {
    queue: Arc<Queue>,
    membership: Option<Membership>,
}

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        if let Some(membership) = &self.membership {
            membership.connection_lost();
        }
        self.queue.abort();
    }
}

/// Stops a task when dropped.
struct AbortOnDrop(JoinHandle<std::io::Result<()>>);

impl Drop for AbortOnDrop {
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
        let membership = match v1 {
            Some(query) => tokio::select! {
                () = self.shared.shutdown.cancelled() => { self.shut_down(); None }
                membership = self.join_v1(query, &moved) => membership,
            },
            None => self.wait_for_hello(&mut socket, &mut write).await,
        };
        let guard = LeaveOnDrop {
            queue: Arc::clone(&self.queue),
            membership: membership.clone(),
        };
        let writer = WriteTask::new(
            write,
            Arc::clone(&self.queue),
            membership.clone(),
            Arc::clone(&self.shared.metrics),
        );
        let mut writer = AbortOnDrop(tokio::spawn(writer));
        match (membership, name) {
            (Some(membership), Some(name)) => {
                self.serve_v1_member(&mut socket, membership, name, moved).await
            }
            (Some(membership), None) => self.serve_member(&mut socket, membership).await,
            (None, _) => {}
        }
        // The others learn at once that it is gone; the peer may take its time.
        let code = self.queue.end_code();
        drop(guard);
        debug!(peer = %self.peer, code, "closing");
        let mut reader = socket.into_inner();
        let throttle = self
            .shared
            .drainer
            .discard(&mut reader, MAX_DISCARD, ReadHalf::saw_close);
        let closing = async { tokio::join!(throttle, &mut writer.0) };
        let limit = if self.shared.shutdown.is_cancelled() {
            CLOSE_TIMEOUT_AT_SHUTDOWN
        } else {
            CLOSE_TIMEOUT
        };
        // A peer that takes longer does not learn the code.
        let _ = timeout(limit, closing).await;
    }

    /// Waits for the hello and lets the peer in; otherwise ends the queue with the reason.
    async fn wait_for_hello<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut Socket<S>,
        write: &mut WriteHalf<S>,
    ) -> Option<Membership> {
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
        match self.join(&text).await {
            Ok(membership) => Some(membership),
            Err(error) => {
                self.refuse(error);
                None
            }
        }
    }

    /// The checks of a hello, in the order of the protocol.
    async fn join(&self, hello: &str) -> Result<Membership, ErrorFrame> {
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
        let entry = JoinRequest {
            greeting,
            version: crate::protocol::VERSION,
            connection: shared.next_connection(),
            address: network_of(self.peer),
            session: random::secret().map_err(full)?,
            v1: None,
            over_limit: self.permit.is_over_limit(),
        };
        let membership = shared.hub.join(entry, &self.queue)?;
        let (member, room) = membership.describe();
        info!(peer = %self.peer, member, room, "joined");
        Ok(membership)
    }

    /// Whether a token lets into a room. Wrong ones cost time, where there are many.
    pub(crate) async fn admits(&self, token: &str, room: &str) -> bool {
        let shared = &self.shared;
        let admitted = shared.config.admits(token, room);
        if !admitted && shared.conn_limits.record_wrong_token(self.peer, Instant::now()) {
            sleep(WRONG_TOKEN_DELAY).await;
        }
        admitted
    }

    /// Takes frames until the connection is to end.
    async fn serve_member<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut Socket<S>,
        membership: Membership,
    ) {
        let config = &self.shared.config;
        let mut handler = RequestHandler::new(membership, Arc::clone(&self.queue), Arc::clone(&self.shared));
        let mut ended = pin!(self.queue.ended());
        let mut shutdown = pin!(self.shared.shutdown.cancelled());
        let silence_limit = config.heartbeat.mul_f64(2.5);
        let mut last_heard = tokio::time::Instant::now();
        let mut ping = last_heard + config.heartbeat;
        let mut timer = pin!(sleep_until(ping));
        let mut max_frames = BATCH_FRAMES;
        loop {
            tokio::select! {
                biased;
                () = &mut ended => return,
                () = &mut shutdown => return self.shut_down(),
                () = &mut timer => {
                    let now = tokio::time::Instant::now();
                    if now >= last_heard + silence_limit {
                        let message = "Nothing was heard from you for 2.5 heartbeats; connect again.";
                        return self.refuse(ErrorFrame::new(Code::Silent, message));
                    }
                    if now >= ping {
                        self.queue.ping();
                        ping = now + config.heartbeat;
                    }
                    timer.as_mut().reset(ping.min(last_heard + silence_limit));
                }
                (is_open, throttle) = poll_fn(|context| self.read_batch(socket, &mut handler, max_frames, context)) => {
                    if !is_open {
                        return;
                    }
                    max_frames = BATCH_FRAMES;
                    if !throttle.is_zero() {
                        max_frames = BATCH_AFTER_THROTTLE;
                        sleep(throttle).await;
                    }
                    last_heard = tokio::time::Instant::now();
                }
            }
        }
    }

    /// Takes the frames that are there, up to `burst` of them. False where the connection is to end; and for how
    /// long to rest then.
    fn read_batch<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut Socket<S>,
        handler: &mut RequestHandler,
        max_frames: usize,
        context: &mut Context<'_>,
    ) -> Poll<(bool, Duration)> {
        let (taken, throttle) = wake_batch::batch_wakes(|| {
            let (mut texts, mut bytes) = (Vec::new(), 0);
            for taken in 0..max_frames {
                match socket.poll_next_unpin(context) {
                    Poll::Ready(Some(Ok(Message::Text(text))))
                        if text.len() <= self.shared.config.message_bytes =>
                    {
                        bytes += text.len();
                        texts.push(text);
                        if bytes > BATCH_BYTES {
                            break;
                        }
                    }
                    Poll::Pending if taken == 0 => return Poll::Pending,
                    Poll::Pending => break,
                    Poll::Ready(other) => {
                        // All else keeps its place behind the texts.
                        handler.handle_texts(&texts);
                        texts.clear();
                        if !self.handle_frame(other, handler) {
                            return Poll::Ready(false);
                        }
                    }
                }
            }
            handler.handle_texts(&texts);
            Poll::Ready(true)
        });
        taken.map(|is_open| (is_open, throttle))
    }

    /// Takes what is no text frame within its limit. False where the connection is to end.
    fn handle_frame(&self, frame: Option<Result<Message, Error>>, handler: &mut RequestHandler) -> bool {
        match frame {
            Some(Ok(Message::Binary(chunk)))
                if chunk.len() <= self.shared.config.chunk_bytes + CHUNK_HEAD =>
            {
                handler.handle_chunk(chunk);
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
                self.queue.reply_close(code.map(u16::from));
            }
            Some(Err(Error::Capacity(_))) => self.too_large(),
            Some(Err(Error::Utf8(_))) => self.queue.reply_close(Some(1007)),
            Some(Err(Error::Protocol(_))) => self.queue.reply_close(Some(1002)),
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
            let permit = shared.conn_limits.admit(Some(peer.ip())).expect("a place");
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
        assert_eq!(shared.conn_limits.count(), 1, "its place is free again");
    }
}
