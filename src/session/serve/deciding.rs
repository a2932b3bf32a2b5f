//! Words that only a person carries out. Over the socket they leave a mark for the person at the screen; on a
//! session that was started with `--allow-remote-decisions`, a program that no agent has started decides by them.

use nexscope_relay::protocol::Mode;
use serde_json::{Value, json};

use super::{
    Answer, Done, LOOKING, Session,
    args::{ModeArgs, Ref, Which, Words, read, refused, thread, usage},
    facts::mode,
    waiting::Wish,
};
use crate::{
    control::{Caller, Problem},
    room::{Command, Decision, How, ItemId, MentionFate, Person, Target},
    session::now,
};

impl Session {
    /// Whether a caller decides for the person.
    pub(super) fn lets_decide(&self, agent: Option<&str>, caller: &Caller) -> bool {
        self.config.headless && self.config.remote_decisions && agent.is_none() && !caller.of_agent
    }

    pub(super) fn serve_mode(&mut self, args: &ModeArgs, remote: bool, caller: &Caller) -> Answer {
        match args.mode {
            Some(Mode::Auto) if self.room.settings.mode == Mode::Auto => {}
            Some(Mode::Auto) if remote => {
                self.decide(Decision::Auto, Person::through_program())
                    .map_err(refused)?;
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
    pub(super) fn guarded(&mut self, word: &str, which: Which, caller: &Caller) -> Answer {
        let me = self.room.settings.me.clone();
        let target = target(which.id)?;
        if word == "retry" {
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
    pub(super) fn decide_remotely(&mut self, word: &str, args: Value) -> Result<Done, Problem> {
        let decision = match word {
            "ask" => {
                let Words { words } = read(args)?;
                Decision::Ask { words }
            }
            "retry" => return self.retry_remotely(read(args)?).map(Done::Now),
            "reject" => {
                let which: Which = read(args)?;
                Decision::Reject {
                    target: target(which.id)?,
                    reason: which.words.unwrap_or_default(),
                }
            }
            _ => {
                let which: Which = read(args)?;
                let target = target(which.id)?;
                let how = How {
                    instructions: which.words.filter(|words| !words.trim().is_empty()),
                    agent: which.agent,
                    review: which.review,
                    text: None,
                };
                Decision::Accept { target, how }
            }
        };
        match self.room.may_leave(&decision) {
            true => self.decide_now(decision).map(Done::Now),
            false => Ok(Done::Later(Wish::Decide(decision), now() + LOOKING)),
        }
    }

    /// Decides, where that needs no second yes.
    pub(super) fn decide_now(&mut self, decision: Decision) -> Answer {
        self.look_again(&decision).map_err(refused)?;
        if let Some(doubt) = self.room.doubt(&decision) {
            return Err(refused(format!(
                "{doubt} Only a key says that; nexscope-tui attach shows it."
            )));
        }
        self.decide(decision, Person::through_program())
            .map_err(refused)?;
        Ok(json!({ "decided": true }))
    }

    fn retry_remotely(&mut self, which: Which) -> Answer {
        let Target::Item(id) = target(which.id)? else {
            return Err(usage("id is m12 or f3"));
        };
        let failed = match id {
            ItemId::Mention(number) => self
                .room
                .timeline
                .post_numbered(number)
                .is_some_and(|post| matches!(self.room.inbox.fate(post), Some(MentionFate::Failed(_)))),
            _ => false,
        };
        match id {
            ItemId::Mention(number) if failed => {
                self.decide(Decision::HandOver(number), Person::through_program())
            }
            id => self.perform(Command::Retry(id)),
        }
        .map_err(refused)?;
        Ok(json!({ "decided": true }))
    }
}

fn target(id: Ref) -> Result<Target, Problem> {
    match id {
        Ref::Number(number) => Ok(Target::Item(ItemId::Mention(number))),
        Ref::Name(name) => match thread(Ref::Name(name.clone())) {
            Ok(number) => Ok(Target::Thread(number)),
            Err(_) => name
                .parse()
                .map(Target::Item)
                .map_err(|()| usage("id is m12, d3, p4, f5 or t6")),
        },
    }
}
