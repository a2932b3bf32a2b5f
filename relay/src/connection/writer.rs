//! The write half of a connection: drains its queue with vectored writes, and the room's memory during a replay.

use std::{
    collections::VecDeque,
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, TryLockError},
    task::{Context, Poll, ready},
};

use tokio::{
    io::AsyncWrite,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    queue::{Queue, Step},
    wake_batch::PollInline,
};
use crate::{
    hub::Membership,
    metrics::{Metrics, add},
    room::ReplayStep,
    wire::{self, Part},
};

/// Parts per write. More would need a larger array on the stack without being faster.
const MAX_SLICES: usize = 64;
/// Capacity that the batch of a waiting writer keeps, in parts.
const KEEP_PARTS: usize = 8;
/// Bytes of replay per batch.
const REPLAY_BYTES: usize = 64 * 1024;

/// A future that completes once the connection's last frame is written, or cannot be. It can also be polled inline by
/// the task that has queued something.
pub struct WriteTask<W>(Arc<Mutex<Writer<W>>>);

struct Writer<W> {
    out: W,
    queue: Arc<Queue>,
    /// Set until the connection is live.
    replay: Option<Membership>,
    /// The parts that are being written. Bounded, because it is only filled when empty.
    batch: VecDeque<Part>,
    /// Bytes written of the batch's first part.
    written: usize,
    ending: bool,
    unflushed: bool,
    /// Wakes this task when a paused stream may continue.
    timer: Option<Pin<Box<Sleep>>>,
    metrics: Arc<Metrics>,
}

impl<W: AsyncWrite + Send + Unpin + 'static> WriteTask<W> {
    /// A writer for the queue, and for the replay of a member.
    pub fn new(out: W, queue: Arc<Queue>, replay: Option<Membership>, metrics: Arc<Metrics>) -> WriteTask<W> {
        let writer = Arc::new(Mutex::new(Writer {
            out,
            queue: Arc::clone(&queue),
            replay,
            batch: VecDeque::new(),
            written: 0,
            ending: false,
            unflushed: false,
            timer: None,
            metrics,
        }));
        let inline: Arc<dyn PollInline> = Arc::clone(&writer) as _;
        queue.set_writer(Arc::downgrade(&inline));
        WriteTask(writer)
    }
}

impl<W: AsyncWrite + Unpin> Future for WriteTask<W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Locked for no longer than a system call takes.
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .poll(context)
    }
}

impl<W: AsyncWrite + Send + Unpin> PollInline for Mutex<Writer<W>> {
    fn poll_inline(&self, context: &mut Context<'_>) -> bool {
        match self.try_lock() {
            Ok(mut writer) => writer.replay.is_none() && writer.poll(context).is_pending(),
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => false,
        }
    }
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Fills the batch. Returns whether there is something to write.
    fn fill(&mut self, context: &mut Context<'_>) -> bool {
        if !self.ending {
            match self
                .queue
                .poll_batch(&mut self.batch, self.replay.is_none(), context)
            {
                Step::End(end) => {
                    self.ending = true;
                    self.replay = None;
                    self.drop_unstarted();
                    self.batch.extend(end.last.into_iter().map(Part::Frames));
                }
                Step::Batch { paused_until } => self.set_timer(paused_until, context),
            }
        }
        while self.batch.is_empty()
            && let Some(membership) = &self.replay
        {
            let mut frames = Vec::new();
            let step = membership.with_room(|room, seat| room.replay(seat, REPLAY_BYTES, &mut frames));
            self.batch.extend(frames.into_iter().map(Part::Frames));
            if step == ReplayStep::Live {
                self.replay = None;
                // Streams waited for the end of the replay. Polling again also registers this task with the queue.
                context.waker().wake_by_ref();
            }
        }
        !self.batch.is_empty()
    }

    /// Polls again at this time.
    fn set_timer(&mut self, at: Option<Instant>, context: &mut Context<'_>) {
        let Some(at) = at.filter(|_| self.batch.is_empty()) else {
            self.timer = None;
            return;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        if timer.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
    }

    /// Drops every frame whose first byte is not written. A started frame is always completed.
    fn drop_unstarted(&mut self) {
        let keep = match self.batch.front_mut() {
            Some(Part::Frames(frames)) => {
                frames.truncate(wire::end_of_partial(frames, self.written));
                usize::from(self.written > 0)
            }
            Some(Part::Header(_)) if self.written > 0 => 2,
            Some(Part::Payload(_)) => 1,
            Some(Part::Header(_)) | None => 0,
        };
        self.batch.truncate(keep);
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = self.batch.len().min(MAX_SLICES);
        for (slice, part) in slices.iter_mut().zip(&self.batch) {
            *slice = IoSlice::new(part.bytes());
        }
        slices[0].advance(self.written);
        let mut written = ready!(Pin::new(&mut self.out).poll_write_vectored(context, &slices[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        add(&self.metrics.bytes_out, written);
        self.unflushed = true;
        written += self.written;
        while let Some(part) = self.batch.front()
            && written >= part.bytes().len()
        {
            written -= part.bytes().len();
            self.batch.pop_front();
        }
        self.written = written;
        Poll::Ready(Ok(()))
    }

    /// Writes until the batch is empty or the peer takes no more. Once ready, it stays ready.
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
            if this.batch.capacity() > KEEP_PARTS {
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::{
        connection::stream_queue::{Scheduling, StreamQueues},
        protocol::{Code, ErrorFrame},
        room::{FrameBatch, Outbox, StreamItem, StreamProgress},
    };

    /// Takes a number of bytes, and no more until it is told how many.
    #[derive(Clone, Default)]
    struct Pipe(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Pipe {
        fn allow(&self, bytes: usize) -> Vec<u8> {
            let mut pipe = self.0.lock().expect("no panic");
            pipe.0 = bytes;
            std::mem::take(&mut pipe.1)
        }
    }

    impl AsyncWrite for Pipe {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let mut pipe = self.0.lock().expect("no panic");
            let taken = bytes.len().min(pipe.0);
            if taken == 0 {
                return Poll::Pending;
            }
            pipe.0 -= taken;
            pipe.1.extend(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// When a connection ends, a started frame is completed and the rest is not sent.
    #[test]
    fn the_started_frame_of_a_batch_is_completed() {
        let run = FrameBatch::of(["a".repeat(10), "b".repeat(200), "c".repeat(10)].iter());
        let ends: Vec<usize> = run
            .frames()
            .scan(0, |end, frame| {
                *end += frame.len();
                Some(*end)
            })
            .collect();
        for (written, whole) in [
            (0, 0),
            (1, ends[0]),
            (ends[0], ends[0]),
            (ends[0] + 3, ends[1]),
            (ends[2] - 1, ends[2]),
        ] {
            let sent = after_a_close(written, |queue| assert!(queue.push_batch(&run)));
            assert_eq!(sent[..whole], run.bytes()[..whole], "{written}");
            assert!(sent[whole..].starts_with(b"\x81"), "{written}: then the error");
        }
    }

    #[test]
    fn a_started_chunk_is_completed() {
        let chunk = StreamItem::Chunk {
            payload: vec![7; 24 + 5000].into(),
            head: 24,
            end: 5000,
        };
        for (written, whole) in [(0, 0), (1, 5028), (4, 5028), (5, 5028), (5028, 5028)] {
            let progress = StreamProgress::new(uuid::Uuid::from_u128(1), 0, None);
            let sent = after_a_close(written, |queue| {
                for _ in 0..3 {
                    queue.push_stream(&progress, chunk.clone());
                }
            });
            assert!(sent[whole..].starts_with(b"\x81"), "{written}: then the error");
            assert!(sent[whole..].len() < 1000, "{written}: and nothing else");
        }
    }

    /// The bytes sent if the connection is closed after `written` bytes of what `fill` has queued.
    fn after_a_close(written: usize, fill: impl FnOnce(&Arc<Queue>)) -> Vec<u8> {
        let lanes = StreamQueues::new(Scheduling::RoundRobin, 1 << 16);
        let queue = Arc::new(Queue::new(1 << 20, 100, lanes, Arc::default()));
        let pipe = Pipe::default();
        let mut writing = WriteTask::new(pipe.clone(), Arc::clone(&queue), None, Arc::default());
        let mut context = Context::from_waker(Waker::noop());
        fill(&queue);
        pipe.allow(written);
        assert!(Pin::new(&mut writing).poll(&mut context).is_pending());
        queue.close(ErrorFrame::new(Code::SlowConsumer, "Read faster."));
        let mut sent = pipe.allow(usize::MAX);
        assert!(Pin::new(&mut writing).poll(&mut context).is_ready());
        sent.extend(pipe.allow(0));
        sent
    }
}
