//! Decisions requested over the socket. They mark the item for the person at the screen; in a session started
//! with `--allow-remote-decisions`, a program that was not started by an agent decides with them.

use nexscope_relay::protocol::Mode;

use super::{Answer, Client, Progress, SCAN, long_poll::WaitFor};
use crate::{
    control::{
        Caller, Reply, Request, RpcError,
        policy::Permit,
        protocol::{CurrentMode, Decided, ModeName, SetMode},
    },
    core::{AcceptOptions, Command, Decision, Intent, ItemId, MentionOutcome, Person, Shown},
};

/// The reply to a decision that was carried out.
const DECIDED: Decided = Decided {
    decided: true,
    waits: Vec::new(),
    message: None,
};

impl Client {
    pub(super) fn serve_mode(&mut self, permit: Permit, wanted: SetMode, caller: &Caller) -> Answer {
        match wanted.mode {
            Some(ModeName::Auto) if self.room.settings.mode == Mode::Auto => {}
            Some(ModeName::Auto) if permit.decides() => {
                self.decide_written(Intent::Auto)?;
            }
            Some(ModeName::Auto) => {
                self.tell_once(format!(
                    "{} has asked for auto mode; it stays manual until you write /mode auto.",
                    caller.process
                ));
                return Err(RpcError::refused(
                    "Only a person at the screen turns auto mode on, by /mode auto; they were told that you ask.",
                ));
            }
            Some(ModeName::Manual) => {
                self.perform(Command::Mode(Some(Mode::Manual)))
                    .map_err(RpcError::refused)?;
            }
            None => {}
        }
        let mode = self.room.settings.mode.into();
        Ok(Reply::Mode(CurrentMode { mode }))
    }

    /// Marks the item as requested; decides nothing.
    pub(super) fn ask_person(&mut self, request: Request, caller: &Caller) -> Answer {
        let me = self.room.settings.me.clone();
        let (target, reply): (_, fn(Decided) -> Reply) = match request {
            Request::Accept(accept) => (accept.id.0, Reply::Accept),
            Request::Reject(reject) => (reject.id.0, Reply::Reject),
            _ => {
                self.tell_once(format!("{} has asked you to retry something.", caller.process));
                return Err(RpcError::refused(format!(
                    "Only a person at the screen retries: {me} was told that you ask."
                )));
            }
        };
        let ids = self
            .room
            .asked_for(target, &caller.process)
            .map_err(RpcError::refused)?;
        let waits: Vec<String> = ids.iter().map(ItemId::to_string).collect();
        let message = format!(
            "Nothing is decided: {} waits for {me} at the screen, who sees that you ask.",
            waits.join(", ")
        );
        Ok(reply(Decided {
            decided: false,
            waits,
            message: Some(message),
        }))
    }

    /// Carries out a decision, as the person allowed when they started the session.
    pub(super) fn decide_remotely(&mut self, request: Request) -> Result<Progress, RpcError> {
        let intent = match request {
            Request::Ask(ask) => Intent::Ask {
                words: ask.words.join(" "),
            },
            Request::Reject(reject) => Intent::Reject {
                target: reject.id.0,
                reason: reject.words.join(" "),
            },
            Request::Accept(accept) => {
                let instructions = accept.words.join(" ");
                let how = AcceptOptions {
                    instructions: Some(instructions).filter(|words| !words.trim().is_empty()),
                    agent: accept.agent,
                    review: accept.review,
                    text: None,
                };
                Intent::Accept {
                    target: accept.id.0,
                    how,
                }
            }
            Request::Retry(item) => return self.retry_remotely(item.id.0).map(Progress::Done),
            _ => return Err(RpcError::usage("That is not a decision.")),
        };
        if self.room.may_leave(&intent) {
            return self.decide_now(intent).map(Progress::Done);
        }
        Ok(Progress::Later(
            WaitFor::Decide(intent),
            self.clock.now().plus(SCAN),
        ))
    }

    /// Carries out a decision unless it needs a second confirmation.
    pub(super) fn decide_now(&mut self, intent: Intent) -> Answer {
        if !intent.wants_it_whole() {
            return self.decide_written(intent);
        }
        self.look_again(&intent).map_err(RpcError::refused)?;
        if let Some(doubt) = self.room.doubt(&intent) {
            return Err(RpcError::refused(format!(
                "{doubt} Only a key press confirms that: run nexscope-tui attach."
            )));
        }
        let shown = self.returned.clone().ok_or_else(|| {
            RpcError::refused("Nothing was shown to you yet. Run nexscope-tui inbox, read it, then decide.")
        })?;
        self.decide(Decision::new(intent, shown), Person::through_program())
            .map_err(RpcError::refused)?;
        Ok(Reply::Accept(DECIDED))
    }

    /// Carries out a decision that the person's program has made in their name.
    fn decide_written(&mut self, intent: Intent) -> Answer {
        if let Some(doubt) = self.room.doubt(&intent) {
            return Err(RpcError::refused(format!(
                "{doubt} Only a key press confirms that: run nexscope-tui attach."
            )));
        }
        let shown = Shown::written(&intent);
        self.decide(Decision::new(intent, shown), Person::through_program())
            .map_err(RpcError::refused)?;
        Ok(Reply::Accept(DECIDED))
    }

    fn retry_remotely(&mut self, id: ItemId) -> Answer {
        let run_failed = match id {
            ItemId::Mention(number) => self.room.chat.timeline().post_numbered(number).filter(|post| {
                matches!(
                    self.room.review.inbox().fate(post),
                    Some(MentionOutcome::Failed(_))
                )
            }),
            _ => None,
        };
        if let Some(post) = run_failed {
            return self.decide_written(Intent::RunAgain(post.number));
        }
        self.perform(Command::Retry(id)).map_err(RpcError::refused)?;
        Ok(Reply::Retry(DECIDED))
    }
}
