//! Auto mode: which mentions run without the person, which are queued, and which are held for the person.

use nexscope_relay::protocol::{
    Mode,
    body::{Origin, ReceiptState},
};

use crate::core::{
    Attention, Ctx, ItemId, Post, Risk, Room,
    auto::{WhyHeld, limits::Candidate},
    chat::{identity, receive},
    files::sharing::download,
    review::{inbox::key, item::Hold, risk},
    runs::start,
};

/// Leaves a mention to the person or, in auto mode and within its limits, runs it at once.
pub(in crate::core) fn mention(room: &mut Room, post: &Post, ctx: &mut Ctx) {
    let is_reply = post.reply_to.is_some() && post.author.agent.is_some();
    room.review.inbox.add(post, is_reply, ctx.moment());
    if ctx.replays() {
        return;
    }
    match may_run_alone(room, post, ctx) {
        Ok(agent) => start::run_automatically(room, post, agent, ctx),
        Err(why) => {
            let queued = why == Hold::Queued;
            hold(room, post, why, ctx);
            if !queued {
                ctx.attention(Attention::Item);
            }
        }
    }
}

/// Runs queued mentions whose turn has come, or holds them for the person.
pub(in crate::core) fn run_waiting(room: &mut Room, ctx: &mut Ctx) {
    let waiting: Vec<u32> = room
        .review
        .inbox
        .mentions_mut()
        .filter_map(|(id, mention)| match id {
            ItemId::Mention(number) if mention.hold == Hold::Queued => Some(number),
            _ => None,
        })
        .collect();
    for number in waiting {
        let Some(post) = room.chat.timeline.post_numbered(number).cloned() else {
            continue;
        };
        match may_run_alone(room, &post, ctx) {
            Ok(agent) => start::run_automatically(room, &post, agent, ctx),
            // Only one is started at a time, so that usage of the run before counts.
            Err(Hold::Queued) => {}
            Err(why) => {
                hold(room, &post, why, ctx);
                let key = key(&post.from, &post.id);
                if let Some(why) = room.review.inbox.told_why(&key) {
                    receive::tell(room, &post.from, &key, ReceiptState::Queued, why, ctx);
                }
                ctx.attention(Attention::Item);
            }
        }
    }
}

/// Notes why a mention is held. Its sender is notified once per thread.
fn hold(room: &mut Room, post: &Post, why: Hold, ctx: &mut Ctx) {
    let notify_sender =
        matches!(why, Hold::Because(_)) && ctx.auto.hold_notices.insert((ctx.room, post.thread.clone()));
    let id = ItemId::Mention(post.number);
    let mention = room.review.inbox.mentions_mut().find(|(one, _)| *one == id);
    if let Some((_, mention)) = mention {
        (mention.hold, mention.notify_sender) = (why, notify_sender);
    }
}

/// The agent that may answer a mention without the person. Fails with the reason for holding it.
fn may_run_alone(room: &Room, post: &Post, ctx: &Ctx) -> Result<String, Hold> {
    if room.settings.mode != Mode::Auto {
        return Err(Hold::Manual);
    }
    let agent = agent_within_limits(room, post, ctx).map_err(Hold::Because)?;
    if ctx.runs.all().any(|run| run.ask.agent == agent) {
        return Err(Hold::Queued);
    }
    Ok(agent)
}

/// The default agent, if it may answer by itself. Fails with the reason if it may not.
fn agent_within_limits(room: &Room, post: &Post, ctx: &Ctx) -> Result<String, WhyHeld> {
    let agent = room.settings.default_agent().ok_or(WhyHeld::NoAgent)?;
    if let Some(reach) = room.settings.unconfirmed.get(&agent) {
        let reach = reach.clone();
        return Err(WhyHeld::AgentNotAllowed { agent, reach });
    }
    identity::vouched_for(room, post)?;
    let risks = risk::of(&post.text, post.hidden);
    // A long text is no risk, only slower to read.
    let marked: Vec<Risk> = risks.into_iter().filter(|risk| *risk != Risk::Long).collect();
    if !marked.is_empty() {
        return Err(WhyHeld::Risks(marked));
    }
    let candidate = candidate(room, post, &agent);
    let budget = room.settings.budget(&agent);
    let guard = &ctx.auto.guard;
    guard.check(candidate, &room.settings.limits, &budget, ctx.clock.proven())?;
    if !download::files_come_alone(room, &post.files) {
        return Err(WhyHeld::Files);
    }
    Ok(agent)
}

fn candidate<'a>(room: &'a Room, post: &'a Post, agent: &'a str) -> Candidate<'a> {
    let answers = post.reply_to.as_ref().and_then(|id| room.chat.outbox.get(id));
    Candidate {
        room: room.id(),
        thread: &post.thread,
        member: &post.from,
        agent,
        hop: post.hop,
        answers: answers.and_then(|answered| answered.thread.as_deref()),
        by_agent: post.author.agent.is_some() || post.author.origin == Origin::Agent,
    }
}

/// Position of an answer to this message in its streak of automatic answers, from 1.
pub(in crate::core) fn row_of(room: &Room, post: &Post, agent: &str, ctx: &Ctx) -> u32 {
    ctx.auto
        .guard
        .in_a_row(candidate(room, post, agent), ctx.clock.proven())
        + 1
}
