//! Messages of version 1 members.

use std::borrow::Cow;

use bytes::Bytes;

use super::{V1Rendering, V1Room, asks};
use crate::{
    protocol::{
        Message, Post,
        body::{Body, Chat, File},
        is_id, is_name, is_thread,
        v1::{Msg, Reply},
    },
    room::{
        Outbox,
        messages::MessageFrame,
        seat::{NameKey, SeatId},
    },
    wire,
};

/// The members that a version 1 frame reached and missed, for its ack.
#[derive(Default)]
pub(super) struct DeliveryReport {
    pub(super) delivered: Vec<String>,
    pub(super) offline: Vec<String>,
}

/// What a version 1 message becomes in version 2.
pub(super) struct V1Post<'a> {
    pub(super) id: String,
    pub(super) thread: Option<String>,
    /// The addressees, as written. Empty for everyone.
    pub(super) to: Vec<&'a str>,
    asks: bool,
    pub(super) files: Vec<File>,
}

impl<'a> V1Post<'a> {
    pub(super) fn of(msg: &'a Msg, (id, thread): (String, Option<String>)) -> V1Post<'a> {
        let to = msg.to.as_deref().unwrap_or_default();
        V1Post {
            id,
            thread,
            to: to.iter().map(String::as_str).collect(),
            asks: true,
            files: Vec::new(),
        }
    }

    fn chat(&self, msg: &Msg, now: u64) -> Chat {
        Chat {
            text: msg.text.clone(),
            origin: msg.role,
            asks: self.asks && !self.to.is_empty(),
            hop: msg.hop_count,
            files: self.files.clone(),
            sent_at: now,
            ..Chat::default()
        }
    }
}

/// The frame of a message with a file, for readers who come later: a file is sent once and not kept.
fn without_file(frame: &Bytes, text: &str, file: &File) -> Option<Bytes> {
    let message: Message = serde_json::from_slice(wire::payload(frame)).ok()?;
    let Ok(Body::Chat(chat)) = serde_json::from_str(message.body.get()) else {
        return None;
    };
    let note = format!("[file {}: sent before you came, and not kept]", file.name);
    let text = [text, &note].into_iter().filter(|part| !part.is_empty());
    let body = Body::Chat(Chat {
        text: text.collect::<Vec<_>>().join("\n"),
        files: Vec::new(),
        ..chat
    });
    let body = serde_json::value::to_raw_value(&body).ok()?;
    Some(wire::text(&MessageFrame {
        body: &body,
        ..MessageFrame::of(&message)
    }))
}

impl<O: Outbox> V1Room<'_, O> {
    /// Accepts a `msg`: delivers it to the named members or to everyone, and acks it. It only waits for version 2
    /// members that are away. A rejection reaches those who have asked as a receipt. `now` is in milliseconds since the
    /// Unix epoch. Returns the number of connections that it was queued for.
    pub fn message(&mut self, seat_id: &SeatId, msg: &Msg, now: u64) -> usize {
        let Some(sender) = self.0.seats.index_of(seat_id) else {
            return 0;
        };
        self.0.advance_clock(now);
        let mut post = V1Post::of(msg, self.ids(sender, msg));
        let mut rejected = DeliveryReport::default();
        if let Some(reason) = asks::rejection(&msg.text) {
            rejected = self.reject(sender, &mut post, reason, now);
            post.asks = false;
        }
        let rendering = V1Rendering::AsWritten(wire::text(&msg.stamped(self.0.now)));
        let mut count = rejected.delivered.len();
        let mut report = DeliveryReport::default();
        if msg.to.as_ref().is_none_or(Vec::is_empty) || !post.to.is_empty() {
            let (posted, sent) = self.post(sender, &post, msg, rendering, now);
            count += posted;
            report = sent;
        }
        report.delivered.extend(rejected.delivered);
        report.offline.extend(rejected.offline);
        self.ack(seat_id, &msg.msg_id, &msg.thread_id, &report);
        count
    }

    /// Puts a version 1 message in the room's order. It answers the questions of its readers in its thread.
    pub(super) fn post(
        &mut self,
        sender: usize,
        post: &V1Post,
        msg: &Msg,
        rendering: V1Rendering,
        now: u64,
    ) -> (usize, DeliveryReport) {
        let room = &mut *self.0;
        let only = !post.to.is_empty();
        let body = Body::Chat(post.chat(msg, now));
        // Cannot fail: the body consists of strings and numbers.
        let Ok(body) = serde_json::value::to_raw_value(&body) else {
            return Default::default();
        };
        let named = post.to.iter().filter(|name| is_name(name));
        let v2_post = Post {
            id: Cow::Borrowed(&post.id),
            to: named.map(|name| (*name).to_owned()).collect(),
            only,
            to_keys: Vec::new(),
            thread: post.thread.as_deref().map(Cow::Borrowed),
            body: &body,
        };
        let targets = room.resolve(sender, &v2_post);
        let invalid = post.to.iter().filter(|name| !is_name(name));
        let mut report = DeliveryReport {
            delivered: Vec::new(),
            offline: invalid.map(|name| (*name).to_owned()).collect(),
        };
        let mut count = 0;
        if !only {
            let here = room.seats.others(sender).filter(|(_, seat)| seat.link.is_some());
            report.delivered = here.map(|(_, seat)| seat.member.name.clone()).collect();
            report.delivered.sort_unstable();
        }
        if !only || targets.iter().any(|target| target.seat.is_some()) {
            let ack = room.accept_message(sender, targets, &v2_post, rendering, false, now);
            if let Some(file) = post.files.first() {
                room.memory
                    .replace(ack.seq, |frame| without_file(frame, &msg.text, file));
                room.forget();
            }
            count = ack.count;
            if only {
                report.delivered = ack.reached;
                report.offline.extend(ack.absent);
            }
        } else {
            let absent = targets.iter().map(|target| target.name().to_owned());
            report.offline.extend(absent);
        }
        if let Some(thread) = &post.thread {
            self.answer(sender, post, thread, now);
        }
        (count, report)
    }

    /// Sends a body that version 1 does not have, on behalf of a version 1 member. Returns whether it was queued for
    /// the addressee's connection.
    pub(super) fn send_body(
        &mut self,
        sender: usize,
        to: &NameKey,
        thread: Option<&str>,
        body: &Body,
        now: u64,
    ) -> bool {
        // Cannot fail: the body consists of strings and numbers.
        let Ok(body) = serde_json::value::to_raw_value(body) else {
            return false;
        };
        let room = &mut *self.0;
        let post = Post {
            id: Cow::Owned(room.v1.ids.fresh(&room.epoch)),
            to: vec![to.as_str().to_owned()],
            only: true,
            to_keys: Vec::new(),
            thread: thread.map(Cow::Borrowed),
            body: &body,
        };
        let targets = room.resolve(sender, &post);
        if targets.is_empty() {
            return false;
        }
        let ack = room.accept_message(sender, targets, &post, V1Rendering::Hidden, true, now);
        !ack.reached.is_empty()
    }

    /// The id and the thread of a message in version 2.
    pub(super) fn ids(&mut self, sender: usize, msg: &Msg) -> (String, Option<String>) {
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
