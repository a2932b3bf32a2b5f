//! What members say: messages in one order, signals, changes of what others see.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    FrameBatch, FrameClass, Outbox, Room,
    memory::{Addressee, Stored},
    seat::{Holder, NameKey, Seat, SeatId},
    v1::{MessageParts, V1Frames, V1Rendering},
};
use crate::{
    protocol::{Ack, Code, ErrorFrame, Post, PresenceEvent, Status, Update},
    wire,
};

#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
pub(super) struct MessageFrame<'a> {
    pub(super) id: &'a str,
    pub(super) from: &'a str,
    pub(super) from_key: Option<&'a str>,
    pub(super) to: Vec<&'a str>,
    pub(super) only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thread: Option<&'a str>,
    pub(super) seq: u64,
    pub(super) at: u64,
    pub(super) body: &'a RawValue,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "signal")]
struct SignalFrame<'a> {
    from: &'a str,
    to: Vec<&'a str>,
    only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<&'a str>,
    body: &'a RawValue,
}

/// A message or a signal, encoded for each version.
struct Frames {
    v2: Bytes,
    v1: V1Frames,
    class: FrameClass,
}

/// One of `to`, looked up.
pub(super) struct Target {
    pub(super) key: NameKey,
    pub(super) name: Box<str>,
    /// Its place among the seats, where whom it is meant for has one.
    pub(super) seat: Option<usize>,
    /// Whom it is meant for.
    holder: Holder,
    pub(super) reached: bool,
}

/// What became of a message.
pub(super) struct Delivery {
    seq: u64,
    at: u64,
    /// Connections that it was queued for.
    pub(super) count: usize,
    /// The addressed who got it.
    pub(super) reached: Vec<String>,
    /// The addressed who did not.
    pub(super) absent: Vec<String>,
}

impl<O: Outbox> Room<O> {
    /// Takes a message: gives it its place in the order, delivers it, remembers it and acks it. `now` is
    /// in milliseconds since the Unix epoch. Gives how many connections it was queued for. Fails with
    /// `bad_frame` where it is for its addressees only and there is none.
    pub fn message(&mut self, seat_id: &SeatId, post: &Post, now: u64) -> Result<usize, ErrorFrame> {
        // Without a seat, another connection has taken it over and this one is being closed.
        let Some(sender) = self.seat_of(seat_id) else {
            return Ok(0);
        };
        let targets = self.targets(sender, post)?;
        if let Some(first) = self.find_sent(sender, &post.id) {
            let ack = self.duplicate_ack(first);
            let seq = ack.seq;
            self.push_acks(sender, seq, &FrameBatch::of([ack].iter()));
            return Ok(0);
        }
        let delivery = self.accept_message(sender, targets, post, V1Rendering::Translated, true, now);
        let ack = Ack {
            id: post.id.clone().into_owned(),
            seq: delivery.seq,
            at: delivery.at,
            count: delivery.count,
            reached: delivery.reached,
            absent: delivery.absent,
            duplicate: false,
        };
        self.push_acks(sender, delivery.seq, &FrameBatch::of([ack].iter()));
        if self.v1.members > 0 {
            self.v1_accept_files(sender, post, now);
        }
        Ok(delivery.count)
    }

    /// Gives a message its place in the order, delivers it and remembers it. `waits`: for addressees who have no
    /// seat too.
    pub(super) fn accept_message(
        &mut self,
        sender: usize,
        mut targets: Vec<Target>,
        post: &Post,
        rendering: V1Rendering,
        has_pending: bool,
        now: u64,
    ) -> Delivery {
        self.advance_clock(now);
        self.seq += 1;
        self.at = self.at.max(now);
        self.mark_spoken(sender);
        let member = &self.seats[sender].member;
        let from = &*member.name;
        let frame = wire::text(&MessageFrame {
            id: &post.id,
            from,
            from_key: member.key.as_deref(),
            to: targets.iter().map(|target| &*target.name).collect(),
            only: post.only,
            thread: post.thread.as_deref(),
            seq: self.seq,
            at: self.at,
            body: post.body,
        });
        let renderings = match rendering {
            V1Rendering::Translated if self.v1.members > 0 => Some(self.render(&MessageParts {
                id: &post.id,
                from,
                to: targets.iter().map(|target| &*target.name).collect(),
                thread: post.thread.as_deref(),
                at: self.at,
                body: post.body,
            })),
            V1Rendering::Translated | V1Rendering::Hidden => None,
            V1Rendering::Written(frame) => Some(V1Frames {
                named: Some(frame.clone()),
                other: Some(frame),
            }),
        };
        let frames = Frames {
            v2: frame,
            v1: renderings.unwrap_or_default(),
            class: FrameClass::Frame,
        };
        let count = self.deliver(sender, &mut targets, post.only, &frames);
        let names = |reached: bool| {
            let some = targets.iter().filter(move |target| target.reached == reached);
            some.map(|target| target.name.to_string()).collect()
        };
        let delivery = Delivery {
            seq: self.seq,
            at: self.at,
            count,
            reached: names(true),
            absent: names(false),
        };
        if !has_pending {
            targets.retain(|target| target.seat.is_some());
        }
        self.remember(sender, self.seq, targets, post, frames.v2, count);
        delivery
    }

    /// Takes a signal: delivers it and forgets it. Fails like [`Room::message`].
    pub fn signal(&mut self, seat_id: &SeatId, post: &Post) -> Result<usize, ErrorFrame> {
        let Some(sender) = self.seat_of(seat_id) else {
            return Ok(0);
        };
        let mut targets = self.targets(sender, post)?;
        let frame = wire::text(&SignalFrame {
            from: &self.seats[sender].member.name,
            to: targets.iter().map(|target| &*target.name).collect(),
            only: post.only,
            thread: post.thread.as_deref(),
            body: post.body,
        });
        let frames = Frames {
            v2: frame,
            v1: V1Frames::default(),
            class: FrameClass::Signal,
        };
        Ok(self.deliver(sender, &mut targets, post.only, &frames))
    }

    /// Changes what others see of a member, and tells them.
    pub fn update(&mut self, seat_id: &SeatId, update: Update) {
        let Some(index) = self.seat_of(seat_id) else {
            return;
        };
        self.seats[index].change(|member| {
            member.agents = update
                .agents
                .unwrap_or_else(|| std::mem::take(&mut member.agents));
            member.mode = update.mode.unwrap_or(member.mode);
            member.note = update.note.unwrap_or_else(|| std::mem::take(&mut member.note));
        });
        self.announce(PresenceEvent::Update, index);
    }

    /// Looks up whom a post addresses. Fails where it is for its addressees only and there is none.
    fn targets(&self, sender: usize, post: &Post) -> Result<Vec<Target>, ErrorFrame> {
        let targets = self.resolve_targets(sender, post);
        if post.only && targets.is_empty() {
            let message = "A message for its addressees only needs somebody else in `to`.";
            return Err(ErrorFrame::new(Code::BadFrame, message));
        }
        Ok(targets)
    }

    /// Looks up whom a post addresses: each once, without the sender.
    pub(super) fn resolve_targets(&self, sender: usize, post: &Post) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::with_capacity(post.to.len());
        for written in &post.to {
            let key = NameKey::new(written);
            if key == self.seats[sender].key || targets.iter().any(|target| target.key == key) {
                continue;
            }
            let seat = self.names.get(&key).copied();
            let name = seat
                .map_or(written.as_str(), |seat| &self.seats[seat].member.name)
                .into();
            let there = seat.map(|seat| self.seats[seat].holder());
            let holder = match post.key_of(written) {
                // Whom the sender means, whoever has the name now.
                Some(key) => Holder {
                    key: Some(key),
                    seat: 0,
                },
                None => there.unwrap_or_else(|| Holder {
                    key: self
                        .owners()
                        .owner(&self.key, &key, self.now)
                        .map(|owner| owner.key()),
                    seat: 0,
                }),
            };
            targets.push(Target {
                key,
                name,
                seat: seat.filter(|_| there.is_some_and(|there| holder.is(there))),
                holder,
                reached: false,
            });
        }
        targets
    }

    /// The message that a member sent with this id.
    fn find_sent(&self, sender: usize, id: &str) -> Option<&Stored> {
        let sender = &self.seats[sender];
        self.memory.find(&sender.key, sender.holder().key, id)
    }

    /// Whether a member sent a message with this id.
    pub(super) fn has_sent(&self, sender: usize, id: &str) -> bool {
        self.find_sent(sender, id).is_some()
    }

    /// Notes a member's first message: names that never spoke are the first that make way for others.
    pub(super) fn mark_spoken(&mut self, sender: usize) {
        let seat = &mut self.seats[sender];
        if !std::mem::replace(&mut seat.spoke, true)
            && let Some(owner) = seat.owner
        {
            let name = seat.key.clone();
            self.owners().spoke(&self.key, &name, owner);
        }
    }

    /// Queues a frame for all but the sender, or for the addressed alone; marks who was reached.
    fn deliver(&self, sender: usize, targets: &mut [Target], only: bool, frames: &Frames) -> usize {
        let mut count = 0;
        for target in targets.iter_mut() {
            target.reached = target
                .seat
                .is_some_and(|seat| self.seats[seat].push_frame(frames, true));
            count += usize::from(target.reached);
        }
        if !only {
            for (index, seat) in self.seats.iter().enumerate() {
                if index != sender && !targets.iter().any(|target| target.seat == Some(index)) {
                    count += usize::from(seat.push_frame(frames, false));
                }
            }
        }
        count
    }

    /// Keeps a message, and who of the addressed may not have it yet. The memory is not read between
    /// delivery and this, since both happen under one borrow of the room.
    pub(super) fn remember(
        &mut self,
        sender: usize,
        seq: u64,
        targets: Vec<Target>,
        post: &Post,
        frame: Bytes,
        count: usize,
    ) {
        let to = targets.into_iter().map(|target| {
            let addressee = Addressee {
                key: target.key,
                name: target.name,
                holder: target.holder,
            };
            self.pending.add(&addressee, seq);
            addressee
        });
        let to = to.collect();
        self.memory.push(Stored {
            seq,
            at: self.at,
            id: (*post.id).into(),
            from_holder: self.seats[sender].holder(),
            from: self.seats[sender].key.clone(),
            to,
            only: post.only,
            count,
            receipt: is_receipt(post.body),
            frame,
        });
        self.forget();
    }

    /// The ack of a message that is known already: the same, but for who is here now.
    fn duplicate_ack(&self, first: &Stored) -> Ack {
        let here = |to: &&Addressee| {
            let seat = self.names.get(&to.key).map(|seat| &self.seats[*seat]);
            seat.is_some_and(|seat| {
                seat.member.status == Status::Online && seat.recipient() == to.recipient()
            })
        };
        let (reached, absent) = first.to.iter().partition::<Vec<_>, _>(here);
        let spell = |to: &Addressee| match self.names.get(&to.key) {
            Some(seat) => self.seats[*seat].member.name.clone(),
            None => to.name.to_string(),
        };
        Ack {
            id: first.id.to_string(),
            seq: first.seq,
            at: first.at,
            count: first.count,
            reached: reached.into_iter().map(spell).collect(),
            absent: absent.into_iter().map(spell).collect(),
            duplicate: true,
        }
    }

    /// Acks stand on the sender's connection in the order of the messages, also while it is replayed to.
    /// `first` is the place of the message that the first of them is for; the others follow.
    pub(super) fn push_acks(&mut self, sender: usize, first: u64, acks: &FrameBatch) {
        let rules = &self.rules;
        let Some(link) = &mut self.seats[sender].link else {
            return;
        };
        let Some(replay) = &mut link.replay else {
            link.outbox.push_batch(acks);
            return;
        };
        for (seq, ack) in (first..).zip(acks.frames()) {
            if !replay.hold_ack(seq, ack, rules.queue_frames, rules.queue_bytes) {
                let message =
                    "Too many acks wait for your replay to be read; connect again, and read faster.";
                return link.outbox.close(ErrorFrame::new(Code::SlowConsumer, message));
            }
        }
    }
}

impl<O: Outbox> Seat<O> {
    /// Queues a frame for this member; false where it is away or its connection is closing. A message
    /// for a connection whose replay is not over is not queued: it comes to it in the memory.
    fn push_frame(&self, frames: &Frames, named: bool) -> bool {
        let Some(link) = &self.link else { return false };
        if frames.class == FrameClass::Frame && link.replay.is_some() {
            return true;
        }
        let frame = match (&self.v1, named) {
            (None, _) => &frames.v2,
            (Some(_), _) if frames.class == FrameClass::Signal => return false,
            (Some(_), true) => match &frames.v1.named {
                Some(frame) => frame,
                // What says nothing to it has reached it all the same.
                None => return true,
            },
            (Some(_), false) => match &frames.v1.other {
                Some(frame) => frame,
                None => return true,
            },
        };
        link.outbox.push(frame.clone(), frames.class)
    }
}

/// Whether a body is a receipt: the one thing that the relay looks for in a body, since receipts have a
/// part of the memory of their own. A body without the word costs a search and no parsing.
pub(super) fn is_receipt(body: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        kind: &'a RawValue,
    }
    body.get().contains("\"receipt\"")
        && serde_json::from_str::<Kind>(body.get()).is_ok_and(|body| body.kind.get() == "\"receipt\"")
}
