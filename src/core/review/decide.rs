//! What only a person at the keyboard may do.

use nexscope_relay::protocol::Mode;
use serde::{Deserialize, Serialize};

use crate::core::{
    Decision, Effect, Intent, ItemId, ItemKind, Mention, MentionOutcome, Millis, Record, Reply, Room, Target,
    chat::outbox::Outgoing,
    persist::audit::{self, By, Decided, Verdict},
    review::inbox::Key,
    runs::ToolAnswer,
};

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

/// With what something is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AcceptOptions {
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

impl Room {
    /// Carries out a person's decision on what they were shown. Fails, with a sentence, where there is nothing to
    /// decide, or where it is not any more what they were shown.
    pub fn decide(
        &mut self,
        decision: Decision,
        by: Person,
        now: Millis,
    ) -> (Vec<Effect>, Result<Reply, String>) {
        let mut effects = Vec::new();
        let result = self.carry_out(decision, by.0, now, &mut effects);
        (effects, result)
    }

    fn carry_out(
        &mut self,
        decision: Decision,
        by: By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        let (intent, shown) = decision.into_parts();
        if !intent.wants_it_whole() {
            Self::is_as_written(&intent, &shown)?;
        }
        match intent {
            Intent::Accept { target, how } => {
                let ids = self.decided_on(target, &shown)?;
                self.accept(ids, how, &by, now, effects)
            }
            Intent::Reject { target, reason } => {
                let ids = self.decided_on(target, &shown)?;
                self.reject(ids, &reason, &by, now, effects)
            }
            Intent::Grant(id) => {
                self.decided_on(Target::Item(id), &shown)?;
                self.grant(id, by, now, effects)
            }
            Intent::HandOver(number) => {
                self.may_hand_over(number)?;
                self.is_as_shown(ItemId::Mention(number), &shown)?;
                self.hand_over(number, by, now, effects)
            }
            Intent::RunAgain(number) => self.run_again(number, by, now, effects),
            Intent::Later(id) => match self.inbox.put_off(id) {
                true => {
                    effects.push(Effect::Keep(Box::new(Record::PutOff { item: id.to_string() })));
                    Ok(Reply::Nothing)
                }
                false => Err(not_waiting(id)),
            },
            Intent::NextAgent(id) => self.next_agent(id),
            Intent::Ask { words } => self.ask_own(&words, by, now, effects),
            Intent::Trust(name) => self.trust(&name, effects),
            Intent::Auto => {
                self.set_mode(Mode::Auto, by, effects);
                Ok(Reply::Text(
                    "Auto mode: mentions of you are answered at once, within limits.".into(),
                ))
            }
        }
    }

    /// The items that wait and that a target names. Fails, with a sentence, where there are none, or where a version
    /// is not the newest.
    pub(crate) fn items(&self, target: Target) -> Result<Vec<ItemId>, String> {
        let ids: Vec<ItemId> = match target {
            Target::Item(id) => self.inbox.get(id).map(|item| item.id).into_iter().collect(),
            Target::Version(id, version) => match self.inbox.get(id) {
                Some(item) if item.version == version => vec![id],
                Some(item) => {
                    return Err(format!(
                        "{id}.{version} has changed: it is {} now. Read it again.",
                        item.label()
                    ));
                }
                None => vec![],
            },
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
            (true, Target::Item(id) | Target::Version(id, _)) => Err(not_waiting(id)),
            (true, Target::Thread(number)) => {
                Err(format!("Nothing waits in t{number}; /inbox lists what does."))
            }
        }
    }

    fn accept(
        &mut self,
        ids: Vec<ItemId>,
        how: AcceptOptions,
        by: &By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        // Nothing is taken where one of them has no agent, or is not yet looked through.
        let mut agents = Vec::new();
        for id in &ids {
            self.is_looked_through(*id)?;
            let chosen = match self.inbox.get(*id).map(|item| &item.matter) {
                Some(ItemKind::Mention(mention)) => mention.agent.clone(),
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
                ItemKind::Mention(_) => {
                    let decided = Decided::new(by.clone(), Verdict::Accepted);
                    if let ItemId::Mention(number) = id {
                        self.accepted_from(number, effects);
                    }
                    self.run(&item, &agent, how.clone(), decided, now, effects);
                }
                ItemKind::Draft(draft) => {
                    if let ItemId::Draft(number) = id {
                        self.post_draft(number, draft, how.text.clone(), by, now, effects);
                    }
                }
                ItemKind::Permission(permission) => {
                    self.note_permission(&item, permission, "allowed once", by.clone(), now, effects);
                    self.answer_request(permission, ToolAnswer::Allow, effects);
                }
                ItemKind::File(number) => {
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
        let Some(ItemKind::Mention(mention)) = self.inbox.get(id).map(|item| &item.matter) else {
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
        drop(mentions);
        self.inbox.changed(id);
        Ok(Reply::Nothing)
    }

    fn reject(
        &mut self,
        ids: Vec<ItemId>,
        reason: &str,
        by: &By,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, String> {
        let reason = crate::text::clean_line(reason.trim(), crate::core::chat::timeline::LINE_MAX);
        for id in ids {
            let Some(item) = self.inbox.take(id) else { continue };
            let decided = Decided {
                item: Some(id.to_string()),
                reason: Some(reason.clone()).filter(|reason| !reason.is_empty()),
                ..Decided::new(by.clone(), Verdict::Rejected)
            };
            match &item.matter {
                ItemKind::Mention(mention) => {
                    let message = Some(mention.key.1.clone());
                    self.note_decided(Decided { message, ..decided }, effects);
                    let fate = MentionOutcome::Rejected(reason.clone());
                    self.decline_all(&mention.key, &reason, effects);
                    self.settle(mention.key.clone(), &item.from.member, fate, now, effects);
                }
                ItemKind::Draft(draft) => {
                    let message = draft.question.as_ref().map(|(_, key)| key.1.clone());
                    let run = draft.run.clone();
                    self.note_decided(
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
                    let fate = MentionOutcome::Rejected(reason.clone());
                    if let Some((from, key)) = draft.question.clone().filter(|_| draft.settles()) {
                        self.settle(key, &from, fate, now, effects);
                    }
                }
                ItemKind::Permission(permission) => {
                    let why = if reason.is_empty() {
                        "the person said no".to_owned()
                    } else {
                        reason.clone()
                    };
                    let answer = format!("refused: {why}");
                    self.note_permission(&item, permission, &answer, by.clone(), now, effects);
                    self.answer_request(permission, ToolAnswer::Deny(why), effects);
                }
                ItemKind::File(number) => {
                    self.note_file_decided(*number, by.clone(), Verdict::Rejected, effects);
                    self.decline(*number, &reason, effects);
                }
            }
        }
        Ok(Reply::Nothing)
    }

    pub(in crate::core) fn note_decided(&self, mut decided: Decided, effects: &mut Vec<Effect>) {
        // What a person writes may hold what an agent's words did.
        let after = decided.edited.as_mut().map(|edited| &mut edited.after);
        let words = [decided.reason.as_mut(), decided.instructions.as_mut(), after];
        for words in words.into_iter().flatten() {
            *words = self.redacted(words);
        }
        Self::note_audit(audit::Entry::Decided(Box::new(decided)), effects);
    }

    /// Notes what became of a mention, on disk too, and tells its sender.
    pub(in crate::core) fn settle(
        &mut self,
        key: Key,
        from: &str,
        fate: MentionOutcome,
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
    pub(in crate::core) fn person_spoke(&mut self, thread: &str, by: &By, effects: &mut Vec<Effect>) {
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
    pub(in crate::core) fn failed_outgoing(&self, number: u32) -> Option<Outgoing> {
        let post = self.timeline.post_numbered(number).filter(|post| post.mine)?;
        self.outbox
            .get(&post.id)
            .filter(|one| one.failed.is_some())
            .cloned()
    }
}

pub(in crate::core) fn not_waiting(id: ItemId) -> String {
    format!("{id} does not wait for you; /inbox lists what does.")
}
