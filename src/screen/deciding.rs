//! Keys that decide what waits, past the gate.

use std::time::Instant;

use super::{
    Screen,
    composer::Composer,
    gate::Gate,
    state::{Asked, ItemView, Overlay, Tone, What},
};
use crate::room::{Decision, How, ItemId, Matter, Person, Target};

impl Screen {
    /// The item at hand, if all of it has been seen; else it is opened.
    pub(super) fn seen_item(&mut self, alt: bool, now: Instant) -> Option<ItemId> {
        let Some(item) = self.state.target(&self.session.room) else {
            self.state.say("Nothing waits for you.", Tone::Good);
            return None;
        };
        if self.state.gate.permits(item, alt, now) {
            return Some(item);
        }
        self.state.open(item);
        None
    }

    pub(super) fn accept(&mut self, review: bool, alt: bool, now: Instant) {
        let Some(item) = self.seen_item(alt, now) else {
            return;
        };
        let how = How {
            review,
            ..How::default()
        };
        self.decide_if_sure(
            Decision::Accept {
                target: Target::Item(item),
                how,
            },
            now,
        );
    }

    /// What cannot be undone asks once more. Returns whether it was asked, and answered by another press.
    pub(super) fn is_sure(&mut self, decision: &Decision, now: Instant) -> bool {
        if let Err(why) = self.session.look_again(decision) {
            self.state.say(why, Tone::Bad);
            return false;
        }
        let Some(question) = self.session.room.doubt(decision) else {
            return true;
        };
        let asked = self.asked_before.take();
        if asked.is_some_and(|(asked, at)| asked == *decision && Gate::settled(at, now)) {
            return true;
        }
        self.state.unsure = Some((decision.clone(), now));
        self.state.say(question, Tone::Bad);
        false
    }

    fn decide_if_sure(&mut self, decision: Decision, now: Instant) {
        if self.is_sure(&decision, now) {
            self.decide(decision);
        }
    }

    pub(super) fn grant(&mut self, alt: bool, now: Instant) {
        if let Some(item) = self.seen_item(alt, now) {
            self.decide_if_sure(Decision::Grant(item), now);
        }
    }

    /// Asks why the item at hand is rejected, or for other words to accept it with.
    pub(super) fn ask(&mut self, what: What, alt: bool, now: Instant) {
        let Some(item) = self.seen_item(alt, now) else {
            return;
        };
        let mut field = Composer::default();
        let matter = self.session.room.inbox.get(item).map(|item| &item.matter);
        match (what, matter) {
            (What::Words, Some(Matter::Permission(_) | Matter::File(_))) => {
                let words = "Only words can be edited; reject it with a reason.";
                return self.state.say(words, Tone::Bad);
            }
            (What::Instructions, Some(Matter::Permission(_) | Matter::Draft(_) | Matter::File(_))) => {
                let words = "Only a mention is accepted with instructions; a draft can be edited.";
                return self.state.say(words, Tone::Bad);
            }
            (What::Words, _) => {
                let text = self.session.room.inbox.get(item).map(|item| item.text.as_str());
                field.set(text.unwrap_or_default());
            }
            _ => {}
        }
        self.state.asked = Some(Asked {
            item,
            what,
            field,
            since: now,
        });
    }

    pub(super) fn later(&mut self) {
        if let Some(item) = self.state.target(&self.session.room) {
            self.decide(Decision::Later(item));
            self.state.overlay = Overlay::None;
        }
    }

    /// Takes another agent for the item at hand, and opens it: all of it is to be seen anew before it is decided.
    pub(super) fn next_agent(&mut self) {
        let Some(item) = self.state.target(&self.session.room) else {
            return;
        };
        self.decide(Decision::NextAgent(item));
        self.state.overlay = Overlay::Item(ItemView::of(item));
        self.state.gate.forget();
    }

    pub(super) fn decide(&mut self, decision: Decision) {
        let result = self.session.decide(decision, Person::at_keyboard());
        self.show(result);
        self.state.tidy(&self.session.room);
    }

    /// Carries out the decision that something was written for.
    pub(super) fn send_asked(&mut self, now: Instant) {
        // A key that was on its way when the question appeared does not answer it.
        if !self
            .state
            .asked
            .as_ref()
            .is_some_and(|asked| Gate::settled(asked.since, now))
        {
            return;
        }
        let Some(asked) = self.state.asked.take() else {
            return;
        };
        let (target, text) = (Target::Item(asked.item), asked.field.text());
        let decision = match asked.what {
            What::Reason => Decision::Reject { target, reason: text },
            What::Words => Decision::Accept {
                target,
                how: How {
                    text: Some(text),
                    ..How::default()
                },
            },
            What::Instructions => Decision::Accept {
                target,
                how: How {
                    instructions: Some(text),
                    ..How::default()
                },
            },
        };
        match self.is_sure(&decision, now) {
            true => self.decide(decision),
            // What is written stays until it is said again.
            false => self.state.asked = Some(asked),
        }
    }
}
