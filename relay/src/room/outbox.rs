//! Where a room's frames go.

use std::sync::Arc;

use bytes::Bytes;

use crate::protocol::ErrorFrame;

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

/// The sending side of one connection. None of the methods waits.
pub trait Outbox {
    /// Queues an encoded WebSocket frame. False where the connection is closing, or closes now because
    /// its queue is full; the frame is not sent then.
    fn push(&self, frame: Bytes, class: Class) -> bool;

    /// Ends the connection with an error whose code has a close code.
    fn close(&self, error: ErrorFrame);
}

impl<O: Outbox + ?Sized> Outbox for Arc<O> {
    fn push(&self, frame: Bytes, class: Class) -> bool {
        (**self).push(frame, class)
    }

    fn close(&self, error: ErrorFrame) {
        (**self).close(error);
    }
}
