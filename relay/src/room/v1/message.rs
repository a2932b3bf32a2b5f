//! Messages of version 1 members.

use std::borrow::Cow;

use bytes::Bytes;

use super::{V1Rendering, V1Room, asks};
use crate::{
    protocol::{
        Message, Post,
        body::{Body, Chat, File, Receipt, ReceiptState},
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
    id: String,
    thread: Option<String>,
    /// The addressees, as written. Empty for everyone.
    to: Vec<&'a str>,
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

    /// Puts a version 1 message in the room's order. An answer settles the questions of its readers in its thread.
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
        let body = Body::Chat(Chat {
            text: msg.text.clone(),
            origin: msg.role,
            asks: only && post.asks,
            hop: msg.hop_count,
            files: post.files.clone(),
            sent_at: now,
            ..Chat::default()
        });
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
            let from = room.seats[sender].key.clone();
            room.v1.asks.set_thread(&from, &post.id, thread);
            for asker in room.v1.asks.askers(&from, thread) {
                let is_reader = !only || post.to.iter().any(|name| NameKey::new(name) == asker);
                if is_reader && self.is_version_2(&asker) {
                    self.settle(sender, &asker, thread, ReceiptState::Answered, "", now);
                }
            }
        }
        (count, report)
    }

    /// Turns a rejection into receipts for the addressees who wait for an answer of its sender in its thread. They are
    /// no longer addressees of the message.
    fn reject(&mut self, sender: usize, post: &mut V1Post, reason: &str, now: u64) -> DeliveryReport {
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

    /// Whether a name has a seat that is not a version 1 member's.
    fn is_version_2(&self, name: &NameKey) -> bool {
        let seat = self.0.seats.named(name).map(|index| &self.0.seats[index]);
        seat.is_some_and(|seat| seat.v1.is_none())
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
