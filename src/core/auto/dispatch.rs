//! Auto mode: which mentions run without our person, which wait for their turn, and which wait for the person
//! after all.

use nexscope_relay::protocol::{
    Mode,
    body::{Origin, ReceiptState},
};

use crate::core::{
    Attention, Ctx, ItemId, Post, Risk, Room,
    auto::limits::Candidate,
    chat::{identity, receive},
    files::sharing::download,
    review::{inbox::key, risk},
    runs::start,
};

/// Why a mention waits that will run by itself. One at a time is started: what the run before uses up counts.
const TURN: &str = "its agent is at work; this one is next";

/// A mention waits for our person, or, in auto mode and within its limits, is run at once.
pub(in crate::core) fn mention(room: &mut Room, post: &Post, ctx: &mut Ctx) {
    let is_reply = post.reply_to.is_some() && post.agent.is_some();
    room.review.inbox.add(post, is_reply, None, room.moment(ctx.now));
    if ctx.replays() {
        return;
    }
    match may_run_alone(room, post) {
        Ok(agent) => start::run_automatically(room, post, agent, ctx),
        Err(held) => {
            let turn = held.as_deref() == Some(TURN);
            hold(room, post, held);
            if !turn {
                ctx.attention(Attention::Item);
            }
        }
    }
}

/// Mentions that waited for their turn run, or wait for our person now.
pub(in crate::core) fn run_waiting(room: &mut Room, ctx: &mut Ctx) {
    let waiting: Vec<u32> = room
        .review
        .inbox
        .mentions_mut()
        .filter_map(|(id, mention)| match id {
            ItemId::Mention(number) if mention.held.as_deref() == Some(TURN) => Some(number),
            _ => None,
        })
        .collect();
    for number in waiting {
        let Some(post) = room.chat.timeline.post_numbered(number).cloned() else {
            continue;
        };
        match may_run_alone(room, &post) {
            Ok(agent) => start::run_automatically(room, &post, agent, ctx),
            Err(Some(held)) if held == TURN => {}
            Err(held) => {
                hold(room, &post, held);
                let key = key(&post.from, &post.id);
                if let Some(why) = room.review.inbox.told_why(&key) {
                    receive::tell(room, &post.from, &key, ReceiptState::Queued, why, ctx);
                }
                ctx.attention(Attention::Item);
            }
        }
    }
}

/// Notes why a mention waits. Its sender is told once in a thread.
fn hold(room: &mut Room, post: &Post, held: Option<String>) {
    let why = held.as_deref().filter(|why| *why != TURN);
    let tells = why.is_some() && room.auto.hold_notices.insert(post.thread.clone());
    let id = ItemId::Mention(post.number);
    let mention = room.review.inbox.mentions_mut().find(|(one, _)| *one == id);
    if let Some((_, mention)) = mention {
        (mention.held, mention.tells) = (held, tells);
    }
}

/// Which agent may answer a mention without our person. Else why it may not, where auto mode is on.
fn may_run_alone(room: &Room, post: &Post) -> Result<String, Option<String>> {
    if room.settings.mode != Mode::Auto {
        return Err(None);
    }
    let agent = room
        .settings
        .default_agent()
        .ok_or_else(|| Some("no agent is configured".to_owned()))?;
    if let Some(reach) = room.settings.unconfirmed.get(&agent) {
        return Err(Some(format!("{agent} {reach}, which was not allowed yet")));
    }
    identity::vouched_for(room, post).map_err(Some)?;
    let risks = risk::of(&post.text, post.hidden);
    // A long text is only slower to read.
    let marked: Vec<&str> = risks
        .into_iter()
        .filter(|risk| *risk != Risk::Long)
        .map(Risk::in_words)
        .collect();
    if !marked.is_empty() {
        return Err(Some(format!("a person reads it first: {}", marked.join(", "))));
    }
    let candidate = candidate(room, post, &agent);
    let budget = room.settings.budget(&agent);
    room.auto
        .guard
        .check(candidate, &room.settings.limits, &budget, room.clock.steady)
        .map_err(Some)?;
    if !download::files_come_alone(room, &post.files) {
        return Err(Some("it brings files".to_owned()));
    }
    if room.runs.all().any(|run| run.ask.agent == agent) {
        return Err(Some(TURN.to_owned()));
    }
    Ok(agent)
}

fn candidate<'a>(room: &'a Room, post: &'a Post, agent: &'a str) -> Candidate<'a> {
    let answers = post.reply_to.as_ref().and_then(|id| room.chat.outbox.get(id));
    Candidate {
        thread: &post.thread,
        member: &post.from,
        agent,
        hop: post.hop,
        answers: answers.and_then(|answered| answered.thread.as_deref()),
        by_agent: post.agent.is_some() || post.origin == Origin::Agent,
    }
}

/// The how manieth automatic answer in a row one to this message is.
pub(in crate::core) fn row_of(room: &Room, post: &Post, agent: &str) -> u32 {
    room.auto
        .guard
        .in_a_row(candidate(room, post, agent), room.clock.steady)
        + 1
}
