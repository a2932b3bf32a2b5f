//! What only a person at the keyboard may do.

use nexscope_relay::protocol::Mode;
use serde::{Deserialize, Serialize};

use super::{
    Effect, ItemId, Matter, Mention, MentionFate, Millis, Record, Reply, Room,
    audit::{self, By, Decided, Verdict},
    inbox::Key,
    outbox::Outgoing,
};
use crate::agent::Answer;

/// Proof that a person decides.
///
/// Only a face with a person before it makes one, from a key that was pressed, and a session that was started with
/// `--allow-remote-decisions`, for a program that no agent has started; no path from an agent or the network has
/// one to give.
#[derive(Debug)]
pub struct Person(By);

impl Person {
    /// A key was pressed. Called by the screen, and by plain mode where a person types at a terminal.
    pub(crate) fn at_keyboard() -> Self {
        Self(By::Person)
    }

    /// A program of the person's speaks for them, as they allowed when they started the session.
    pub(crate) fn through_program() -> Self {
        Self(By::Program)
    }
}

/// A decision about what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Let an agent work on it, let it leave, let it be done.
    Accept {
        /// Which item, or all of a thread.
        target: Target,
        /// With what.
        how: How,
    },
    /// Do not; who waits for it is told.
    Reject {
        /// Which item, or all of a thread.
        target: Target,
        /// Why; may be empty.
        reason: String,
    },
    /// Allow it, and its like, for the rest of the thread.
    Grant(ItemId),
    /// Put it off.
    Later(ItemId),
    /// Another agent is to work on it when it is accepted: the next one.
    NextAgent(ItemId),
    /// Give a message of the timeline to the agent, as if it had asked; also again, after a failure.
    HandOver(u32),
    /// Ask one's own agent, in the room's sight.
    Ask {
        /// The words; an agent's name may stand before them.
        words: String,
    },
    /// Take the key that a member's name has now as that member's.
    Trust(String),
    /// Turn auto mode on.
    Auto,
}

/// With what something is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct How {
    /// Words of our own person, added to a mention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The agent, where it is not the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Whether the answer waits as a draft, whatever the settings.
    pub review: bool,
    /// Other words than those that it came with, for a mention or a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One item (`m12`, `d3`, `p4`).
    Item(ItemId),
    /// All that waits in a thread (`t3`).
    Thread(u32),
}

impl Room {
    /// Carries out a person's decision. Fails, with a sentence, where there is nothing to decide.
    pub fn decide(
        &mut self,
        decision: Decision,
        by: Person,
        now: Millis,
    ) -> (Vec<Effect>, Result<Reply, String>) {
        let mut effects = Vec::new();
        let by = by.0;
        let result = match decision {
            Decision::Accept { target, how } => self.accept(target, how, &by, now, &mut effects),
            Decision::Reject { target, reason } => self.reject(target, &reason, &by, now, &mut effects),
            Decision::Grant(id) => self.grant(id, by, now, &mut effects),
            Decision::Later(id) => match self.inbox.put_off(id) {
                true => {
                    effects.push(Effect::Keep(Box::new(Record::PutOff { item: id.to_string() })));
                    Ok(Reply::Nothing)
                }
                false => Err(not_waiting(id)),
            },
            Decision::NextAgent(id) => self.next_agent(id),
            Decision::HandOver(number) => self.hand_over(number, by, now, &mut effects),
            Decision::Ask { words } => self.ask_own(&words, by, now, &mut effects),
            Decision::Trust(name) => self.trust(&name, &mut effects),
            Decision::Auto => {
                self.set_mode(Mode::Auto, by, &mut effects);
                Ok(Reply::Text(
                    "Auto mode: mentions of you are answered at once, within limits.".into(),
                ))
            }
        };
        (effects, result)
    }

    pub(super) fn items(&self, target: Target) -> Result<Vec<ItemId>, String> {
        let ids: Vec<ItemId> = match target {
            Target::Item(id) => self.inbox.get(id).map(|item| item.id).into_iter().collect(),
            Target::Thread(number) => {
                let thread = self.threads.numbered(number).map(|thread| thread.id.clone());
                let in_thread = self
                    .inbox
                    .waiting()
                    .filter(|item| Some(&item.thread) == thread.as_ref());
                in_thread.map(|item| item.id).collect()
            }
        };
        match (ids.is_empty(), target) {
            (false, _) => Ok(ids),
            (true, Target::Item(id)) => Err(not_waiting(id)),
            (true, Target::Thread(number)) => {
                Err(format!("Nothing waits in t{number}; /inbox lists what does."))
            }
        }
    }

    fn accept(
        &mut self,
        target: Target,
        how: How,
        by: &By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        let ids = self.items(target)?;
        // Nothing is taken where one of them has no agent, or is not yet looked through.
        let mut agents = Vec::new();
        for id in &ids {
            self.is_looked_through(*id)?;
            let chosen = match self.inbox.get(*id).map(|item| &item.matter) {
                Some(Matter::Mention(mention)) => mention.agent.clone(),
                _ => {
                    agents.push(String::new());
                    continue;
                }
            };
            agents.push(self.agent_named(how.agent.clone().or(chosen))?);
        }
        for (id, agent) in ids.into_iter().zip(agents) {
            let Some(item) = self.inbox.take(id) else { continue };
            self.person_spoke(&item.thread, by, effects);
            match &item.matter {
                Matter::Mention(_) => {
                    let decided = Decided::new(by.clone(), Verdict::Accepted);
                    self.run(&item, &agent, how.clone(), decided, now, effects);
                }
                Matter::Draft(draft) => {
                    if let ItemId::Draft(number) = id {
                        self.post_draft(number, draft, how.text.clone(), by, now, effects);
                    }
                }
                Matter::Permission(permission) => {
                    self.note_permission(&item, permission, "allowed once", by.clone(), now, effects);
                    self.answer_request(permission, Answer::Allow, effects);
                }
                Matter::File(number) => {
                    self.note_file_decided(*number, by.clone(), Verdict::Accepted, effects);
                    self.fetch_file(*number, effects);
                }
            }
        }
        self.start_next(now, effects);
        Ok(Reply::Nothing)
    }

    /// The agent that works on a mention when it is accepted; none where there is none.
    pub fn agent_for(&self, mention: &Mention) -> Option<String> {
        mention.agent.clone().or_else(|| self.settings.default_agent())
    }

    fn next_agent(&mut self, id: ItemId) -> Result<Reply, String> {
        let agents = &self.settings.agents;
        let Some(Matter::Mention(mention)) = self.inbox.get(id).map(|item| &item.matter) else {
            return Err(format!("{id} is not for an agent to answer."));
        };
        if agents.len() < 2 {
            return Err("There is no other agent to choose: config.toml has the agents.".into());
        }
        let now = self.agent_for(mention);
        let at = agents.iter().position(|name| Some(name) == now.as_ref());
        let next = agents[at.map_or(0, |at| (at + 1) % agents.len())].clone();
        let mut mentions = self.inbox.mentions_mut();
        if let Some((_, mention)) = mentions.find(|(other, _)| *other == id) {
            mention.agent = Some(next);
        }
        Ok(Reply::Nothing)
    }

    fn reject(
        &mut self,
        target: Target,
        reason: &str,
        by: &By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        let reason = crate::text::clean_line(reason.trim(), super::timeline::LINE_MAX);
        for id in self.items(target)? {
            let Some(item) = self.inbox.take(id) else { continue };
            let decided = Decided {
                item: Some(id.to_string()),
                reason: Some(reason.clone()).filter(|reason| !reason.is_empty()),
                ..Decided::new(by.clone(), Verdict::Rejected)
            };
            match &item.matter {
                Matter::Mention(mention) => {
                    let message = Some(mention.key.1.clone());
                    Self::note_decided(Decided { message, ..decided }, effects);
                    let fate = MentionFate::Rejected(reason.clone());
                    self.decline_all(&mention.key, &reason, effects);
                    self.settle(mention.key.clone(), &item.from.member, fate, now, effects);
                }
                Matter::Draft(draft) => {
                    let message = draft.question.as_ref().map(|(_, key)| key.1.clone());
                    let run = draft.run.clone();
                    Self::note_decided(
                        Decided {
                            message,
                            run,
                            ..decided
                        },
                        effects,
                    );
                    if let ItemId::Draft(number) = id {
                        effects.push(Effect::Keep(Box::new(Record::Dropped { number })));
                    }
                    let fate = MentionFate::Rejected(reason.clone());
                    if let Some((from, key)) = draft.question.clone() {
                        self.settle(key, &from, fate, now, effects);
                    }
                }
                Matter::Permission(permission) => {
                    let why = if reason.is_empty() {
                        "the person said no".to_owned()
                    } else {
                        reason.clone()
                    };
                    let answer = format!("refused: {why}");
                    self.note_permission(&item, permission, &answer, by.clone(), now, effects);
                    self.answer_request(permission, Answer::Deny(why), effects);
                }
                Matter::File(number) => {
                    self.note_file_decided(*number, by.clone(), Verdict::Rejected, effects);
                    self.decline(*number, &reason, effects);
                }
            }
        }
        Ok(Reply::Nothing)
    }

    pub(super) fn note_decided(decided: Decided, effects: &mut Vec<Effect>) {
        Self::note_audit(audit::Entry::Decided(Box::new(decided)), effects);
    }

    /// Notes what became of a mention, on disk too, and tells its sender.
    pub(super) fn settle(
        &mut self,
        key: Key,
        from: &str,
        fate: MentionFate,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let (state, why) = fate.receipt();
        effects.push(Effect::Keep(Box::new(Record::Mention {
            from: from.to_owned(),
            id: key.1.clone(),
            fate: fate.clone(),
            at: now,
        })));
        self.inbox.decided(key.clone(), fate, now);
        self.tell(from, &key, state, why, effects);
    }

    /// Our person has written a message, at the screen: in its thread auto mode counts anew.
    pub fn wrote(&mut self, number: u32, by: &Person) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(thread) = self
            .timeline
            .post_numbered(number)
            .map(|post| post.thread.clone())
        {
            self.person_spoke(&thread, &by.0, &mut effects);
        }
        effects
    }

    /// Somebody decided or wrote in a thread; where it was our own person, it is counted anew.
    pub(super) fn person_spoke(&mut self, thread: &str, by: &By, effects: &mut Vec<Effect>) {
        if *by != By::Person {
            return;
        }
        self.told_held.remove(thread);
        if self.guard.person_spoke(thread) {
            effects.push(Effect::Keep(Box::new(Record::Spoke {
                thread: thread.to_owned(),
            })));
        }
    }

    /// Whether a message of ours can be sent again after it failed, and the message.
    pub(super) fn failed_outgoing(&self, number: u32) -> Option<Outgoing> {
        let post = self.timeline.post_numbered(number).filter(|post| post.mine)?;
        self.outbox
            .get(&post.id)
            .filter(|one| one.failed.is_some())
            .cloned()
    }
}

pub(super) fn not_waiting(id: ItemId) -> String {
    format!("{id} does not wait for you; /inbox lists what does.")
}
