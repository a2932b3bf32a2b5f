//! Where a room's frames go.

use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Release},
    },
};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{protocol::ErrorFrame, wire};

/// How a frame stands in a connection's outgoing queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameClass {
    /// The welcome: not counted against the queue's limits.
    Welcome,
    /// Messages, acks, presence, errors.
    Frame,
    /// Dropped first when the queue fills.
    Signal,
}

/// Encoded WebSocket frames, one behind the other in one piece, so that what is queued for many costs them no
/// more than one frame would.
#[derive(Debug, Clone, Default)]
pub struct FrameBatch {
    bytes: Bytes,
    /// Where each ends; rising.
    ends: Arc<[usize]>,
}

impl FrameBatch {
    /// Encodes these as text frames.
    pub fn of<T: Serialize>(values: impl Iterator<Item = T>) -> FrameBatch {
        let mut bytes = Vec::new();
        let ends = values
            .map(|value| {
                wire::append_text(&mut bytes, &value);
                bytes.len()
            })
            .collect();
        bytes.shrink_to_fit();
        FrameBatch {
            bytes: bytes.into(),
            ends,
        }
    }

    /// All of it.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many frames there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Each for itself; they share the run's memory.
    pub fn frames(&self) -> impl Iterator<Item = Bytes> {
        let starts = std::iter::once(&0).chain(self.ends.iter());
        starts
            .zip(self.ends.iter())
            .map(|(start, end)| self.bytes.slice(start..end))
    }
}

/// The sending side of one connection. None of the methods waits.
///
/// Beside its frames it has lanes, one for each file on its way to the connection. Frames overtake what is
/// in the lanes, and what is in a lane keeps its order. Chunks do not count against the queue's limits: they
/// are bounded by credit.
pub trait Outbox {
    /// Queues an encoded WebSocket frame. False where the connection is closing, or closes now because
    /// its queue is full; the frame is not sent then.
    fn push(&self, frame: Bytes, class: FrameClass) -> bool;

    /// Queues several frames of [`FrameClass::Frame`] that stand one behind the other, all or none of them;
    /// else like [`Outbox::push`].
    fn push_batch(&self, batch: &FrameBatch) -> bool;

    /// Ends the connection with an error whose code has a close code.
    fn close(&self, error: ErrorFrame);

    /// Puts something into a lane, which is made with its first.
    fn push_stream(&self, progress: &Arc<StreamProgress>, piece: StreamItem);

    /// Drops a lane with all that is in it.
    fn drop_stream(&self, stream: Uuid);

    /// Drops a lane's chunks, and ends it with a frame behind the frames that are in it.
    fn cut_stream(&self, stream: Uuid, last: Bytes);

    /// How many bytes have been taken from all lanes so far: tells a slow reader from one that reads nothing.
    fn stream_bytes_taken(&self) -> u64 {
        0
    }
}

/// What stands in a lane.
#[derive(Debug, Clone)]
pub enum StreamItem {
    /// An encoded text frame that keeps its place among the chunks.
    Frame(Bytes),
    /// The same, and the lane ends with it.
    Last(Bytes),
    /// A part of a file: the payload of a binary frame, of which the first `head` bytes are not of the file.
    Chunk {
        /// The payload, head included.
        payload: Bytes,
        /// How long the head is.
        head: usize,
        /// The offset behind its last byte.
        end: u64,
    },
}

/// How far a lane has come: shared by the room, which checks credit by it, and the queue, which moves it.
#[derive(Debug)]
pub struct StreamProgress {
    /// The lane's name: the stream's id.
    pub stream: Uuid,
    written_to: AtomicU64,
    finished: AtomicBool,
    /// Told when it moves, where somebody waits for that.
    listener: Option<Arc<Notify>>,
}

impl StreamProgress {
    /// A lane whose first byte is that at `offset`.
    pub fn new(stream: Uuid, offset: u64, listener: Option<Arc<Notify>>) -> Arc<StreamProgress> {
        Arc::new(StreamProgress {
            stream,
            written_to: AtomicU64::new(offset),
            finished: AtomicBool::new(false),
            listener,
        })
    }

    /// The offset up to which the relay has begun to write to the receiver.
    pub fn written_to(&self) -> u64 {
        self.written_to.load(Acquire)
    }

    /// Whether the last piece was taken, or the lane dropped.
    pub fn is_finished(&self) -> bool {
        self.finished.load(Acquire)
    }

    /// For the queue: the bytes up to `end` are being written. Must be called before they are, so that a
    /// receiver's credit never comes before this.
    pub fn advance_to(&self, end: u64) {
        self.written_to.store(end, Release);
        self.notify();
    }

    /// For the queue: nothing more is in the lane, nor comes into it.
    pub fn finish(&self) {
        self.finished.store(true, Release);
        self.notify();
    }

    fn notify(&self) {
        if let Some(listener) = &self.listener {
            listener.notify_one();
        }
    }
}

impl<O: Outbox + ?Sized> Outbox for Arc<O> {
    fn push(&self, frame: Bytes, class: FrameClass) -> bool {
        (**self).push(frame, class)
    }

    fn push_batch(&self, batch: &FrameBatch) -> bool {
        (**self).push_batch(batch)
    }

    fn close(&self, error: ErrorFrame) {
        (**self).close(error);
    }

    fn push_stream(&self, progress: &Arc<StreamProgress>, piece: StreamItem) {
        (**self).push_stream(progress, piece);
    }

    fn drop_stream(&self, stream: Uuid) {
        (**self).drop_stream(stream);
    }

    fn cut_stream(&self, stream: Uuid, last: Bytes) {
        (**self).cut_stream(stream, last);
    }

    fn stream_bytes_taken(&self) -> u64 {
        (**self).stream_bytes_taken()
    }
}
