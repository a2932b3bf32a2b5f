//! A connection's outgoing queue: bounded by bytes and by frames, filled by rooms, drained by its writer.
//! Files have [lanes](crate::connection::stream_queue) beside it, which its frames overtake.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    task::{Context, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    connection::stream_queue::StreamQueues,
    connection::wake_batch::{self, PollInline},
    metrics::{Metrics, add},
    protocol::{Code, ErrorFrame},
    room::{FrameBatch, FrameClass, Outbox, StreamItem, StreamProgress},
    wire::{self, Part},
};

/// Pieces that the writer takes at once, for one vectored write.
const BATCH_PIECES: usize = 64;
/// Bytes after which it takes no more at once.
const BATCH_BYTES: usize = 128 * 1024;
/// Bytes of files after which it takes no more at once. What is taken is not overtaken by frames any more; the
/// system's own buffers hold many times this.
const BATCH_FILE_BYTES: usize = 128 * 1024;
/// A queue that has drained gives back what it has grown to above this many frames.
const KEEP_FRAMES: usize = 64;

/// For how long who fills a queue rests after each burst: so long where it is full, not at all where it is half full.
const MAX_THROTTLE: Duration = Duration::from_millis(64);
/// Nobody rests for one who has taken nothing for so long.
const STALLED_AFTER: Duration = Duration::from_millis(500);

/// See the [module](self).
pub struct Queue {
    /// A frame over either limit closes the connection with 4025; signals are dropped before that.
    max_bytes: usize,
    max_frames: usize,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// Its writer, once there is one.
    writer: OnceLock<Weak<dyn PollInline>>,
    /// Told once, when the connection is to end. Waited for by its reader.
    ended: Notify,
}

struct State {
    frames: VecDeque<QueuedFrames>,
    streams: StreamQueues,
    /// When the oldest of `frames` came.
    oldest: Option<Instant>,
    /// What of `frames` is counted.
    bytes: usize,
    count: usize,
    signals: usize,
    /// The answer to the latest ping; RFC 6455 allows to leave out those to earlier ones.
    pong: Option<Bytes>,
    ping: bool,
    end: Option<End>,
    /// What wakes the writer, where it waits.
    waker: Option<Waker>,
}

/// What was queued in one piece.
struct QueuedFrames {
    bytes: Bytes,
    /// How many frames that is.
    frames: usize,
    class: FrameClass,
}

/// How a connection ends.
#[derive(Clone)]
pub struct End {
    /// The last frames; none where there is nobody to tell.
    pub last: Vec<Bytes>,
    /// Whether what is queued is sent before them.
    drain: bool,
    /// Its close code, or 1006 without one.
    pub code: u16,
}

impl Queue {
    /// An empty queue.
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

    /// Says who drains it. Told once; until then whoever polls is woken all the same.
    pub fn set_writer(&self, writer: Weak<dyn PollInline>) {
        // A second one does not come: a connection has one writer.
        let _ = self.writer.set(writer);
    }

    /// Answers a ping.
    pub fn pong(&self, payload: &[u8]) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.pong = Some(wire::pong(payload));
            self.wake(state);
        }
    }

    /// Sends a ping.
    pub fn ping(&self) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.ping = true;
            self.wake(state);
        }
    }

    /// Ends the connection with a close frame alone, after what is queued: the answer to `bye`.
    pub fn close_after_drain(&self) {
        self.end(End {
            last: vec![wire::close(1000, "")],
            drain: true,
            code: 1000,
        });
    }

    /// Ends the connection with a close frame alone, at once.
    pub fn reply_close(&self, code: Option<u16>) {
        let last = code.map_or_else(wire::close_empty, |code| wire::close(code, ""));
        self.end(End {
            last: vec![last],
            drain: false,
            code: code.unwrap_or(1000),
        });
    }

    /// Ends the connection with a last frame, or none, and a close frame.
    pub fn close_with(&self, last: Option<Bytes>, code: u16) {
        self.end(End {
            last: last.into_iter().chain([wire::close(code, "")]).collect(),
            drain: false,
            code,
        });
    }

    /// Ends the connection without a word: there is nobody to hear it.
    pub fn abort(&self) {
        self.end(End {
            last: Vec::new(),
            drain: false,
            code: 1006,
        });
    }

    /// Waits until the connection is to end.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// How the connection ends, once it does.
    pub fn end_code(&self) -> Option<u16> {
        self.lock().end.as_ref().map(|end| end.code)
    }

    /// For the writer: moves the next frames to an empty `batch`, or says how the connection ends. With
    /// neither, the writer is woken when there is something. Files are left where they are unless `files`.
    pub fn poll_batch(
        &self,
        batch: &mut VecDeque<Part>,
        files: bool,
        context: &mut Context<'_>,
    ) -> Option<End> {
        let mut state = self.lock();
        if let Some(end) = &state.end
            && (!end.drain || (state.frames.is_empty() && batch.is_empty()))
        {
            return Some(end.clone());
        }
        if batch.is_empty() {
            if let Some(oldest) = state.oldest.take() {
                self.metrics.queued.observe(oldest.elapsed());
            }
            state.fill_batch(batch);
            if !state.frames.is_empty() {
                // What is left came after what was taken; near enough, and without a time for each frame.
                state.oldest = Some(Instant::now());
            }
            if files && state.frames.is_empty() {
                state.streams.fill_batch(BATCH_FILE_BYTES, batch);
            }
        }
        // Also while a batch is being written: an end must be noticed then.
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        None
    }

    /// Whether so many frames of this length are too many. Chunks do not count, the frames among them do.
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
            let full = |state: &State| self.is_full(state, frames, bytes.len());
            if full(&state) && state.signals > 0 {
                add(&self.metrics.dropped, state.drop_signals());
            }
            if full(&state) && class == FrameClass::Signal {
                add(&self.metrics.dropped, 1);
                return false;
            }
            if full(&state) {
                drop(state);
                self.close_slow_consumer();
                return false;
            }
            state.bytes += bytes.len();
            state.count += frames;
            state.signals += usize::from(class == FrameClass::Signal);
        }
        // Where it is not empty, what is oldest in it came before: the time is asked for once per write.
        state.oldest.get_or_insert_with(Instant::now);
        self.throttle_producer(&state);
        state.frames.push_back(QueuedFrames { bytes, frames, class });
        self.wake(state);
        true
    }

    /// Lets whoever fills the queue rest, where it is more than half full and being drained.
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
        let message = "You read more slowly than the room speaks; connect again with `resume`.";
        self.close(ErrorFrame::new(Code::SlowConsumer, message));
    }

    /// The first end counts; later ones come from those who have not seen it yet.
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

    /// Tells the writer, where it waits, after the lock is let go.
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

impl Outbox for Queue {
    fn push(&self, frame: Bytes, class: FrameClass) -> bool {
        self.enqueue(frame, 1, class)
    }

    fn push_batch(&self, run: &FrameBatch) -> bool {
        self.enqueue(run.bytes().clone(), run.count(), FrameClass::Frame)
    }

    fn close(&self, error: ErrorFrame) {
        // Codes without a close code end no connection; were one given, it is a protocol error of ours.
        let code = error.code.close().unwrap_or(1011);
        let last = vec![wire::text(&error), wire::close(code, "")];
        self.end(End {
            last,
            drain: false,
            code,
        });
    }

    fn push_stream(&self, progress: &Arc<StreamProgress>, piece: StreamItem) {
        let mut state = self.lock();
        if state.end.is_some() {
            progress.finish();
            return;
        }
        if let StreamItem::Frame(frame) = &piece
            && self.is_full(&state, 1, frame.len())
        {
            drop(state);
            progress.finish();
            return self.close_slow_consumer();
        }
        state.streams.push(progress, piece);
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
        // Where lanes go one by one, the next may begin.
        self.wake(state);
    }

    fn stream_bytes_taken(&self) -> u64 {
        self.lock().streams.taken_bytes()
    }
}

impl State {
    fn fill_batch(&mut self, batch: &mut VecDeque<Part>) {
        batch.extend(self.pong.take().map(Part::Frames));
        if std::mem::take(&mut self.ping) {
            batch.push_back(Part::Frames(wire::PING_FRAME));
        }
        let mut bytes = 0;
        while batch.len() < BATCH_PIECES && bytes < BATCH_BYTES {
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

    fn queue(max_bytes: usize, max_frames: usize) -> Queue {
        let streams = StreamQueues::new(Scheduling::RoundRobin, 1 << 16);
        Queue::new(max_bytes, max_frames, streams, Arc::default())
    }

    fn taken(queue: &Queue) -> Vec<Bytes> {
        let mut batch = VecDeque::new();
        let end = queue.poll_batch(&mut batch, true, &mut Context::from_waker(Waker::noop()));
        batch
            .into_iter()
            .map(|part| part.bytes().clone())
            .chain(end.into_iter().flat_map(|end| end.last))
            .collect()
    }

    const FRAME: Bytes = Bytes::from_static(b"frame");
    const SIGNAL: Bytes = Bytes::from_static(b"signal");

    #[test]
    fn signals_go_first() {
        let queue = queue(1000, 3);
        assert!(queue.push(SIGNAL, FrameClass::Signal) && queue.push(FRAME, FrameClass::Frame));
        assert!(
            queue.push(FRAME, FrameClass::Frame) && queue.push(FRAME, FrameClass::Frame),
            "the signal made room"
        );
        assert!(!queue.push(SIGNAL, FrameClass::Signal), "a signal closes nothing");
        assert_eq!(queue.end_code(), None);
        assert!(!queue.push(FRAME, FrameClass::Frame));
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
        assert!(queue.push(FRAME, FrameClass::Frame) && queue.push(FRAME, FrameClass::Frame));
        assert_eq!(taken(&queue).len(), 3);
        assert!(
            queue.push(FRAME, FrameClass::Frame) && queue.push(FRAME, FrameClass::Frame),
            "taken is not queued"
        );
        assert!(!queue.push(FRAME, FrameClass::Frame));
    }

    #[test]
    fn who_fills_a_queue_that_is_drained_rests() {
        let queue = queue(1 << 20, 8);
        let fill = |frames: usize| {
            let push = || (0..frames).for_each(|_| assert!(queue.push(FRAME, FrameClass::Frame)));
            wake_batch::batch_wakes(push).1
        };
        assert_eq!(fill(4), Duration::ZERO, "no more than half full");
        assert_eq!(fill(2), MAX_THROTTLE / 4);
        queue.lock().oldest = Instant::now().checked_sub(STALLED_AFTER);
        assert_eq!(
            fill(1),
            Duration::ZERO,
            "nobody reads: there is nothing to wait for"
        );
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
        assert!(queue.push(FRAME, FrameClass::Frame));
        queue.close_after_drain();
        assert!(!queue.push(FRAME, FrameClass::Frame));
        assert_eq!(taken(&queue), [FRAME]);
        assert_eq!(taken(&queue), [wire::close(1000, "")]);
    }
}
