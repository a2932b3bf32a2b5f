//! A connection's outgoing queue: bounded by bytes and by frames, filled by rooms, drained by its writer.
//! Files have [lanes](crate::lanes) beside it, which its frames overtake.

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
    burst::{self, InPlace},
    lanes::Lanes,
    metrics::{Metrics, add},
    protocol::{Code, ErrorFrame},
    room::{Class, Flow, Outbox, Piece, Run},
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
const REST: Duration = Duration::from_millis(64);
/// Nobody rests for one who has taken nothing for so long.
const DEAF: Duration = Duration::from_millis(500);

/// See the [module](self).
pub struct Queue {
    /// A frame over either limit closes the connection with 4025; signals are dropped before that.
    max_bytes: usize,
    max_frames: usize,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// Its writer, once there is one.
    writer: OnceLock<Weak<dyn InPlace>>,
    /// Told once, when the connection is to end. Waited for by its reader.
    ended: Notify,
}

struct State {
    frames: VecDeque<Entry>,
    lanes: Lanes,
    /// When the oldest of `frames` came.
    since: Option<Instant>,
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
struct Entry {
    bytes: Bytes,
    /// How many frames that is.
    frames: usize,
    class: Class,
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
    pub fn new(max_bytes: usize, max_frames: usize, lanes: Lanes, metrics: Arc<Metrics>) -> Queue {
        Queue {
            max_bytes,
            max_frames,
            metrics,
            state: Mutex::new(State {
                frames: VecDeque::new(),
                lanes,
                since: None,
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
    pub fn drained_by(&self, writer: Weak<dyn InPlace>) {
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
    pub fn finish(&self) {
        self.end(End {
            last: vec![wire::close(1000, "")],
            drain: true,
            code: 1000,
        });
    }

    /// Ends the connection with a close frame alone, at once.
    pub fn answer_close(&self, code: Option<u16>) {
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
    pub fn poll(&self, batch: &mut VecDeque<Part>, files: bool, context: &mut Context<'_>) -> Option<End> {
        let mut state = self.lock();
        if let Some(end) = &state.end
            && (!end.drain || (state.frames.is_empty() && batch.is_empty()))
        {
            return Some(end.clone());
        }
        if batch.is_empty() {
            if let Some(since) = state.since.take() {
                self.metrics.queued.observe(since.elapsed());
            }
            state.take(batch);
            if !state.frames.is_empty() {
                // What is left came after what was taken; near enough, and without a time for each frame.
                state.since = Some(Instant::now());
            }
            if files && state.frames.is_empty() {
                state.lanes.take(BATCH_FILE_BYTES, batch);
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
            || state.bytes + state.lanes.frame_bytes() + length > self.max_bytes
    }

    fn put(&self, bytes: Bytes, frames: usize, class: Class) -> bool {
        let mut state = self.lock();
        if state.end.is_some() {
            return false;
        }
        if class != Class::Welcome {
            let full = |state: &State| self.is_full(state, frames, bytes.len());
            if full(&state) && state.signals > 0 {
                add(&self.metrics.dropped, state.drop_signals());
            }
            if full(&state) && class == Class::Signal {
                add(&self.metrics.dropped, 1);
                return false;
            }
            if full(&state) {
                drop(state);
                self.too_slow();
                return false;
            }
            state.bytes += bytes.len();
            state.count += frames;
            state.signals += usize::from(class == Class::Signal);
        }
        // Where it is not empty, what is oldest in it came before: the time is asked for once per write.
        state.since.get_or_insert_with(Instant::now);
        self.pace(&state);
        state.frames.push_back(Entry { bytes, frames, class });
        self.wake(state);
        true
    }

    /// Lets whoever fills the queue rest, where it is more than half full and being drained.
    fn pace(&self, state: &State) {
        let share = |now: usize, most: usize| now as f64 / most as f64;
        let full = share(state.count, self.max_frames).max(share(state.bytes, self.max_bytes));
        if full > 0.5 && state.since.is_some_and(|since| since.elapsed() < DEAF) {
            burst::rest(REST.mul_f64((2.0 * full - 1.0).min(1.0).powi(2)));
        }
    }

    fn too_slow(&self) {
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
        state.lanes.clear();
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
            burst::tell(self.writer.get(), waker);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox for Queue {
    fn push(&self, frame: Bytes, class: Class) -> bool {
        self.put(frame, 1, class)
    }

    fn push_run(&self, run: &Run) -> bool {
        self.put(run.bytes().clone(), run.count(), Class::Frame)
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

    fn push_lane(&self, flow: &Arc<Flow>, piece: Piece) {
        let mut state = self.lock();
        if state.end.is_some() {
            flow.finish();
            return;
        }
        if let Piece::Frame(frame) = &piece
            && self.is_full(&state, 1, frame.len())
        {
            drop(state);
            flow.finish();
            return self.too_slow();
        }
        state.lanes.push(flow, piece);
        self.wake(state);
    }

    fn cut_lane(&self, lane: Uuid, last: Bytes) {
        let mut state = self.lock();
        state.lanes.cut(lane, last);
        self.wake(state);
    }

    fn drop_lane(&self, lane: Uuid) {
        let mut state = self.lock();
        state.lanes.remove(lane);
        // Where lanes go one by one, the next may begin.
        self.wake(state);
    }

    fn taken(&self) -> u64 {
        self.lock().lanes.taken()
    }
}

impl State {
    fn take(&mut self, batch: &mut VecDeque<Part>) {
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
            self.uncount(&entry);
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
            let signal = entry.class == Class::Signal;
            bytes += if signal { entry.bytes.len() } else { 0 };
            !signal
        });
        let dropped = before - self.frames.len();
        self.bytes -= bytes;
        self.count -= dropped;
        self.signals = 0;
        dropped
    }

    fn uncount(&mut self, entry: &Entry) {
        if entry.class != Class::Welcome {
            self.bytes -= entry.bytes.len();
            self.count -= entry.frames;
            self.signals -= usize::from(entry.class == Class::Signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Turns;

    fn queue(max_bytes: usize, max_frames: usize) -> Queue {
        let lanes = Lanes::new(Turns::Fair, 1 << 16);
        Queue::new(max_bytes, max_frames, lanes, Arc::default())
    }

    fn taken(queue: &Queue) -> Vec<Bytes> {
        let mut batch = VecDeque::new();
        let end = queue.poll(&mut batch, true, &mut Context::from_waker(Waker::noop()));
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
        assert!(queue.push(SIGNAL, Class::Signal) && queue.push(FRAME, Class::Frame));
        assert!(
            queue.push(FRAME, Class::Frame) && queue.push(FRAME, Class::Frame),
            "the signal made room"
        );
        assert!(!queue.push(SIGNAL, Class::Signal), "a signal closes nothing");
        assert_eq!(queue.end_code(), None);
        assert!(!queue.push(FRAME, Class::Frame));
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
        assert!(queue.push(Bytes::from_static(&[0; 500]), Class::Welcome));
        assert!(queue.push(FRAME, Class::Frame) && queue.push(FRAME, Class::Frame));
        assert_eq!(taken(&queue).len(), 3);
        assert!(
            queue.push(FRAME, Class::Frame) && queue.push(FRAME, Class::Frame),
            "taken is not queued"
        );
        assert!(!queue.push(FRAME, Class::Frame));
    }

    #[test]
    fn who_fills_a_queue_that_is_drained_rests() {
        let queue = queue(1 << 20, 8);
        let fill = |frames: usize| {
            let push = || (0..frames).for_each(|_| assert!(queue.push(FRAME, Class::Frame)));
            burst::held(push).1
        };
        assert_eq!(fill(4), Duration::ZERO, "no more than half full");
        assert_eq!(fill(2), REST / 4);
        queue.lock().since = Instant::now().checked_sub(DEAF);
        assert_eq!(
            fill(1),
            Duration::ZERO,
            "nobody reads: there is nothing to wait for"
        );
        assert_eq!(taken(&queue).len(), 7);
        assert_eq!(fill(8), REST);
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
        assert!(queue.push(FRAME, Class::Frame));
        queue.finish();
        assert!(!queue.push(FRAME, Class::Frame));
        assert_eq!(taken(&queue), [FRAME]);
        assert_eq!(taken(&queue), [wire::close(1000, "")]);
    }
}
