//! What version 1 members say.

use std::borrow::Cow;

use super::{super::messages::Target, V1Rendering};
use crate::{
    protocol::{
        Post,
        body::{Body, Chat, File},
        is_id, is_name, is_thread,
        v1::{Msg, Reply},
    },
    room::{Outbox, Room, seat::SeatId},
    wire,
};

/// Whom a version 1 frame reached, as its ack says.
#[derive(Default)]
pub(super) struct DeliveryReport {
    pub(super) delivered: Vec<String>,
    pub(super) offline: Vec<String>,
}

impl<O: Outbox> Room<O> {
    /// Takes a version 1 member's `msg`: delivers it to the named or to all, and acks it. It waits for nobody,
    /// but for a version 2 member that is away. `now` is in milliseconds since the Unix epoch. Gives how
    /// many connections it was queued for.
    pub fn v1_message(&mut self, seat_id: &SeatId, msg: &Msg, now: u64) -> usize {
        let Some(sender) = self.seat_of(seat_id) else {
            return 0;
        };
        self.advance_clock(now);
        let rendering = V1Rendering::Written(wire::text(&msg.stamped(self.now)));
        let (count, reach) = self.v1_post(sender, msg, Vec::new(), rendering, now);
        self.v1_ack(seat_id, &msg.msg_id, &msg.thread_id, &reach);
        count
    }

    /// Puts what a version 1 member says into the room's order, with an id and a thread that keep the rules.
    pub(super) fn v1_post(
        &mut self,
        sender: usize,
        msg: &Msg,
        files: Vec<File>,
        rendering: V1Rendering,
        now: u64,
    ) -> (usize, DeliveryReport) {
        let named = msg.to.as_deref().unwrap_or_default();
        let only = !named.is_empty();
        let id = if is_id(&msg.msg_id) && !self.has_sent(sender, &msg.msg_id) {
            msg.msg_id.clone()
        } else {
            // Version 1 does not say that an id is used once: the same again is another message.
            self.v1.ids.stand_in(&msg.msg_id, &self.epoch)
        };
        let thread = (!msg.thread_id.is_empty()).then(|| match self.v1.ids.to_v2(&msg.thread_id) {
            Some(thread) => thread.to_owned(),
            None if is_thread(&msg.thread_id) => msg.thread_id.clone(),
            None => self.v1.ids.stand_in(&msg.thread_id, &self.epoch),
        });
        let body = Body::Chat(Chat {
            text: msg.text.clone(),
            origin: msg.role,
            asks: only,
            hop: msg.hop_count,
            files,
            sent_at: now,
            ..Chat::default()
        });
        // Strings and numbers: this cannot fail.
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
        let targets: Vec<Target> = self.resolve_targets(sender, &post);
        let mut reach = DeliveryReport {
            delivered: Vec::new(),
            offline: named.iter().filter(|name| !is_name(name)).cloned().collect(),
        };
        let mut count = 0;
        if !only {
            let others = self.seats.iter().enumerate();
            let here = others.filter(|(i, seat)| *i != sender && seat.link.is_some());
            reach.delivered = here.map(|(_, seat)| seat.member.name.clone()).collect();
            reach.delivered.sort_unstable();
        }
        if !only || targets.iter().any(|target| target.seat.is_some()) {
            let delivery = self.accept_message(sender, targets, &post, rendering, false, now);
            count = delivery.count;
            if only {
                reach.delivered = delivery.reached;
                reach.offline.extend(delivery.absent);
            }
        } else {
            reach
                .offline
                .extend(targets.into_iter().map(|target| target.name.into()));
        }
        (count, reach)
    }

    pub(super) fn v1_ack(&self, to: &SeatId, msg_id: &str, thread_id: &str, reach: &DeliveryReport) {
        let ack = Reply::Ack {
            msg_id,
            thread_id,
            delivered: &reach.delivered,
            offline: &reach.offline,
        };
        self.push_v1(to, &ack);
    }
}
