//! One step of a room: its time, what it shares with the other rooms, and its effects.

use crate::core::{
    Attention, Clock, Effect, Ids, Millis, Moment, Outbound, Record, RoomId, Runs, auto::AutoState,
    persist::audit::Entry,
};

/// What all rooms of the program share.
pub(in crate::core) struct Shared {
    pub runs: Runs,
    pub auto: AutoState,
    pub clock: Clock,
    pub ids: Ids,
}

/// The context of one step.
pub(in crate::core) struct Ctx<'a> {
    pub now: Millis,
    /// The room whose step it is.
    pub room: RoomId,
    pub runs: &'a mut Runs,
    pub auto: &'a mut AutoState,
    pub clock: &'a mut Clock,
    ids: &'a mut Ids,
    effects: Vec<(RoomId, Effect)>,
    replays: bool,
}

impl<'a> Ctx<'a> {
    pub fn new(shared: &'a mut Shared, room: RoomId, now: Millis) -> Self {
        let Shared {
            runs,
            auto,
            clock,
            ids,
        } = shared;
        Self {
            now,
            room,
            runs,
            auto,
            clock,
            ids,
            effects: Vec::new(),
            replays: false,
        }
    }

    /// The context for replaying the journal: effects are discarded.
    pub fn replay(shared: &'a mut Shared, room: RoomId) -> Self {
        Self {
            replays: true,
            ..Self::new(shared, room, 0)
        }
    }

    pub fn replays(&self) -> bool {
        self.replays
    }

    pub fn push(&mut self, effect: Effect) {
        if !self.replays {
            self.effects.push((self.room, effect));
        }
    }

    /// Writes a record to the journal.
    pub fn keep(&mut self, record: Record) {
        self.push(Effect::Keep(Box::new(record)));
    }

    /// Writes an entry to the audit log.
    pub fn audit(&mut self, entry: Entry) {
        self.push(Effect::Audit(Box::new(entry)));
    }

    /// Writes an audit entry and then the record of the same event, so that the audit log has whatever the journal
    /// has.
    pub fn record(&mut self, entry: Entry, record: Record) {
        self.audit(entry);
        self.keep(record);
    }

    pub fn send(&mut self, frame: Outbound) {
        self.push(Effect::Send(frame));
    }

    pub fn attention(&mut self, why: Attention) {
        self.push(Effect::Attention(why));
    }

    /// Number of effects so far, for [`Ctx::record_before`].
    pub fn mark(&self) -> usize {
        self.effects.len()
    }

    /// Like [`Ctx::record`], but ahead of the effects since the mark.
    pub fn record_before(&mut self, mark: usize, entry: Entry, record: Record) {
        let later = self.effects.split_off(mark);
        self.record(entry, record);
        self.effects.extend(later);
    }

    /// The current time of day and steady time.
    pub fn moment(&self) -> Moment {
        Moment {
            at: self.now,
            steady: self.clock.steady,
        }
    }

    pub fn fresh_id(&mut self) -> String {
        (self.ids)()
    }

    /// The effects of the step, in order, with their rooms.
    pub fn into_effects(self) -> Vec<(RoomId, Effect)> {
        self.effects
    }
}
