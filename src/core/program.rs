//! The program of one person: its rooms, and what they share – runs of agents, budgets, the clock and ids.

use std::collections::HashSet;

use crate::core::{
    BudgetUse, ClockReading, Command, Decision, Effect, Event, Ids, ItemId, Millis, Outgoing, Person, Record,
    Refused, Reply, Room, Runs, Settings, Steady, Target, UnpromptedText,
    auto::{AutoState, dispatch},
    chat::receive,
    ctx::{Ctx, Shared},
    files::Source,
    leak::attachment,
    perform,
    persist::replay,
    review::decide,
    runs::{answer, direct, unprompted},
    steady::Clock,
};

/// A room of this program, in the order in which they were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(u32);

#[cfg(test)]
impl RoomId {
    pub(in crate::core) const FIRST: Self = Self(0);
}

/// Effects of a step, in order, each with the room that wants it.
pub type Effects = Vec<(RoomId, Effect)>;

/// All rooms, and what they share.
pub struct Program {
    rooms: Vec<Room>,
    pub(in crate::core) shared: Shared,
}

impl Program {
    /// A program without rooms.
    pub fn new(ids: Ids) -> Self {
        Self {
            rooms: Vec::new(),
            shared: Shared {
                runs: Runs::default(),
                auto: AutoState::default(),
                clock: Clock::default(),
                ids,
            },
        }
    }

    /// Adds an empty room, not connected.
    pub fn open(&mut self, settings: Settings) -> RoomId {
        let id = RoomId(self.rooms.len() as u32);
        self.rooms.push(Room::new(id, settings));
        id
    }

    /// # Panics
    ///
    /// If the room is one of another program.
    pub fn room(&self, id: RoomId) -> &Room {
        &self.rooms[id.0 as usize]
    }

    /// # Panics
    ///
    /// If the room is one of another program.
    pub fn room_mut(&mut self, id: RoomId) -> &mut Room {
        &mut self.rooms[id.0 as usize]
    }

    /// The runs of all rooms.
    pub fn runs(&self) -> &Runs {
        &self.shared.runs
    }

    /// One step of a room, without what follows from it.
    pub(in crate::core) fn step<T>(
        &mut self,
        room: RoomId,
        now: Millis,
        step: impl FnOnce(&mut Room, &mut Ctx) -> T,
    ) -> (Effects, T) {
        let mut ctx = Ctx::new(&mut self.shared, room, now);
        let result = step(&mut self.rooms[room.0 as usize], &mut ctx);
        (ctx.into_effects(), result)
    }

    /// One step of a room, and the runs whose agents are free after it.
    fn step_and_start<T>(
        &mut self,
        room: RoomId,
        now: Millis,
        step: impl FnOnce(&mut Room, &mut Ctx) -> T,
    ) -> (Effects, T) {
        let (mut effects, result) = self.step(room, now, step);
        while let Some(run) = self.shared.runs.next_to_start(now).cloned() {
            effects.extend(
                self.step(run.room, now, |room, ctx| answer::start(room, &run, ctx))
                    .0,
            );
        }
        (effects, result)
    }

    /// Applies an event in a room at `now`, and returns the effects, also those in other rooms whose turn for an
    /// agent comes with it.
    pub fn update(&mut self, room: RoomId, event: Event, now: Millis) -> Effects {
        let (mut effects, ()) = self.step(room, now, |room, ctx| room.take(event, ctx));
        let rooms: Vec<RoomId> = self.rooms.iter().map(Room::id).collect();
        for id in rooms {
            effects.extend(self.step(id, now, dispatch::run_waiting).0);
        }
        let (more, ()) = self.step_and_start(room, now, receive::deadlines);
        effects.extend(more);
        effects
    }

    /// Carries out a command.
    pub fn perform(
        &mut self,
        room: RoomId,
        command: Command,
        now: Millis,
    ) -> (Effects, Result<Reply, Refused>) {
        self.step_and_start(room, now, |room, ctx| perform::perform(room, command, ctx))
    }

    /// Carries out a person's decision on what they were shown. Fails if there is nothing to
    /// decide, or if it has changed since it was shown.
    pub fn decide(
        &mut self,
        room: RoomId,
        decision: Decision,
        by: Person,
        now: Millis,
    ) -> (Effects, Result<Reply, Refused>) {
        self.step_and_start(room, now, |room, ctx| decide::decide(room, decision, by, ctx))
    }

    /// Makes a draft of an agent's unprompted message.
    pub fn drafted(
        &mut self,
        room: RoomId,
        words: UnpromptedText,
        now: Millis,
    ) -> (Effects, Result<ItemId, Refused>) {
        self.step(room, now, |room, ctx| unprompted::draft_of(room, words, ctx))
    }

    /// Rescans attachments that have changed since the scan. Fails if there are any.
    pub fn look_again(
        &mut self,
        room: RoomId,
        target: Target,
        is_there: impl Fn(&Source) -> bool,
    ) -> (Effects, Result<(), Refused>) {
        self.step(room, 0, |room, ctx| {
            attachment::look_again(room, target, is_there, ctx)
        })
    }

    /// Resets auto mode's streak in the thread of a message that the person has written at the screen.
    pub fn wrote(&mut self, room: RoomId, number: u32, by: &Person) -> Effects {
        self.step(room, 0, |room, ctx| decide::wrote(room, number, by, ctx))
            .0
    }

    /// Applies new settings of the same member, and notifies the others of what they see of them.
    pub fn set_settings(&mut self, room: RoomId, settings: Settings) -> Effects {
        self.step(room, 0, |room, ctx| room.set_settings(settings, ctx)).0
    }

    /// Restores an empty room from the journal's records, oldest first, and returns the effects of what was
    /// interrupted: runs that ended with the program are reported as failed, and can be retried.
    ///
    /// `not_audited` gets our messages that may still leave, or whose files may, and returns the ids of those
    /// missing in the audit log. Something else wrote them into the journal, so they are not sent.
    pub fn restore(
        &mut self,
        room: RoomId,
        records: impl IntoIterator<Item = Record>,
        not_audited: impl FnOnce(&[&Outgoing]) -> HashSet<String>,
        now: Millis,
    ) -> Effects {
        let mut past = Ctx::replay(&mut self.shared, room);
        let unfinished = replay::records(&mut self.rooms[room.0 as usize], records, &mut past);
        self.step(room, now, |room, ctx| {
            replay::resume(room, unfinished, not_audited, ctx);
        })
        .0
    }

    /// Loads the messages among some records into an empty room, for display only: nothing in it is pending, and
    /// numbers count from the first of these.
    pub fn glimpse(&mut self, room: RoomId, records: impl IntoIterator<Item = Record>) {
        replay::glimpse(self.room_mut(room), records);
    }

    /// Checks that a message can be handed to an agent. Fails if not.
    pub fn may_hand_over(&self, room: RoomId, number: u32) -> Result<(), Refused> {
        direct::may_hand_over(self.room(room), &self.shared.runs, number)
    }

    /// Advances the steady clock. Call it before handling the events of that time.
    pub fn time_passes(&mut self, steady: Steady) {
        self.shared.clock.advance(steady);
    }

    /// The steady clock's reading at the start of the previous session, and its latest known time.
    pub fn last_reading(&self) -> (Option<&ClockReading>, Steady) {
        (self.shared.clock.reading.as_ref(), self.shared.clock.steady)
    }

    /// Starts a session in a room, continuing the steady clock from that reading. If the time since the previous
    /// session is a guess, nothing expires until 1/24 of `expire_after` has passed in this session.
    pub fn clock_read(&mut self, room: RoomId, reading: ClockReading) -> Effects {
        let grace = self.room(room).settings.expire_after / 24;
        self.shared.clock.read(reading.clone(), grace);
        vec![(room, Effect::Keep(Box::new(Record::Clock(reading))))]
    }

    /// Usage of our agent against its budget, in all rooms.
    pub fn budget_standing(&self, agent: &str) -> BudgetUse {
        self.shared.auto.guard.standing(agent, self.shared.clock.proven())
    }

    /// When [`Event::Tick`] is due next in a room, by the steady clock, if there is any deadline.
    pub fn next_deadline(&self, room: RoomId) -> Option<Steady> {
        self.room(room).next_deadline(&self.shared.clock)
    }
}
