//! Messages in one order, signals, and changes of what others see of a member.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    FrameBatch, FrameClass, Outbox, Room,
    memory::{Addressee, Stored},
    seat::{Seat, SeatId},
    seats::Seats,
    targets::Target,
    v1::{V1Frames, V1Rendering},
};
use crate::{
    protocol::{Ack, ErrorFrame, Post, PresenceEvent, Status, Update, body::is_receipt},
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

/// A message or a signal, encoded for each protocol version.
struct Frames {
    v2: Bytes,
    v1: V1Frames,
    class: FrameClass,
}

impl<O: Outbox> Room<O> {
    /// Accepts a message: puts it in order, delivers it, remembers it and acks it. `now` is in milliseconds since
    /// the Unix epoch. Returns the number of connections that it was queued for. Fails with `bad_frame` if the
    /// message is for its addressees only and there are none.
    pub fn message(&mut self, seat_id: &SeatId, post: &Post, now: u64) -> Result<usize, ErrorFrame> {
        // Without a seat, another connection has taken it over and this one is being closed.
        let Some(sender) = self.seats.index_of(seat_id) else {
            return Ok(0);
        };
        let targets = self.targets(sender, post)?;
        let known = self.memory.find(self.seats[sender].reader(), &post.id);
        if let Some(first) = known {
            let ack = self.seats.duplicate_ack(first);
            self.seats[sender].push_acks(ack.seq, &FrameBatch::of([&ack].into_iter()), &self.rules);
            return Ok(0);
        }
        let ack = self.accept_message(sender, targets, post, V1Rendering::Translated, true, now);
        self.seats[sender].push_acks(ack.seq, &FrameBatch::of([&ack].into_iter()), &self.rules);
        if self.v1.members > 0 {
            self.v1().sent(sender, post, now);
        }
        Ok(ack.count)
    }

    /// Puts a message in order, delivers it and remembers it. With `wait_for_absent`, it also waits for addressees who
    /// have no seat.
    pub(super) fn accept_message(
        &mut self,
        sender: usize,
        mut targets: Vec<Target>,
        post: &Post,
        rendering: V1Rendering,
        wait_for_absent: bool,
        now: u64,
    ) -> Ack {
        self.advance_clock(now);
        self.seq += 1;
        self.at = self.at.max(now);
        self.mark_spoken(sender);
        let member = &self.seats[sender].member;
        let message = MessageFrame {
            id: &post.id,
            from: &member.name,
            from_key: member.key.as_deref(),
            to: targets.iter().map(Target::name).collect(),
            only: post.only,
            thread: post.thread.as_deref(),
            seq: self.seq,
            at: self.at,
            body: post.body,
        };
        let frames = Frames {
            v2: wire::text(&message),
            v1: self.v1.render(rendering, &message),
            class: FrameClass::Message,
        };
        let count = self.seats.deliver(sender, &mut targets, post.only, &frames);
        let names = |reached: bool| {
            let some = targets.iter().filter(move |target| target.reached == reached);
            some.map(|target| target.name().to_owned()).collect()
        };
        let ack = Ack {
            id: post.id.to_string(),
            seq: self.seq,
            at: self.at,
            count,
            reached: names(true),
            absent: names(false),
            duplicate: false,
        };
        if !wait_for_absent {
            targets.retain(|target| target.seat.is_some());
        }
        self.remember(sender, self.seq, targets, post, frames.v2, count);
        ack
    }

    /// Delivers a signal. It is not remembered. Fails like [`Room::message`].
    pub fn signal(&mut self, seat_id: &SeatId, post: &Post) -> Result<usize, ErrorFrame> {
        let Some(sender) = self.seats.index_of(seat_id) else {
            return Ok(0);
        };
        let mut targets = self.targets(sender, post)?;
        let frames = Frames {
            v2: wire::text(&SignalFrame {
                from: &self.seats[sender].member.name,
                to: targets.iter().map(Target::name).collect(),
                only: post.only,
                thread: post.thread.as_deref(),
                body: post.body,
            }),
            v1: V1Frames::default(),
            class: FrameClass::Signal,
        };
        Ok(self.seats.deliver(sender, &mut targets, post.only, &frames))
    }

    /// Changes what others see of a member and announces it.
    pub fn update(&mut self, seat_id: &SeatId, update: Update) {
        let Some(index) = self.seats.index_of(seat_id) else {
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

    /// Records a member's first message: names that never sent one are evicted first.
    pub(super) fn mark_spoken(&mut self, sender: usize) {
        let seat = &mut self.seats[sender];
        if !std::mem::replace(&mut seat.spoke, true)
            && let Some(owner) = seat.owner
        {
            let name = seat.key.clone();
            self.owners().mark_spoken(&self.key, &name, owner);
        }
    }

    /// Stores a message and the addressees who may not have it yet. Nothing reads the memory between delivery and this,
    /// because both happen under one borrow of the room.
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
            self.pending.add(&target.addressee, seq);
            target.addressee
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
}

impl<O: Outbox> Seats<O> {
    /// Queues a frame for everyone but the sender, or for the addressees only. Marks the targets that were reached.
    fn deliver(&self, sender: usize, targets: &mut [Target], only: bool, frames: &Frames) -> usize {
        let mut count = 0;
        for target in targets.iter_mut() {
            target.reached = target
                .seat
                .is_some_and(|seat| self[seat].push_frame(frames, true));
            count += usize::from(target.reached);
        }
        if !only {
            for (index, seat) in self.others(sender) {
                if !targets.iter().any(|target| target.seat == Some(index)) {
                    count += usize::from(seat.push_frame(frames, false));
                }
            }
        }
        count
    }

    /// Acks a known message again. `reached` and `absent` are those of now.
    fn duplicate_ack(&self, first: &Stored) -> Ack {
        let is_here = |to: &&Addressee| {
            let seat = self.named(&to.key).map(|seat| &self[seat]);
            seat.is_some_and(|seat| {
                seat.member.status == Status::Online && seat.recipient() == to.recipient()
            })
        };
        let (reached, absent) = first.to.iter().partition::<Vec<_>, _>(is_here);
        let spell = |to: &Addressee| match self.named(&to.key) {
            Some(seat) => self[seat].member.name.clone(),
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
}

impl<O: Outbox> Seat<O> {
    /// Queues a frame for this member. Returns false if it is away or its connection is closing. A message for a
    /// connection that is still replaying is not queued: the replay will reach it.
    fn push_frame(&self, frames: &Frames, named: bool) -> bool {
        let Some(link) = &self.link else { return false };
        if frames.class == FrameClass::Message && link.replay.is_some() {
            return true;
        }
        let frame = match (&self.v1, frames.class) {
            (None, _) => &frames.v2,
            (Some(_), FrameClass::Signal) => return false,
            (Some(_), _) => match frames.v1.for_member(named) {
                Some(frame) => frame,
                // Version 1 has no frame for it, but it counts as reached.
                None => return true,
            },
        };
        link.outbox.push(frame.clone(), frames.class)
    }
}
