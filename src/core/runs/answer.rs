//! Events of our agents' runs, and sending their answers.

use nexscope_relay::protocol::body::{Activity, Chat, Origin, SignalBody, Usage};

use crate::{
    core::{
        Attachment, Attention, Audience, Ctx, Draft, Effect, Failure, MentionOutcome, OutgoingText, Record,
        Review, Room, Run,
        auto::budget::Used,
        chat::outgoing,
        leak::{overlap, secrets},
        persist::audit::{self, By, Decided, Verdict},
        review::{decide, draft, permission},
        runs::{
            Ending, ExternalAccess, Failed, Outcome, RunEvent, Totals, ends_exchange,
            partial::{self, Shown},
            queue::Session,
            start,
        },
    },
    text::Clean,
};

/// Handles an event of a run.
pub(in crate::core) fn run_event(room: &mut Room, id: &str, event: RunEvent, ctx: &mut Ctx) {
    let event = match event {
        RunEvent::Ended(ending) => return run_ended(room, id, ending, ctx),
        event => event,
    };
    if let RunEvent::Tool { name, detail } = &event {
        let (run, tool, what) = (id.to_owned(), name.clone(), room.redacted(detail));
        ctx.audit(audit::Entry::Tool { run, tool, what });
    }
    let Some(run) = ctx.runs.get_mut(id) else { return };
    let before = run.activity;
    let grows = matches!(event, RunEvent::Partial(_) | RunEvent::Outside(_));
    match event {
        // The end of the run reports it again, together with the usage.
        RunEvent::Session(_) | RunEvent::Ended(_) => {}
        RunEvent::State(activity) => run.activity = activity,
        RunEvent::Tool { name, detail } => {
            run.activity = Activity::Tool;
            run.tool = Some((name, detail));
        }
        RunEvent::Partial(text) => {
            run.activity = Activity::Writing;
            run.partial = text.with_spaces();
        }
        RunEvent::Outside(place) => {
            run.growing.stopped = true;
            let run = run.clone();
            taint_session(&run, place, ctx);
        }
        RunEvent::Notice(notice) => run.notice = Some(notice),
        RunEvent::Permission(request) => return permission::wants_permission(room, id, request, ctx),
        RunEvent::PermissionGone(request) => {
            room.review.inbox.take_permissions(id, Some(&request));
            return permission::works_again(room, id, ctx);
        }
    }
    if let Some(run) = ctx.runs.get(id).filter(|run| run.activity != before).cloned() {
        say_activity(room, &run, ctx);
    }
    if grows {
        partial::show_growing(room, id, ctx);
    }
}

/// Records the end of a run, and settles its mention.
fn run_ended(room: &mut Room, id: &str, mut ending: Ending, ctx: &mut Ctx) {
    if matches!(&ending.outcome, Outcome::Answer(text) if text.trim().is_empty()) {
        let why = Failure::NoAnswer;
        ending.outcome = Outcome::Failed(Failed::new(why, why.in_words()));
    }
    let why = match &ending.outcome {
        Outcome::Failed(failed) => Some(room.redacted(&failed.details)),
        _ => None,
    };
    let run = id.to_owned();
    let record = if ending.stays {
        Record::Stays { run }
    } else {
        Record::Ended { run }
    };
    ctx.record(audit::Entry::ended(id, &ending, why), record);
    if let Some(run) = ctx.runs.remove(id) {
        let used = Used {
            usd: ending.usd,
            tokens: ending.tokens,
        };
        note_usage(&run.ask.agent, used, ctx);
        ended(room, run, ending, ctx);
    }
}

/// Counts the usage of a run in its agent's budget.
pub(in crate::core) fn note_usage(agent: &str, used: Used, ctx: &mut Ctx) {
    ctx.auto.guard.used(ctx.clock.proven(), agent, used);
    ctx.keep(Record::Used {
        at: ctx.clock.steady,
        agent: agent.to_owned(),
        usd: used.usd,
        tokens: used.tokens,
    });
}

/// Starts a run whose agent is free.
pub(in crate::core) fn start(room: &Room, run: &Run, ctx: &mut Ctx) {
    let kind = room.settings.kinds.get(&run.ask.agent).copied();
    ctx.record(
        audit::Entry::began(run, kind.unwrap_or_default()),
        Record::Started {
            run: run.id.clone(),
            agent: run.ask.agent.clone(),
        },
    );
    ctx.push(Effect::Start {
        ask: Box::new(run.ask.clone()),
        before: run.before,
    });
    say_activity(room, run, ctx);
}

/// Signals the agent's activity to everyone who will see the answer: a state word and no text.
pub(in crate::core) fn say_activity(room: &Room, run: &Run, ctx: &mut Ctx) {
    let body = SignalBody::Activity {
        agent: run.ask.agent.clone(),
        state: run.activity,
    };
    outgoing::signal(room, &run.audience, &run.thread, &body, ctx);
}

fn ended(room: &mut Room, run: Run, ending: Ending, ctx: &mut Ctx) {
    if ending.session_lost && run.ask.resume.is_some() && !run.stopping {
        return start_over(room, run, ctx);
    }
    room.review.inbox.take_permissions(&run.id, None);
    let outside = outside_of(&run, &ending, ctx);
    remember_session(&run, &ending, &outside, ctx);
    let fate = match ending.outcome.clone() {
        Outcome::Answer(text) => match answered(room, &run, text, &ending, &outside, ctx) {
            Some(fate) => fate,
            None => return,
        },
        Outcome::Failed(Failed {
            why: failure,
            details,
        }) => {
            let why = crate::text::clean_line(&details, crate::core::chat::timeline::LINE_MAX);
            // Some reasons are whole sentences of the agent's.
            let why = why.trim_end_matches('.');
            let drafted = keep_unfinished(room, &run, &ending, failure, &outside, ctx);
            let (agent, post) = (&run.ask.agent, run.post);
            if drafted && failure == Failure::NoAnswer {
                // Its text is the draft, as for any other draft.
                let note = format!("{agent} gave no answer to m{post}: {why}. Its text waits as a draft.");
                return room.chat.timeline.note(note, ctx.now);
            }
            let note = format!("{agent} failed on m{post}: {why}. Type /retry m{post} to run it again.");
            room.chat.timeline.note(note, ctx.now);
            ctx.attention(Attention::Failure);
            MentionOutcome::Failed(failure)
        }
        Outcome::Cancelled => {
            room.chat.timeline.note(
                format!("{} was stopped on m{}.", run.ask.agent, run.post),
                ctx.now,
            );
            keep_unfinished(room, &run, &ending, Failure::Stopped, &outside, ctx);
            MentionOutcome::Failed(Failure::Stopped)
        }
    };
    if fate != MentionOutcome::Answered {
        partial::withdraw(room, &run, ctx);
    }
    let from = run.ask.from.member.clone();
    decide::settle(room, run.key, &from, fate, ctx);
}

/// Starts a run again in a new session with the earlier messages, because its session is lost.
fn start_over(room: &mut Room, mut run: Run, ctx: &mut Ctx) {
    forget_session(room, &run, ctx);
    partial::withdraw(room, &run, ctx);
    run.growing = Shown::default();
    run.id = ctx.fresh_id();
    run.ask.run.clone_from(&run.id);
    run.ask.resume = None;
    if let Some(post) = room.chat.timeline.post_numbered(run.post) {
        run.ask.earlier = start::approved_before(room, post, &run.audience);
    }
    run.before = Totals::default();
    run.started = None;
    run.notice = Some("its earlier session is gone; it starts a new one".into());
    ctx.runs.push(run);
}

fn forget_session(room: &mut Room, run: &Run, ctx: &mut Ctx) {
    ctx.keep(Record::Session {
        thread: run.thread.clone(),
        agent: run.ask.agent.clone(),
        session: None,
        audience: run.audience.clone(),
        totals: Totals::default(),
        outside: Vec::new(),
    });
    room.review.grants.forget(&run.ask.agent, &run.thread);
    ctx.runs
        .set_session(ctx.room, run.thread.clone(), run.ask.agent.clone(), None);
}

/// Sends an answer, or keeps it as a draft if a person has to review it first. Returns the outcome of the question,
/// if it is settled.
fn answered(
    room: &mut Room,
    run: &Run,
    text: Clean,
    ending: &Ending,
    outside: &ExternalAccess,
    ctx: &mut Ctx,
) -> Option<MentionOutcome> {
    if ends_exchange(&text) {
        room.chat.timeline.note(
            format!("{} had nothing more to say to m{}.", run.ask.agent, run.post),
            ctx.now,
        );
        partial::withdraw(room, run, ctx);
        return Some(MentionOutcome::Answered);
    }
    let draft = draft_of_answer(room, run, text, ending, outside);
    // A person reviews attachments first.
    let always = room.settings.review == Review::Always || run.review || !ending.files.is_empty();
    let flagged = !draft.flags.is_empty() || !draft.outside.is_empty() || !draft.asks_others.is_empty();
    if always || flagged {
        answer_waits(room, run, draft, outside, ctx);
        return None;
    }
    let rule = "review = flagged: nothing was found in it".to_owned();
    decide::note_decided(
        room,
        Decided {
            message: Some(run.key.1.clone()),
            run: Some(run.id.clone()),
            ..Decided::new(By::Setting(rule), Verdict::Posted)
        },
        ctx,
    );
    outgoing::say(
        room,
        OutgoingText {
            to: draft.to,
            only: draft.only,
            thread: Some(run.thread.clone()),
            chat: draft.chat,
            id: run.growing.id.clone(),
            ..OutgoingText::default()
        },
        ctx,
    );
    Some(MentionOutcome::Answered)
}

/// Keeps the unfinished text of a run as a draft, which the person may post anyway. Returns whether there is any
/// text.
fn keep_unfinished(
    room: &mut Room,
    run: &Run,
    ending: &Ending,
    why: Failure,
    outside: &ExternalAccess,
    ctx: &mut Ctx,
) -> bool {
    if ending.unfinished.trim().is_empty() {
        return false;
    }
    let draft = Draft {
        unfinished: Some(why),
        ..draft_of_answer(room, run, ending.unfinished.clone(), ending, outside)
    };
    answer_waits(room, run, draft, outside, ctx);
    true
}

/// Adds an answer as a draft for the person.
fn answer_waits(room: &mut Room, run: &Run, draft: Draft, outside: &ExternalAccess, ctx: &mut Ctx) {
    draft::draft_waits(room, draft, outside.results.clone(), ctx);
    let waiting = Run {
        activity: Activity::Waiting,
        ..run.clone()
    };
    say_activity(room, &waiting, ctx);
    partial::withdraw(room, run, ctx);
}

/// The draft of a run's text, as it would be posted.
fn draft_of_answer(room: &Room, run: &Run, text: Clean, ending: &Ending, outside: &ExternalAccess) -> Draft {
    let text = draft::fit(room, text);
    let (mut to, only) = answers_to(room, run);
    let asks_others = draft::asks_others(room, &text, &to);
    to.extend(asks_others.iter().cloned());
    let chat = Chat {
        text,
        origin: Origin::Agent,
        agent: Some(run.ask.agent.clone()),
        // A person just reads it. If an agent asked, that agent is asked back, which its person decides.
        asks: run.ask.from.agent.is_some() || !asks_others.is_empty(),
        hop: run.hop,
        reply_to: Some(run.key.1.clone()),
        usage: Some(Usage {
            ms: Some(ending.took.as_millis() as u64),
            tools: Some(ending.tools),
            usd: ending.usd,
            tokens: ending.tokens,
        }),
        ..Chat::default()
    };
    Draft {
        to,
        only,
        flags: found_in(room, &chat.text, outside),
        // Includes what an earlier turn of the session has read, which the agent still knows.
        outside: outside.paths.clone(),
        asks_others,
        post: Some(run.post),
        run: Some(run.id.clone()),
        thread: Some(run.thread.clone()),
        question: Some((run.ask.from.member.clone(), run.key.clone())),
        chat,
        files: ending.files.iter().cloned().map(Attachment::new).collect(),
        message: run.growing.id.clone(),
        unfinished: None,
    }
}

/// Findings in an agent's text that must not leave without a person.
fn found_in(room: &Room, text: &str, outside: &ExternalAccess) -> Vec<secrets::Flag> {
    let own = room.settings.token.as_ref().map(|token| token.0.as_str());
    let secrets = secrets::secrets(text, own.as_slice());
    secrets::with(secrets, secrets::OUTSIDE, overlap::with(text, &outside.results))
}

/// The `to` and `only` fields of a run's answer.
pub(in crate::core) fn answers_to(room: &Room, run: &Run) -> (Vec<String>, bool) {
    match &run.audience {
        // The person need not be notified of their own agent's answer.
        Audience::Everyone if room.is_me(&run.ask.from.member) => (Vec::new(), false),
        Audience::Everyone => (vec![run.ask.from.member.clone()], false),
        audience @ Audience::Only(_) => audience.addresses(&room.settings.me),
    }
}

/// External access of a run's session, including this run. If there are places but no results, the results are
/// incomplete, and stay so.
fn outside_of(run: &Run, ending: &Ending, ctx: &Ctx) -> ExternalAccess {
    let session = ctx.runs.session(ctx.room, &run.thread, &run.ask.agent);
    let before = session.filter(|session| run.ask.resume.as_ref() == Some(&session.id));
    let mut all = before.map_or_else(ExternalAccess::default, |session| session.outside.clone());
    let new = &ending.outside;
    let lost = !all.paths.is_empty() && all.results.is_empty();
    match lost || all.results.len() + new.results.len() >= ExternalAccess::MOST {
        true => all.results.clear(),
        false => all.results.push_str(&new.results),
    }
    let more = new.paths.iter().filter(|path| !all.paths.contains(path));
    let more: Vec<String> = more.cloned().collect();
    all.paths.extend(more);
    all.paths.truncate(64);
    all
}

/// Marks a continued session as tainted by external access, from now on, even if the program ends before the run
/// does.
fn taint_session(run: &Run, place: String, ctx: &mut Ctx) {
    let session = ctx.runs.session(ctx.room, &run.thread, &run.ask.agent);
    let Some(session) = session.filter(|session| run.ask.resume.as_ref() == Some(&session.id)) else {
        return;
    };
    let mut session = session.clone();
    if session.outside.paths.is_empty() {
        session.outside.paths.push(place);
        keep_session(run, session, ctx);
    }
}

fn keep_session(run: &Run, session: Session, ctx: &mut Ctx) {
    ctx.keep(Record::Session {
        thread: run.thread.clone(),
        agent: run.ask.agent.clone(),
        session: Some(session.id.clone()),
        audience: session.audience.clone(),
        totals: session.totals,
        outside: session.outside.paths.clone(),
    });
    ctx.runs
        .set_session(ctx.room, run.thread.clone(), run.ask.agent.clone(), Some(session));
}

/// Keeps the session, so that the thread's next accepted mention continues it.
fn remember_session(run: &Run, ending: &Ending, outside: &ExternalAccess, ctx: &mut Ctx) {
    let Some(id) = ending.session.clone() else { return };
    let before = ctx.runs.session(ctx.room, &run.thread, &run.ask.agent);
    // The same session also knows its earlier input.
    let same = before.filter(|before| before.id == id || run.ask.resume.as_ref() == Some(&before.id));
    let audience = match same.filter(|_| run.ask.resume.is_some()) {
        Some(before) => before.audience.both(&run.audience),
        None => run.audience.clone(),
    };
    let totals = ending.totals;
    let session = Session {
        id,
        audience,
        totals,
        outside: outside.clone(),
    };
    keep_session(run, session, ctx);
}
