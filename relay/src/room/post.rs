//! What members say: messages in one order, signals, changes of what others see.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Class, Outbox, Room,
    memory::{Addressee, Stored},
    seat::{Key, Seat, Ticket},
};
use crate::{
    protocol::{Ack, Code, ErrorFrame, Post, PresenceEvent, Status, Update},
    wire,
};

#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
struct MessageFrame<'a> {
    id: &'a str,
    from: &'a str,
    to: Vec<&'a str>,
    only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<&'a str>,
    seq: u64,
    at: u64,
    body: &'a RawValue,
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

/// One of `to`, looked up.
struct Target {
    key: Key,
    name: Box<str>,
    /// Its place among the seats, where it has one.
    seat: Option<usize>,
    reached: bool,
}

impl<O: Outbox> Room<O> {
    /// Takes a message: gives it its place in the order, delivers it, remembers it and acks it. `now` is
    /// in milliseconds since the Unix epoch. Gives how many connections it was queued for. Fails with
    /// `bad_frame` where it is for its addressees only and there is none.
    pub fn message(&mut self, ticket: &Ticket, post: &Post, now: u64) -> Result<usize, ErrorFrame> {
        // Without a seat, another connection has taken it over and this one is being closed.
        let Some(sender) = self.seat_of(ticket) else {
            return Ok(0);
        };
        let mut targets = self.targets(sender, post)?;
        if let Some(first) = self.memory.find(&ticket.key, &post.id) {
            let ack = self.ack_again(first);
            let seq = ack.seq;
            self.push_ack(sender, seq, wire::text(&ack));
            return Ok(0);
        }
        self.seq += 1;
        self.at = self.at.max(now);
        let frame = wire::text(&MessageFrame {
            id: &post.id,
            from: &self.seats[sender].member.name,
            to: targets.iter().map(|target| &*target.name).collect(),
            only: post.only,
            thread: post.thread.as_deref(),
            seq: self.seq,
            at: self.at,
            body: post.body,
        });
        let count = self.deliver(sender, &mut targets, post.only, &frame, Class::Frame);
        let (reached, absent) = targets.iter().partition::<Vec<_>, _>(|target| target.reached);
        let ack = wire::text(&Ack {
            id: post.id.clone().into_owned(),
            seq: self.seq,
            at: self.at,
            count,
            reached: reached
                .into_iter()
                .map(|target| target.name.to_string())
                .collect(),
            absent: absent.into_iter().map(|target| target.name.to_string()).collect(),
            duplicate: false,
        });
        self.push_ack(sender, self.seq, ack);
        self.remember(sender, targets, post, frame, count);
        Ok(count)
    }

    /// Takes a signal: delivers it and forgets it. Fails like [`Room::message`].
    pub fn signal(&mut self, ticket: &Ticket, post: &Post) -> Result<usize, ErrorFrame> {
        let Some(sender) = self.seat_of(ticket) else {
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
        Ok(self.deliver(sender, &mut targets, post.only, &frame, Class::Signal))
    }

    /// Changes what others see of a member, and tells them.
    pub fn update(&mut self, ticket: &Ticket, update: Update) {
        let Some(index) = self.seat_of(ticket) else { return };
        self.seats[index].change(|member| {
            member.agents = update
                .agents
                .unwrap_or_else(|| std::mem::take(&mut member.agents));
            member.mode = update.mode.unwrap_or(member.mode);
            member.note = update.note.unwrap_or_else(|| std::mem::take(&mut member.note));
        });
        self.announce(PresenceEvent::Update, index);
    }

    /// Looks up whom a post addresses: each once, without the sender.
    fn targets(&self, sender: usize, post: &Post) -> Result<Vec<Target>, ErrorFrame> {
        let mut targets: Vec<Target> = Vec::with_capacity(post.to.len());
        for written in &post.to {
            let key = Key::new(written);
            if key == self.seats[sender].key || targets.iter().any(|target| target.key == key) {
                continue;
            }
            let seat = self.names.get(&key).and_then(|name| name.seat);
            let name = seat
                .map_or(written.as_str(), |seat| &self.seats[seat].member.name)
                .into();
            targets.push(Target {
                key,
                name,
                seat,
                reached: false,
            });
        }
        if post.only && targets.is_empty() {
            let message = "A message for its addressees only needs somebody else in `to`.";
            return Err(ErrorFrame::new(Code::BadFrame, message));
        }
        Ok(targets)
    }

    /// Queues a frame for all but the sender, or for the addressed alone; marks who was reached.
    fn deliver(
        &self,
        sender: usize,
        targets: &mut [Target],
        only: bool,
        frame: &Bytes,
        class: Class,
    ) -> usize {
        let mut count = 0;
        for target in targets.iter_mut() {
            target.reached = target
                .seat
                .is_some_and(|seat| self.seats[seat].take(frame, class));
            count += usize::from(target.reached);
        }
        if !only {
            for (index, seat) in self.seats.iter().enumerate() {
                if index != sender && !targets.iter().any(|target| target.seat == Some(index)) {
                    count += usize::from(seat.take(frame, class));
                }
            }
        }
        count
    }

    /// Keeps a message, and who of the addressed may not have it yet. The memory is not read between
    /// delivery and this, since both happen under one borrow of the room.
    fn remember(&mut self, sender: usize, targets: Vec<Target>, post: &Post, frame: Bytes, count: usize) {
        let to = targets.into_iter().map(|Target { key, name, .. }| {
            let known = self.names.entry(key.clone()).or_default();
            known.pending.insert(self.seq);
            Addressee {
                key,
                name,
                owner: known.owner,
            }
        });
        let to = to.collect();
        let from = self.seats[sender].key.clone();
        self.memory.push(Stored {
            seq: self.seq,
            at: self.at,
            id: (*post.id).into(),
            from_owner: self.names.get(&from).and_then(|name| name.owner),
            from,
            to,
            only: post.only,
            count,
            receipt: is_receipt(post.body),
            frame,
        });
        self.forget();
    }

    /// The ack of a message that is known already: the same, but for who is here now.
    fn ack_again(&self, first: &Stored) -> Ack {
        let here = |to: &&Addressee| {
            let seat = self.names.get(&to.key).and_then(|name| name.seat);
            seat.is_some_and(|seat| self.seats[seat].member.status == Status::Online)
        };
        let (reached, absent) = first.to.iter().partition::<Vec<_>, _>(here);
        let spell = |to: &Addressee| match self.names.get(&to.key).and_then(|name| name.seat) {
            Some(seat) => self.seats[seat].member.name.clone(),
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
    fn push_ack(&mut self, sender: usize, seq: u64, ack: Bytes) {
        let rules = &self.rules;
        let Some(link) = &mut self.seats[sender].link else {
            return;
        };
        match &mut link.walk {
            None => {
                link.outbox.push(ack, Class::Frame);
            }
            Some(walk) => {
                if !walk.hold_ack(seq, ack, rules.queue_frames, rules.queue_bytes) {
                    let message =
                        "Too many acks wait for your replay to be read; connect again, and read faster.";
                    link.outbox.close(ErrorFrame::new(Code::SlowConsumer, message));
                }
            }
        }
    }
}

impl<O: Outbox> Seat<O> {
    /// Queues a frame for this member; false where it is away or its connection is closing. A message
    /// for a connection whose replay is not over is not queued: it comes to it in the memory.
    fn take(&self, frame: &Bytes, class: Class) -> bool {
        let Some(link) = &self.link else { return false };
        (class == Class::Frame && link.walk.is_some()) || link.outbox.push(frame.clone(), class)
    }
}

/// Whether a body is a receipt: the one thing that the relay looks for in a body, since receipts have a
/// part of the memory of their own. A body without the word costs a search and no parsing.
fn is_receipt(body: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        kind: &'a RawValue,
    }
    body.get().contains("\"receipt\"")
        && serde_json::from_str::<Kind>(body.get()).is_ok_and(|body| body.kind.get() == "\"receipt\"")
}
