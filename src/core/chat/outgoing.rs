//! Sending our own messages.

use nexscope_relay::protocol::body::{Body, Chat, SignalBody};

use crate::core::{
    Audience, Connection, Ctx, Millis, Outbound, Outgoing, Post, Record, Room, Steady,
    chat::{group_answers, identity},
    files::Source,
    files::sharing::upload,
    persist::audit,
};

/// Writes our message: it is kept on disk first and sent once it is safe there.
pub(in crate::core) fn send(room: &mut Room, mut outgoing: Outgoing, ctx: &mut Ctx) {
    if outgoing.since == Steady::default() {
        outgoing.since = ctx.clock.steady;
    }
    // A message whose files are still being read is recorded again when it can be sent. Only chat messages have
    // numbers; nothing else is searched for among all messages.
    let said = outgoing.is_chat();
    let post = said.then(|| room.chat.timeline.find(&room.settings.me, &outgoing.id));
    let number = post.flatten().map(|post| post.number);
    let own = room.settings.token.as_ref().map(|token| token.0.as_str());
    ctx.record(
        audit::Entry::out(number, &outgoing, own.as_slice()),
        Record::Out(Box::new(outgoing.clone())),
    );
    identity::speaks_with(room, &outgoing);
    room.chat.outbox.insert(outgoing);
}

/// Sends a signal; losing it does no harm.
pub(in crate::core) fn signal(
    room: &Room,
    audience: &Audience,
    thread: &str,
    body: &SignalBody,
    ctx: &mut Ctx,
) {
    let Ok(body) = serde_json::value::to_raw_value(body) else {
        return;
    };
    let (to, only) = audience.addresses(&room.settings.me);
    if room.connection == Connection::Online
        && (!only || !to.is_empty())
        && identity::held_for(room, &to, only).is_empty()
    {
        ctx.send(Outbound::Signal(nexscope_relay::protocol::SendSignal {
            to_keys: identity::keys_of(room, &to),
            to,
            only,
            thread: Some(thread.to_owned()),
            body,
        }));
    }
}

/// Adds our chat message to the timeline and sends it. Returns its number.
pub(in crate::core) fn say(room: &mut Room, words: OutgoingText, ctx: &mut Ctx) -> u32 {
    let id = words.id.unwrap_or_else(|| ctx.fresh_id());
    let thread = words.thread.unwrap_or_else(|| id.clone());
    let (files, sources) = upload::attach(ctx, words.files);
    let chat = Chat {
        sent_at: ctx.now,
        files,
        ..words.chat
    };
    let (to, only) = (words.to, words.only);
    let post = Post::mine(&room.settings.me, &id, &thread, to.clone(), only, &chat);
    let number = add_our_post(room, post, &chat, &sources, ctx.now);
    let outgoing = Outgoing {
        sources,
        draft: words.draft,
        ..Outgoing::new(id.clone(), to, only, Some(thread), Body::Chat(chat), ctx.now)
    };
    send(room, outgoing, ctx);
    upload::read_files(room, &id, ctx);
    number
}

/// Adds our message, with the files that it offers, to the timeline and its thread. Returns its number.
pub(in crate::core) fn add_our_post(
    room: &mut Room,
    mut post: Post,
    chat: &Chat,
    sources: &[Source],
    at: Millis,
) -> u32 {
    post.files = upload::offer_ours(room, &post.id, chat, sources, room.chat.timeline.next_number());
    add_post(room, post, at)
}

/// Adds a message to the timeline and its thread. Returns its number.
pub(in crate::core) fn add_post(room: &mut Room, post: Post, at: Millis) -> u32 {
    let number = room.chat.timeline.next_number();
    room.chat.threads.add(&post, number, &room.settings.me, at);
    group_answers::gather(room, &post, number);
    room.chat.timeline.post(post, at)
}

/// Text of ours, or of our agent, to be sent.
#[derive(Default)]
pub(in crate::core) struct OutgoingText {
    /// The message's id, if it is already fixed.
    pub id: Option<String>,
    pub to: Vec<String>,
    pub only: bool,
    pub thread: Option<String>,
    pub chat: Chat,
    /// Our files that go with it.
    pub files: Vec<Source>,
    /// The number of the draft that it was.
    pub draft: Option<u32>,
}
