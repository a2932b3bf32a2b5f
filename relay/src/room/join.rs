//! Joining a room: as a new member, by resuming a session, or by taking over a seat as its owner.

use std::net::IpAddr;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use subtle::ConstantTimeEq;

use super::{
    FrameClass, Outbox, Room,
    pending::Recipient,
    replay::ReplayCursor,
    seat::{Holder, Link, NameKey, Owner, Seat, SeatId},
    v1::V1Seat,
};
use crate::{
    protocol::{
        Code, ErrorFrame, FEATURES, Greeting, Limits, Member, PresenceEvent, Resume, Resumed, Status, VERSION,
    },
    wire,
};

/// A request to join. The token and the form of the names have been checked.
pub struct JoinRequest {
    pub greeting: Greeting,
    /// Unique among the connections of this relay.
    pub connection: u64,
    /// The client's address; an IPv6 address stands for its network.
    pub address: IpAddr,
    /// An unguessable secret, for a new seat.
    pub session: String,
    /// Set for a client that speaks version 1.
    pub v1: Option<Box<V1Seat>>,
    /// Whether a limit on connections is reached. The request is then refused with `full`, unless something else is
    /// wrong with it.
    pub over_limit: bool,
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

impl<O: Outbox> Room<O> {
    /// Admits a member: queues the welcome, announces the member, and plans the replay, which starts with the first
    /// [`Room::replay`]. `now` is in milliseconds since the Unix epoch. Fails with `name_taken` or `full`.
    pub fn join(&mut self, request: JoinRequest, outbox: O, now: u64) -> Result<SeatId, ErrorFrame> {
        self.advance_clock(now);
        let key = NameKey::new(&request.greeting.name);
        let owner = request.greeting.owner.as_ref().map(Owner::of);
        let seat = self.admit(&key, owner, &request)?;
        if seat.is_none() {
            self.make_space();
        }
        if let Some(replaced) = seat.and_then(|index| self.disconnect(index)) {
            let message = "A newer connection of yours took this seat over.";
            replaced.outbox.close(ErrorFrame::new(Code::Replaced, message));
        }
        let owner = owner.or_else(|| self.seats[seat?].owner);
        let address = request.address;
        let bound =
            owner.is_some_and(|owner| self.owners().arrive(&self.key, &key, owner, address, self.now));
        let recipient = Recipient {
            name: key.clone(),
            key: owner.map(|owner| owner.key()),
        };
        if let Some(index) = seat {
            // If the seat gets its owner only now, what waits for the seat waits for the owner.
            let before = self.seats[index].recipient();
            if before != recipient {
                self.pending.rename(&before, &recipient);
            }
        }
        let connection = request.connection;
        let (resume, history) = (request.greeting.resume.clone(), request.greeting.history);
        let resumed = self.resume(&recipient, seat, resume.as_ref());
        let (index, event) = match seat {
            Some(index) => (index, self.retake_seat(index, owner, request.greeting)),
            None => (
                self.add_seat(key.clone(), owner, request, now),
                Some(PresenceEvent::Join),
            ),
        };
        self.joins += 1;

        let welcome = self.v1().welcome(index);
        let welcome = welcome.unwrap_or_else(|| self.welcome(index, resumed, bound));
        outbox.push(welcome, FrameClass::Welcome);
        let missed = match (resumed, &resume) {
            (Resumed::Ok | Resumed::Gap, Some(resume)) => Some(resume.seq),
            (Resumed::Lost, _) => Some(0),
            _ => None,
        };
        let holder = self.seats[index].holder();
        self.claim(&recipient, holder);
        let pending = self.pending.seqs(&recipient);
        let reader = self.seats[index].reader();
        let replay = ReplayCursor::plan(&self.memory, reader, pending, self.seq, missed, history);
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

    /// Checks whether a request may have a name. Returns the seat to take over, if there is one.
    fn admit(
        &self,
        key: &NameKey,
        owner: Option<Owner>,
        request: &JoinRequest,
    ) -> Result<Option<usize>, ErrorFrame> {
        let seat = self.seats.named(key);
        let is_free = match seat {
            None => {
                let bound = self.owners().owner(&self.key, key, self.now);
                bound.is_none() || bound == owner
            }
            Some(index) => {
                let seat = &self.seats[index];
                let owns = seat.owner.is_some() && seat.owner == owner;
                let session = seat.session.as_bytes();
                let resume = request.greeting.resume.as_ref();
                let resumes = resume.is_some_and(|resume| resume.session.as_bytes().ct_eq(session).into());
                // The session is enough, unless it comes with the proof of being somebody else.
                let disowned = owner.is_some() && seat.owner.is_some() && !owns;
                owns || (resumes && !disowned)
            }
        };
        if !is_free {
            let message = "That name is taken. Choose another, or wait until it is free.";
            return Err(ErrorFrame::new(Code::NameTaken, message));
        }
        let is_full =
            (self.is_full() && self.longest_away().is_none()) || self.v1.is_full(request, &self.rules);
        if request.over_limit || (seat.is_none() && is_full) {
            let message = "The relay or the room is full. Try again later.";
            return Err(ErrorFrame::new(Code::Full, message));
        }
        Ok(seat)
    }

    fn is_full(&self) -> bool {
        let max = self.rules.max_members;
        max > 0 && self.seats.len() >= max
    }

    fn longest_away(&self) -> Option<usize> {
        let away = self.seats.iter().enumerate();
        let away = away.filter(|(_, seat)| seat.link.is_none());
        Some(away.min_by_key(|(_, seat)| seat.away_since)?.0)
    }

    /// Gives the seat of an absent member up if the room is full.
    fn make_space(&mut self) {
        if self.is_full()
            && let Some(index) = self.longest_away()
        {
            self.remove_seat(index);
        }
    }

    /// Gives an existing seat to its returning member. Returns the event to announce.
    fn retake_seat(
        &mut self,
        index: usize,
        owner: Option<Owner>,
        greeting: Greeting,
    ) -> Option<PresenceEvent> {
        let seat = &mut self.seats[index];
        seat.owner = owner;
        let was_away = seat.member.status == Status::Away;
        let changed = seat.change(|member| {
            member.key = owner.map(|owner| owner.key().to_string());
            member.status = Status::Online;
            member.agents = greeting.agents;
            member.mode = greeting.mode;
            member.client = greeting.client;
        });
        // A seat taken over from a live connection was not away: only a change is announced.
        let update = changed.then_some(PresenceEvent::Update);
        if was_away {
            Some(PresenceEvent::Back)
        } else {
            update
        }
    }

    /// Adds a seat for a new member and returns its index.
    fn add_seat(&mut self, key: NameKey, owner: Option<Owner>, request: JoinRequest, now: u64) -> usize {
        let greeting = request.greeting;
        let member = Member {
            name: greeting.name,
            key: owner.map(|owner| owner.key().to_string()),
            status: Status::Online,
            agents: greeting.agents,
            mode: greeting.mode,
            client: greeting.client,
            note: String::new(),
            joined_at: now,
            v: if request.v1.is_some() { 1 } else { VERSION },
        };
        let mut seat = Seat::new(key, self.joins + 1, request.session, member);
        seat.owner = owner;
        // Messages that left the memory earlier may have been for it, and it may resume with a later join.
        seat.forgotten = self.forgotten_private;
        seat.v1 = request.v1;
        self.v1.members += usize::from(seat.v1.is_some());
        self.seats.push(seat)
    }

    /// Resolves a resume. Messages that the member confirms no longer wait for it; a confirmation only counts up to
    /// what was sent, so that a client that claims too much loses nothing.
    fn resume(&mut self, recipient: &Recipient, seat: Option<usize>, resume: Option<&Resume>) -> Resumed {
        let Some(resume) = resume else { return Resumed::New };
        if resume.epoch != self.epoch {
            return Resumed::Lost;
        }
        let pending = self.pending.entry(recipient);
        let confirmed = resume.seq.min(pending.sent);
        pending.seqs = pending.seqs.split_off(&confirmed.saturating_add(1));
        let private = seat.map_or(self.forgotten_private, |seat| self.seats[seat].forgotten);
        if self.forgotten_public.max(private) > resume.seq {
            Resumed::Gap
        } else {
            Resumed::Ok
        }
    }

    /// Assigns messages that waited for the next holder of a name to the member who has taken it.
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
}
