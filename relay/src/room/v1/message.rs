//! Messages of version 1 members.

use std::borrow::Cow;

use super::{V1Rendering, V1Room};
use crate::{
    protocol::{
        Post,
        body::{Body, Chat, File},
        is_id, is_name, is_thread,
        v1::{Msg, Reply},
    },
    room::{Outbox, seat::SeatId},
    wire,
};

/// The members that a version 1 frame reached and missed, for its ack.
#[derive(Default)]
pub(super) struct DeliveryReport {
    pub(super) delivered: Vec<String>,
    pub(super) offline: Vec<String>,
}

impl<O: Outbox> V1Room<'_, O> {
    /// Accepts a `msg`: delivers it to the named members or to everyone, and acks it. It only waits for version 2
    /// members that are away. `now` is in milliseconds since the Unix epoch. Returns the number of connections that it
    /// was queued for.
    pub fn message(&mut self, seat_id: &SeatId, msg: &Msg, now: u64) -> usize {
        let Some(sender) = self.0.seats.index_of(seat_id) else {
            return 0;
        };
        self.0.advance_clock(now);
        let rendering = V1Rendering::AsWritten(wire::text(&msg.stamped(self.0.now)));
        let (count, report) = self.post(sender, msg, Vec::new(), rendering, now);
        self.ack(seat_id, &msg.msg_id, &msg.thread_id, &report);
        count
    }

    /// Puts a version 1 message in the room's order, with an id and a thread that are valid in version 2.
    pub(super) fn post(
        &mut self,
        sender: usize,
        msg: &Msg,
        files: Vec<File>,
        rendering: V1Rendering,
        now: u64,
    ) -> (usize, DeliveryReport) {
        let (id, thread) = self.ids(sender, msg);
        let room = &mut *self.0;
        let named = msg.to.as_deref().unwrap_or_default();
        let only = !named.is_empty();
        let body = Body::Chat(Chat {
            text: msg.text.clone(),
            origin: msg.role,
            asks: only,
            hop: msg.hop_count,
            files,
            sent_at: now,
            ..Chat::default()
        });
        // Cannot fail: the body consists of strings and numbers.
        let Ok(body) = serde_json::value::to_raw_value(&body) else {
            return Default::default();
        };
        let post = Post {
            id: Cow::Owned(id),
            to: named.iter().filter(|name| is_name(name)).cloned().collect(),
            only,
            to_keys: Vec::new(),
            thread: thread.map(Cow::Owned),
            body: &body,
        };
        let targets = room.resolve(sender, &post);
        let mut report = DeliveryReport {
            delivered: Vec::new(),
            offline: named.iter().filter(|name| !is_name(name)).cloned().collect(),
        };
        let mut count = 0;
        if !only {
            let here = room.seats.others(sender).filter(|(_, seat)| seat.link.is_some());
            report.delivered = here.map(|(_, seat)| seat.member.name.clone()).collect();
            report.delivered.sort_unstable();
        }
        if !only || targets.iter().any(|target| target.seat.is_some()) {
            let ack = room.accept_message(sender, targets, &post, rendering, false, now);
            count = ack.count;
            if only {
                report.delivered = ack.reached;
                report.offline.extend(ack.absent);
            }
        } else {
            let absent = targets.iter().map(|target| target.name().to_owned());
            report.offline.extend(absent);
        }
        (count, report)
    }

    /// The id and the thread of a message in version 2.
    fn ids(&mut self, sender: usize, msg: &Msg) -> (String, Option<String>) {
        let room = &mut *self.0;
        let is_known = |id| room.memory.find(room.seats[sender].reader(), id).is_some();
        let id = if is_id(&msg.msg_id) && !is_known(&msg.msg_id) {
            msg.msg_id.clone()
        } else {
            // Ids need not be unique in version 1: a repeated one is another message.
            room.v1.ids.stand_in(&msg.msg_id, &room.epoch)
        };
        let thread = (!msg.thread_id.is_empty()).then(|| match room.v1.ids.to_v2(&msg.thread_id) {
            Some(thread) => thread.to_owned(),
            None if is_thread(&msg.thread_id) => msg.thread_id.clone(),
            None => room.v1.ids.stand_in(&msg.thread_id, &room.epoch),
        });
        (id, thread)
    }

    pub(super) fn ack(&self, to: &SeatId, msg_id: &str, thread_id: &str, report: &DeliveryReport) {
        let ack = Reply::Ack {
            msg_id,
            thread_id,
            delivered: &report.delivered,
            offline: &report.offline,
        };
        self.send(to, &ack);
    }
}
