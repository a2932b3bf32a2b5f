//! Handling of events from the relay.

use nexscope_relay::protocol::{
    Ack, Code, ErrorFrame, Frame, Message, Presence, PresenceEvent, Resumed, Signal, Status, Welcome,
    body::{Body, Chat, Origin, Receipt, ReceiptState, SignalBody},
    is_id, same_name,
};

use crate::core::{
    Attention, Connection, Ctx, Doubt, Event, Failure, ItemKind, Kept, MentionOutcome, Millis, Outbound,
    Outgoing, PartialAnswers, Post, Record, Room,
    auto::dispatch,
    chat::{
        broadcast_limit::Verdict,
        identity::{self, Features},
        outgoing,
    },
    files::sharing::{self, download, upload},
    persist::audit::{self, By, Decided},
    review::{
        decide,
        inbox::{Key, key},
        permission,
    },
    runs::{ToolAnswer, partial},
};

pub(in crate::core) fn welcomed(room: &mut Room, welcome: Welcome, ctx: &mut Ctx) {
    room.connection = Connection::Online;
    room.chat.message_bytes = welcome.limits.message_bytes;
    room.chat.relay = crate::text::clean_line(&welcome.server, 64);
    room.chat.features = Features {
        from_key: welcome.has("from_key"),
        to_keys: welcome.has("to_keys"),
    };
    if welcome.bound == Some(false) && welcome.has("names") {
        let note =
            "The relay could not bind your name: it is full. After you leave, somebody else can take it.";
        room.chat.timeline.note(note, ctx.now);
    }
    let news = room
        .chat
        .members
        .replace_all(welcome.members, &room.settings.me, ctx.now);
    identity::keys_seen(room, news, ctx);
    match welcome.resumed {
        // The history that the welcome announces is still to be received; our position counts only what is on disk.
        Resumed::New | Resumed::Lost => room.chat.position.seq = 0,
        Resumed::Ok | Resumed::Gap => {}
    }
    if matches!(welcome.resumed, Resumed::Gap | Resumed::Lost) && !room.settings.hosting {
        room.chat.timeline.note(
            "Messages to the room that were sent while you were away may be missing.",
            ctx.now,
        );
    }
    room.chat.position.epoch.clone_from(&welcome.epoch);
    room.chat.position.session = Some(welcome.session.clone());
    ctx.keep(Record::Seat {
        session: welcome.session,
        epoch: welcome.epoch,
        seq: room.chat.position.seq,
    });
    download::ask_again(room, None, ctx);
    let open: Vec<String> = room.chat.outbox.open().map(|one| one.id.clone()).collect();
    open.iter().for_each(|id| transmit(room, id, ctx));
}

pub(in crate::core) fn receive_frame(room: &mut Room, frame: Frame, ctx: &mut Ctx) {
    match frame {
        Frame::Presence(presence) => presence_changed(room, presence, ctx),
        Frame::Message(message) => receive_message(room, message, ctx),
        Frame::Ack(ack) => acknowledged(room, &ack, ctx),
        Frame::Signal(signal) => receive_signal(room, &signal),
        Frame::Error(error) => frame_refused(room, &error, ctx),
        Frame::StreamOpen(open) => download::stream_opened(room, &open, ctx),
        // Streams belong to the transfers; a welcome arrives as its own event.
        Frame::StreamCredit(_) | Frame::StreamClose(_) | Frame::Welcome(_) | Frame::Unknown(_) => {}
    }
}

pub(in crate::core) fn connection_changed(room: &mut Room, connection: Connection, now: Millis) {
    if let Connection::Refused { why, .. } = &connection {
        room.chat.timeline.note(why.clone(), now);
    }
    // The link keeps reconnecting; the person is notified once.
    if let Connection::Waiting {
        code: Some(Code::NameTaken),
        why,
        ..
    } = &connection
        && !matches!(&room.connection, Connection::Waiting { why: before, .. } if before == why)
    {
        let mut sentence = why.clone();
        if let Some(first) = sentence.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        room.chat
            .timeline
            .note(format!("{sentence}. Still trying the old name."), now);
    }
    room.connection = connection;
    room.chat.partials = PartialAnswers::default();
}

/// Continues what waited for this record to be on disk.
pub(in crate::core) fn kept(room: &mut Room, kept: Kept, ctx: &mut Ctx) {
    match kept {
        Kept::Out { id } => {
            if let Some(one) = room.chat.outbox.get_mut(&id) {
                one.kept = true;
            }
            transmit(room, &id, ctx);
        }
        Kept::Acked { epoch, seq } => advance(room, &epoch, seq),
        Kept::In { from, id, epoch, seq } => {
            advance(room, &epoch, seq);
            tell_latest(room, &key(&from, &id), &from, ctx);
        }
    }
}

fn advance(room: &mut Room, epoch: &str, seq: u64) {
    if room.chat.position.epoch == epoch {
        room.chat.position.seq = room.chat.position.seq.max(seq);
    }
}

/// Sends our message, if it is on disk and there is a connection.
pub(in crate::core) fn transmit(room: &mut Room, id: &str, ctx: &mut Ctx) {
    let ready = room
        .chat
        .outbox
        .get(id)
        .filter(|one| one.kept && one.failed.is_none() && !one.is_preparing())
        .filter(|one| identity::held_for(room, &one.to, one.only).is_empty());
    if let Some(frame) = ready.and_then(|one| one.frame(identity::keys_of(room, &one.to)))
        && room.connection == Connection::Online
    {
        ctx.send(Outbound::Message(frame));
    }
}

fn presence_changed(room: &mut Room, presence: Presence, ctx: &mut Ctx) {
    let name = crate::text::clean_line(&presence.member.name, 32);
    if matches!(presence.event, PresenceEvent::Leave | PresenceEvent::Away) {
        room.chat.partials.drop_of(&name);
    }
    match presence.event {
        PresenceEvent::Leave => room.chat.members.remove(&name),
        _ if room.is_me(&name) => _ = room.chat.members.put(presence.member, false),
        _ => {
            let news = room.chat.members.put(presence.member, true);
            identity::keys_seen(room, news.into_iter().collect(), ctx);
        }
    }
    // A member whose connection was cut and is back is marked in the member list; the timeline shows joins and
    // leaves. Members who reconnect together with us, to a restarted relay, were never gone.
    let returns = presence.event == PresenceEvent::Join && room.chat.members.returns(&name, ctx.now);
    if matches!(presence.event, PresenceEvent::Join | PresenceEvent::Leave) && !returns {
        room.chat.timeline.presence(&name, presence.event, ctx.now);
    }
    if presence.event == PresenceEvent::Leave {
        // Messages held while somebody else had the name are sent now; the relay keeps them for their addressee.
        let open: Vec<String> = room
            .chat
            .outbox
            .open_for(&name)
            .map(|one| one.id.clone())
            .collect();
        open.iter().for_each(|id| transmit(room, id, ctx));
    }
    if matches!(presence.event, PresenceEvent::Join | PresenceEvent::Back) {
        let open: Vec<String> = room
            .chat
            .outbox
            .open_for(&name)
            .map(|one| one.id.clone())
            .collect();
        open.iter().for_each(|id| transmit(room, id, ctx));
        download::ask_again(room, Some(&name), ctx);
    }
}

fn acknowledged(room: &mut Room, ack: &Ack, ctx: &mut Ctx) {
    let plain = |name: &str| room.chat.members.get(name).is_some_and(|member| member.v == 1);
    let received: Vec<String> = ack.reached.iter().filter(|name| plain(name)).cloned().collect();
    if room.chat.outbox.ack(ack, &received) {
        ctx.keep(Record::Acked {
            id: ack.id.clone(),
            epoch: room.chat.position.epoch.clone(),
            seq: ack.seq,
            absent: ack.absent.clone(),
            received,
        });
    }
}

fn receive_signal(room: &mut Room, signal: &Signal) {
    match serde_json::from_str(signal.body.get()) {
        Ok(SignalBody::Activity { agent, state }) => {
            room.chat.members.doing(&signal.from, &agent, Some(state));
        }
        Ok(SignalBody::Partial { of, text }) => partial::grows(room, signal, &of, &text),
        Ok(SignalBody::Typing | SignalBody::Unknown) | Err(_) => {}
    }
}

/// Handles the relay's refusal of our frame.
fn frame_refused(room: &mut Room, error: &ErrorFrame, ctx: &mut Ctx) {
    let Some(id) = error
        .id
        .as_deref()
        .filter(|id| room.chat.outbox.get(id).is_some())
    else {
        return;
    };
    match error.code {
        // Not processed; the link waits for as long as the relay said.
        Code::RateLimited => transmit(room, id, ctx),
        _ => give_up(room, id, &crate::text::clean_line(&error.message, 200), ctx),
    }
}

fn receive_message(room: &mut Room, mut message: Message, ctx: &mut Ctx) {
    // A relay that breaks its own rule for ids gets nothing into the journal.
    if !is_id(&message.id) {
        return;
    }
    identity::sign(room, &mut message);
    let key = key(&message.from, &message.id);
    if !room.chat.seen_ids.insert(&key, ctx.clock.proven()) {
        if !inbox_pending(room, &key) {
            tell_latest(room, &key, &message.from, ctx);
        }
        return;
    }
    if exceeds_broadcast_limit(room, &message, ctx) {
        return;
    }
    room.chat.unkept.insert(key.clone());
    let record = Record::In {
        epoch: room.chat.position.epoch.clone(),
        message: message.clone(),
        came: ctx.clock.steady,
    };
    let newest = room.chat.timeline.newest();
    let before = ctx.mark();
    apply_message(room, &message, ctx);
    // Its number is known by now; effects of the message come after it anyway.
    let number = Some(newest + 1).filter(|number| *number <= room.chat.timeline.newest());
    ctx.record_before(before, audit::Entry::In { number, message }, record);
}

/// Counts a message that is not addressed to us. Returns whether its sender has sent too much of that, so that it is
/// not kept. The person is notified once per flood.
fn exceeds_broadcast_limit(room: &mut Room, message: &Message, ctx: &Ctx) -> bool {
    let Verdict::Drop { first } = count_broadcast(room, message, ctx) else {
        return false;
    };
    // It may have been the answer that was being shown.
    room.chat.partials.drop_of(&message.from);
    if first {
        let from = crate::text::clean_line(&message.from, 32);
        let note = format!(
            "{from} has sent more than 20 MB to the room within 10 minutes. Its messages that are not addressed to \
             you are dropped until it sends less."
        );
        room.chat.timeline.note(note, ctx.now);
    }
    true
}

/// Counts a message that is not addressed to us, and decides whether to keep it.
pub(in crate::core) fn count_broadcast(room: &mut Room, message: &Message, ctx: &Ctx) -> Verdict {
    let addressed = message.to.iter().any(|name| room.is_me(name));
    let ours = room.is_me(&message.from) && identity::is_ours(room, message);
    if addressed || ours {
        return Verdict::Keep;
    }
    let bytes = message.body.get().len();
    room.chat.broadcasts.take(&message.from, bytes, ctx.clock.steady)
}

/// Whether a message is not yet on disk; its receipt waits for that.
fn inbox_pending(room: &Room, key: &Key) -> bool {
    room.chat.unkept.contains(key)
}

/// Applies a message to the state.
pub(in crate::core) fn apply_message(room: &mut Room, message: &Message, ctx: &mut Ctx) {
    let doubt = match room.is_me(&message.from) {
        true => (!identity::is_ours(room, message)).then_some(Doubt::Stranger),
        false => identity::is_from_another_key(room, message).then_some(Doubt::OtherKey),
    };
    match serde_json::from_str::<Body>(message.body.get()) {
        Ok(Body::Chat(chat)) => receive_chat(room, message, &chat, doubt, ctx),
        // Only members whom we have addressed may report on our messages and files.
        Ok(_) if doubt.is_some() => {}
        Ok(Body::Receipt(receipt)) => {
            if receipt.state > ReceiptState::Accepted {
                room.chat.members.idle(&message.from);
                room.chat.partials.drop_of(&message.from);
            }
            room.chat.outbox.receipt(&message.from, &receipt);
        }
        Ok(Body::FileAccept { of, file, offset }) => {
            // After a restart the receiver asks again.
            if !ctx.replays() {
                upload::wanted(room, message, &of, &file, offset, ctx);
            }
        }
        Ok(Body::FileDecline { of, file, reason }) => {
            upload::declined(room, &message.from, &of, &file, &reason, ctx);
        }
        // Content of a newer client that we do not know is kept on disk and not shown.
        Ok(Body::Unknown) | Err(_) => {}
    }
}

fn receive_chat(room: &mut Room, message: &Message, chat: &Chat, doubt: Option<Doubt>, ctx: &mut Ctx) {
    let mut post = Post::received(message, chat);
    post.sender.doubt = doubt;
    if room.is_me(&message.from) {
        // Our own message, already here.
        if room.chat.outbox.get(&message.id).is_some() {
            return;
        }
        match doubt {
            // Our own message, written by another session of this member.
            None => {
                post.sender.mine = true;
                outgoing::add_our_post(room, post, chat, &[], message.at);
            }
            // Shown, without any further effect.
            Some(_) => _ = outgoing::add_post(room, post, message.at),
        }
        return;
    }
    if let Some(agent) = &post.author.agent {
        room.chat.members.doing(&post.from, agent, None);
    }
    if post.author.origin == Origin::Agent {
        room.chat.partials.drop_of(&post.from);
    }
    let addressed = message.to.iter().any(|name| room.is_me(name));
    let asks = addressed && asks_us(room, message, chat);
    let for_us = addressed || message.to.is_empty();
    let files = download::offered(room, message, chat, room.chat.timeline.next_number(), for_us);
    let post = Post { files, ..post };
    let number = outgoing::add_post(room, post.clone(), message.at);
    let post = Post { number, ..post };
    if !ctx.replays() {
        download::look_at_offers(room, &post.files, ctx);
    }
    let mention_key = key(&message.from, &message.id);
    if addressed {
        room.chat
            .last_receipts
            .insert(mention_key.clone(), (ReceiptState::Received, String::new()));
    }
    if asks {
        // Its files are accepted with it; if there is no agent, each gets its own item.
        if room.settings.agents.is_empty() {
            download::file_items(room, &post.files, ctx);
        }
        return dispatch::mention(room, &post, ctx);
    }
    let offers = for_us && download::file_items(room, &post.files, ctx);
    if offers {
        ctx.attention(Attention::Item);
    } else if addressed {
        ctx.attention(Attention::Message);
    }
}

/// Whether a message that addresses us asks our agent.
fn asks_us(room: &Room, message: &Message, chat: &Chat) -> bool {
    // Without text there is nothing to answer: its files were meant.
    if !chat.asks || message.to.is_empty() || chat.text.trim().is_empty() {
        return false;
    }
    if chat.origin == Origin::Agent {
        // An agent's answer asks back only the one it answers, not everyone who sees it.
        let answers_other = chat
            .reply_to
            .as_ref()
            .is_some_and(|id| room.chat.outbox.get(id).is_none());
        // A version 1 agent in a thread that the person opened: this is its answer.
        let plain = room
            .chat
            .members
            .get(&message.from)
            .is_some_and(|member| member.v == 1);
        let ours = message
            .thread
            .as_ref()
            .and_then(|id| room.chat.threads.get(id))
            .is_some_and(|t| t.mine);
        return !(answers_other || plain && ours);
    }
    true
}

/// Sends the latest receipt for a message that addresses us, with its state here.
pub(in crate::core) fn tell_latest(room: &mut Room, key: &Key, from: &str, ctx: &mut Ctx) {
    room.chat.unkept.remove(key);
    let Some((state, why)) = room.chat.last_receipts.get(key).cloned() else {
        return;
    };
    tell(room, from, key, state, why, ctx);
    if state == ReceiptState::Received && room.review.inbox.waits(key) {
        let why = room.review.inbox.told_why(key).unwrap_or_default();
        tell(room, from, key, ReceiptState::Queued, why, ctx);
    }
}

/// Sends a receipt for a message to its sender.
pub(in crate::core) fn tell(
    room: &mut Room,
    to: &str,
    key: &Key,
    state: ReceiptState,
    reason: String,
    ctx: &mut Ctx,
) {
    // The person sees what became of their own request to their agent.
    if room.is_me(to) {
        return;
    }
    // The only place where a failure leaves this client: always a reason from the list.
    let reason = match state {
        ReceiptState::Failed => Failure::checked(reason),
        _ => reason,
    };
    room.chat
        .last_receipts
        .insert(key.clone(), (state, reason.clone()));
    let id = ctx.fresh_id();
    let body = Body::Receipt(Receipt {
        of: key.1.clone(),
        state,
        reason,
    });
    let receipt = Outgoing::new(id, vec![to.to_owned()], true, None, body, 0);
    outgoing::send(room, receipt, ctx);
}

pub(in crate::core) fn deadlines(room: &mut Room, ctx: &mut Ctx) {
    let expires = ctx.clock.steady >= ctx.clock.nothing_expires_before;
    let expire_after = if expires {
        room.settings.expire_after
    } else {
        Millis::MAX
    };
    for item in room
        .review
        .inbox
        .take_old_mentions(ctx.clock.steady, expire_after)
    {
        if let ItemKind::Mention(mention) = item.matter {
            decide::note_decided(
                room,
                Decided {
                    item: Some(item.id.to_string()),
                    message: Some(mention.key.1.clone()),
                    ..Decided::new(By::Expiry, audit::Verdict::Expired)
                },
                ctx,
            );
            sharing::decline_all(room, &mention.key, "nobody decided in time", ctx);
            decide::settle(room, mention.key, &item.from.member, MentionOutcome::Expired, ctx);
        }
    }
    download::expire_files(room, expire_after, ctx);
    // Nobody answers: the request is denied, and that is reported; it is never allowed.
    for item in room
        .review
        .inbox
        .take_old_permissions(ctx.clock.steady, room.settings.permission_after)
    {
        if let ItemKind::Permission(permission) = &item.matter {
            let minutes = room.settings.permission_after / 60_000;
            let note = format!(
                "{}: nobody answered for {minutes} minutes, so it was refused.",
                item.id
            );
            room.chat.timeline.note(note, ctx.now);
            let why = format!("nobody answered within {minutes} minutes");
            let answer = format!("refused: {why}");
            permission::note_permission(room, &item, permission, &answer, By::Expiry, ctx);
            permission::answer_request(room, permission, ToolAnswer::Deny(why), ctx);
        }
    }
    for id in room
        .chat
        .outbox
        .stale(ctx.clock.steady, room.settings.give_up_after)
    {
        give_up(room, &id, "not received", ctx);
    }
}

pub(in crate::core) fn give_up(room: &mut Room, id: &str, why: &str, ctx: &mut Ctx) {
    let Some(one) = room.chat.outbox.get_mut(id) else {
        return;
    };
    one.failed = Some(why.to_owned());
    let shown = one.is_chat();
    let (id, why) = (id.to_owned(), why.to_owned());
    ctx.record(
        audit::Entry::GaveUp {
            id: id.clone(),
            why: why.clone(),
        },
        Record::GaveUp { id, why: why.clone() },
    );
    if shown {
        room.chat
            .timeline
            .note(format!("A message of yours was not delivered: {why}"), ctx.now);
        ctx.attention(Attention::Failure);
    }
}

/// Whether a member is here and connected.
pub(in crate::core) fn is_online(room: &Room, name: &str) -> bool {
    room.chat
        .members
        .get(name)
        .is_some_and(|member| member.status == Status::Online)
        && !same_name(name, "")
}

impl From<Frame> for Event {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Welcome(welcome) => Event::Welcome(welcome),
            other => Event::Frame(Box::new(other)),
        }
    }
}
