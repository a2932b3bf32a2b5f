//! Requests of the person to their own agent: a message from the room, or their own question.

use nexscope_relay::protocol::body::Chat;

use crate::core::{
    AcceptOptions, Ctx, Item, ItemId, MentionOutcome, Moment, OutgoingText, Post, Refused, Reply, Room, Runs,
    chat::outgoing,
    perform,
    persist::audit::{By, Decided, Verdict},
    review::{decide, inbox::key},
    runs::start,
};

/// Checks that a message can be handed to an agent. Fails if not.
pub(in crate::core) fn may_hand_over(room: &Room, runs: &Runs, number: u32) -> Result<(), Refused> {
    let post = on_hand(room, number)?;
    is_idle_on(room, runs, post)
}

/// The message of others with that number. Fails if no agent may get it.
fn on_hand(room: &Room, number: u32) -> Result<&Post, Refused> {
    let post = numbered(room, number)?;
    if post.is_strangers() {
        return Err(Refused::UnderYourName(number));
    }
    if post.sender.mine {
        return Err(Refused::OwnMessage);
    }
    Ok(post)
}

fn numbered(room: &Room, number: u32) -> Result<&Post, Refused> {
    let post = room.chat.timeline.post_numbered(number);
    post.ok_or(Refused::NoMessage(number))
}

/// Fails if an agent works on that message.
fn is_idle_on(room: &Room, runs: &Runs, post: &Post) -> Result<(), Refused> {
    let key = key(&post.from, &post.id);
    match runs.of(room.id()).any(|run| run.key == key) {
        true => Err(Refused::AlreadyRunning(post.number)),
        false => Ok(()),
    }
}

/// A message of the timeline as the item that it becomes when it is handed to an agent; `None` if it cannot be.
pub(in crate::core) fn to_hand_over(room: &Room, number: u32) -> Option<Item> {
    let post = on_hand(room, number).ok()?;
    // Its age is not shown.
    Some(Item::of_mention(post, false, Moment::default()))
}

/// Hands a message to an agent, as if it had asked.
pub(in crate::core) fn hand_over(
    room: &mut Room,
    number: u32,
    by: By,
    ctx: &mut Ctx,
) -> Result<Reply, Refused> {
    begin(room, number, AcceptOptions::default(), by, ctx)
}

/// Retries an accepted message that failed, with the same text and instructions.
pub(in crate::core) fn run_again(
    room: &mut Room,
    number: u32,
    by: By,
    ctx: &mut Ctx,
) -> Result<Reply, Refused> {
    let post = room.chat.timeline.post_numbered(number);
    let failed = post.filter(|post| matches!(room.review.inbox.fate(post), Some(MentionOutcome::Failed(_))));
    let post = failed.ok_or(Refused::NotFailedRun(number))?;
    let how = room
        .review
        .inbox
        .accepted_with(&key(&post.from, &post.id))
        .clone();
    begin(room, number, how, by, ctx)
}

fn begin(room: &mut Room, number: u32, how: AcceptOptions, by: By, ctx: &mut Ctx) -> Result<Reply, Refused> {
    let post = numbered(room, number)?.clone();
    is_idle_on(room, ctx.runs, &post)?;
    let chosen = agent_named(room, how.agent.clone());
    let agent = chosen.or_else(|_| agent_named(room, None))?;
    let id = ItemId::Mention(number);
    if room.review.inbox.get(id).is_none() {
        room.review.inbox.add(&post, false, ctx.moment());
    }
    let Some(item) = room.review.inbox.take(id) else {
        return Err(Refused::NotPending(id));
    };
    decide::person_spoke(&item.thread, &by, ctx);
    let decided = Decided::new(by, Verdict::HandedOver);
    start::run(room, &item, &agent, how, decided, ctx);
    Ok(Reply::Nothing)
}

/// Asks the person's own agent: everybody sees the question and the answer.
pub(in crate::core) fn ask_own(
    room: &mut Room,
    words: &str,
    by: By,
    ctx: &mut Ctx,
) -> Result<Reply, Refused> {
    let (first, rest) = words.trim().split_once(char::is_whitespace).unwrap_or_default();
    let named = agent_named(room, Some(first.to_owned()))
        .ok()
        .filter(|_| !rest.trim().is_empty());
    let (agent, text) = match named {
        Some(agent) => (agent, rest.trim()),
        None => (agent_named(room, None)?, words.trim()),
    };
    if text.is_empty() {
        return Err(Refused::NoQuestion);
    }
    let chat = Chat {
        text: text.to_owned(),
        ..Chat::default()
    };
    perform::fits(room, &chat, 0)?;
    let words = OutgoingText {
        chat,
        ..OutgoingText::default()
    };
    let number = outgoing::say(room, words, ctx);
    if let Some(post) = room.chat.timeline.post_numbered(number).cloned() {
        room.review.inbox.add(&post, false, ctx.moment());
    }
    if let Some(item) = room.review.inbox.take(ItemId::Mention(number)) {
        let decided = Decided::new(by, Verdict::Asked);
        start::run(room, &item, &agent, AcceptOptions::default(), decided, ctx);
    }
    Ok(Reply::Said(number))
}

/// The agent of that name, or the default one, if the person has confirmed it. Fails if not.
pub(in crate::core) fn agent_named(room: &Room, name: Option<String>) -> Result<String, Refused> {
    let agent = agent_called(room, name)?;
    match room.settings.unconfirmed.get(&agent) {
        Some(reach) => {
            let reach = reach.clone();
            Err(Refused::AgentNotAllowed { agent, reach })
        }
        None => Ok(agent),
    }
}

fn agent_called(room: &Room, name: Option<String>) -> Result<String, Refused> {
    let known = &room.settings.agents;
    match name {
        Some(name) => known
            .iter()
            .find(|one| one.eq_ignore_ascii_case(&name))
            .cloned()
            .ok_or_else(|| Refused::NoAgent {
                name,
                known: known.clone(),
            }),
        None => room.settings.default_agent().ok_or(Refused::NoAgentConfigured),
    }
}
