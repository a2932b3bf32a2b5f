//! One connection, from its HTTP head to its end.
//!
//! A connection has two tasks: this one reads and decides when the connection ends; a [`WriteTask`] drains the outgoing
//! queue. They share only the [`Queue`], whose end stops both.

pub(crate) mod drain;
mod file_pause;
pub(crate) mod queue;
mod requests;
pub(crate) mod stream_queue;
#[cfg(test)]
mod tests;
pub(crate) mod wake_batch;
mod writer;
mod ws_read;

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
    task::JoinHandle,
    time::{sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        protocol::{Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tracing::{debug, info};

use self::{
    queue::Queue,
    requests::RequestHandler,
    stream_queue::{Scheduling, StreamQueues},
    writer::WriteTask,
    ws_read::ReadHalf,
};
use crate::{
    handshake::{self, Accepted},
    hub::Membership,
    limits::{ConnectionPermit, network_of},
    protocol::{CHUNK_HEAD, Code, ErrorFrame, Greeting, is_name},
    random,
    room::{JoinRequest, Outbox, v1::V1Seat},
    server::Shared,
    v1, wire,
};

/// Time for the peer to receive the last frames and to close, so that the close code arrives.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The same while the relay shuts down, which must finish within 5 s.
const CLOSE_TIMEOUT_AT_SHUTDOWN: Duration = Duration::from_secs(3);
/// Maximum bytes that are read and discarded meanwhile.
const MAX_DISCARD: usize = 16 * 1024 * 1024;
/// Delay of the answer to an address that has presented too many wrong tokens.
const WRONG_TOKEN_DELAY: Duration = Duration::from_secs(1);
/// Frames that are handled before any writer is woken.
const BATCH_FRAMES: usize = 256;
/// The same after a pause: fewer, to notice soon if the sender is still too fast.
const BATCH_FRAMES_AFTER_PAUSE: usize = 32;
/// Bytes of text frames after which a batch takes no more.
const BATCH_BYTES: usize = 64 * 1024;
/// tungstenite's read buffer, in bytes; larger frames still fit. Its default is 128 KiB for every connection.
const READ_BUFFER: usize = 4 * 1024;
/// Heartbeats without any frame after which a connection is closed.
const MAX_SILENT_HEARTBEATS: f64 = 2.5;

pub(crate) type Socket<S> = WebSocketStream<ReadHalf<io::ReadHalf<S>>>;

/// Serves a connection until it ends. Faults of the peer end it; there is nobody to report them to.
pub async fn serve<S>(shared: Arc<Shared>, mut stream: S, peer: SocketAddr, mut permit: ConnectionPermit)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let accepted = tokio::select! {
        // A peer that has not sent a request yet needs no answer.
        () = shared.shutdown.cancelled() => return,
        accepted = handshake::accept(&shared, &mut stream, peer) => accepted,
    };
    let Some(Accepted { rest, client, v1 }) = accepted else {
        return;
    };
    permit.set_address(client);
    let (read, write) = tokio::io::split(stream);
    let config = &shared.config;
    let (max_frame, scheduling) = match v1 {
        Some(_) => v1::transport(config),
        None => (
            config.message_bytes.max(config.chunk_bytes + CHUNK_HEAD),
            Scheduling::RoundRobin,
        ),
    };
    let max_frame = (max_frame > 0).then_some(max_frame);
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(max_frame)
        .max_frame_size(max_frame);
    let reader = ReadHalf::new(read, rest);
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
        peer: client,
        permit,
    };
    connection.run(socket, write, v1).await;
}

/// A connection that has become a WebSocket, of either version.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: Arc<Queue>,
    /// The client's address: the peer's, or the one that a trusted proxy names.
    pub(crate) peer: IpAddr,
    permit: ConnectionPermit,
}

/// Gives the seat up and stops the writer when the connection ends, even by a panic.
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

struct AbortOnDrop(JoinHandle<io::Result<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    async fn run<S>(self, mut socket: Socket<S>, mut write: WriteHalf<S>, v1: Option<v1::Query>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (membership, v1) = match v1 {
            Some(query) => {
                let joined = tokio::select! {
                    () = self.shared.shutdown.cancelled() => { self.shut_down(); None }
                    joined = self.join_v1(query) => joined,
                };
                joined.unzip()
            }
            None => (self.wait_for_hello(&mut socket, &mut write).await, None),
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
        match (membership, v1) {
            (Some(membership), Some(client)) => self.serve_v1_member(&mut socket, membership, client).await,
            (Some(membership), None) => self.serve_member(&mut socket, membership).await,
            (None, _) => {}
        }
        // The other members learn of the end at once; the peer may take its time.
        let code = self.queue.end_code();
        drop(guard);
        debug!(peer = %self.peer, code, "closing");
        let mut reader = socket.into_inner();
        let drainer = &self.shared.drainer;
        let drain = drainer.discard(&mut reader, MAX_DISCARD, ReadHalf::saw_close);
        let limit = if self.shared.shutdown.is_cancelled() {
            CLOSE_TIMEOUT_AT_SHUTDOWN
        } else {
            CLOSE_TIMEOUT
        };
        // On a timeout the peer does not learn the code; nothing else is left to do.
        let _ = timeout(limit, async { tokio::join!(drain, &mut writer.0) }).await;
    }

    /// Waits for the hello and joins. If that fails, ends the queue with the reason.
    async fn wait_for_hello<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut Socket<S>,
        write: &mut WriteHalf<S>,
    ) -> Option<Membership> {
        let hello = tokio::select! {
            () = self.shared.shutdown.cancelled() => { self.shut_down(); None }
            () = sleep(self.shared.config.hello_timeout) => {
                let message = "No hello arrived in time. Reconnect and send one at once.";
                self.refuse(ErrorFrame::new(Code::HelloTimeout, message));
                None
            }
            hello = self.read_hello(socket, write) => hello,
        }?;
        if hello.len() > self.shared.config.message_bytes {
            self.too_large();
            return None;
        }
        match self.admit(&hello).await {
            Ok(membership) => Some(membership),
            Err(error) => {
                self.refuse(error);
                None
            }
        }
    }

    /// Reads the first text frame, and answers pings meanwhile.
    async fn read_hello<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut Socket<S>,
        write: &mut WriteHalf<S>,
    ) -> Option<Utf8Bytes> {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return Some(text),
                Some(Ok(Message::Ping(payload))) => {
                    // No task drains the queue yet. If this cannot be written, the next read fails too.
                    let _ = write.write_all(&wire::pong(&payload)).await;
                    let _ = write.flush().await;
                }
                Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => {
                    let message = "The first frame must be a hello: one JSON object.";
                    self.refuse(ErrorFrame::new(Code::BadHello, message));
                    return None;
                }
                other => {
                    self.ended_by_peer(other);
                    return None;
                }
            }
        }
    }

    /// Checks a hello in the order of the protocol and joins.
    async fn admit(&self, hello: &str) -> Result<Membership, ErrorFrame> {
        let greeting = Greeting::parse(hello)?;
        if !self.is_admitted(&greeting.token, &greeting.room).await {
            let message = "Wrong token. Ask for a new invite, or check the one that you have.";
            return Err(ErrorFrame::new(Code::BadToken, message));
        }
        if !is_name(&greeting.name) || !is_name(&greeting.room) {
            let message =
                "Invalid member or room name. Choose 1 to 32 of A-Z a-z 0-9 _ -, and no reserved word.";
            return Err(ErrorFrame::new(Code::BadName, message));
        }
        let membership = self.join(greeting, None)?;
        let (member, room) = membership.describe();
        info!(peer = %self.peer, member, room, "joined");
        Ok(membership)
    }

    /// Joins the room of a hello that was checked.
    pub(crate) fn join(&self, greeting: Greeting, v1: Option<Box<V1Seat>>) -> Result<Membership, ErrorFrame> {
        let session = random::secret().map_err(|_| {
            ErrorFrame::new(Code::Full, "The relay is out of random numbers. Try again later.")
        })?;
        let request = JoinRequest {
            greeting,
            connection: self.shared.next_connection(),
            address: network_of(self.peer),
            session,
            v1,
            over_limit: self.permit.is_over_limit(),
        };
        self.shared.hub.join(request, &self.queue)
    }

    /// Whether a token admits to a room. After many wrong ones, the answer is delayed.
    pub(crate) async fn is_admitted(&self, token: &str, room: &str) -> bool {
        let shared = &self.shared;
        let is_admitted = shared.config.admits(token, room);
        if !is_admitted && shared.conn_limits.record_wrong_token(self.peer, Instant::now()) {
            sleep(WRONG_TOKEN_DELAY).await;
        }
        is_admitted
    }

    /// Handles a member's frames until the connection ends.
    async fn serve_member<S>(&self, socket: &mut Socket<S>, membership: Membership)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = &self.shared.config;
        let mut handler = RequestHandler::new(membership, Arc::clone(&self.queue), Arc::clone(&self.shared));
        let mut ended = pin!(self.queue.ended());
        let mut shutdown = pin!(self.shared.shutdown.cancelled());
        let silence_limit = config.heartbeat.mul_f64(MAX_SILENT_HEARTBEATS);
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
                        let message = "Nothing arrived from you for 2.5 heartbeats. Reconnect.";
                        return self.refuse(ErrorFrame::new(Code::Silent, message));
                    }
                    if now >= ping {
                        self.queue.ping();
                        ping = now + config.heartbeat;
                    }
                    timer.as_mut().reset(ping.min(last_heard + silence_limit));
                }
                (is_open, pause) =
                    poll_fn(|context| self.poll_batch(socket, &mut handler, max_frames, context)) =>
                {
                    if !is_open {
                        return;
                    }
                    max_frames = BATCH_FRAMES;
                    if !pause.is_zero() {
                        max_frames = BATCH_FRAMES_AFTER_PAUSE;
                        sleep(pause).await;
                    }
                    last_heard = tokio::time::Instant::now();
                }
            }
        }
    }

    /// Handles the frames that are ready, at most `max_frames`. Returns whether the connection stays open, and how long
    /// to pause.
    fn poll_batch<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut Socket<S>,
        handler: &mut RequestHandler,
        max_frames: usize,
        context: &mut Context<'_>,
    ) -> Poll<(bool, Duration)> {
        let (polled, pause) = wake_batch::batch_wakes(|| {
            let (mut texts, mut bytes) = (Vec::new(), 0);
            for handled in 0..max_frames {
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
                    Poll::Pending if handled == 0 => return Poll::Pending,
                    Poll::Pending => break,
                    Poll::Ready(other) => {
                        // Keep the order: first the texts that came before it.
                        handler.handle_texts(&texts);
                        texts.clear();
                        if !self.handle_other(other, handler) {
                            return Poll::Ready(false);
                        }
                    }
                }
            }
            handler.handle_texts(&texts);
            Poll::Ready(true)
        });
        polled.map(|is_open| (is_open, pause))
    }

    /// Handles everything but a text frame within the limit. Returns whether the connection stays open.
    fn handle_other(&self, frame: Option<Result<Message, Error>>, handler: &mut RequestHandler) -> bool {
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

    /// Handles the end of the connection by the peer: a close frame, the end of TCP, or a fault.
    pub(crate) fn ended_by_peer(&self, how: Option<Result<Message, Error>>) {
        match how {
            Some(Ok(Message::Close(frame))) => {
                // Codes that must not be sent are not echoed.
                let code = frame.map(|frame| {
                    if frame.code.is_allowed() {
                        frame.code
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
        let message = "That frame exceeds the limit. Send less, or send a file.";
        self.refuse(ErrorFrame::new(Code::TooLarge, message));
    }

    pub(crate) fn shut_down(&self) {
        let message = "The relay is shutting down. Reconnect soon.";
        self.queue.close(ErrorFrame::new(Code::ShuttingDown, message));
    }

    pub(crate) fn refuse(&self, error: ErrorFrame) {
        info!(peer = %self.peer, code = ?error.code, "closed");
        self.queue.close(error);
    }
}
