//! The sending side of a connection, as rooms see it.

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

/// The treatment of a frame in a connection's outgoing queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameClass {
    /// Not counted against the queue's limits.
    Welcome,
    /// Messages, acks, presence and errors. Closes the connection if the queue is full.
    Message,
    /// Dropped if the queue is full.
    Signal,
}

/// Encoded WebSocket frames in one buffer, so that queueing all of them for a connection costs as much as queueing one.
#[derive(Debug, Clone, Default)]
pub struct FrameBatch {
    bytes: Bytes,
    /// The offset behind each frame, ascending.
    ends: Arc<[usize]>,
}

impl FrameBatch {
    /// Encodes values as JSON text frames.
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

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// The single frames, which share the batch's buffer.
    pub fn frames(&self) -> impl Iterator<Item = Bytes> {
        let starts = std::iter::once(&0).chain(self.ends.iter());
        starts
            .zip(self.ends.iter())
            .map(|(start, end)| self.bytes.slice(start..end))
    }
}

/// The sending side of one connection. None of the methods blocks.
///
/// It has a queue of frames and a queue for each stream to the connection. Frames overtake streams; the items of a
/// stream keep their order. Chunks do not count against the limits of the queue, because credit bounds them.
pub trait Outbox {
    /// Queues an encoded WebSocket frame. Returns false if it will not be sent: the connection is closing, or the queue
    /// is full.
    fn push(&self, frame: Bytes, class: FrameClass) -> bool;

    /// Queues all frames of a batch or none, as [`FrameClass::Message`]. See [`Outbox::push`].
    fn push_batch(&self, batch: &FrameBatch) -> bool;

    /// Closes the connection with an error that has a close code.
    fn close(&self, error: ErrorFrame);

    /// Queues an item of a stream. The first item creates the stream's queue.
    fn push_stream(&self, progress: &Arc<StreamProgress>, item: StreamItem);

    /// Drops a stream's queue.
    fn drop_stream(&self, stream: Uuid);

    /// Drops a stream's chunks and queues a last frame behind its frames.
    fn cut_stream(&self, stream: Uuid, last: Bytes);

    /// Bytes taken from all streams so far. Tells a slow reader from a stalled one.
    #[cfg(feature = "v1")]
    fn stream_bytes_taken(&self) -> u64;

    /// Whether the relay itself waits before it sends the next file.
    #[cfg(feature = "v1")]
    fn is_between_files(&self) -> bool;
}

/// An item in the queue of a stream.
#[derive(Debug, Clone)]
pub enum StreamItem {
    /// An encoded text frame that keeps its place among the chunks.
    #[cfg_attr(
        not(any(test, feature = "v1")),
        expect(dead_code, reason = "only files for version 1 begin with a frame")
    )]
    Frame(Bytes),
    /// Like `Frame`, and the stream ends with it.
    Last(Bytes),
    /// The payload of a binary frame. Its first `head` bytes are not part of the file.
    Chunk {
        payload: Bytes,
        head: usize,
        /// The file offset behind its last byte.
        end: u64,
    },
}

/// How much of a stream has been written. The queue advances it, and the room checks credit against it.
#[derive(Debug)]
pub struct StreamProgress {
    pub stream: Uuid,
    written_to: AtomicU64,
    finished: AtomicBool,
    listener: Option<Arc<Notify>>,
}

impl StreamProgress {
    /// The progress of a stream that starts at `offset`. `listener` is notified of every change.
    pub fn new(stream: Uuid, offset: u64, listener: Option<Arc<Notify>>) -> Arc<StreamProgress> {
        Arc::new(StreamProgress {
            stream,
            written_to: AtomicU64::new(offset),
            finished: AtomicBool::new(false),
            listener,
        })
    }

    /// The offset up to which the relay has started to write to the receiver.
    pub fn written_to(&self) -> u64 {
        self.written_to.load(Acquire)
    }

    /// Whether the last item was taken, or the stream dropped.
    pub fn is_finished(&self) -> bool {
        self.finished.load(Acquire)
    }

    /// Records that the bytes up to `end` are being written. Call it before writing, so that the receiver's credit cannot
    /// arrive first.
    pub fn advance_to(&self, end: u64) {
        self.written_to.store(end, Release);
        self.notify();
    }

    /// Records that nothing of the stream is queued or will be.
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
