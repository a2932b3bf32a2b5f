//! The way of files over the connection: what is sent of them, and where what comes of them goes.
//!
//! Bytes go from the socket to a file's own thread and back, past the session: a slow disk or a large file
//! stalls nothing else. Text goes before chunks on the way out.

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

/// Frames of files that we send, in their order. Full: the threads that read the files wait, each its turn.
const CHUNKS: usize = 8;
/// Credits and closes for files that come. Full: the threads that write them wait.
const REPLIES: usize = 64;

/// With what a stream is closed (`cancelled`) where another one takes its place.
pub const REPLACED: &str = "resumed on another stream";

/// A frame of a stream, on its way out.
#[derive(Debug)]
pub enum FileFrame {
    /// A file of ours begins.
    Open(StreamOpen),
    /// A part of it: head and bytes.
    Chunk(Bytes),
    /// More of another's file may come.
    Credit(StreamCredit),
    Close(StreamClose),
}

/// What comes for a file, on its way to its thread.
#[derive(Debug)]
pub enum StreamEvent {
    /// A stream was opened for it.
    Opened {
        stream: Uuid,
        /// Where in the file it begins, in bytes.
        offset: u64,
    },
    /// Bytes of it.
    Chunk {
        stream: Uuid,
        /// Where in the file they belong.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// It may be sent up to this offset.
    Credit(u64),
    /// The other side, or the relay, has ended the stream.
    Closed {
        stream: Uuid,
        reason: StreamReason,
        /// In words; another's, and not yet cleaned.
        message: String,
    },
    /// The connection is gone, and the stream with it.
    Cut,
    /// The person has accepted it.
    Keep,
    /// It is not wanted any more.
    Stop,
    /// Its receiver has asked for it again, on another stream.
    Replaced,
}

/// The files' way over the connection, for those who send and take them.
#[derive(Clone, Debug)]
pub struct Files {
    pub streams: Streams,
    frames: mpsc::Sender<(ConnectionEpoch, FileFrame)>,
    replies: mpsc::Sender<(ConnectionEpoch, FileFrame)>,
    terms: Arc<ConnectionTerms>,
}

/// Which connection a frame belongs to: one of an earlier connection's streams means nothing on the next.
pub type ConnectionEpoch = u64;

/// What holds for the connection that there is.
#[derive(Debug)]
struct ConnectionTerms {
    life: AtomicU64,
    chunk_bytes: AtomicUsize,
    window_bytes: AtomicUsize,
}

/// The connection's end of it.
pub(super) struct StreamQueues {
    pub streams: Streams,
    /// In order, behind all text.
    frames: mpsc::Receiver<(ConnectionEpoch, FileFrame)>,
    replies: mpsc::Receiver<(ConnectionEpoch, FileFrame)>,
    terms: Arc<ConnectionTerms>,
}

/// The streams that are open, and who takes what comes on them.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    routes: Arc<Mutex<HashMap<Uuid, Route>>>,
}

#[derive(Debug)]
struct Route {
    pieces: mpsc::Sender<StreamEvent>,
    /// More came than was waited for; the file's thread ends it.
    overran: bool,
}

pub(super) fn lanes() -> (Files, StreamQueues) {
    let (frames_in, frames) = mpsc::channel(CHUNKS);
    let (replies_in, replies) = mpsc::channel(REPLIES);
    // The documented defaults, until a relay says its own.
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
    /// The connection that there is now, or was last.
    pub fn life(&self) -> ConnectionEpoch {
        self.terms.life.load(Ordering::Relaxed)
    }

    /// Sends a frame behind those that wait; waits for its turn. Not for asynchronous code.
    pub fn send(&self, life: ConnectionEpoch, frame: FileFrame) {
        // The session may be gone; then nothing is sent any more.
        let _ = self.frames.blocking_send((life, frame));
    }

    /// Ends a stream of ours, behind its chunks. Not for asynchronous code.
    pub fn send_close(&self, life: ConnectionEpoch, stream: Uuid, reason: StreamReason, message: &str) {
        self.send(life, close(stream, reason, message));
    }

    /// Lets a sender go on up to an offset. Not for asynchronous code.
    pub fn credit(&self, life: ConnectionEpoch, stream: Uuid, bytes: u64) {
        let stream = stream.to_string();
        let credit = FileFrame::Credit(StreamCredit { stream, bytes });
        // The session may be gone.
        let _ = self.replies.blocking_send((life, credit));
    }

    /// Ends another's stream, before chunks of ours. Not for asynchronous code.
    pub fn close_now(&self, life: ConnectionEpoch, stream: Uuid, reason: StreamReason, message: &str) {
        // The session may be gone.
        let _ = self.replies.blocking_send((life, close(stream, reason, message)));
    }

    /// Ends a stream that nobody here wants.
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
    /// A connection has begun: nothing of before continues on it.
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

    /// The next frame of this connection's; replies first. `None` where the session is gone. May be dropped
    /// while it waits.
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

    /// Lets go of what threads would send while there is no connection, so that they hear of that.
    pub async fn drop_all(&mut self) {
        self.terms.life.fetch_add(1, Ordering::Relaxed);
        while self.next().await.is_some() {}
    }
}

impl Streams {
    fn routes(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Route>> {
        // Nothing panics while it holds the lock, and if it did, the map would still be whole.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes on `stream` goes to `pieces` from now on.
    pub fn insert(&self, stream: Uuid, pieces: mpsc::Sender<StreamEvent>) {
        let route = Route {
            pieces,
            overran: false,
        };
        self.routes().insert(stream, route);
    }

    /// Nothing more comes on `stream`.
    pub fn remove(&self, stream: Uuid) {
        self.routes().remove(&stream);
    }

    /// Whether more came on `stream` than its file's thread could take.
    pub fn overran(&self, stream: Uuid) -> bool {
        self.routes().get(&stream).is_some_and(|route| route.overran)
    }

    /// Hands over what came on `stream`. Whether somebody takes it.
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

    /// Hands over that a stream was closed. Whether somebody takes it.
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
            // Full: it is ended for that anyway.
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
