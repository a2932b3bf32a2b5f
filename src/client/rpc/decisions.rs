//! Words that only a person carries out. Over the socket they leave a mark for the person at the screen; on a
//! session that was started with `--allow-remote-decisions`, a program that no agent has started decides by them.

use nexscope_relay::protocol::Mode;
use serde_json::{Value, json};

use super::{
    Answer, Client, Done, LOOKING,
    args::{ModeArgs, Ref, Which, Words, read, refused, usage},
    long_poll::WaitFor,
    queries::mode,
};
use crate::{
    control::{
        Caller, RpcError,
        policy::{Asks, Permit},
    },
    core::{AcceptOptions, Command, Decision, Intent, ItemId, MentionOutcome, Person, Shown, Target},
};

impl Client {
    pub(super) fn serve_mode(&mut self, permit: Permit, args: &ModeArgs, caller: &Caller) -> Answer {
        match args.mode {
            Some(Mode::Auto) if self.room.settings.mode == Mode::Auto => {}
            Some(Mode::Auto) if permit.decides() => {
                self.decide_written(Intent::Auto)?;
            }
            Some(Mode::Auto) => {
                self.tell_once(format!(
                    "{} has asked for auto mode; it stays manual until you write /mode auto.",
                    caller.process
                ));
                return Err(refused(
                    "Only a person at the screen turns auto mode on, by /mode auto; they were told that you ask.",
                ));
            }
            Some(Mode::Manual) => {
                self.perform(Command::Mode(Some(Mode::Manual))).map_err(refused)?;
            }
            None => {}
        }
        Ok(json!({ "mode": mode(self.room.settings.mode) }))
    }

    /// What a word is about is marked, and nothing else happens.
    pub(super) fn guarded(&mut self, permit: Permit, which: Which, caller: &Caller) -> Answer {
        let me = self.room.settings.me.clone();
        let target = target(which.id)?;
        if permit.asks() == Asks::Retry {
            self.tell_once(format!(
                "{} has asked for something to be tried again.",
                caller.process
            ));
            return Err(refused(format!(
                "Only a person at the screen tries it again: {me} was told that you ask."
            )));
        }
        let ids = self.room.asked_for(target, &caller.process).map_err(refused)?;
        let ids: Vec<String> = ids.iter().map(ItemId::to_string).collect();
        Ok(json!({
            "decided": false,
            "waits": ids,
            "message": format!("Nothing is decided: {} waits for a key of {me}'s at the screen, who sees that you ask.", ids.join(", ")),
        }))
    }

    /// Decides, as the person allowed when they started the session.
    pub(super) fn decide_remotely(&mut self, permit: Permit, args: Value) -> Result<Done, RpcError> {
        let intent = match permit.asks() {
            Asks::Ask => {
                let Words { words } = read(args)?;
                Intent::Ask { words }
            }
            Asks::Retry => return self.retry_remotely(read(args)?).map(Done::Now),
            Asks::Reject => {
                let which: Which = read(args)?;
                Intent::Reject {
                    target: target(which.id)?,
                    reason: which.words.unwrap_or_default(),
                }
            }
            _ => {
                let which: Which = read(args)?;
                let target = target(which.id)?;
                let how = AcceptOptions {
                    instructions: which.words.filter(|words| !words.trim().is_empty()),
                    agent: which.agent,
                    review: which.review,
                    text: None,
                };
                Intent::Accept { target, how }
            }
        };
        match self.room.may_leave(&intent) {
            true => self.decide_now(intent).map(Done::Now),
            false => Ok(Done::Later(
                WaitFor::Decide(intent),
                self.clock.now().plus(LOOKING),
            )),
        }
    }

    /// Decides, where that needs no second yes.
    pub(super) fn decide_now(&mut self, intent: Intent) -> Answer {
        if !intent.wants_it_whole() {
            return self.decide_written(intent);
        }
        self.look_again(&intent).map_err(refused)?;
        if let Some(doubt) = self.room.doubt(&intent) {
            return Err(refused(format!(
                "{doubt} Only a key says that; nexscope-tui attach shows it."
            )));
        }
        let shown = self.returned.clone().ok_or_else(|| {
            refused("Nothing was shown to you yet. Run nexscope-tui inbox, read it, then decide.")
        })?;
        self.decide(Decision::new(intent, shown), Person::through_program())
            .map_err(refused)?;
        Ok(json!({ "decided": true }))
    }

    /// Carries out what the person's program has written in their name.
    fn decide_written(&mut self, intent: Intent) -> Answer {
        if let Some(doubt) = self.room.doubt(&intent) {
            return Err(refused(format!(
                "{doubt} Only a key says that; nexscope-tui attach shows it."
            )));
        }
        let shown = Shown::written(&intent);
        self.decide(Decision::new(intent, shown), Person::through_program())
            .map_err(refused)?;
        Ok(json!({ "decided": true }))
    }

    fn retry_remotely(&mut self, which: Which) -> Answer {
        let Target::Item(id) = target(which.id)? else {
            return Err(usage("id is m12 or f3"));
        };
        let failed =
            match id {
                ItemId::Mention(number) => self.room.timeline.post_numbered(number).is_some_and(|post| {
                    matches!(self.room.inbox.fate(post), Some(MentionOutcome::Failed(_)))
                }),
                _ => false,
            };
        match id {
            ItemId::Mention(number) if failed => return self.decide_written(Intent::RunAgain(number)),
            id => self.perform(Command::Retry(id)).map_err(refused)?,
        };
        Ok(json!({ "decided": true }))
    }
}

fn target(id: Ref) -> Result<Target, RpcError> {
    match id {
        Ref::Number(number) => Ok(Target::Item(ItemId::Mention(number))),
        Ref::Name(name) => name
            .parse()
            .map_err(|()| usage("id is m12, d3, p4, f5, t6, or a version: m12.2")),
    }
}
