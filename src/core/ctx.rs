//! One step of a room: its time, and its effects.

use crate::core::{Attention, Effect, Millis, Outbound, Record, persist::audit::Entry};

/// The context of one step.
#[derive(Debug)]
pub(in crate::core) struct Ctx {
    pub now: Millis,
    effects: Vec<Effect>,
    replays: bool,
}

impl Ctx {
    pub fn new(now: Millis) -> Self {
        Self {
            now,
            effects: Vec::new(),
            replays: false,
        }
    }

    /// The context for replaying the journal: effects are discarded.
    pub fn replay(at: Millis) -> Self {
        Self {
            replays: true,
            ..Self::new(at)
        }
    }

    pub fn replays(&self) -> bool {
        self.replays
    }

    pub fn push(&mut self, effect: Effect) {
        if !self.replays {
            self.effects.push(effect);
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

    /// Appends the effects of another part of the same step.
    pub fn append(&mut self, other: Ctx) {
        other.effects.into_iter().for_each(|effect| self.push(effect));
    }

    /// The effects of the step, in order.
    pub fn into_effects(self) -> Vec<Effect> {
        self.effects
    }
}
