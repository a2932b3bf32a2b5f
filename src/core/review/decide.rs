//! Decisions, which only a person at the keyboard may make.

use nexscope_relay::protocol::Mode;
use serde::{Deserialize, Serialize};

use crate::core::{
    Ctx, Decision, Intent, ItemId, ItemKind, Mention, MentionOutcome, Record, Refused, Reply, Room, Target,
    chat::{identity, outbox::Outgoing, receive},
    files::sharing::{self, download},
    leak::attachment,
    perform,
    persist::audit::{self, By, Decided, Verdict},
    review::{draft, inbox::Key, permission, shown},
    runs::{ToolAnswer, direct, start},
};

/// Proof that a person decides.
///
/// Made only by a front end with a person at it, from a key press, and by a session that was started with
/// `--allow-remote-decisions`, for a program that no agent has started. No code path from an agent or the network
/// has one.
#[derive(Debug)]
pub struct Person(By);

impl Person {
    /// Made from a key press: by the screen, and by plain mode if a person types at a terminal.
    pub(crate) fn at_keyboard() -> Self {
        Self(By::Person)
    }

    /// Made for a program of the person's, as they allowed when they started the session.
    pub(crate) fn through_program() -> Self {
        Self(By::Program)
    }
}

/// Options for accepting an item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AcceptOptions {
    /// Instructions that the person adds to a mention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The agent, if it is not the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Whether the answer becomes a draft, whatever the settings.
    pub review: bool,
    /// Edited text, in place of the original text of a mention or a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Room {
    /// The pending items that a target names. Fails if there are none, or if a version is not the
    /// newest.
    pub(crate) fn items(&self, target: Target) -> Result<Vec<ItemId>, Refused> {
        let ids: Vec<ItemId> = match target {
            Target::Item(id) => self
                .review
                .inbox
                .get(id)
                .map(|item| item.id)
                .into_iter()
                .collect(),
            Target::Version(id, version) => match self.review.inbox.get(id) {
                Some(item) if item.version == version => vec![id],
                Some(item) => {
                    let label = item.label();
                    return Err(Refused::OldVersion { id, version, label });
                }
                None => vec![],
            },
            Target::Thread(number) => {
                let thread = self.chat.threads.numbered(number).map(|thread| thread.id.clone());
                let in_thread = self
                    .review
                    .inbox
                    .waiting()
                    .filter(|item| Some(&item.thread) == thread.as_ref());
                in_thread.map(|item| item.id).collect()
            }
        };
        match (ids.is_empty(), target) {
            (false, _) => Ok(ids),
            (true, Target::Item(id) | Target::Version(id, _)) => Err(Refused::NotPending(id)),
            (true, Target::Thread(number)) => Err(Refused::NothingPending(number)),
        }
    }

    /// The agent that works on a mention when it is accepted, if there is one.
    pub fn agent_for(&self, mention: &Mention) -> Option<String> {
        mention.agent.clone().or_else(|| self.settings.default_agent())
    }
}

/// Resets auto mode's streak in the thread of a message that the person has written at the screen.
pub(in crate::core) fn wrote(room: &Room, number: u32, by: &Person, ctx: &mut Ctx) {
    if let Some(post) = room.chat.timeline.post_numbered(number) {
        person_spoke(&post.thread, &by.0, ctx);
    }
}

/// Carries out a person's decision.
pub(in crate::core) fn decide(
    room: &mut Room,
    decision: Decision,
    by: Person,
    ctx: &mut Ctx,
) -> Result<Reply, Refused> {
    let by = by.0;
    let (intent, shown) = decision.into_parts();
    if !intent.wants_it_whole() {
        shown::is_as_written(&intent, &shown)?;
    }
    match intent {
        Intent::Accept { target, how } => {
            let ids = shown::decided_on(room, target, &shown)?;
            accept(room, ids, how, &by, ctx)
        }
        Intent::Reject { target, reason } => {
            let ids = shown::decided_on(room, target, &shown)?;
            reject(room, ids, &reason, &by, ctx)
        }
        Intent::Grant(id) => {
            shown::decided_on(room, Target::Item(id), &shown)?;
            permission::grant(room, id, by, ctx)
        }
        Intent::HandOver(number) => {
            direct::may_hand_over(room, ctx.runs, number)?;
            shown::is_as_shown(room, ItemId::Mention(number), &shown)?;
            direct::hand_over(room, number, by, ctx)
        }
        Intent::RunAgain(number) => direct::run_again(room, number, by, ctx),
        Intent::Later(id) => match room.review.inbox.put_off(id) {
            true => {
                ctx.keep(Record::PutOff { item: id.to_string() });
                Ok(Reply::Nothing)
            }
            false => Err(Refused::NotPending(id)),
        },
        Intent::NextAgent(id) => next_agent(room, id),
        Intent::Ask { words } => direct::ask_own(room, &words, by, ctx),
        Intent::Trust(name) => identity::trust(room, &name, ctx),
        Intent::Auto => {
            perform::set_mode(room, Mode::Auto, by, ctx);
            Ok(Reply::Text(
                "Auto mode: mentions of you are answered at once, within limits.".into(),
            ))
        }
    }
}

fn accept(
    room: &mut Room,
    ids: Vec<ItemId>,
    how: AcceptOptions,
    by: &By,
    ctx: &mut Ctx,
) -> Result<Reply, Refused> {
    // All or nothing: none is accepted if one has no agent, or its scan is pending.
    let mut agents = Vec::new();
    for id in &ids {
        attachment::is_looked_through(room, *id)?;
        let chosen = match room.review.inbox.get(*id).map(|item| &item.matter) {
            Some(ItemKind::Mention(mention)) => mention.agent.clone(),
            _ => {
                agents.push(String::new());
                continue;
            }
        };
        agents.push(direct::agent_named(room, how.agent.clone().or(chosen))?);
    }
    for (id, agent) in ids.into_iter().zip(agents) {
        let Some(item) = room.review.inbox.take(id) else {
            continue;
        };
        person_spoke(&item.thread, by, ctx);
        match &item.matter {
            ItemKind::Mention(_) => {
                let decided = Decided::new(by.clone(), Verdict::Accepted);
                if let ItemId::Mention(number) = id {
                    identity::accepted_from(room, number, ctx);
                }
                start::run(room, &item, &agent, how.clone(), decided, ctx);
            }
            ItemKind::Draft(draft) => {
                if let ItemId::Draft(number) = id {
                    draft::post_draft(room, number, draft, how.text.clone(), by, ctx);
                }
            }
            ItemKind::Permission(permission) => {
                permission::note_permission(room, &item, permission, "allowed once", by.clone(), ctx);
                permission::answer_request(room, permission, ToolAnswer::Allow, ctx);
            }
            ItemKind::File(number) => {
                sharing::note_file_decided(room, *number, by.clone(), Verdict::Accepted, ctx);
                download::fetch_file(room, *number, ctx);
            }
        }
    }
    Ok(Reply::Nothing)
}

fn next_agent(room: &mut Room, id: ItemId) -> Result<Reply, Refused> {
    let agents = &room.settings.agents;
    let Some(ItemKind::Mention(mention)) = room.review.inbox.get(id).map(|item| &item.matter) else {
        return Err(Refused::NotForAgents(id));
    };
    if agents.len() < 2 {
        return Err(Refused::NoOtherAgent);
    }
    let now = room.agent_for(mention);
    let at = agents.iter().position(|name| Some(name) == now.as_ref());
    let next = agents[at.map_or(0, |at| (at + 1) % agents.len())].clone();
    let mut mentions = room.review.inbox.mentions_mut();
    if let Some((_, mention)) = mentions.find(|(other, _)| *other == id) {
        mention.agent = Some(next);
    }
    drop(mentions);
    room.review.inbox.changed(id);
    Ok(Reply::Nothing)
}

fn reject(room: &mut Room, ids: Vec<ItemId>, reason: &str, by: &By, ctx: &mut Ctx) -> Result<Reply, Refused> {
    let reason = crate::text::clean_line(reason.trim(), crate::core::chat::timeline::LINE_MAX);
    for id in ids {
        let Some(item) = room.review.inbox.take(id) else {
            continue;
        };
        let decided = Decided {
            item: Some(id.to_string()),
            reason: Some(reason.clone()).filter(|reason| !reason.is_empty()),
            ..Decided::new(by.clone(), Verdict::Rejected)
        };
        match &item.matter {
            ItemKind::Mention(mention) => {
                let message = Some(mention.key.1.clone());
                note_decided(room, Decided { message, ..decided }, ctx);
                let fate = MentionOutcome::Rejected(reason.clone());
                sharing::decline_all(room, &mention.key, &reason, ctx);
                settle(room, mention.key.clone(), &item.from.member, fate, ctx);
            }
            ItemKind::Draft(draft) => {
                let message = draft.question.as_ref().map(|(_, key)| key.1.clone());
                let run = draft.run.clone();
                note_decided(
                    room,
                    Decided {
                        message,
                        run,
                        ..decided
                    },
                    ctx,
                );
                if let ItemId::Draft(number) = id {
                    ctx.keep(Record::Dropped { number });
                }
                let fate = MentionOutcome::Rejected(reason.clone());
                if let Some((from, key)) = draft.question.clone().filter(|_| draft.settles()) {
                    settle(room, key, &from, fate, ctx);
                }
            }
            ItemKind::Permission(permission) => {
                let why = if reason.is_empty() {
                    "the person said no".to_owned()
                } else {
                    reason.clone()
                };
                let answer = format!("refused: {why}");
                permission::note_permission(room, &item, permission, &answer, by.clone(), ctx);
                permission::answer_request(room, permission, ToolAnswer::Deny(why), ctx);
            }
            ItemKind::File(number) => {
                sharing::note_file_decided(room, *number, by.clone(), Verdict::Rejected, ctx);
                download::decline(room, *number, &reason, ctx);
            }
        }
    }
    Ok(Reply::Nothing)
}

pub(in crate::core) fn note_decided(room: &Room, mut decided: Decided, ctx: &mut Ctx) {
    // The person's edited text may contain the same secrets as the agent's.
    let after = decided.edited.as_mut().map(|edited| &mut edited.after);
    let words = [decided.reason.as_mut(), decided.instructions.as_mut(), after];
    for words in words.into_iter().flatten() {
        *words = room.redacted(words);
    }
    ctx.audit(audit::Entry::Decided(Box::new(decided)));
}

/// Records the outcome of a mention, on disk too, and notifies its sender.
pub(in crate::core) fn settle(room: &mut Room, key: Key, from: &str, fate: MentionOutcome, ctx: &mut Ctx) {
    let (state, why) = fate.receipt();
    ctx.keep(Record::Mention {
        from: from.to_owned(),
        id: key.1.clone(),
        fate: fate.clone(),
        at: ctx.now,
    });
    room.review.inbox.decided(key.clone(), fate, ctx.now);
    receive::tell(room, from, &key, state, why, ctx);
}

/// Resets the streak of a thread in which somebody decided or wrote, if that was the person.
pub(in crate::core) fn person_spoke(thread: &str, by: &By, ctx: &mut Ctx) {
    if *by != By::Person {
        return;
    }
    ctx.auto.hold_notices.remove(&(ctx.room, thread.to_owned()));
    if ctx.auto.guard.person_spoke(ctx.room, thread) {
        ctx.keep(Record::Spoke {
            thread: thread.to_owned(),
        });
    }
}

/// The message, if it is ours, failed and can be resent.
pub(in crate::core) fn failed_outgoing(room: &Room, number: u32) -> Option<Outgoing> {
    let post = room
        .chat
        .timeline
        .post_numbered(number)
        .filter(|post| post.sender.mine)?;
    room.chat
        .outbox
        .get(&post.id)
        .filter(|one| one.failed.is_some())
        .cloned()
}
