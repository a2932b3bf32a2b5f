//! Starting a run from an accepted item: its session, its files, and the earlier messages that the agent gets.

use crate::core::{
    Audience, Ctx, Item, ItemId, ItemKind, MentionOutcome, Post, Record, Room, Run,
    auto::{dispatch, limits::Candidate},
    files::sharing,
    persist::audit::{By, Decided, Edited, Verdict},
    review::{
        decide::{self, AcceptOptions},
        inbox::{Key, key},
    },
    runs::{
        Totals, answer,
        ask::{Approved, Ask, Said},
        queue::Session,
    },
};

impl Room {
    /// The text of a message as it was accepted: no agent ever gets what the person removed from it.
    pub fn accepted_words<'a>(&'a self, post: &'a Post) -> &'a str {
        let with = self.review.inbox.accepted_with(&key(&post.from, &post.id));
        with.text.as_deref().unwrap_or(&post.text)
    }
}

/// Runs an agent on a mention in auto mode.
pub(in crate::core) fn run_automatically(room: &mut Room, post: &Post, agent: String, ctx: &mut Ctx) {
    let Some(item) = room.review.inbox.take(ItemId::Mention(post.number)) else {
        return;
    };
    let row = dispatch::row_of(room, post, &agent, ctx);
    ctx.auto.guard.answered(
        ctx.clock.proven(),
        Candidate::answered(ctx.room, &post.thread, &post.from, &agent),
        row,
    );
    ctx.keep(Record::Auto {
        at: ctx.clock.steady,
        thread: post.thread.clone(),
        member: post.from.clone(),
        agent: agent.clone(),
        row,
    });
    let decided = Decided::new(By::Auto, Verdict::Accepted);
    run(room, &item, &agent, AcceptOptions::default(), decided, ctx);
}

/// Queues a run for an accepted item; it starts when its agent is free. `decided` says who accepted it.
pub(in crate::core) fn run(
    room: &mut Room,
    item: &Item,
    agent: &str,
    how: AcceptOptions,
    decided: Decided,
    ctx: &mut Ctx,
) {
    let (ItemId::Mention(number), ItemKind::Mention(mention)) = (item.id, &item.matter) else {
        return;
    };
    let Some(post) = room.chat.timeline.post_numbered(number).cloned() else {
        return;
    };
    let audience = Audience::of(&post, &room.settings.me);
    let session = session_to_continue(room, &post, agent, &audience, ctx);
    let earlier = match session {
        Some(_) => Vec::new(),
        None => approved_before(room, &post, &audience),
    };
    let alone = decided.by == By::Auto;
    let id = ctx.fresh_id();
    let decided = Decided {
        message: Some(mention.key.1.clone()),
        run: Some(id.clone()),
        ..decided
    };
    note_accepted(room, item, &how, decided, ctx);
    keep_options(room, &mention.key, agent, &how, ctx);
    let files = sharing::fetch_all(room, &mention.key, ctx);
    let ask = Ask {
        run: id,
        agent: agent.to_owned(),
        me: room.settings.me.clone(),
        room: room.settings.room.clone(),
        from: item.from.clone(),
        text: Approved::by_person(how.text.as_deref().unwrap_or(&item.text)),
        files: Vec::new(),
        alone,
        instructions: how.instructions.filter(|words| !words.trim().is_empty()),
        earlier,
        audience: match &audience {
            Audience::Everyone => None,
            Audience::Only(names) => Some(names.clone()),
        },
        resume: session.as_ref().map(|session| session.id.clone()),
    };
    let run = Run {
        in_parallel: room.settings.is_session(agent),
        review: how.review,
        files,
        before: session.map_or_else(Totals::default, |session| session.totals),
        ..Run::queued(ctx.room, ask, &post, audience, mention.key.clone())
    };
    decide::settle(
        room,
        mention.key.clone(),
        &item.from.member,
        MentionOutcome::Accepted(agent.to_owned()),
        ctx,
    );
    answer::say_activity(room, &run, ctx);
    ctx.runs.push(run);
    sharing::files_moved_on(room, ctx);
}

/// Notes in the audit log who accepted an item, and how.
fn note_accepted(room: &Room, item: &Item, how: &AcceptOptions, decided: Decided, ctx: &mut Ctx) {
    let edited = how.text.as_ref().filter(|text| item.text != **text);
    let decided = Decided {
        item: Some(item.id.to_string()),
        instructions: how.instructions.clone(),
        edited: edited.map(|after| Edited {
            before: item.text.to_string(),
            after: after.clone(),
        }),
        ..decided
    };
    decide::note_decided(room, decided, ctx);
}

/// The session that a run continues: only one in which everybody who will see the answer may know all that it was given.
/// Thread ids are chosen by senders and prove nothing.
fn session_to_continue(
    room: &mut Room,
    post: &Post,
    agent: &str,
    audience: &Audience,
    ctx: &Ctx,
) -> Option<Session> {
    let session = ctx.runs.session(ctx.room, &post.thread, agent);
    let session = session
        .filter(|session| audience.is_within(&session.audience))
        .cloned();
    if session.is_none() {
        room.review.grants.forget(agent, &post.thread);
    }
    session
}

/// Keeps how a mention was accepted, for a retry.
fn keep_options(room: &mut Room, key: &Key, agent: &str, how: &AcceptOptions, ctx: &mut Ctx) {
    let kept = AcceptOptions {
        agent: Some(agent.to_owned()).filter(|agent| room.settings.default_agent().as_ref() != Some(agent)),
        ..how.clone()
    };
    if *room.review.inbox.accepted_with(key) != kept {
        ctx.keep(Record::How {
            from: key.0.clone(),
            id: key.1.clone(),
            how: Box::new(kept.clone()),
        });
        room.review.inbox.set_accepted_with(key.clone(), kept);
    }
}

/// The messages of a thread that an agent may know: our own side's and those that the person accepted, and of these
/// only what everybody who will see the answer has seen.
pub(in crate::core) fn approved_before(room: &Room, post: &Post, audience: &Audience) -> Vec<Said> {
    /// Highest number of earlier messages that an agent gets.
    const MOST: usize = 20;
    let accepted = |other: &Post| {
        matches!(
            room.review.inbox.fate(other),
            Some(MentionOutcome::Accepted(_) | MentionOutcome::Answered)
        )
    };
    let thread = room.chat.timeline.posts().rev().map(|(_, other)| other);
    let mut said: Vec<Said> = thread
        .filter(|other| other.thread == post.thread && other.number < post.number)
        .filter(|other| !other.is_strangers() && (other.sender.mine || accepted(other)))
        .filter(|other| audience.is_within(&Audience::of(other, &room.settings.me)))
        .take(MOST)
        .map(|other| Said {
            who: other.speaker(),
            text: Approved::by_person(room.accepted_words(other)),
        })
        .collect();
    said.reverse();
    said
}
