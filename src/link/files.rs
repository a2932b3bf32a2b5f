//! File streams on the connection: outgoing frames, and the routing of incoming ones.
//!
//! Data goes between the socket and a file's own thread, bypassing the session: a slow disk or a large file
//! blocks nothing else. Text is sent before chunks.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use nexscope_relay::protocol::{Limits, StreamClose, StreamCredit, StreamOpen, StreamReason, stream_id};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Bytes;
use uuid::Uuid;

/// The queue length of outgoing file frames, in order. Full: the reading threads wait in turn.
const CHUNKS: usize = 8;
/// The queue length of credits and closes for incoming files. Full: the writing threads wait.
const REPLIES: usize = 64;

/// The message with which a stream is closed (`cancelled`) when another one replaces it.
pub const REPLACED: &str = "resumed on another stream";

/// An outgoing frame of a stream.
#[derive(Debug)]
pub enum FileFrame {
    /// Opens a stream for a local file.
    Open(StreamOpen),
    /// A chunk: head and bytes.
    Chunk(Bytes),
    /// Grants credit to the sender of another's file.
    Credit(StreamCredit),
    Close(StreamClose),
}

/// An incoming event for a file's thread.
#[derive(Debug)]
pub enum StreamEvent {
    /// A stream was opened for the file.
    Opened {
        stream: Uuid,
        /// The offset in the file at which it begins, in bytes.
        offset: u64,
    },
    /// A chunk of the file.
    Chunk {
        stream: Uuid,
        /// Its offset in the file.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// It may be sent up to this offset.
    Credit(u64),
    /// The other side, or the relay, has closed the stream.
    Closed {
        stream: Uuid,
        reason: StreamReason,
        /// A message for people, from the other side and not yet cleaned.
        message: String,
    },
    /// The connection is gone, and the stream with it.
    Cut,
    /// The person has accepted it.
    Keep,
    /// It is no longer wanted.
    Stop,
    /// Its receiver has asked for it again, on another stream.
    Replaced,
}

/// A handle for sending and receiving files over the connection.
#[derive(Clone, Debug)]
pub struct Files {
    pub streams: Streams,
    frames: mpsc::Sender<(ConnectionEpoch, FileFrame)>,
    replies: mpsc::Sender<(ConnectionEpoch, FileFrame)>,
    terms: Arc<ConnectionTerms>,
}

/// The number of the connection that a frame belongs to: streams of an earlier connection are invalid on the
/// next.
pub type ConnectionEpoch = u64;

/// The limits and the epoch of the current connection.
#[derive(Debug)]
struct ConnectionTerms {
    life: AtomicU64,
    chunk_bytes: AtomicUsize,
    window_bytes: AtomicUsize,
}

/// The connection's side of the file queues.
pub(super) struct StreamQueues {
    pub streams: Streams,
    /// Sent in order, after all text.
    frames: mpsc::Receiver<(ConnectionEpoch, FileFrame)>,
    replies: mpsc::Receiver<(ConnectionEpoch, FileFrame)>,
    terms: Arc<ConnectionTerms>,
}

/// The open streams, and the receivers of their events.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    routes: Arc<Mutex<HashMap<Uuid, Route>>>,
}

#[derive(Debug)]
struct Route {
    pieces: mpsc::Sender<StreamEvent>,
    /// More arrived than its queue holds; the file's thread ends it.
    overran: bool,
}

pub(super) fn lanes() -> (Files, StreamQueues) {
    let (frames_in, frames) = mpsc::channel(CHUNKS);
    let (replies_in, replies) = mpsc::channel(REPLIES);
    // The documented defaults, until the relay sends its own.
    let terms = Arc::new(ConnectionTerms {
        life: AtomicU64::new(0),
        chunk_bytes: AtomicUsize::new(65_536),
        window_bytes: AtomicUsize::new(1 << 20),
    });
    let streams = Streams::default();
    let files = Files {
        streams: streams.clone(),
        frames: frames_in,
        replies: replies_in,
        terms: terms.clone(),
    };
    let lanes = StreamQueues {
        streams,
        frames,
        replies,
        terms,
    };
    (files, lanes)
}

impl Files {
    /// The epoch of the current or last connection.
    pub fn life(&self) -> ConnectionEpoch {
        self.terms.life.load(Ordering::Relaxed)
    }

    /// Queues a frame; blocks while the queue is full. Not for async code.
    pub fn send(&self, life: ConnectionEpoch, frame: FileFrame) {
        // The session may be gone; then nothing is sent any more.
        let _ = self.frames.blocking_send((life, frame));
    }

    /// Closes one of our streams, after its chunks. Blocks: not for async code.
    pub fn send_close(&self, life: ConnectionEpoch, stream: Uuid, reason: StreamReason, message: &str) {
        self.send(life, close(stream, reason, message));
    }

    /// Grants credit up to an offset. Blocks: not for async code.
    pub fn credit(&self, life: ConnectionEpoch, stream: Uuid, bytes: u64) {
        let stream = stream.to_string();
        let credit = FileFrame::Credit(StreamCredit { stream, bytes });
        // The session may be gone.
        let _ = self.replies.blocking_send((life, credit));
    }

    /// Closes another member's stream, before our chunks. Blocks: not for async code.
    pub fn close_now(&self, life: ConnectionEpoch, stream: Uuid, reason: StreamReason, message: &str) {
        // The session may be gone.
        let _ = self.replies.blocking_send((life, close(stream, reason, message)));
    }

    /// Closes a stream that nobody here wants.
    pub fn refuse(&self, stream: Uuid, message: &str) {
        let refusal = (self.life(), close(stream, StreamReason::Failed, message));
        if self.replies.try_send(refusal).is_err() {
            tracing::warn!(%stream, "a stream could not be refused; its sender waits");
        }
    }

    /// The longest payload of a chunk, in bytes.
    pub fn chunk_bytes(&self) -> usize {
        self.terms.chunk_bytes.load(Ordering::Relaxed).clamp(1, 1 << 20)
    }

    /// The most credit that may be outstanding, in bytes.
    pub fn window_bytes(&self) -> usize {
        self.terms.window_bytes.load(Ordering::Relaxed).clamp(1, 16 << 20)
    }
}

impl StreamQueues {
    /// Starts a new connection: streams of the old one are dead.
    pub fn begin(&mut self, limits: &Limits) {
        self.terms
            .chunk_bytes
            .store(limits.chunk_bytes, Ordering::Relaxed);
        self.terms
            .window_bytes
            .store(limits.window_bytes, Ordering::Relaxed);
        self.terms.life.fetch_add(1, Ordering::Relaxed);
        self.streams.cut();
    }

    /// The next frame for this connection; replies first. `None` if the session is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<FileFrame> {
        loop {
            let (life, frame) = tokio::select! {
                biased;
                reply = self.replies.recv() => reply?,
                frame = self.frames.recv() => frame?,
            };
            if life == self.terms.life.load(Ordering::Relaxed) {
                return Some(frame);
            }
        }
    }

    /// Discards frames that threads send while offline, so that the threads notice.
    pub async fn drop_all(&mut self) {
        self.terms.life.fetch_add(1, Ordering::Relaxed);
        while self.next().await.is_some() {}
    }
}

impl Streams {
    fn routes(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Route>> {
        // Nothing panics while it holds the lock, and the map would still be consistent.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Routes events of `stream` to `pieces` from now on.
    pub fn insert(&self, stream: Uuid, pieces: mpsc::Sender<StreamEvent>) {
        let route = Route {
            pieces,
            overran: false,
        };
        self.routes().insert(stream, route);
    }

    /// Stops routing `stream`.
    pub fn remove(&self, stream: Uuid) {
        self.routes().remove(&stream);
    }

    /// Whether more arrived on `stream` than its queue could take.
    pub fn overran(&self, stream: Uuid) -> bool {
        self.routes().get(&stream).is_some_and(|route| route.overran)
    }

    /// Delivers an event of `stream`; returns whether anyone receives it.
    pub fn deliver(&self, stream: Uuid, piece: StreamEvent) -> bool {
        let mut routes = self.routes();
        let Some(route) = routes.get_mut(&stream) else {
            return false;
        };
        if let Err(mpsc::error::TrySendError::Full(_)) = route.pieces.try_send(piece) {
            route.overran = true;
        }
        true
    }

    /// Delivers the close of a stream; returns whether anyone receives it.
    pub fn closed(&self, close: &StreamClose) -> bool {
        let Some(stream) = stream_id(&close.stream) else {
            return false;
        };
        self.deliver(
            stream,
            StreamEvent::Closed {
                stream,
                reason: close.reason,
                message: close.message.clone(),
            },
        )
    }

    pub fn cut(&self) {
        for (_, route) in self.routes().drain() {
            // Full: the transfer is ended for that anyway.
            let _ = route.pieces.try_send(StreamEvent::Cut);
        }
    }
}

fn close(stream: Uuid, reason: StreamReason, message: &str) -> FileFrame {
    FileFrame::Close(StreamClose {
        stream: stream.to_string(),
        reason,
        message: message.to_owned(),
    })
}
