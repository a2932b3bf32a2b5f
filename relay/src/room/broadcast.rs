//! Batches of messages from one member to everyone.
//!
//! The messages of a batch are encoded into one buffer that every connection queues as one piece, so they share the
//! cost of a delivery.

use std::collections::HashSet;

use super::{
    FrameBatch, Outbox, Room,
    messages::MessageFrame,
    seat::{Seat, SeatId},
};
use crate::protocol::{Ack, Post, body::is_receipt};

impl<O: Outbox> Room<O> {
    /// Accepts messages without addressees, with the same effect as [`Room::message`] for each in turn. Returns the
    /// number of connections that they were queued for, summed over all messages.
    pub fn broadcast(&mut self, seat_id: &SeatId, posts: &[Post], now: u64) -> usize {
        let (mut rest, mut count) = (posts, 0);
        while let [first, others @ ..] = rest {
            let Some(sender) = self.seats.index_of(seat_id) else {
                break;
            };
            let reader = self.seats[sender].reader();
            let mut ids = HashSet::with_capacity(rest.len());
            // Version 1 gets each message in a frame of its own. Receipts stay in memory longer than other messages,
            // and in one buffer with them they would keep that memory alive.
            let batch = rest.iter().take_while(|post| {
                self.v1.members == 0
                    && !is_receipt(post.body)
                    && self.memory.find(reader, &post.id).is_none()
                    && ids.insert(&*post.id)
            });
            let (batch, behind) = rest.split_at(batch.count());
            if batch.is_empty() {
                // `message` only fails for posts that are not broadcasts.
                count += self.message(seat_id, first, now).unwrap_or(0);
                rest = others;
            } else {
                count += self.broadcast_new(sender, batch, now);
                rest = behind;
            }
        }
        count
    }

    /// Accepts messages that are all new and not receipts.
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
        let others = self.seats.others(sender);
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
        self.seats[sender].push_acks(first, &acks, &self.rules);
        count * posts.len()
    }
}

impl<O: Outbox> Seat<O> {
    /// Queues messages for this member, unless its replay will reach them.
    fn push_batch(&self, batch: &FrameBatch) -> bool {
        let Some(link) = &self.link else { return false };
        link.replay.is_some() || link.outbox.push_batch(batch)
    }
}
