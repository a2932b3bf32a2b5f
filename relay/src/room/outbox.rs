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
pub enum Class {
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
pub struct Run {
    bytes: Bytes,
    /// Where each ends; rising.
    ends: Arc<[usize]>,
}

impl Run {
    /// Encodes these as text frames.
    pub fn of<T: Serialize>(values: impl Iterator<Item = T>) -> Run {
        let mut bytes = Vec::new();
        let ends = values
            .map(|value| {
                wire::put_text(&mut bytes, &value);
                bytes.len()
            })
            .collect();
        bytes.shrink_to_fit();
        Run {
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
    fn push(&self, frame: Bytes, class: Class) -> bool;

    /// Queues several frames of [`Class::Frame`] that stand one behind the other, all or none of them;
    /// else like [`Outbox::push`].
    fn push_run(&self, run: &Run) -> bool;

    /// Ends the connection with an error whose code has a close code.
    fn close(&self, error: ErrorFrame);

    /// Puts something into a lane, which is made with its first.
    fn push_lane(&self, flow: &Arc<Flow>, piece: Piece);

    /// Drops a lane with all that is in it.
    fn drop_lane(&self, lane: Uuid);

    /// Drops a lane's chunks, and ends it with a frame behind the frames that are in it.
    fn cut_lane(&self, lane: Uuid, last: Bytes);

    /// How many bytes have been taken from all lanes so far: tells a slow reader from one that reads nothing.
    fn taken(&self) -> u64 {
        0
    }
}

/// What stands in a lane.
#[derive(Debug, Clone)]
pub enum Piece {
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
pub struct Flow {
    /// The lane's name: the stream's id.
    pub lane: Uuid,
    begun: AtomicU64,
    finished: AtomicBool,
    /// Told when it moves, where somebody waits for that.
    moved: Option<Arc<Notify>>,
}

impl Flow {
    /// A lane whose first byte is that at `offset`.
    pub fn new(lane: Uuid, offset: u64, moved: Option<Arc<Notify>>) -> Arc<Flow> {
        Arc::new(Flow {
            lane,
            begun: AtomicU64::new(offset),
            finished: AtomicBool::new(false),
            moved,
        })
    }

    /// The offset up to which the relay has begun to write to the receiver.
    pub fn begun(&self) -> u64 {
        self.begun.load(Acquire)
    }

    /// Whether the last piece was taken, or the lane dropped.
    pub fn finished(&self) -> bool {
        self.finished.load(Acquire)
    }

    /// For the queue: the bytes up to `end` are being written. Must be called before they are, so that a
    /// receiver's credit never comes before this.
    pub fn begin(&self, end: u64) {
        self.begun.store(end, Release);
        self.tell();
    }

    /// For the queue: nothing more is in the lane, nor comes into it.
    pub fn finish(&self) {
        self.finished.store(true, Release);
        self.tell();
    }

    fn tell(&self) {
        if let Some(moved) = &self.moved {
            moved.notify_one();
        }
    }
}

impl<O: Outbox + ?Sized> Outbox for Arc<O> {
    fn push(&self, frame: Bytes, class: Class) -> bool {
        (**self).push(frame, class)
    }

    fn push_run(&self, run: &Run) -> bool {
        (**self).push_run(run)
    }

    fn close(&self, error: ErrorFrame) {
        (**self).close(error);
    }

    fn push_lane(&self, flow: &Arc<Flow>, piece: Piece) {
        (**self).push_lane(flow, piece);
    }

    fn drop_lane(&self, lane: Uuid) {
        (**self).drop_lane(lane);
    }

    fn cut_lane(&self, lane: Uuid, last: Bytes) {
        (**self).cut_lane(lane, last);
    }

    fn taken(&self) -> u64 {
        (**self).taken()
    }
}
