//! The writing half of a connection: drains its queue with vectored writes, and the room's memory while its
//! replay is not over.

use std::{
    collections::VecDeque,
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, TryLockError},
    task::{Context, Poll, ready},
};

use bytes::Buf;
use tokio::io::AsyncWrite;

use crate::{
    burst::InPlace,
    hub::Place,
    metrics::{Metrics, add},
    queue::Queue,
    room::Walked,
    wire::Part,
};

/// Frames in one write. More would need a larger array on every writer's stack for no gain.
const SLICES: usize = 64;
/// A writer that waits gives back what its batch has grown to above this many frames.
const KEEP: usize = 8;
/// Bytes of replay taken from the memory at once.
const REPLAY_BYTES: usize = 64 * 1024;

/// A future that ends once the connection's last frame is written, or cannot be. It may be run in place too,
/// by who has put something into the queue.
pub struct Writing<W>(Arc<Mutex<Writer<W>>>);

/// See the [module](self).
struct Writer<W> {
    out: W,
    queue: Arc<Queue>,
    /// Whose replay it is; none once it is live.
    replay: Option<Place>,
    /// What is being written. Bounded: it is filled when empty only.
    batch: VecDeque<Part>,
    /// Whether the first frame of the batch is written in part, and has to be finished whatever happens.
    begun: bool,
    ending: bool,
    unflushed: bool,
    metrics: Arc<Metrics>,
}

impl<W: AsyncWrite + Send + Unpin + 'static> Writing<W> {
    /// A writer for what is in the queue, and for the replay of `replay`.
    pub fn new(out: W, queue: Arc<Queue>, replay: Option<Place>, metrics: Arc<Metrics>) -> Writing<W> {
        let writer = Arc::new(Mutex::new(Writer {
            out,
            queue: Arc::clone(&queue),
            replay,
            batch: VecDeque::new(),
            begun: false,
            ending: false,
            unflushed: false,
            metrics,
        }));
        let in_place: Arc<dyn InPlace> = Arc::clone(&writer) as _;
        queue.drained_by(Arc::downgrade(&in_place));
        Writing(writer)
    }
}

impl<W: AsyncWrite + Unpin> Future for Writing<W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Held for no longer than a system call takes.
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .poll(context)
    }
}

impl<W: AsyncWrite + Send + Unpin> InPlace for Mutex<Writer<W>> {
    fn write(&self, context: &mut Context<'_>) -> bool {
        match self.try_lock() {
            Ok(mut writer) => writer.replay.is_none() && writer.poll(context).is_pending(),
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => false,
        }
    }
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Fills the batch. True where there is something to write.
    fn fill(&mut self, context: &mut Context<'_>) -> bool {
        if !self.ending
            && let Some(end) = self.queue.poll(&mut self.batch, self.replay.is_none(), context)
        {
            self.ending = true;
            self.replay = None;
            // The frame that is being written is finished; what waits behind it is not sent.
            let rest = self
                .batch
                .iter()
                .position(|part| part.last)
                .map_or(0, |last| last + 1);
            self.batch.truncate(if self.begun { rest } else { 0 });
            self.batch.extend(end.last.into_iter().map(Part::whole));
        }
        while self.batch.is_empty()
            && let Some(place) = &self.replay
        {
            let mut frames = Vec::new();
            let walked = place.walk(REPLAY_BYTES, &mut frames);
            self.batch.extend(frames.into_iter().map(Part::whole));
            if walked == Walked::Live {
                self.replay = None;
                // Files waited for the end of the replay; and what is polled again registers this task.
                context.waker().wake_by_ref();
            }
        }
        !self.batch.is_empty()
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.batch.len().min(SLICES);
        for (slice, part) in slices.iter_mut().zip(&self.batch) {
            *slice = IoSlice::new(&part.bytes);
        }
        let mut written = ready!(Pin::new(&mut self.out).poll_write_vectored(context, &slices[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        add(&self.metrics.bytes_out, written);
        self.unflushed = true;
        while let Some(part) = self.batch.front_mut() {
            if written < part.bytes.len() {
                part.bytes.advance(written);
                self.begun |= written > 0;
                break;
            }
            written -= part.bytes.len();
            self.begun = !part.last;
            self.batch.pop_front();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes until there is nothing more, or no more can be written. After it was ready once it stays so.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self;
        loop {
            if this.fill(context) {
                if let Err(error) = ready!(this.poll_write(context)) {
                    this.queue.abort();
                    return Poll::Ready(Err(error));
                }
                continue;
            }
            if this.unflushed {
                ready!(Pin::new(&mut this.out).poll_flush(context))?;
                this.unflushed = false;
            }
            if this.batch.capacity() > KEEP {
                this.batch = VecDeque::new();
            }
            return if this.ending {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            };
        }
    }
}
