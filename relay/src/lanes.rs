//! The lanes of a connection's outgoing queue: files on their way to it, one lane each.
//!
//! Small chunks are put together, so that a file costs the bytes that its credit allows and not the
//! bookkeeping of a million pieces. Large ones are not copied.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use crate::{
    room::{Flow, Piece},
    wire::{self, Part},
};

/// A chunk below this many bytes is copied behind the one before it.
const SMALL: usize = 4 * 1024;
/// Up to this many bytes.
const TOGETHER: usize = 16 * 1024;

/// How lanes take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turns {
    /// One piece of each in turn: no file waits for another.
    Fair,
    /// One lane to its end, then the next: version 1's chunks do not say which file they are of.
    OneByOne,
}

/// See the [module](self).
pub struct Lanes {
    turns: Turns,
    /// The longest payload of a chunk that is put together.
    chunk_bytes: usize,
    lanes: VecDeque<Lane>,
    taken: u64,
    /// Bytes of the frames that stand among the chunks.
    frame_bytes: usize,
}

struct Lane {
    flow: Arc<Flow>,
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
    /// How long it is, where it is a frame and no chunk.
    fn frame_bytes(&self) -> usize {
        match self {
            Item::Frame(frame) | Item::Last(frame) => frame.len(),
            Item::Whole { .. } | Item::Small { .. } => 0,
        }
    }
}

impl Lanes {
    /// None yet.
    pub fn new(turns: Turns, chunk_bytes: usize) -> Lanes {
        Lanes {
            turns,
            chunk_bytes,
            lanes: VecDeque::new(),
            taken: 0,
            frame_bytes: 0,
        }
    }

    /// Puts a piece behind the others of its lane.
    pub fn push(&mut self, flow: &Arc<Flow>, piece: Piece) {
        let index = match self.lanes.iter().position(|lane| lane.flow.lane == flow.lane) {
            Some(index) => index,
            None => {
                self.lanes.push_back(Lane {
                    flow: Arc::clone(flow),
                    items: VecDeque::new(),
                });
                self.lanes.len() - 1
            }
        };
        let together = TOGETHER.min(self.chunk_bytes);
        let items = &mut self.lanes[index].items;
        let item = match piece {
            Piece::Frame(frame) => Item::Frame(frame),
            Piece::Last(frame) => Item::Last(frame),
            Piece::Chunk { payload, head, end } if payload.len() - head >= SMALL => {
                Item::Whole { payload, head, end }
            }
            Piece::Chunk { payload, head, end } => {
                if let Some(Item::Small {
                    payload: before,
                    end: end_before,
                    ..
                }) = items.back_mut()
                    && before.len() + payload.len() - 2 * head <= together
                {
                    before.extend_from_slice(&payload[head..]);
                    *end_before = end;
                    return;
                }
                // A copy, since the slice may hold on to a buffer many times its size.
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

    /// Drops a lane.
    pub fn remove(&mut self, lane: Uuid) {
        if let Some(index) = self.lanes.iter().position(|l| l.flow.lane == lane)
            && let Some(lane) = self.lanes.remove(index)
        {
            self.frame_bytes -= lane.items.iter().map(Item::frame_bytes).sum::<usize>();
            lane.flow.finish();
        }
    }

    /// Drops a lane's chunks, and ends it behind its frames.
    pub fn cut(&mut self, lane: Uuid, last: Bytes) {
        if let Some(lane) = self.lanes.iter_mut().find(|l| l.flow.lane == lane) {
            lane.items.retain(|item| item.frame_bytes() > 0);
            self.frame_bytes += last.len();
            lane.items.push_back(Item::Last(last));
        }
    }

    /// Bytes of the frames that stand among the chunks.
    pub fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// Drops all.
    pub fn clear(&mut self) {
        for lane in std::mem::take(&mut self.lanes) {
            lane.flow.finish();
        }
        self.frame_bytes = 0;
    }

    /// Bytes of files that were taken so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes the next pieces, up to `budget` bytes and one more piece.
    pub fn take(&mut self, mut budget: usize, batch: &mut VecDeque<Part>) {
        let mut idle = 0;
        while budget > 0 && idle < self.lanes.len() {
            let Some(item) = self.lanes[0].items.pop_front() else {
                if self.turns == Turns::OneByOne {
                    return;
                }
                idle += 1;
                self.lanes.rotate_left(1);
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
                Item::Whole { payload, head, end } => self.begin(payload, head, end, batch),
                Item::Small { payload, head, end } => self.begin(payload.freeze(), head, end, batch),
            }
            let bytes: usize = batch.iter().skip(before).map(|part| part.bytes().len()).sum();
            budget = budget.saturating_sub(bytes);
            if last {
                if let Some(lane) = self.lanes.pop_front() {
                    lane.flow.finish();
                }
            } else if self.turns == Turns::Fair {
                self.lanes.rotate_left(1);
            }
        }
        if self.lanes.is_empty() {
            self.lanes = VecDeque::new();
        }
    }

    fn begin(&mut self, payload: Bytes, head: usize, end: u64, batch: &mut VecDeque<Part>) {
        self.taken += (payload.len() - head) as u64;
        self.lanes[0].flow.begin(end);
        batch.push_back(Part::Header(wire::binary_head(payload.len())));
        batch.push_back(Part::Payload(payload));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(offset: u64, length: usize) -> Piece {
        Piece::Chunk {
            payload: vec![7; 24 + length].into(),
            head: 24,
            end: offset + length as u64,
        }
    }

    fn take(lanes: &mut Lanes, budget: usize) -> Vec<usize> {
        let mut batch = VecDeque::new();
        lanes.take(budget, &mut batch);
        batch
            .iter()
            .filter(|part| !matches!(part, Part::Header(_)))
            .map(|part| part.bytes().len())
            .collect()
    }

    #[test]
    fn lanes_take_turns() {
        let flows = [1, 2, 3].map(|i| Flow::new(Uuid::from_u128(i), 0, None));
        let mut lanes = Lanes::new(Turns::Fair, 1 << 16);
        for _ in 0..3 {
            for (i, flow) in flows.iter().enumerate().take(2) {
                lanes.push(flow, chunk(flow.begun(), 5000 + i));
            }
        }
        lanes.push(&flows[2], Piece::Last(Bytes::from_static(b"done")));
        assert_eq!(
            take(&mut lanes, usize::MAX),
            [5024, 5025, 4, 5024, 5025, 5024, 5025]
        );
        assert!(flows[2].finished() && !flows[0].finished());
        assert_eq!(lanes.lanes.len(), 2, "an empty lane stays until it ends");
        assert_eq!(lanes.taken(), 30_003);
        lanes.clear();
        assert!(flows[0].finished());
    }

    #[test]
    fn one_by_one_waits_for_the_end_of_a_file() {
        let flows = [1, 2].map(|i| Flow::new(Uuid::from_u128(i), 0, None));
        let mut lanes = Lanes::new(Turns::OneByOne, 1 << 16);
        lanes.push(&flows[0], chunk(0, 5000));
        lanes.push(&flows[1], chunk(0, 6000));
        assert_eq!(take(&mut lanes, usize::MAX), [5024]);
        assert_eq!(take(&mut lanes, usize::MAX), [0usize; 0]);
        lanes.push(&flows[0], Piece::Last(Bytes::from_static(b"end")));
        assert_eq!(take(&mut lanes, usize::MAX), [3, 6024]);
        lanes.push(&flows[1], Piece::Frame(Bytes::from_static(b"start")));
        lanes.push(&flows[1], chunk(0, 5000));
        lanes.cut(flows[1].lane, Bytes::from_static(b"cut"));
        assert_eq!(lanes.frame_bytes(), 8);
        assert_eq!(take(&mut lanes, usize::MAX), [5, 3]);
        assert!(flows[1].finished() && lanes.lanes.is_empty());
        assert_eq!(lanes.frame_bytes(), 0);
    }

    #[test]
    fn small_chunks_are_put_together() {
        let flow = Flow::new(Uuid::from_u128(1), 0, None);
        let mut lanes = Lanes::new(Turns::Fair, 1000);
        for i in 0..2500 {
            lanes.push(&flow, chunk(i, 1));
        }
        assert_eq!(take(&mut lanes, 1), [1024 - 24 + 24]);
        assert_eq!(flow.begun(), 1000 - 24 + 24);
        assert_eq!(take(&mut lanes, usize::MAX), [1024, 524]);
        assert_eq!(flow.begun(), 2500);
    }
}
