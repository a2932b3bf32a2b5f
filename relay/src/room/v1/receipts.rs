//! Receipts on behalf of version 1 members, who do not send any: for the questions that they reject or answer in words.

use super::{
    V1Room,
    message::{DeliveryReport, V1Post},
};
use crate::{
    protocol::{
        Post,
        body::{Body, Receipt, ReceiptState},
    },
    room::{Outbox, seat::NameKey},
};

impl<O: Outbox> V1Room<'_, O> {
    /// Notes what a version 2 message asks of version 1 members, and accepts its files for those that it reached.
    pub(in crate::room) fn sent(&mut self, sender: usize, post: &Post, now: u64) {
        let Ok(Body::Chat(chat)) = serde_json::from_str::<Body>(post.body.get()) else {
            return;
        };
        let room = &mut *self.0;
        if chat.asks {
            let asker = room.seats[sender].key.clone();
            let thread = post.thread.as_deref().unwrap_or(&post.id);
            for name in &post.to {
                let asked = NameKey::new(name);
                let seat = room.seats.named(&asked).map(|index| &room.seats[index]);
                // Whoever is absent is noted when the message is replayed.
                if seat.is_some_and(|seat| seat.v1.is_some()) {
                    room.v1.asks.ask(&asker, &asked, &post.id, thread);
                }
            }
        }
        self.accept_files(sender, post, &chat, now);
    }

    /// Turns a rejection into receipts for the addressees who wait for an answer of its sender in its thread. They are
    /// no longer addressees of the message.
    pub(super) fn reject(
        &mut self,
        sender: usize,
        post: &mut V1Post,
        reason: &str,
        now: u64,
    ) -> DeliveryReport {
        let mut report = DeliveryReport::default();
        let Some(thread) = post.thread.clone() else {
            return report;
        };
        let from = self.0.seats[sender].key.clone();
        let open = self.0.v1.asks.askers(&from, &thread);
        let (askers, others): (Vec<_>, _) = post.to.iter().partition(|name| {
            let asker = NameKey::new(name);
            open.contains(&asker) && self.is_version_2(&asker)
        });
        post.to = others;
        for name in askers {
            let asker = NameKey::new(name);
            let is_here = self.settle(sender, &asker, &thread, ReceiptState::Rejected, reason, now);
            let seat = self.0.seats.named(&asker);
            let name = seat.map_or(name, |seat| &self.0.seats[seat].member.name);
            let name = name.to_owned();
            if is_here {
                report.delivered.push(name);
            } else {
                report.offline.push(name);
            }
        }
        report
    }

    /// Notes a message of a version 1 member, and settles the questions of its readers in its thread as answered.
    pub(super) fn answer(&mut self, sender: usize, post: &V1Post, thread: &str, now: u64) {
        let room = &mut *self.0;
        let from = room.seats[sender].key.clone();
        room.v1.asks.set_thread(&from, &post.id, thread);
        for asker in room.v1.asks.askers(&from, thread) {
            let is_reader = post.to.is_empty() || post.to.iter().any(|name| NameKey::new(name) == asker);
            if is_reader && self.is_version_2(&asker) {
                self.settle(sender, &asker, thread, ReceiptState::Answered, "", now);
            }
        }
    }

    /// Settles the questions of `asker` to a version 1 member in a thread, with a receipt for each. Returns whether the
    /// asker is here.
    fn settle(
        &mut self,
        sender: usize,
        asker: &NameKey,
        thread: &str,
        state: ReceiptState,
        reason: &str,
        now: u64,
    ) -> bool {
        let room = &mut *self.0;
        let from = room.seats[sender].key.clone();
        let mut is_here = false;
        for id in room.v1.asks.settle(asker, &from, thread) {
            let receipt = Body::Receipt(Receipt {
                of: id,
                state,
                reason: reason.to_owned(),
            });
            is_here |= self.send_body(sender, asker, Some(thread), &receipt, now);
        }
        is_here
    }

    /// Whether a name has a seat that is not a version 1 member's.
    fn is_version_2(&self, name: &NameKey) -> bool {
        let seat = self.0.seats.named(name).map(|index| &self.0.seats[index]);
        seat.is_some_and(|seat| seat.v1.is_none())
    }
}
