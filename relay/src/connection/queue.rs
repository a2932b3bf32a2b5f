//! The outgoing queue of a connection: bounded by bytes and by frames, filled by rooms, drained by the writer.
//! Streams have [queues of their own](super::stream_queue), which frames overtake.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::{
    stream_queue::StreamQueues,
    wake_batch::{self, PollInline},
};
use crate::{
    metrics::{Metrics, add},
    protocol::{Code, ErrorFrame},
    room::{FrameBatch, FrameClass, Outbox, StreamItem, StreamProgress},
    wire::{self, Part},
};

/// Parts per batch, for one vectored write.
const BATCH_PARTS: usize = 64;
/// Bytes of frames after which a batch takes no more.
const BATCH_BYTES: usize = 128 * 1024;
/// Bytes of streams after which a batch takes no more. Frames cannot overtake a batch, but the system's own buffers are
/// many times larger.
const BATCH_STREAM_BYTES: usize = 128 * 1024;
/// Capacity that an empty queue keeps, in frames.
const KEEP_FRAMES: usize = 64;

/// Pause of a producer per batch while the queue is full. It falls to zero for a queue that is half full.
const MAX_THROTTLE: Duration = Duration::from_millis(64);
/// Time without a read after which a receiver no longer slows producers down.
const STALLED_AFTER: Duration = Duration::from_millis(500);

pub struct Queue {
    /// A frame beyond either limit closes the connection with 4025. Signals are dropped first.
    max_bytes: usize,
    max_frames: usize,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    writer: OnceLock<Weak<dyn PollInline>>,
    /// Notified once, when the connection must end. Its reader waits for it.
    ended: Notify,
}

struct State {
    frames: VecDeque<QueuedFrames>,
    streams: StreamQueues,
    /// When the oldest of `frames` was queued.
    oldest: Option<Instant>,
    /// Counted bytes, frames and signals of `frames`.
    bytes: usize,
    count: usize,
    signals: usize,
    /// The answer to the latest ping. RFC 6455 permits skipping the answers to earlier ones.
    pong: Option<Bytes>,
    ping: bool,
    end: Option<End>,
    /// Wakes the writer, if it waits.
    waker: Option<Waker>,
}

struct QueuedFrames {
    bytes: Bytes,
    frames: usize,
    class: FrameClass,
}

/// What a writer does next.
pub enum Step {
    /// Writes the batch. If it is empty, streams may continue at this time.
    Batch { paused_until: Option<Instant> },
    /// Ends the connection.
    End(End),
}

#[derive(Clone)]
pub struct End {
    /// The last frames. Empty if the peer is gone.
    pub last: Vec<Bytes>,
    /// Whether queued frames are sent before them.
    drain: bool,
    /// The close code, or 1006 without one.
    pub code: u16,
}

impl Queue {
    pub fn new(max_bytes: usize, max_frames: usize, streams: StreamQueues, metrics: Arc<Metrics>) -> Queue {
        Queue {
            max_bytes,
            max_frames,
            metrics,
            state: Mutex::new(State {
                frames: VecDeque::new(),
                streams,
                oldest: None,
                bytes: 0,
                count: 0,
                signals: 0,
                pong: None,
                ping: false,
                end: None,
                waker: None,
            }),
            writer: OnceLock::new(),
            ended: Notify::new(),
        }
    }

    /// Sets the writer, so that it can be polled inline. Without it, the task that polls the queue is woken.
    pub fn set_writer(&self, writer: Weak<dyn PollInline>) {
        // Cannot fail: a connection sets its only writer once.
        let _ = self.writer.set(writer);
    }

    pub fn pong(&self, payload: &[u8]) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.pong = Some(wire::pong(payload));
            self.wake(state);
        }
    }

    /// Handles a pong. It may tell that a file was read.
    #[cfg(feature = "v1")]
    pub fn pong_received(&self, payload: &[u8]) {
        let mut state = self.lock();
        state.streams.pause().pong(payload);
        self.wake(state);
    }

    pub fn ping(&self) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.ping = true;
            self.wake(state);
        }
    }

    /// Sends what is queued, then a close frame. This answers `bye`.
    pub fn close_after_drain(&self) {
        self.end(End {
            last: vec![wire::close(1000, "")],
            drain: true,
            code: 1000,
        });
    }

    /// Closes the connection at once with a close frame only. This answers a close frame.
    pub fn reply_close(&self, code: Option<u16>) {
        let last = code.map_or_else(wire::close_empty, |code| wire::close(code, ""));
        self.end(End {
            last: vec![last],
            drain: false,
            code: code.unwrap_or(1000),
        });
    }

    fn close_with_error(&self, error: &ErrorFrame) {
        // Callers pass errors with a close code; 1011 would mean a bug here.
        let code = error.code.close().unwrap_or(1011);
        self.end(End {
            last: vec![wire::text(error), wire::close(code, "")],
            drain: false,
            code,
        });
    }

    /// Closes the connection at once with an optional last frame and a close frame, whose reason the client shows.
    #[cfg(feature = "v1")]
    pub fn close_with(&self, last: Option<Bytes>, code: u16, reason: &str) {
        self.end(End {
            last: last.into_iter().chain([wire::close(code, reason)]).collect(),
            drain: false,
            code,
        });
    }

    /// Ends the connection without a frame, because the peer is gone.
    pub fn abort(&self) {
        self.end(End {
            last: Vec::new(),
            drain: false,
            code: 1006,
        });
    }

    /// Waits until the connection must end.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// The close code, once the connection ends.
    pub fn end_code(&self) -> Option<u16> {
        self.lock().end.as_ref().map(|end| end.code)
    }

    /// Moves the next parts to `batch` if it is empty, or returns how the connection ends. Otherwise the writer is woken
    /// when that changes. Streams are skipped unless `with_streams`.
    pub fn poll_batch(
        &self,
        batch: &mut VecDeque<Part>,
        with_streams: bool,
        context: &mut Context<'_>,
    ) -> Step {
        let mut state = self.lock();
        if let Some(end) = &state.end
            && (!end.drain || (state.frames.is_empty() && batch.is_empty()))
        {
            return Step::End(end.clone());
        }
        if batch.is_empty() {
            if let Some(oldest) = state.oldest.take() {
                self.metrics.queued.observe(oldest.elapsed());
            }
            state.fill_batch(batch);
            if !state.frames.is_empty() {
                // A good approximation that does not need a time for each frame.
                state.oldest = Some(Instant::now());
            }
            if with_streams && state.frames.is_empty() {
                state.streams.fill_batch(BATCH_STREAM_BYTES, batch);
            }
        }
        // Also while a batch is being written, to notice an end.
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Step::Batch {
            paused_until: state.streams.paused_until(),
        }
    }

    /// Whether more frames exceed a limit. Chunks of streams do not count, frames among them do.
    fn is_full(&self, state: &State, frames: usize, length: usize) -> bool {
        state.count + frames > self.max_frames
            || state.bytes + state.streams.frame_bytes() + length > self.max_bytes
    }

    fn enqueue(&self, bytes: Bytes, frames: usize, class: FrameClass) -> bool {
        let mut state = self.lock();
        if state.end.is_some() {
            return false;
        }
        if class != FrameClass::Welcome {
            let is_full = |state: &State| self.is_full(state, frames, bytes.len());
            if is_full(&state) && state.signals > 0 {
                add(&self.metrics.dropped, state.drop_signals());
            }
            if is_full(&state) && class == FrameClass::Signal {
                add(&self.metrics.dropped, 1);
                return false;
            }
            if is_full(&state) {
                drop(state);
                self.close_slow_consumer();
                return false;
            }
            state.bytes += bytes.len();
            state.count += frames;
            state.signals += usize::from(class == FrameClass::Signal);
        }
        // Read the clock once per write, for the oldest frame.
        state.oldest.get_or_insert_with(Instant::now);
        self.throttle_producer(&state);
        state.frames.push_back(QueuedFrames { bytes, frames, class });
        self.wake(state);
        true
    }

    /// Asks the producer to pause if the queue is more than half full and its reader is not stalled.
    fn throttle_producer(&self, state: &State) {
        let share = |now: usize, most: usize| now as f64 / most as f64;
        let full = share(state.count, self.max_frames).max(share(state.bytes, self.max_bytes));
        if full > 0.5
            && state
                .oldest
                .is_some_and(|oldest| oldest.elapsed() < STALLED_AFTER)
        {
            wake_batch::throttle(MAX_THROTTLE.mul_f64((2.0 * full - 1.0).min(1.0).powi(2)));
        }
    }

    fn close_slow_consumer(&self) {
        let message = "You read too slowly for this room. Reconnect with `resume`.";
        self.close_with_error(&ErrorFrame::new(Code::SlowConsumer, message));
    }

    /// Ends the connection. Only the first end counts.
    fn end(&self, end: End) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        self.metrics.closed(end.code);
        if !end.drain {
            state.frames = VecDeque::new();
            (state.bytes, state.count, state.signals) = (0, 0, 0);
        }
        state.streams.clear();
        (state.pong, state.ping) = (None, false);
        state.end = Some(end);
        self.wake(state);
        self.ended.notify_one();
    }

    /// Releases the lock and wakes the writer, if it waits.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            wake_batch::wake(self.writer.get(), waker);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox for Arc<Queue> {
    fn push(&self, frame: Bytes, class: FrameClass) -> bool {
        self.enqueue(frame, 1, class)
    }

    fn push_batch(&self, batch: &FrameBatch) -> bool {
        self.enqueue(batch.bytes().clone(), batch.count(), FrameClass::Message)
    }

    fn close(&self, error: ErrorFrame) {
        self.close_with_error(&error);
    }

    fn push_stream(&self, progress: &Arc<StreamProgress>, item: StreamItem) {
        let mut state = self.lock();
        if state.end.is_some() {
            progress.finish();
            return;
        }
        if let StreamItem::Frame(frame) = &item
            && self.is_full(&state, 1, frame.len())
        {
            drop(state);
            progress.finish();
            return self.close_slow_consumer();
        }
        state.streams.push(progress, item);
        self.wake(state);
    }

    fn cut_stream(&self, stream: Uuid, last: Bytes) {
        let mut state = self.lock();
        state.streams.truncate(stream, last);
        self.wake(state);
    }

    fn drop_stream(&self, stream: Uuid) {
        let mut state = self.lock();
        state.streams.remove(stream);
        // With sequential scheduling, the next stream may start.
        self.wake(state);
    }

    #[cfg(feature = "v1")]
    fn stream_bytes_taken(&self) -> u64 {
        self.lock().streams.taken_bytes()
    }

    #[cfg(feature = "v1")]
    fn is_between_files(&self) -> bool {
        self.lock().streams.pause().until().is_some()
    }
}

impl State {
    fn fill_batch(&mut self, batch: &mut VecDeque<Part>) {
        batch.extend(self.pong.take().map(Part::Frames));
        if std::mem::take(&mut self.ping) {
            batch.push_back(Part::Frames(wire::PING_FRAME));
        }
        let mut bytes = 0;
        while batch.len() < BATCH_PARTS && bytes < BATCH_BYTES {
            let Some(entry) = self.frames.pop_front() else {
                break;
            };
            bytes += entry.bytes.len();
            self.subtract(&entry);
            batch.push_back(Part::Frames(entry.bytes));
        }
        if self.frames.is_empty() && self.frames.capacity() > KEEP_FRAMES {
            self.frames.shrink_to(KEEP_FRAMES);
        }
    }

    fn drop_signals(&mut self) -> usize {
        let before = self.frames.len();
        let mut bytes = 0;
        self.frames.retain(|entry| {
            let signal = entry.class == FrameClass::Signal;
            bytes += if signal { entry.bytes.len() } else { 0 };
            !signal
        });
        let dropped = before - self.frames.len();
        self.bytes -= bytes;
        self.count -= dropped;
        self.signals = 0;
        dropped
    }

    fn subtract(&mut self, entry: &QueuedFrames) {
        if entry.class != FrameClass::Welcome {
            self.bytes -= entry.bytes.len();
            self.count -= entry.frames;
            self.signals -= usize::from(entry.class == FrameClass::Signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::stream_queue::Scheduling;

    fn queue(max_bytes: usize, max_frames: usize) -> Arc<Queue> {
        let streams = StreamQueues::new(Scheduling::RoundRobin, 1 << 16);
        Arc::new(Queue::new(max_bytes, max_frames, streams, Arc::default()))
    }

    fn taken(queue: &Queue) -> Vec<Bytes> {
        let mut batch = VecDeque::new();
        let step = queue.poll_batch(&mut batch, true, &mut Context::from_waker(Waker::noop()));
        let end = match step {
            Step::End(end) => Some(end),
            Step::Batch { .. } => None,
        };
        batch
            .into_iter()
            .map(|part| part.bytes().clone())
            .chain(end.into_iter().flat_map(|end| end.last))
            .collect()
    }

    const FRAME: Bytes = Bytes::from_static(b"frame");
    const SIGNAL: Bytes = Bytes::from_static(b"signal");

    #[test]
    fn signals_are_dropped_first() {
        let queue = queue(1000, 3);
        assert!(queue.push(SIGNAL, FrameClass::Signal) && queue.push(FRAME, FrameClass::Message));
        assert!(
            queue.push(FRAME, FrameClass::Message) && queue.push(FRAME, FrameClass::Message),
            "the signal made room"
        );
        assert!(!queue.push(SIGNAL, FrameClass::Signal), "a signal closes nothing");
        assert_eq!(queue.end_code(), None);
        assert!(!queue.push(FRAME, FrameClass::Message));
        assert_eq!(queue.end_code(), Some(4025));
        let last = taken(&queue);
        assert_eq!(
            last.len(),
            2,
            "the error and the close, nothing of what was queued"
        );
    }

    #[test]
    fn bytes_count_but_for_the_welcome() {
        let queue = queue(12, 100);
        assert!(queue.push(Bytes::from_static(&[0; 500]), FrameClass::Welcome));
        assert!(queue.push(FRAME, FrameClass::Message) && queue.push(FRAME, FrameClass::Message));
        assert_eq!(taken(&queue).len(), 3);
        assert!(
            queue.push(FRAME, FrameClass::Message) && queue.push(FRAME, FrameClass::Message),
            "taken is not queued"
        );
        assert!(!queue.push(FRAME, FrameClass::Message));
    }

    #[test]
    fn producers_of_a_queue_that_drains_pause() {
        let queue = queue(1 << 20, 8);
        let fill = |frames: usize| {
            let push = || (0..frames).for_each(|_| assert!(queue.push(FRAME, FrameClass::Message)));
            wake_batch::batch_wakes(push).1
        };
        assert_eq!(fill(4), Duration::ZERO, "at most half full");
        assert_eq!(fill(2), MAX_THROTTLE / 4);
        queue.lock().oldest = Instant::now().checked_sub(STALLED_AFTER);
        assert_eq!(fill(1), Duration::ZERO, "the reader has stalled");
        assert_eq!(taken(&queue).len(), 7);
        assert_eq!(fill(8), MAX_THROTTLE);
    }

    #[test]
    fn pongs_do_not_pile_up() {
        let queue = queue(10, 1);
        (0..100u8).for_each(|i| queue.pong(&[i]));
        queue.ping();
        assert_eq!(taken(&queue), [wire::pong(&[99]), wire::PING_FRAME]);
    }

    #[test]
    fn bye_sends_what_is_queued() {
        let queue = queue(100, 10);
        assert!(queue.push(FRAME, FrameClass::Message));
        queue.close_after_drain();
        assert!(!queue.push(FRAME, FrameClass::Message));
        assert_eq!(taken(&queue), [FRAME]);
        assert_eq!(taken(&queue), [wire::close(1000, "")]);
    }
}
