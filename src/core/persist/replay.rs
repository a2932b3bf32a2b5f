//! Restoring the room from the journal after a restart.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use nexscope_relay::protocol::body::{Body, Chat, ReceiptState};

use crate::core::{
    Attention, Ctx, Doubt, Effect, Failure, ItemId, ItemKind, MentionOutcome, Offer, Outgoing, Post, Record,
    Room,
    auto::{budget::Used, limits::Candidate},
    chat::{identity, outgoing, receive},
    files::sharing::replay,
    leak::attachment,
    persist::audit,
    review::{
        decide,
        inbox::{Key, key},
    },
    runs::{ExternalAccess, answer, queue::Session},
};

/// Work that was unfinished when the program ended.
#[derive(Default)]
pub(in crate::core) struct Unfinished {
    /// Runs, with their agents.
    runs: BTreeMap<String, String>,
    /// Finished runs whose program was kept.
    staying: BTreeSet<String>,
    /// Messages whose receipt a crash may have lost: their senders may wait for it forever, since nothing makes
    /// them ask again.
    unconfirmed: BTreeSet<Key>,
}

impl Unfinished {
    fn note(&mut self, record: &Record) {
        match record {
            Record::Started { run, agent } => _ = self.runs.insert(run.clone(), agent.clone()),
            Record::Stays { run } => {
                self.runs.remove(run);
                self.staying.insert(run.clone());
            }
            Record::Ended { run } => {
                self.runs.remove(run);
                self.staying.remove(run);
            }
            // Broadcasts get no receipts.
            Record::In { message, .. } if !message.to.is_empty() => {
                self.unconfirmed.insert(key(&message.from, &message.id));
            }
            Record::Mention { from, id, .. } => _ = self.unconfirmed.insert(key(from, id)),
            Record::Out(outgoing) => {
                if let Body::Receipt(receipt) = &outgoing.body {
                    let to = outgoing.to.iter();
                    to.for_each(|to| _ = self.unconfirmed.remove(&key(to, &receipt.of)));
                }
            }
            _ => {}
        }
    }
}

/// Fails the runs that ended with the program.
fn settle_interrupted(room: &mut Room, ctx: &mut Ctx) {
    for interrupted in room.review.inbox.interrupted() {
        let from = interrupted.0.clone();
        if let Some(post) = room.chat.timeline.find(&interrupted.0, &interrupted.1) {
            let note = format!(
                "Your agent was interrupted on m{0}. Type /retry m{0} to run it again.",
                post.number
            );
            room.chat.timeline.note(note, ctx.now);
        }
        let outcome = MentionOutcome::Failed(Failure::Interrupted);
        decide::settle(room, interrupted, &from, outcome, ctx);
    }
}

/// Applies the journal's records to an empty room, oldest first. Returns what was unfinished.
pub(in crate::core) fn records(
    room: &mut Room,
    records: impl IntoIterator<Item = Record>,
    ctx: &mut Ctx,
) -> Unfinished {
    let mut unfinished = Unfinished::default();
    for record in records {
        unfinished.note(&record);
        restore_one(room, record, ctx);
    }
    unfinished
}

/// Settles or continues what was unfinished when the program ended.
pub(in crate::core) fn resume(
    room: &mut Room,
    unfinished: Unfinished,
    not_audited: impl FnOnce(&[&Outgoing]) -> HashSet<String>,
    ctx: &mut Ctx,
) {
    let open: Vec<&Outgoing> = room.chat.outbox.may_leave().collect();
    for id in not_audited(&open) {
        refuse_planted(room, &id, ctx);
    }
    for (run, agent) in unfinished.runs {
        // Its usage is unknown.
        answer::note_usage(&agent, Used::default(), ctx);
        ctx.audit(audit::Entry::interrupted(&run));
        ctx.push(Effect::SweepUp { run });
    }
    for run in unfinished.staying {
        ctx.push(Effect::SweepUp { run });
    }
    for key in unfinished.unconfirmed {
        // If it is not addressed to us there is nothing to tell.
        receive::tell_latest(room, &key, &key.0, ctx);
    }
    replay::resume_files(room, ctx);
    attachment::look_through_the_rest(room, ctx);
    settle_interrupted(room, ctx);
}

/// Loads the messages among some records, for display only.
pub(in crate::core) fn glimpse(room: &mut Room, records: impl IntoIterator<Item = Record>) {
    for record in records {
        match record {
            Record::In { message, .. } => {
                if let Ok(Body::Chat(chat)) = serde_json::from_str::<Body>(message.body.get()) {
                    let chat = Chat { asks: false, ..chat };
                    let mut post = Post::received(&message, &chat);
                    if room.is_me(&message.from) {
                        post.sender.mine = identity::is_ours(room, &message);
                        post.sender.doubt = (!post.sender.mine).then_some(Doubt::Stranger);
                    }
                    outgoing::add_post(room, post, message.at);
                }
            }
            Record::Out(outgoing) => {
                if let Body::Chat(chat) = &outgoing.body {
                    let thread = outgoing.thread.as_deref().unwrap_or(&outgoing.id);
                    let me = &room.settings.me;
                    let to = outgoing.to.clone();
                    let post = Post::mine(me, &outgoing.id, thread, to, outgoing.only, chat);
                    outgoing::add_post(room, post, outgoing.written);
                }
            }
            _ => {}
        }
    }
}

/// Refuses to send our message that is in the journal but not in the audit log.
fn refuse_planted(room: &mut Room, id: &str, ctx: &mut Ctx) {
    let post = room.chat.timeline.find(&room.settings.me, id);
    let what = post.map_or_else(|| "A message".to_owned(), |post| format!("m{}", post.number));
    let why = "not in the audit log".to_owned();
    if let Some(one) = room.chat.outbox.get_mut(id) {
        one.failed = Some(why.clone());
    }
    let id = id.to_owned();
    let gave_up = audit::Entry::GaveUp {
        id: id.clone(),
        why: why.clone(),
    };
    ctx.record(gave_up, Record::GaveUp { id: id.clone(), why });
    ctx.attention(Attention::Failure);
    room.chat.timeline.note(
        format!(
            "{what} was not sent: it is in the journal but not in the audit log, so another program may have \
                 written it. Check it, then write it again."
        ),
        ctx.now,
    );
    for number in room
        .files
        .of_message(&key(&room.settings.me, &id))
        .map(|offer| offer.number)
        .collect::<Vec<_>>()
    {
        if let Some(mine) = room.files.get_mut(number).and_then(Offer::mine_mut) {
            mine.withdrawn = true;
        }
    }
}

/// Applies one record.
#[expect(clippy::too_many_lines, reason = "it has an arm for each kind of record")]
fn restore_one(room: &mut Room, record: Record, ctx: &mut Ctx) {
    match record {
        Record::Seat { session, epoch, seq } => {
            room.chat.position.session = Some(session);
            if room.chat.position.epoch != epoch {
                room.chat.position.seq = seq;
            }
            room.chat.position.epoch = epoch;
        }
        Record::In { epoch, message, came } => {
            ctx.clock.advance(came);
            if room.chat.position.epoch == epoch {
                room.chat.position.seq = room.chat.position.seq.max(message.seq);
            }
            if room
                .chat
                .seen_ids
                .insert(&key(&message.from, &message.id), ctx.clock.proven())
            {
                // A restart does not begin a new allowance.
                let _ = receive::count_broadcast(room, &message, ctx);
                ctx.now = message.at;
                receive::apply_message(room, &message, ctx);
            }
        }
        Record::Clock(reading) => {
            ctx.clock.continue_from(reading);
        }
        Record::Out(outgoing) => restore_outgoing(room, *outgoing, ctx),
        Record::Acked {
            id,
            epoch,
            seq,
            absent,
            received,
        } => {
            if room.chat.position.epoch == epoch {
                room.chat.position.seq = room.chat.position.seq.max(seq);
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
            room.chat.outbox.ack(&ack, &received);
        }
        Record::GaveUp { id, why } => {
            if let Some(one) = room.chat.outbox.get_mut(&id) {
                one.failed = Some(why);
            }
        }
        Record::Mention { from, id, fate, at } => {
            let key = key(&from, &id);
            let (state, why) = fate.receipt();
            room.chat.last_receipts.insert(key.clone(), (state, why));
            room.review.inbox.decided(key, fate, at);
        }
        Record::How { from, id, how } => room.review.inbox.set_accepted_with(key(&from, &id), *how),
        Record::Session {
            thread,
            agent,
            session,
            audience,
            totals,
            outside,
        } => {
            // The results from there are not kept on disk.
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
            ctx.runs.set_session(ctx.room, thread, agent, session);
        }
        Record::Auto {
            at,
            thread,
            member,
            agent,
            row,
        } => {
            ctx.clock.advance(at);
            let answered = Candidate::answered(ctx.room, &thread, &member, &agent);
            ctx.auto.guard.answered(ctx.clock.proven(), answered, row.max(1));
        }
        Record::Used {
            at,
            agent,
            usd,
            tokens,
        } => {
            ctx.clock.advance(at);
            ctx.auto
                .guard
                .used(ctx.clock.proven(), &agent, Used { usd, tokens });
        }
        Record::Known { name, key } => _ = room.chat.members.pins.pin(&name, key),
        Record::Trusted { name, key } => identity::take_trust(room, &name, key),
        Record::File { from, id, file, fate } => replay::restore_file(room, &key(&from, &id), &file, fate),
        Record::Draft { number, at, draft } => {
            let me = room.settings.me.clone();
            ctx.now = at;
            let arrived = ctx.moment();
            room.review.inbox.add_draft(number, *draft, &me, arrived);
        }
        Record::Looked { number, files } => attachment::restore_looked(room, number, files),
        Record::Dropped { number } => _ = room.review.inbox.take(ItemId::Draft(number)),
        // An item that is decided by now is gone.
        Record::PutOff { item } => _ = item.parse().map(|id| room.review.inbox.put_off(id)),
        Record::Asked { number } => room.review.inbox.had_permission(number),
        Record::Permitted { asker, what, at } => room.review.inbox.remember(key(&asker, ""), what, at),
        Record::Spoke { thread } => {
            ctx.auto.guard.person_spoke(ctx.room, &thread);
        }
        // The caller handles them.
        Record::Started { .. } | Record::Stays { .. } | Record::Ended { .. } => {}
    }
}

/// Restores our message, which may have been written again when its files were read.
fn restore_outgoing(room: &mut Room, mut outgoing: Outgoing, ctx: &mut Ctx) {
    ctx.clock.advance(outgoing.since);
    outgoing.kept = true;
    restore_posted(room, &outgoing);
    identity::speaks_with(room, &outgoing);
    if let Body::Receipt(receipt) = &outgoing.body
        && let Some(to) = outgoing.to.first()
    {
        room.chat
            .last_receipts
            .insert(key(to, &receipt.of), (receipt.state, receipt.reason.clone()));
    }
    if let Body::Chat(chat) = &outgoing.body
        && room.chat.outbox.get(&outgoing.id).is_none()
    {
        let thread = outgoing.thread.clone().unwrap_or_else(|| outgoing.id.clone());
        let (to, only) = (outgoing.to.clone(), outgoing.only);
        let me = room.settings.me.clone();
        let post = Post::mine(&me, &outgoing.id, &thread, to, only, chat);
        outgoing::add_our_post(room, post, chat, &outgoing.sources, outgoing.written);
    } else if let Body::Chat(chat) = &outgoing.body {
        // Its files have been read by now.
        replay::offers_read(room, chat, &outgoing);
    }
    room.chat.outbox.insert(outgoing);
}

/// Ends the draft that became our message, and settles what it answers: the program may have ended before it
/// recorded that.
fn restore_posted(room: &mut Room, outgoing: &Outgoing) {
    let draft = outgoing
        .draft
        .and_then(|number| room.review.inbox.take(ItemId::Draft(number)));
    let Some(ItemKind::Draft(draft)) = draft.map(|item| item.matter) else {
        return;
    };
    if let Some((_, key)) = draft.question {
        room.chat
            .last_receipts
            .insert(key.clone(), (ReceiptState::Answered, String::new()));
        room.review
            .inbox
            .decided(key, MentionOutcome::Answered, outgoing.written);
    }
}
