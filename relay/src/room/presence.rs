//! Who is here: joining, taking over, being away, leaving.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use subtle::ConstantTimeEq;
use tokio::sync::Notify;

use super::{
    FrameClass, Outbox, Room,
    memory::Reader,
    pending::Recipient,
    replay::ReplayCursor,
    seat::{Holder, Link, NameKey, Owner, Seat, SeatId},
    v1::V1Seat,
};
use crate::{
    protocol::{
        Code, ErrorFrame, FEATURES, Greeting, Limits, Member, PresenceEvent, Resume, Resumed, Status,
    },
    wire,
};

/// Somebody who wants in; its token and the rule of its name have been checked.
pub struct JoinRequest {
    /// The hello.
    pub greeting: Greeting,
    /// The protocol version that it speaks.
    pub version: u32,
    /// A number that no other connection of this relay has.
    pub connection: u64,
    /// Where it is connected from; an IPv6 address stands for its network.
    pub address: IpAddr,
    /// An unguessable secret, for a new seat.
    pub session: String,
    /// Where it speaks version 1: told when something has moved that its connection may wait for.
    pub v1: Option<Arc<Notify>>,
    /// A limit on connections is reached: whatever else is right, it is refused with `full`.
    pub over_limit: bool,
}

/// A seat that is held for a member who is away.
#[derive(Debug)]
pub struct GracePeriod {
    seat_id: SeatId,
    number: u64,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "welcome")]
struct WelcomeFrame<'a> {
    v: u32,
    room: &'a str,
    name: &'a str,
    session: &'a str,
    epoch: &'a str,
    seq: u64,
    resumed: Resumed,
    members: Vec<&'a RawValue>,
    heartbeat: u64,
    server: &'a str,
    limits: Limits,
    features: [&'static str; FEATURES.len()],
    bound: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "presence")]
struct PresenceFrame<'a> {
    event: PresenceEvent,
    member: &'a RawValue,
}

impl<O: Outbox> Room<O> {
    /// Lets somebody in: queues the welcome, tells the others, and plans the replay, which begins with the
    /// first [`Room::replay`]. `now` is in milliseconds since the Unix epoch. Fails with `name_taken` or `full`.
    pub fn join(&mut self, request: JoinRequest, outbox: O, now: u64) -> Result<SeatId, ErrorFrame> {
        let JoinRequest {
            greeting,
            version,
            connection,
            address,
            session,
            v1,
            over_limit,
        } = request;
        self.advance_clock(now);
        let key = NameKey::new(&greeting.name);
        let owner = greeting.owner.as_ref().map(Owner::of);
        let seat = self.admit(&key, owner, greeting.resume.as_ref())?;
        let over = |count: usize, max: usize| max > 0 && count >= max;
        let no_seat = over(self.seats.len(), self.rules.max_members)
            || (v1.is_some() && over(self.v1.members, self.rules.v1_max_users));
        if over_limit || (seat.is_none() && no_seat) {
            let message = "The relay or the room is full; try again later.";
            return Err(ErrorFrame::new(Code::Full, message));
        }

        if let Some(replaced) = seat.and_then(|index| self.disconnect(index)) {
            let message = "This seat was taken over by a newer connection of yours.";
            replaced.outbox.close(ErrorFrame::new(Code::Replaced, message));
        }
        let owner = owner.or_else(|| self.seats[seat?].owner);
        let bound =
            owner.is_some_and(|owner| self.owners().arrive(&self.key, &key, owner, address, self.now));
        let member_key = owner.map(|owner| owner.key());
        let recipient = Recipient {
            name: key.clone(),
            key: member_key,
        };
        if let Some(index) = seat {
            // Where it has an owner only now: what waits for the seat is the owner's.
            let before = self.seats[index].recipient();
            if before != recipient {
                self.pending.rename(&before, &recipient);
            }
        }
        let resumed = self.resume_from(&recipient, seat, greeting.resume.as_ref());
        let member_key = member_key.map(|key| key.to_string());
        let (index, event) = match seat {
            Some(index) => {
                let seat = &mut self.seats[index];
                seat.owner = owner;
                let was_away = seat.member.status == Status::Away;
                let changed = seat.change(|member| {
                    member.key = member_key;
                    member.status = Status::Online;
                    member.agents = greeting.agents;
                    member.mode = greeting.mode;
                    member.client = greeting.client;
                });
                // Who is taken over while here has not been away; only what is different is told.
                let news = changed.then_some(PresenceEvent::Update);
                (index, if was_away { Some(PresenceEvent::Back) } else { news })
            }
            None => {
                let member = Member {
                    name: greeting.name,
                    key: member_key,
                    status: Status::Online,
                    agents: greeting.agents,
                    mode: greeting.mode,
                    client: greeting.client,
                    note: String::new(),
                    joined_at: now,
                    v: version,
                };
                let mut seat = Seat::new(key.clone(), self.joins + 1, session, member);
                seat.owner = owner;
                // What was forgotten before may have been for it; its resume may come with a later join.
                seat.forgotten = self.forgotten_private;
                self.v1.members += usize::from(v1.is_some());
                seat.v1 = v1.map(|progress_notify| {
                    Box::new(V1Seat {
                        progress_notify,
                        offers: VecDeque::new(),
                    })
                });
                self.names.insert(key.clone(), self.seats.len());
                self.seats.push(seat);
                (self.seats.len() - 1, Some(PresenceEvent::Join))
            }
        };
        self.joins += 1;

        let welcome = if self.seats[index].v1.is_some() {
            self.v1_presence(None)
        } else {
            self.welcome(index, resumed, bound)
        };
        outbox.push(welcome, FrameClass::Welcome);
        let missed = match (resumed, &greeting.resume) {
            (Resumed::Ok | Resumed::Gap, Some(resume)) => Some(resume.seq),
            (Resumed::Lost, _) => Some(0),
            _ => None,
        };
        let holder = self.seats[index].holder();
        self.claim(&recipient, holder);
        let reader = Reader { key: &key, holder };
        let replay = ReplayCursor::plan(
            &self.memory,
            reader,
            self.pending.seqs(&recipient),
            self.seq,
            missed,
            greeting.history,
        );
        self.replaying += usize::from(replay.is_some());
        self.seats[index].link = Some(Link {
            connection,
            outbox,
            replay,
        });
        if let Some(event) = event {
            self.announce(event, index);
        }
        Ok(SeatId { key, connection })
    }

    /// A connection has ended without `bye`: its member is away. `None` where another connection has taken
    /// the seat over, or where the member speaks version 1 and has left; otherwise the seat is held until [`Room::expire`] is called with what is given.
    pub fn mark_away(&mut self, seat_id: &SeatId) -> Option<GracePeriod> {
        let index = self.seat_of(seat_id)?;
        if self.seats[index].v1.is_some() {
            // Version 1 has no session to come back with.
            self.leave(seat_id);
            return None;
        }
        self.disconnect(index);
        let seat = &mut self.seats[index];
        seat.change(|member| member.status = Status::Away);
        seat.absence_count += 1;
        let number = seat.absence_count;
        self.announce(PresenceEvent::Away, index);
        Some(GracePeriod {
            seat_id: seat_id.clone(),
            number,
        })
    }

    /// The time of a held seat is over: lets it go, unless its member has come back.
    pub fn expire(&mut self, grace_period: &GracePeriod) {
        let Some(&index) = self.names.get(&grace_period.seat_id.key) else {
            return;
        };
        let seat = &self.seats[index];
        if seat.link.is_none() && seat.absence_count == grace_period.number {
            self.remove_seat(index);
        }
    }

    /// A member leaves for good: what was sent to it, it has had.
    pub fn leave(&mut self, seat_id: &SeatId) {
        let Some(index) = self.seat_of(seat_id) else {
            return;
        };
        let replay = self.seats[index]
            .link
            .as_ref()
            .and_then(|link| link.replay.as_deref());
        let had = replay.map_or(u64::MAX, |replay| replay.at);
        let recipient = self.seats[index].recipient();
        self.pending.entry(&recipient).seqs.retain(|seq| *seq > had);
        self.disconnect(index);
        self.remove_seat(index);
    }

    /// Tells everybody else what happened to a member.
    pub(super) fn announce(&self, event: PresenceEvent, index: usize) {
        if self.seats.len() < 2 {
            return;
        }
        let frame: Bytes = wire::text(&PresenceFrame {
            event,
            member: &self.seats[index].json,
        });
        self.v1_announce(event, index);
        for (other, seat) in self.seats.iter().enumerate() {
            if other != index
                && seat.v1.is_none()
                && let Some(link) = &seat.link
            {
                link.outbox.push(frame.clone(), FrameClass::Frame);
            }
        }
    }

    /// Whether a name is free for somebody, or its own: then the seat to take over.
    fn admit(
        &self,
        key: &NameKey,
        owner: Option<Owner>,
        resume: Option<&Resume>,
    ) -> Result<Option<usize>, ErrorFrame> {
        let Some(&index) = self.names.get(key) else {
            let bound = self.owners().owner(&self.key, key, self.now);
            return if bound.is_none() || bound == owner {
                Ok(None)
            } else {
                Err(name_taken())
            };
        };
        let seat = &self.seats[index];
        let owns = seat.owner.is_some() && seat.owner == owner;
        let secret = &seat.session;
        let holds = resume.is_some_and(|resume| resume.session.as_bytes().ct_eq(secret.as_bytes()).into());
        // The session alone is enough, but not together with a proof of being somebody else.
        let disowned = owner.is_some() && seat.owner.is_some() && !owns;
        if owns || (holds && !disowned) {
            Ok(Some(index))
        } else {
            Err(name_taken())
        }
    }

    /// What a resume finds; and what its member has had by its own word does not wait for it any more. That
    /// word counts for what was sent alone, so that one who remembers too much loses nothing.
    fn resume_from(
        &mut self,
        recipient: &Recipient,
        seat: Option<usize>,
        resume: Option<&Resume>,
    ) -> Resumed {
        let Some(resume) = resume else { return Resumed::New };
        if resume.epoch != self.epoch {
            return Resumed::Lost;
        }
        let pending = self.pending.entry(recipient);
        pending.seqs = pending
            .seqs
            .split_off(&resume.seq.min(pending.sent).saturating_add(1));
        let private = seat.map_or(self.forgotten_private, |seat| self.seats[seat].forgotten);
        if self.forgotten_public.max(private) > resume.seq {
            Resumed::Gap
        } else {
            Resumed::Ok
        }
    }

    /// What waited for whoever takes the name is from now on for who has taken it.
    fn claim(&mut self, recipient: &Recipient, holder: Holder) {
        let unclaimed = Recipient {
            name: recipient.name.clone(),
            key: None,
        };
        for seq in self.pending.seqs(&unclaimed) {
            self.memory.claim(*seq, &recipient.name, holder);
        }
        if *recipient != unclaimed {
            let seqs = self.pending.remove_all(&unclaimed);
            self.pending.entry(recipient).seqs.extend(seqs);
        }
    }

    fn welcome(&self, index: usize, resumed: Resumed, bound: bool) -> Bytes {
        let mut members: Vec<&Seat<O>> = self.seats.iter().collect();
        members.sort_by_key(|seat| (seat.member.joined_at, &seat.key));
        let seat = &self.seats[index];
        wire::text(&WelcomeFrame {
            v: seat.member.v,
            room: &self.name,
            name: &seat.member.name,
            session: &seat.session,
            epoch: &self.epoch,
            seq: self.seq,
            resumed,
            members: members.into_iter().map(|seat| &*seat.json).collect(),
            heartbeat: self.rules.heartbeat,
            server: &self.rules.server,
            limits: self.rules.limits,
            features: FEATURES,
            bound,
        })
    }

    /// Takes the connection from a seat.
    fn disconnect(&mut self, index: usize) -> Option<Link<O>> {
        let link = self.seats[index].link.as_ref()?;
        let seat_id = SeatId {
            key: self.seats[index].key.clone(),
            connection: link.connection,
        };
        self.v1_file_abort(&seat_id, "Its sender has gone.");
        self.end_streams(&seat_id);
        let seat = &mut self.seats[index];
        let link = seat.link.take()?;
        self.replaying -= usize::from(link.replay.is_some());
        let recipient = seat.recipient();
        self.pending.entry(&recipient).sent = link.replay.as_ref().map_or(self.seq, |replay| replay.at);
        if let Some(owner) = self.seats[index].owner {
            self.owners().depart(&self.key, &recipient.name, owner, self.now);
        }
        Some(link)
    }

    /// Lets a seat go and tells the others.
    fn remove_seat(&mut self, index: usize) {
        self.announce(PresenceEvent::Leave, index);
        let seat = self.seats.swap_remove(index);
        self.v1.members -= usize::from(seat.v1.is_some());
        self.forgotten_private = self.forgotten_private.max(seat.forgotten);
        self.names.remove(&seat.key);
        if let Some(progress_notify) = self.seats.get(index) {
            self.names.insert(progress_notify.key.clone(), index);
        }
        self.pending.forget(&seat.recipient());
    }
}

fn name_taken() -> ErrorFrame {
    ErrorFrame::new(
        Code::NameTaken,
        "Someone has that name; choose another, or wait until it is free.",
    )
}
