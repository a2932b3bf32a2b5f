//! The outgoing streams of a connection, each with a queue of its own.
//!
//! Small chunks are merged, so that a stream costs no more memory than its credit allows. Large ones are not copied.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use uuid::Uuid;

use super::file_pause::FilePause;

use crate::{
    room::{StreamItem, StreamProgress},
    wire::{self, Part},
};

/// A chunk of fewer bytes is merged with the one before it.
const SMALL_CHUNK: usize = 4 * 1024;
/// Maximum bytes of a merged chunk.
const MAX_MERGED: usize = 16 * 1024;

/// The order in which streams are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduling {
    /// One item of each in turn, so that no stream waits for another.
    RoundRobin,
    /// One stream to its end, then the next, after a [pause](FilePause). Chunks of version 1 do not name their stream.
    Sequential,
}

pub struct StreamQueues {
    scheduling: Scheduling,
    /// Maximum payload of a chunk, in bytes.
    chunk_bytes: usize,
    queues: VecDeque<StreamQueue>,
    taken_bytes: u64,
    /// Bytes of frames among the chunks.
    frame_bytes: usize,
    /// With sequential scheduling: the pause behind the last stream.
    pause: FilePause,
}

struct StreamQueue {
    progress: Arc<StreamProgress>,
    items: VecDeque<Item>,
}

enum Item {
    Frame(Bytes),
    Last(Bytes),
    Whole {
        payload: Bytes,
        head: usize,
        end: u64,
    },
    Small {
        payload: BytesMut,
        head: usize,
        end: u64,
    },
}

impl Item {
    /// The length of a frame; 0 for a chunk.
    fn frame_bytes(&self) -> usize {
        match self {
            Item::Frame(frame) | Item::Last(frame) => frame.len(),
            Item::Whole { .. } | Item::Small { .. } => 0,
        }
    }
}

impl StreamQueues {
    pub fn new(scheduling: Scheduling, chunk_bytes: usize) -> StreamQueues {
        StreamQueues {
            scheduling,
            chunk_bytes,
            queues: VecDeque::new(),
            taken_bytes: 0,
            frame_bytes: 0,
            pause: FilePause::default(),
        }
    }

    /// Queues an item of a stream.
    pub fn push(&mut self, progress: &Arc<StreamProgress>, item: StreamItem) {
        let index = match self
            .queues
            .iter()
            .position(|queue| queue.progress.stream == progress.stream)
        {
            Some(index) => index,
            None => {
                self.queues.push_back(StreamQueue {
                    progress: Arc::clone(progress),
                    items: VecDeque::new(),
                });
                self.queues.len() - 1
            }
        };
        let max_merged = MAX_MERGED.min(self.chunk_bytes);
        let items = &mut self.queues[index].items;
        let item = match item {
            StreamItem::Frame(frame) => Item::Frame(frame),
            StreamItem::Last(frame) => Item::Last(frame),
            StreamItem::Chunk { payload, head, end } if payload.len() - head >= SMALL_CHUNK => {
                Item::Whole { payload, head, end }
            }
            StreamItem::Chunk { payload, head, end } => {
                if let Some(Item::Small {
                    payload: before,
                    end: end_before,
                    ..
                }) = items.back_mut()
                    && before.len() + payload.len() - 2 * head <= max_merged
                {
                    before.extend_from_slice(&payload[head..]);
                    *end_before = end;
                    return;
                }
                // A copy, because the slice may keep a much larger buffer alive.
                Item::Small {
                    payload: BytesMut::from(&payload[..]),
                    head,
                    end,
                }
            }
        };
        self.frame_bytes += item.frame_bytes();
        items.push_back(item);
    }

    pub fn remove(&mut self, stream: Uuid) {
        if let Some(index) = self
            .queues
            .iter()
            .position(|queue| queue.progress.stream == stream)
            && let Some(queue) = self.queues.remove(index)
        {
            self.frame_bytes -= queue.items.iter().map(Item::frame_bytes).sum::<usize>();
            queue.progress.finish();
        }
    }

    /// Drops the chunks of a stream and ends it with `last`, behind its frames.
    pub fn truncate(&mut self, stream: Uuid, last: Bytes) {
        let mut queues = self.queues.iter_mut();
        if let Some(queue) = queues.find(|queue| queue.progress.stream == stream) {
            queue.items.retain(|item| item.frame_bytes() > 0);
            self.frame_bytes += last.len();
            queue.items.push_back(Item::Last(last));
        }
    }

    /// Bytes of frames among the chunks.
    pub fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    pub fn clear(&mut self) {
        for queue in std::mem::take(&mut self.queues) {
            queue.progress.finish();
        }
        self.frame_bytes = 0;
    }

    /// Bytes of files taken so far.
    #[cfg(any(test, feature = "v1"))]
    pub fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }

    #[cfg(any(test, feature = "v1"))]
    /// The pause behind the last stream.
    pub fn pause(&mut self) -> &mut FilePause {
        &mut self.pause
    }

    /// When the next stream may start, if one waits for that.
    pub fn paused_until(&self) -> Option<Instant> {
        self.pause.until().filter(|_| !self.queues.is_empty())
    }

    /// Moves the next items to `batch`, which is empty, until they have `budget` bytes or more.
    pub fn fill_batch(&mut self, mut budget: usize, batch: &mut VecDeque<Part>) {
        if self.pause.is_active() {
            return;
        }
        let mut idle = 0;
        while budget > 0 && idle < self.queues.len() {
            let Some(item) = self.queues[0].items.pop_front() else {
                if self.scheduling == Scheduling::Sequential {
                    return;
                }
                idle += 1;
                self.queues.rotate_left(1);
                continue;
            };
            idle = 0;
            self.frame_bytes -= item.frame_bytes();
            let before = batch.len();
            let mut last = false;
            match item {
                Item::Frame(frame) => batch.push_back(Part::Frames(frame)),
                Item::Last(frame) => {
                    batch.push_back(Part::Frames(frame));
                    last = true;
                }
                Item::Whole { payload, head, end } => self.start_chunk(payload, head, end, batch),
                Item::Small { payload, head, end } => self.start_chunk(payload.freeze(), head, end, batch),
            }
            let bytes: usize = batch.iter().skip(before).map(|part| part.bytes().len()).sum();
            budget = budget.saturating_sub(bytes);
            if last {
                if let Some(queue) = self.queues.pop_front() {
                    queue.progress.finish();
                    if self.scheduling == Scheduling::Sequential {
                        let ping = self.pause.begin(queue.progress.written_to());
                        batch.push_back(Part::Frames(ping));
                        break;
                    }
                }
            } else if self.scheduling == Scheduling::RoundRobin {
                self.queues.rotate_left(1);
            }
        }
        if self.queues.is_empty() {
            self.queues = VecDeque::new();
        }
    }

    fn start_chunk(&mut self, payload: Bytes, head: usize, end: u64, batch: &mut VecDeque<Part>) {
        self.taken_bytes += (payload.len() - head) as u64;
        self.queues[0].progress.advance_to(end);
        batch.push_back(Part::Header(wire::binary_header(payload.len())));
        batch.push_back(Part::Payload(payload));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(offset: u64, length: usize) -> StreamItem {
        StreamItem::Chunk {
            payload: vec![7; 24 + length].into(),
            head: 24,
            end: offset + length as u64,
        }
    }

    fn fill_batch(queues: &mut StreamQueues, budget: usize) -> Vec<usize> {
        let mut batch = VecDeque::new();
        queues.fill_batch(budget, &mut batch);
        batch
            .iter()
            .filter(|part| !matches!(part, Part::Header(_)))
            .map(|part| part.bytes().len())
            .collect()
    }

    #[test]
    fn streams_take_turns() {
        let progresses = [1, 2, 3].map(|i| StreamProgress::new(Uuid::from_u128(i), 0, None));
        let mut queues = StreamQueues::new(Scheduling::RoundRobin, 1 << 16);
        for _ in 0..3 {
            for (i, progress) in progresses.iter().enumerate().take(2) {
                queues.push(progress, chunk(progress.written_to(), 5000 + i));
            }
        }
        queues.push(&progresses[2], StreamItem::Last(Bytes::from_static(b"done")));
        assert_eq!(
            fill_batch(&mut queues, usize::MAX),
            [5024, 5025, 4, 5024, 5025, 5024, 5025]
        );
        assert!(progresses[2].is_finished() && !progresses[0].is_finished());
        assert_eq!(
            queues.queues.len(),
            2,
            "an empty queue stays until its stream ends"
        );
        assert_eq!(queues.taken_bytes(), 30_003);
        queues.clear();
        assert!(progresses[0].is_finished());
    }

    #[test]
    fn sequential_scheduling_waits_for_the_end_of_a_file() {
        let progresses = [1, 2].map(|i| StreamProgress::new(Uuid::from_u128(i), 0, None));
        let mut queues = StreamQueues::new(Scheduling::Sequential, 1 << 16);
        queues.push(&progresses[0], chunk(0, 5000));
        queues.push(&progresses[1], chunk(0, 6000));
        assert_eq!(fill_batch(&mut queues, usize::MAX), [5024]);
        assert_eq!(fill_batch(&mut queues, usize::MAX), [0usize; 0]);
        queues.push(&progresses[0], StreamItem::Last(Bytes::from_static(b"end")));
        assert_eq!(fill_batch(&mut queues, usize::MAX), [3, 3], "the end and a ping");
        assert_eq!(fill_batch(&mut queues, usize::MAX), [0usize; 0], "the pause");
        assert!(queues.paused_until().is_some());
        *queues.pause() = FilePause::default();
        assert_eq!(fill_batch(&mut queues, usize::MAX), [6024]);
        queues.push(&progresses[1], StreamItem::Frame(Bytes::from_static(b"start")));
        queues.push(&progresses[1], chunk(0, 5000));
        queues.truncate(progresses[1].stream, Bytes::from_static(b"cut"));
        assert_eq!(queues.frame_bytes(), 8);
        assert_eq!(fill_batch(&mut queues, usize::MAX), [5, 3, 3]);
        assert!(progresses[1].is_finished() && queues.queues.is_empty());
        assert_eq!(queues.paused_until(), None, "nothing waits for its end");
        assert_eq!(queues.frame_bytes(), 0);
    }

    #[test]
    fn small_chunks_are_merged() {
        let progress = StreamProgress::new(Uuid::from_u128(1), 0, None);
        let mut queues = StreamQueues::new(Scheduling::RoundRobin, 1000);
        for i in 0..2500 {
            queues.push(&progress, chunk(i, 1));
        }
        assert_eq!(fill_batch(&mut queues, 1), [1024 - 24 + 24]);
        assert_eq!(progress.written_to(), 1000 - 24 + 24);
        assert_eq!(fill_batch(&mut queues, usize::MAX), [1024, 524]);
        assert_eq!(progress.written_to(), 2500);
    }
}
