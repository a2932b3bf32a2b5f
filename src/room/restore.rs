//! The same room again after a restart, from the journal.

use std::collections::{BTreeMap, BTreeSet};

use nexscope_relay::protocol::body::{Body, Chat, ReceiptState};

use crate::agent::Outside;

use super::{
    Effect, ItemId, Matter, MentionFate, Millis, Outgoing, Post, Record, Room, audit, budget::Used,
    inbox::key, run::Session,
};

impl Room {
    /// Takes the journal's records, oldest first, into an empty room, and says what follows from what was
    /// interrupted: runs that ended with the program are told as failed, and can be tried again.
    pub fn restore(&mut self, records: impl IntoIterator<Item = Record>, now: Millis) -> Vec<Effect> {
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
        for (run, agent) in open_runs {
            // What it used nobody knows any more.
            self.used(&agent, Used::default(), now, &mut effects);
            Self::note_audit(audit::Entry::interrupted(&run), &mut effects);
            effects.push(Effect::SweepUp { run });
        }
        effects.extend(staying.into_iter().map(|run| Effect::SweepUp { run }));
        for key in untold {
            // Of what is not addressed to us there is nothing to tell.
            self.tell_latest(&key, &key.0, &mut effects);
        }
        self.resume_files(&mut effects);
        let drafts = self.inbox.waiting().filter_map(|item| match item.id {
            ItemId::Draft(number) => Some(number),
            _ => None,
        });
        for number in drafts.collect::<Vec<_>>() {
            self.look_through(number, String::new(), &mut effects);
        }
        for interrupted in self.inbox.interrupted() {
            let why = "interrupted: the program ended while the agent worked".to_owned();
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
            self.settle(interrupted, &from, MentionFate::Failed(why), now, &mut effects);
        }
        effects
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
                        post.mine = self.is_me(&message.from);
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
            Record::In { epoch, message } => {
                if self.place.epoch == epoch {
                    self.place.seq = self.place.seq.max(message.seq);
                }
                if self.known.insert(&key(&message.from, &message.id)) {
                    self.take_in(&message, message.at, None);
                }
            }
            Record::Out(mut outgoing) => {
                outgoing.kept = true;
                self.restore_posted(&outgoing);
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
                let outside = Outside {
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
                self.guard.answered(at, &thread, &member, &agent, row.max(1));
            }
            Record::Used {
                at,
                agent,
                usd,
                tokens,
            } => self.guard.used(at, &agent, Used { usd, tokens }),
            Record::Known { name, key } => self.members.know(&name, key),
            Record::File { from, id, file, fate } => self.restore_file(&key(&from, &id), &file, fate),
            Record::Draft { number, at, draft } => {
                let me = self.settings.me.clone();
                self.inbox.add_draft(number, *draft, &me, at);
            }
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
        let Some(Matter::Draft(draft)) = draft.map(|item| item.matter) else {
            return;
        };
        if let Some((_, key)) = draft.question {
            self.told
                .insert(key.clone(), (ReceiptState::Answered, String::new()));
            self.inbox.decided(key, MentionFate::Answered, outgoing.written);
        }
    }
}
