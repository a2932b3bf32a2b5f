//! What comes from the relay.

use nexscope_relay::protocol::{
    Ack, Code, ErrorFrame, Frame, Message, Presence, PresenceEvent, Resumed, Signal, Status, Welcome,
    body::{Body, Chat, Origin, Receipt, ReceiptState, SignalBody},
    is_id, same_name,
};

use crate::core::{
    Attention, Connection, Doubt, Effect, Event, Failure, ItemKind, Kept, MentionOutcome, Millis, Outbound,
    Outgoing, PartialAnswers, Post, Record, Room,
    chat::identity::Features,
    persist::audit::{self, By, Decided, Verdict},
    review::inbox::{Key, key},
    runs::ToolAnswer,
};

impl Room {
    pub(in crate::core) fn welcome(&mut self, welcome: Welcome, now: Millis, effects: &mut Vec<Effect>) {
        self.connection = Connection::Online;
        self.message_bytes = welcome.limits.message_bytes;
        self.relay = crate::text::clean_line(&welcome.server, 64);
        self.features = Features {
            from_key: welcome.has("from_key"),
            to_keys: welcome.has("to_keys"),
        };
        if welcome.bound == Some(false) && welcome.has("names") {
            let note =
                "The relay could not bind your name: it is full. After you leave, somebody else can take it.";
            self.timeline.note(note, now);
        }
        let news = self.members.replace_all(welcome.members, &self.settings.me, now);
        self.keys_seen(news, now, effects);
        match welcome.resumed {
            // What the welcome counts up to is still to come: only what was kept counts for us.
            Resumed::New | Resumed::Lost => self.place.seq = 0,
            Resumed::Ok | Resumed::Gap => {}
        }
        if matches!(welcome.resumed, Resumed::Gap | Resumed::Lost) && !self.settings.hosting {
            self.timeline.note(
                "Messages to the room that were sent while you were away may be missing.",
                now,
            );
        }
        self.place.epoch.clone_from(&welcome.epoch);
        self.place.session = Some(welcome.session.clone());
        effects.push(Effect::Keep(Box::new(Record::Seat {
            session: welcome.session,
            epoch: welcome.epoch,
            seq: self.place.seq,
        })));
        self.ask_again(None, effects);
        let open: Vec<String> = self.outbox.open().map(|one| one.id.clone()).collect();
        open.iter().for_each(|id| self.transmit(id, effects));
    }

    pub(in crate::core) fn frame(&mut self, frame: Frame, now: Millis, effects: &mut Vec<Effect>) {
        match frame {
            Frame::Presence(presence) => self.presence(presence, now, effects),
            Frame::Message(message) => self.message(message, now, effects),
            Frame::Ack(ack) => self.ack(&ack, effects),
            Frame::Signal(signal) => self.signalled(&signal),
            Frame::Error(error) => self.frame_refused(&error, now, effects),
            Frame::StreamOpen(open) => self.stream_opened(&open, now, effects),
            // The transfers have those; a welcome comes as an event of its own.
            Frame::StreamCredit(_) | Frame::StreamClose(_) | Frame::Welcome(_) | Frame::Unknown(_) => {}
        }
    }

    pub(in crate::core) fn connection_changed(&mut self, connection: Connection, now: Millis) {
        if let Connection::Refused { why, .. } = &connection {
            self.timeline.note(why.clone(), now);
        }
        // It is tried again and again; what can be done about it is told once.
        if let Connection::Waiting {
            code: Some(Code::NameTaken),
            why,
            ..
        } = &connection
            && !matches!(&self.connection, Connection::Waiting { why: before, .. } if before == why)
        {
            let mut sentence = why.clone();
            if let Some(first) = sentence.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            self.timeline
                .note(format!("{sentence}. The old name is tried again by itself."), now);
        }
        self.connection = connection;
        self.growing = PartialAnswers::default();
    }

    /// A record is on disk: what had to wait for that goes on.
    pub(in crate::core) fn kept(&mut self, kept: Kept, effects: &mut Vec<Effect>) {
        match kept {
            Kept::Out { id } => {
                if let Some(one) = self.outbox.get_mut(&id) {
                    one.kept = true;
                }
                self.transmit(&id, effects);
            }
            Kept::Acked { epoch, seq } => self.advance(&epoch, seq),
            Kept::In { from, id, epoch, seq } => {
                self.advance(&epoch, seq);
                self.tell_latest(&key(&from, &id), &from, effects);
            }
        }
    }

    fn advance(&mut self, epoch: &str, seq: u64) {
        if self.place.epoch == epoch {
            self.place.seq = self.place.seq.max(seq);
        }
    }

    /// Puts a message of ours on the connection, if it is safe on disk and there is one.
    pub(in crate::core) fn transmit(&mut self, id: &str, effects: &mut Vec<Effect>) {
        let ready = self
            .outbox
            .get(id)
            .filter(|one| one.kept && one.failed.is_none() && !one.is_preparing())
            .filter(|one| self.held_for(&one.to, one.only).is_empty());
        if let Some(frame) = ready.and_then(|one| one.frame(self.keys_of(&one.to)))
            && self.connection == Connection::Online
        {
            effects.push(Effect::Send(Outbound::Message(frame)));
        }
    }

    fn presence(&mut self, presence: Presence, now: Millis, effects: &mut Vec<Effect>) {
        let name = crate::text::clean_line(&presence.member.name, 32);
        if matches!(presence.event, PresenceEvent::Leave | PresenceEvent::Away) {
            self.growing.drop_of(&name);
        }
        match presence.event {
            PresenceEvent::Leave => self.members.remove(&name),
            _ if self.is_me(&name) => _ = self.members.put(presence.member, false),
            _ => {
                let news = self.members.put(presence.member, true);
                self.keys_seen(news.into_iter().collect(), now, effects);
            }
        }
        // Who is cut and comes back is seen among the people; the timeline tells who comes and goes. Those who come
        // back with us, to a relay that was started again, were not gone for anybody.
        let returns = presence.event == PresenceEvent::Join && self.members.returns(&name, now);
        if matches!(presence.event, PresenceEvent::Join | PresenceEvent::Leave) && !returns {
            self.timeline.presence(&name, presence.event, now);
        }
        if presence.event == PresenceEvent::Leave {
            // What was held while somebody else had the name waits at the relay for whom it is for.
            let open: Vec<String> = self.outbox.open_for(&name).map(|one| one.id.clone()).collect();
            open.iter().for_each(|id| self.transmit(id, effects));
        }
        if matches!(presence.event, PresenceEvent::Join | PresenceEvent::Back) {
            let open: Vec<String> = self.outbox.open_for(&name).map(|one| one.id.clone()).collect();
            open.iter().for_each(|id| self.transmit(id, effects));
            self.ask_again(Some(&name), effects);
        }
    }

    fn ack(&mut self, ack: &Ack, effects: &mut Vec<Effect>) {
        let plain = |name: &str| self.members.get(name).is_some_and(|member| member.v == 1);
        let received: Vec<String> = ack.reached.iter().filter(|name| plain(name)).cloned().collect();
        if self.outbox.ack(ack, &received) {
            effects.push(Effect::Keep(Box::new(Record::Acked {
                id: ack.id.clone(),
                epoch: self.place.epoch.clone(),
                seq: ack.seq,
                absent: ack.absent.clone(),
                received,
            })));
        }
    }

    fn signalled(&mut self, signal: &Signal) {
        match serde_json::from_str(signal.body.get()) {
            Ok(SignalBody::Activity { agent, state }) => {
                self.members.doing(&signal.from, &agent, Some(state));
            }
            Ok(SignalBody::Partial { of, text }) => self.grows(signal, &of, &text),
            Ok(SignalBody::Typing | SignalBody::Unknown) | Err(_) => {}
        }
    }

    /// The relay did not take a frame of ours.
    fn frame_refused(&mut self, error: &ErrorFrame, now: Millis, effects: &mut Vec<Effect>) {
        let Some(id) = error.id.as_deref().filter(|id| self.outbox.get(id).is_some()) else {
            return;
        };
        match error.code {
            // It was not processed; the link waits for as long as it was told to.
            Code::RateLimited => self.transmit(id, effects),
            _ => self.give_up(id, &crate::text::clean_line(&error.message, 200), now, effects),
        }
    }

    fn message(&mut self, mut message: Message, now: Millis, effects: &mut Vec<Effect>) {
        // A relay that does not keep to its own rule for ids gets nothing into the journal.
        if !is_id(&message.id) {
            return;
        }
        self.sign(&mut message);
        let key = key(&message.from, &message.id);
        if !self.known.insert(&key) {
            if !self.inbox_pending(&key) {
                self.tell_latest(&key, &message.from, effects);
            }
            return;
        }
        self.unkept.insert(key.clone());
        let (noted, newest) = (effects.len(), self.timeline.newest());
        effects.push(Effect::Keep(Box::new(Record::In {
            epoch: self.place.epoch.clone(),
            message: message.clone(),
            came: self.steady,
        })));
        self.take_in(&message, now, Some(effects));
        // Its number is known by now; what follows from it comes after it all the same.
        let number = Some(newest + 1).filter(|number| *number <= self.timeline.newest());
        effects.insert(
            noted,
            Effect::Audit(Box::new(audit::Entry::In { number, message })),
        );
    }

    /// A message is not yet on disk; its receipt waits for that.
    fn inbox_pending(&self, key: &Key) -> bool {
        self.unkept.contains(key)
    }

    /// Takes a message into the state. Without `effects` it comes from the journal, and nothing follows.
    pub(in crate::core) fn take_in(
        &mut self,
        message: &Message,
        now: Millis,
        effects: Option<&mut Vec<Effect>>,
    ) {
        let doubt = match self.is_me(&message.from) {
            true => (!self.is_ours(message)).then_some(Doubt::Stranger),
            false => self.is_from_another_key(message).then_some(Doubt::OtherKey),
        };
        match serde_json::from_str::<Body>(message.body.get()) {
            Ok(Body::Chat(chat)) => self.chat(message, &chat, doubt, now, effects),
            // Only those whom we have addressed tell what became of our words and files.
            Ok(_) if doubt.is_some() => {}
            Ok(Body::Receipt(receipt)) => {
                if receipt.state > ReceiptState::Accepted {
                    self.members.idle(&message.from);
                    self.growing.drop_of(&message.from);
                }
                self.outbox.receipt(&message.from, &receipt);
            }
            Ok(Body::FileAccept { of, file, offset }) => {
                // One of before a restart is asked anew by its receiver.
                if let Some(effects) = effects {
                    self.wanted(message, &of, &file, offset, now, effects);
                }
            }
            Ok(Body::FileDecline { of, file, reason }) => {
                self.declined(&message.from, &of, &file, &reason, effects);
            }
            // What a newer client says that we do not know is kept on disk and not shown.
            Ok(Body::Unknown) | Err(_) => {}
        }
    }

    fn chat(
        &mut self,
        message: &Message,
        chat: &Chat,
        doubt: Option<Doubt>,
        now: Millis,
        mut effects: Option<&mut Vec<Effect>>,
    ) {
        let post = Post {
            doubt,
            ..Post::received(message, chat)
        };
        if self.is_me(&message.from) {
            // What we have written here is here already.
            if self.outbox.get(&message.id).is_some() {
                return;
            }
            match doubt {
                // Written by this person at another place.
                None => {
                    let post = Post { mine: true, ..post };
                    self.add_our_post(post, chat, &[], message.at);
                }
                // Shown, and nothing else follows from it.
                Some(_) => _ = self.add_post(post, message.at),
            }
            return;
        }
        if let Some(agent) = &post.agent {
            self.members.doing(&post.from, agent, None);
        }
        if post.origin == Origin::Agent {
            self.growing.drop_of(&post.from);
        }
        let addressed = message.to.iter().any(|name| self.is_me(name));
        let asks = addressed && self.asks_us(message, chat);
        let for_us = addressed || message.to.is_empty();
        let files = self.offered(message, chat, self.timeline.next_number(), for_us);
        let post = Post { files, ..post };
        let number = self.add_post(post.clone(), message.at);
        let post = Post { number, ..post };
        if let Some(effects) = effects.as_deref_mut() {
            self.look_at_offers(&post.files, effects);
        }
        let mention_key = key(&message.from, &message.id);
        if addressed {
            self.told
                .insert(mention_key.clone(), (ReceiptState::Received, String::new()));
        }
        if asks {
            // Its files are taken with it; where no agent can take it, by themselves.
            if self.settings.agents.is_empty() {
                self.file_items(&post.files, now);
            }
            return self.mention(&post, now, effects);
        }
        let offers = for_us && self.file_items(&post.files, now);
        let Some(effects) = effects else { return };
        if offers {
            effects.push(Effect::Attention(Attention::Item));
        } else if addressed {
            effects.push(Effect::Attention(Attention::Message));
        }
    }

    /// Whether a message that addresses us asks our agent.
    fn asks_us(&self, message: &Message, chat: &Chat) -> bool {
        // Without a word there is nothing to answer: then it is its files that were meant.
        if !chat.asks || message.to.is_empty() || chat.text.trim().is_empty() {
            return false;
        }
        if chat.origin == Origin::Agent {
            // An agent's answer asks back only whom it answers, not all who see it.
            let answers_other = chat
                .reply_to
                .as_ref()
                .is_some_and(|id| self.outbox.get(id).is_none());
            // A version 1 agent on a thread that our person opened has answered.
            let plain = self
                .members
                .get(&message.from)
                .is_some_and(|member| member.v == 1);
            let ours = message
                .thread
                .as_ref()
                .and_then(|id| self.threads.get(id))
                .is_some_and(|t| t.mine);
            return !(answers_other || plain && ours);
        }
        true
    }

    /// Sends the latest receipt of a message that addresses us, and says where it waits.
    pub(in crate::core) fn tell_latest(&mut self, key: &Key, from: &str, effects: &mut Vec<Effect>) {
        self.unkept.remove(key);
        let Some((state, why)) = self.told.get(key).cloned() else {
            return;
        };
        self.tell(from, key, state, why, effects);
        if state == ReceiptState::Received && self.inbox.waits(key) {
            let why = self.inbox.told_why(key).unwrap_or_default();
            self.tell(from, key, ReceiptState::Queued, why, effects);
        }
    }

    /// Tells a sender what became of its message.
    pub(in crate::core) fn tell(
        &mut self,
        to: &str,
        key: &Key,
        state: ReceiptState,
        reason: String,
        effects: &mut Vec<Effect>,
    ) {
        // What our person asked of their own agent they see.
        if self.is_me(to) {
            return;
        }
        // The one place where a failure leaves: for no reason but one of the list.
        let reason = match state {
            ReceiptState::Failed => Failure::checked(reason),
            _ => reason,
        };
        self.told.insert(key.clone(), (state, reason.clone()));
        let id = self.fresh_id();
        let body = Body::Receipt(Receipt {
            of: key.1.clone(),
            state,
            reason,
        });
        let receipt = Outgoing::new(id, vec![to.to_owned()], true, None, body, 0);
        self.send(receipt, effects);
    }

    pub(in crate::core) fn deadlines(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        let expires = self.steady >= self.nothing_expires_before;
        let expire_after = if expires {
            self.settings.expire_after
        } else {
            Millis::MAX
        };
        for item in self.inbox.take_old_mentions(self.steady, expire_after) {
            if let ItemKind::Mention(mention) = item.matter {
                self.note_decided(
                    Decided {
                        item: Some(item.id.to_string()),
                        message: Some(mention.key.1.clone()),
                        ..Decided::new(By::Expiry, Verdict::Expired)
                    },
                    effects,
                );
                self.decline_all(&mention.key, "nobody decided in time", effects);
                self.settle(
                    mention.key,
                    &item.from.member,
                    MentionOutcome::Expired,
                    now,
                    effects,
                );
            }
        }
        self.expire_files(expire_after, effects);
        // Nobody answers: it is refused, and said so; never allowed.
        for item in self
            .inbox
            .take_old_permissions(self.steady, self.settings.permission_after)
        {
            if let ItemKind::Permission(permission) = &item.matter {
                let minutes = self.settings.permission_after / 60_000;
                let note = format!(
                    "{}: nobody answered for {minutes} minutes, so it was refused.",
                    item.id
                );
                self.timeline.note(note, now);
                let why = format!("nobody answered within {minutes} minutes");
                let answer = format!("refused: {why}");
                self.note_permission(&item, permission, &answer, By::Expiry, now, effects);
                self.answer_request(permission, ToolAnswer::Deny(why), effects);
            }
        }
        for id in self.outbox.stale(self.steady, self.settings.give_up_after) {
            self.give_up(&id, "never arrived", now, effects);
        }
    }

    pub(in crate::core) fn give_up(&mut self, id: &str, why: &str, now: Millis, effects: &mut Vec<Effect>) {
        let Some(one) = self.outbox.get_mut(id) else {
            return;
        };
        one.failed = Some(why.to_owned());
        let shown = one.is_chat();
        let (id, why) = (id.to_owned(), why.to_owned());
        Self::note_audit(
            audit::Entry::GaveUp {
                id: id.clone(),
                why: why.clone(),
            },
            effects,
        );
        effects.push(Effect::Keep(Box::new(Record::GaveUp { id, why: why.clone() })));
        if shown {
            self.timeline
                .note(format!("A message of yours was not delivered: {why}"), now);
            effects.push(Effect::Attention(Attention::Failure));
        }
    }

    /// Whether a member is here and connected.
    pub fn is_online(&self, name: &str) -> bool {
        self.members
            .get(name)
            .is_some_and(|member| member.status == Status::Online)
            && !same_name(name, "")
    }
}

impl From<Frame> for Event {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Welcome(welcome) => Event::Welcome(welcome),
            other => Event::Frame(Box::new(other)),
        }
    }
}
