//! The same room again after a restart, from the journal.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use nexscope_relay::protocol::body::{Body, Chat, ReceiptState};

use crate::core::{
    Attention, Doubt, Effect, Failure, ItemId, ItemKind, MentionOutcome, Millis, Offer, Outgoing, Post,
    Record, Room,
    auto::budget::Used,
    persist::audit,
    review::inbox::key,
    runs::{ExternalAccess, queue::Session},
};

impl Room {
    /// Takes the journal's records, oldest first, into an empty room, and says what follows from what was
    /// interrupted: runs that ended with the program are told as failed, and can be tried again.
    ///
    /// `not_audited` is given our messages that may still leave, or whose files may, and returns the ids of those that
    /// the audit log does not have. They were written into the journal by something else, and are not sent.
    pub fn restore(
        &mut self,
        records: impl IntoIterator<Item = Record>,
        not_audited: impl FnOnce(&[&Outgoing]) -> HashSet<String>,
        now: Millis,
    ) -> Vec<Effect> {
        let mut open_runs = BTreeMap::new();
        // Programs of runs that are over.
        let mut staying = BTreeSet::new();
        // Messages of which a crash may have kept the receipt from being written: their senders may wait
        // for it for ever, since nothing makes them ask again.
        let mut untold = BTreeSet::new();
        for record in records {
            match &record {
                Record::Started { run, agent } => _ = open_runs.insert(run.clone(), agent.clone()),
                Record::Stays { run } => {
                    open_runs.remove(run);
                    staying.insert(run.clone());
                }
                Record::Ended { run } => {
                    open_runs.remove(run);
                    staying.remove(run);
                }
                // Of what is for everybody nobody waits to hear.
                Record::In { message, .. } if !message.to.is_empty() => {
                    untold.insert(key(&message.from, &message.id));
                }
                Record::Mention { from, id, .. } => _ = untold.insert(key(from, id)),
                Record::Out(outgoing) => {
                    if let Body::Receipt(receipt) = &outgoing.body {
                        let to = outgoing.to.iter();
                        to.for_each(|to| _ = untold.remove(&key(to, &receipt.of)));
                    }
                }
                _ => {}
            }
            self.restore_one(record);
        }
        let mut effects: Vec<Effect> = Vec::new();
        let open: Vec<&Outgoing> = self.outbox.may_leave().collect();
        for id in not_audited(&open) {
            self.refuse_planted(&id, now, &mut effects);
        }
        for (run, agent) in open_runs {
            // What it used nobody knows any more.
            self.used(&agent, Used::default(), &mut effects);
            Self::note_audit(audit::Entry::interrupted(&run), &mut effects);
            effects.push(Effect::SweepUp { run });
        }
        effects.extend(staying.into_iter().map(|run| Effect::SweepUp { run }));
        for key in untold {
            // Of what is not addressed to us there is nothing to tell.
            self.tell_latest(&key, &key.0, &mut effects);
        }
        self.resume_files(now, &mut effects);
        self.look_through_the_rest(&mut effects);
        for interrupted in self.inbox.interrupted() {
            let from = interrupted.0.clone();
            if let Some(post) = self.timeline.find(&interrupted.0, &interrupted.1) {
                self.timeline.note(
                    format!(
                        "Your agent was interrupted on m{0}. /retry m{0} lets it try again.",
                        post.number
                    ),
                    now,
                );
            }
            self.settle(
                interrupted,
                &from,
                MentionOutcome::Failed(Failure::Interrupted),
                now,
                &mut effects,
            );
        }
        effects
    }

    /// A message of ours is in the journal, and the audit log knows nothing of it: it stays here.
    fn refuse_planted(&mut self, id: &str, now: Millis, effects: &mut Vec<Effect>) {
        let post = self.timeline.find(&self.settings.me, id);
        let what = post.map_or_else(|| "A message".to_owned(), |post| format!("m{}", post.number));
        let why = "not in the audit log".to_owned();
        if let Some(one) = self.outbox.get_mut(id) {
            one.failed = Some(why.clone());
        }
        let id = id.to_owned();
        let gave_up = audit::Entry::GaveUp {
            id: id.clone(),
            why: why.clone(),
        };
        Self::note_audit(gave_up, effects);
        effects.push(Effect::Keep(Box::new(Record::GaveUp { id: id.clone(), why })));
        effects.push(Effect::Attention(Attention::Failure));
        self.timeline.note(
            format!(
                "{what} was not sent: it is in the journal but not in the audit log, so another program may have \
                 written it. Check it, then write it again."
            ),
            now,
        );
        for number in self
            .offers
            .of_message(&key(&self.settings.me, &id))
            .map(|offer| offer.number)
            .collect::<Vec<_>>()
        {
            if let Some(mine) = self.offers.get_mut(number).and_then(Offer::mine_mut) {
                mine.withdrawn = true;
            }
        }
    }

    /// Takes the messages among some records into an empty room, to be looked at and nothing else: nothing
    /// waits in it, and numbers count from the first of these.
    pub fn glimpse(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            match record {
                Record::In { message, .. } => {
                    if let Ok(Body::Chat(chat)) = serde_json::from_str::<Body>(message.body.get()) {
                        let chat = Chat { asks: false, ..chat };
                        let mut post = Post::received(&message, &chat);
                        if self.is_me(&message.from) {
                            post.mine = self.is_ours(&message);
                            post.doubt = (!post.mine).then_some(Doubt::Stranger);
                        }
                        self.add_post(post, message.at);
                    }
                }
                Record::Out(outgoing) => {
                    if let Body::Chat(chat) = &outgoing.body {
                        let thread = outgoing.thread.as_deref().unwrap_or(&outgoing.id);
                        let me = &self.settings.me;
                        let to = outgoing.to.clone();
                        let post = Post::mine(me, &outgoing.id, thread, to, outgoing.only, chat);
                        self.add_post(post, outgoing.written);
                    }
                }
                _ => {}
            }
        }
    }

    fn restore_one(&mut self, record: Record) {
        match record {
            Record::Seat { session, epoch, seq } => {
                self.place.session = Some(session);
                if self.place.epoch != epoch {
                    self.place.seq = seq;
                }
                self.place.epoch = epoch;
            }
            Record::In { epoch, message, came } => {
                self.time_passes(came);
                if self.place.epoch == epoch {
                    self.place.seq = self.place.seq.max(message.seq);
                }
                if self.known.insert(&key(&message.from, &message.id)) {
                    self.take_in(&message, message.at, None);
                }
            }
            Record::Clock(reading) => {
                self.time_passes(reading.steady);
                self.reading = Some(reading);
            }
            Record::Out(mut outgoing) => {
                self.time_passes(outgoing.since);
                outgoing.kept = true;
                self.restore_posted(&outgoing);
                self.speaks_with(&outgoing);
                if let Body::Receipt(receipt) = &outgoing.body
                    && let Some(to) = outgoing.to.first()
                {
                    self.told
                        .insert(key(to, &receipt.of), (receipt.state, receipt.reason.clone()));
                }
                if let Body::Chat(chat) = &outgoing.body
                    && self.outbox.get(&outgoing.id).is_none()
                {
                    let thread = outgoing.thread.clone().unwrap_or_else(|| outgoing.id.clone());
                    let (to, only) = (outgoing.to.clone(), outgoing.only);
                    let me = self.settings.me.clone();
                    let post = Post::mine(&me, &outgoing.id, &thread, to, only, chat);
                    self.add_our_post(post, chat, &outgoing.sources, outgoing.written);
                } else if let Body::Chat(chat) = &outgoing.body {
                    // Its files are read by now.
                    self.offers_read(chat, &outgoing);
                }
                self.outbox.insert(*outgoing);
            }
            Record::Acked {
                id,
                epoch,
                seq,
                absent,
                received,
            } => {
                if self.place.epoch == epoch {
                    self.place.seq = self.place.seq.max(seq);
                }
                let ack = nexscope_relay::protocol::Ack {
                    id,
                    seq,
                    at: 0,
                    count: 0,
                    reached: received.clone(),
                    absent,
                    duplicate: false,
                };
                self.outbox.ack(&ack, &received);
            }
            Record::GaveUp { id, why } => {
                if let Some(one) = self.outbox.get_mut(&id) {
                    one.failed = Some(why);
                }
            }
            Record::Mention { from, id, fate, at } => {
                let key = key(&from, &id);
                let (state, why) = fate.receipt();
                self.told.insert(key.clone(), (state, why));
                self.inbox.decided(key, fate, at);
            }
            Record::How { from, id, how } => self.inbox.set_accepted_with(key(&from, &id), *how),
            Record::Session {
                thread,
                agent,
                session,
                audience,
                totals,
                outside,
            } => {
                // What came back from there is not kept on disk.
                let outside = ExternalAccess {
                    paths: outside,
                    results: String::new(),
                };
                let session = session.map(|id| Session {
                    id,
                    audience,
                    totals,
                    outside,
                });
                self.runs.set_session(thread, agent, session);
            }
            Record::Auto {
                at,
                thread,
                member,
                agent,
                row,
            } => {
                self.time_passes(at);
                self.guard.answered(at, &thread, &member, &agent, row.max(1));
            }
            Record::Used {
                at,
                agent,
                usd,
                tokens,
            } => {
                self.time_passes(at);
                self.guard.used(at, &agent, Used { usd, tokens });
            }
            Record::Known { name, key } => _ = self.members.pins.pin(&name, key),
            Record::Trusted { name, key } => self.take_trust(&name, key),
            Record::File { from, id, file, fate } => self.restore_file(&key(&from, &id), &file, fate),
            Record::Draft { number, at, draft } => {
                let me = self.settings.me.clone();
                let arrived = self.moment(at);
                self.inbox.add_draft(number, *draft, &me, arrived);
            }
            Record::Looked { number, files } => self.restore_looked(number, files),
            Record::Dropped { number } => _ = self.inbox.take(ItemId::Draft(number)),
            // One that is decided by now is not there.
            Record::PutOff { item } => _ = item.parse().map(|id| self.inbox.put_off(id)),
            Record::Asked { number } => self.inbox.had_permission(number),
            Record::Permitted { asker, what, at } => self.inbox.remember(key(&asker, ""), what, at),
            Record::Spoke { thread } => {
                self.guard.person_spoke(&thread);
            }
            // The caller has them.
            Record::Started { .. } | Record::Stays { .. } | Record::Ended { .. } => {}
        }
    }
    /// A message of ours ends the draft that it was, and with it what that answers: the program may have ended
    /// before it could say so.
    fn restore_posted(&mut self, outgoing: &Outgoing) {
        let draft = outgoing
            .draft
            .and_then(|number| self.inbox.take(ItemId::Draft(number)));
        let Some(ItemKind::Draft(draft)) = draft.map(|item| item.matter) else {
            return;
        };
        if let Some((_, key)) = draft.question {
            self.told
                .insert(key.clone(), (ReceiptState::Answered, String::new()));
            self.inbox
                .decided(key, MentionOutcome::Answered, outgoing.written);
        }
    }
}
