//! What one member says to all in one go.
//!
//! Its messages are encoded one behind the other, and each connection gets them in one piece: what a delivery
//! costs is shared by all that came together.

use std::collections::HashSet;

use super::{
    FrameBatch, Outbox, Room,
    messages::{MessageFrame, is_receipt},
    seat::{Seat, SeatId},
};
use crate::protocol::{Ack, Post};

impl<O: Outbox> Room<O> {
    /// Takes messages to all, as [`Room::message`] would take each of them in turn; gives how many connections
    /// they were queued for, all together. None of them may address anybody.
    pub fn broadcast(&mut self, seat_id: &SeatId, posts: &[Post], now: u64) -> usize {
        let (mut rest, mut count) = (posts, 0);
        while let [first, others @ ..] = rest {
            let Some(sender) = self.seat_of(seat_id) else {
                break;
            };
            let mut ids = HashSet::with_capacity(rest.len());
            // Version 1 is told each in its own words. Receipts are forgotten later than other messages: in one
            // piece with them, they would hold on to their memory.
            let batch = rest.iter().take_while(|post| {
                self.v1.members == 0
                    && !is_receipt(post.body)
                    && !self.has_sent(sender, &post.id)
                    && ids.insert(&*post.id)
            });
            let (batch, behind) = rest.split_at(batch.count());
            if batch.is_empty() {
                // A broadcast has no fault that a message can have.
                count += self.message(seat_id, first, now).unwrap_or(0);
                rest = others;
            } else {
                count += self.broadcast_new(sender, batch, now);
                rest = behind;
            }
        }
        count
    }

    /// Takes messages that are all new, and no receipts.
    fn broadcast_new(&mut self, sender: usize, posts: &[Post], now: u64) -> usize {
        self.advance_clock(now);
        self.at = self.at.max(now);
        let (at, first) = (self.at, self.seq + 1);
        self.seq += posts.len() as u64;
        self.mark_spoken(sender);
        let member = &self.seats[sender].member;
        let frames = FrameBatch::of((first..).zip(posts).map(|(seq, post)| MessageFrame {
            id: &post.id,
            from: &member.name,
            from_key: member.key.as_deref(),
            to: Vec::new(),
            only: false,
            thread: post.thread.as_deref(),
            seq,
            at,
            body: post.body,
        }));
        let others = self
            .seats
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != sender);
        let count = others.filter(|(_, seat)| seat.push_batch(&frames)).count();
        let acks = FrameBatch::of((first..).zip(posts).map(|(seq, post)| Ack {
            id: post.id.to_string(),
            seq,
            at,
            count,
            reached: Vec::new(),
            absent: Vec::new(),
            duplicate: false,
        }));
        for ((seq, post), frame) in (first..).zip(posts).zip(frames.frames()) {
            self.remember(sender, seq, Vec::new(), post, frame, count);
        }
        self.push_acks(sender, first, &acks);
        count * posts.len()
    }
}

impl<O: Outbox> Seat<O> {
    /// Queues messages for this member; see [`Seat::push_frame`].
    fn push_batch(&self, batch: &FrameBatch) -> bool {
        let Some(link) = &self.link else { return false };
        link.replay.is_some() || link.outbox.push_batch(batch)
    }
}
