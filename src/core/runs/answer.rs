//! What our agents' runs report, and their answers on the way out.

use nexscope_relay::protocol::body::{Activity, Chat, Origin, SignalBody, Usage};

use crate::core::{
    Attachment, Attention, Audience, Draft, Effect, Failure, MentionOutcome, Millis, OutgoingText, Record,
    Review, Room, Run,
    auto::budget::Used,
    leak::{overlap, secrets},
    persist::audit::{self, By, Decided, Verdict},
    runs::{
        Ending, ExternalAccess, Failed, Outcome, RunEvent, Totals, ends_exchange, partial::Shown,
        queue::Session,
    },
};

impl Room {
    pub(in crate::core) fn run_event(
        &mut self,
        id: &str,
        event: RunEvent,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        if let RunEvent::Ended(mut ending) = event {
            if matches!(&ending.outcome, Outcome::Answer(text) if text.trim().is_empty()) {
                let why = Failure::NoAnswer;
                ending.outcome = Outcome::Failed(Failed::new(why, why.in_words()));
            }
            let why = match &ending.outcome {
                Outcome::Failed(failed) => Some(self.redacted(&failed.details)),
                _ => None,
            };
            Self::note_audit(audit::Entry::ended(id, &ending, why), effects);
            let run = id.to_owned();
            let record = match ending.stays {
                true => Record::Stays { run },
                false => Record::Ended { run },
            };
            effects.push(Effect::Keep(Box::new(record)));
            if let Some(run) = self.runs.remove(id) {
                let used = Used {
                    usd: ending.usd,
                    tokens: ending.tokens,
                };
                self.used(&run.ask.agent, used, effects);
                self.ended(run, ending, now, effects);
            }
            self.start_next(now, effects);
            return;
        }
        if let RunEvent::Tool { name, detail } = &event {
            let (run, tool, what) = (id.to_owned(), name.clone(), self.redacted(detail));
            Self::note_audit(audit::Entry::Tool { run, tool, what }, effects);
        }
        let Some(run) = self.runs.get_mut(id) else { return };
        let before = run.activity;
        let grows = matches!(event, RunEvent::Partial(_) | RunEvent::Outside(_));
        match event {
            // The ending tells it again, together with what was used.
            RunEvent::Session(_) | RunEvent::Ended(_) => {}
            RunEvent::State(activity) => run.activity = activity,
            RunEvent::Tool { name, detail } => {
                run.activity = Activity::Tool;
                run.tool = Some((name, detail));
            }
            RunEvent::Partial(text) => {
                run.activity = Activity::Writing;
                run.partial = crate::text::clean(&text).text;
            }
            RunEvent::Outside(place) => {
                run.growing.stopped = true;
                let run = run.clone();
                self.taint_session(&run, place, effects);
            }
            RunEvent::Notice(notice) => run.notice = Some(notice),
            RunEvent::Permission(request) => return self.wants_permission(id, request, now, effects),
            RunEvent::PermissionGone(request) => {
                self.inbox.take_permissions(id, Some(&request));
                return self.works_again(id, effects);
            }
        }
        if let Some(run) = self.runs.get(id).filter(|run| run.activity != before).cloned() {
            self.say_activity(&run, effects);
        }
        if grows {
            self.show_growing(id, effects);
        }
    }

    /// A run is over, and counts in its agent's budget.
    pub(in crate::core) fn used(&mut self, agent: &str, used: Used, effects: &mut Vec<Effect>) {
        self.guard.used(self.steady, agent, used);
        effects.push(Effect::Keep(Box::new(Record::Used {
            at: self.steady,
            agent: agent.to_owned(),
            usd: used.usd,
            tokens: used.tokens,
        })));
    }

    /// Starts the next run of every agent that is free.
    pub(in crate::core) fn start_next(&mut self, now: Millis, effects: &mut Vec<Effect>) {
        while let Some(run) = self.runs.next_to_start(now) {
            let run = run.clone();
            let kind = self.settings.kinds.get(&run.ask.agent).copied();
            Self::note_audit(audit::Entry::began(&run, kind.unwrap_or_default()), effects);
            effects.push(Effect::Keep(Box::new(Record::Started {
                run: run.id.clone(),
                agent: run.ask.agent.clone(),
            })));
            effects.push(Effect::Start {
                ask: Box::new(run.ask.clone()),
                before: run.before,
            });
            self.say_activity(&run, effects);
        }
    }

    /// Those who will see the answer see what the agent is doing: a state word and no text.
    pub(in crate::core) fn say_activity(&self, run: &Run, effects: &mut Vec<Effect>) {
        let body = SignalBody::Activity {
            agent: run.ask.agent.clone(),
            state: run.activity,
        };
        self.signal(&run.audience, &run.thread, &body, effects);
    }

    fn ended(&mut self, run: Run, ending: Ending, now: Millis, effects: &mut Vec<Effect>) {
        if ending.session_lost && run.ask.resume.is_some() && !run.stopping {
            return self.begin_anew(run, effects);
        }
        self.inbox.take_permissions(&run.id, None);
        let outside = self.outside_of(&run, &ending);
        self.remember_session(&run, &ending, &outside, effects);
        let fate = match ending.outcome.clone() {
            Outcome::Answer(text) => match self.answered(&run, text, &ending, &outside, now, effects) {
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
                let drafted = self.keep_unfinished(&run, &ending, failure, &outside, now, effects);
                let (agent, post) = (&run.ask.agent, run.post);
                if drafted && failure == Failure::NoAnswer {
                    // What it wrote is the draft, as any that waits for its person.
                    let note =
                        format!("{agent} gave no answer to m{post}: {why}. What it wrote waits as a draft.");
                    return self.timeline.note(note, now);
                }
                let note = format!("{agent} failed on m{post}: {why}. /retry m{post} lets it try again.");
                self.timeline.note(note, now);
                effects.push(Effect::Attention(Attention::Failure));
                MentionOutcome::Failed(failure)
            }
            Outcome::Cancelled => {
                self.timeline
                    .note(format!("{} was stopped on m{}.", run.ask.agent, run.post), now);
                self.keep_unfinished(&run, &ending, Failure::Stopped, &outside, now, effects);
                MentionOutcome::Failed(Failure::Stopped)
            }
        };
        if fate != MentionOutcome::Answered {
            self.withdraw(&run, effects);
        }
        let from = run.ask.from.member.clone();
        self.settle(run.key, &from, fate, now, effects);
    }

    /// The session that was to go on is gone: the same ask again, in a new one that is told what was before.
    fn begin_anew(&mut self, mut run: Run, effects: &mut Vec<Effect>) {
        self.forget_session(&run, effects);
        self.withdraw(&run, effects);
        run.growing = Shown::default();
        run.id = self.fresh_id();
        run.ask.run.clone_from(&run.id);
        run.ask.resume = None;
        if let Some(post) = self.timeline.post_numbered(run.post) {
            run.ask.earlier = self.approved_before(post, &run.audience);
        }
        run.before = Totals::default();
        run.started = None;
        run.notice = Some("its earlier session is gone; it begins a new one".into());
        self.runs.push(run);
    }

    fn forget_session(&mut self, run: &Run, effects: &mut Vec<Effect>) {
        effects.push(Effect::Keep(Box::new(Record::Session {
            thread: run.thread.clone(),
            agent: run.ask.agent.clone(),
            session: None,
            audience: run.audience.clone(),
            totals: Totals::default(),
            outside: Vec::new(),
        })));
        self.grants.forget(&run.ask.agent, &run.thread);
        self.runs
            .set_session(run.thread.clone(), run.ask.agent.clone(), None);
    }

    /// An answer leaves, or waits as a draft where a person is to see it first.
    /// Returns what became of the question, where that is settled.
    fn answered(
        &mut self,
        run: &Run,
        text: String,
        ending: &Ending,
        outside: &ExternalAccess,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> Option<MentionOutcome> {
        if ends_exchange(&text) {
            self.timeline.note(
                format!("{} had nothing more to say to m{}.", run.ask.agent, run.post),
                now,
            );
            self.withdraw(run, effects);
            return Some(MentionOutcome::Answered);
        }
        let draft = self.draft_of_answer(run, text, ending, outside);
        // A file that goes along is seen by a person first.
        let always = self.settings.review == Review::Always || run.review || !ending.files.is_empty();
        let flagged = !draft.flags.is_empty() || !draft.outside.is_empty() || !draft.asks_others.is_empty();
        if always || flagged {
            self.answer_waits(run, draft, outside, now, effects);
            return None;
        }
        let rule = "review = flagged: nothing was found in it".to_owned();
        self.note_decided(
            Decided {
                message: Some(run.key.1.clone()),
                run: Some(run.id.clone()),
                ..Decided::new(By::Setting(rule), Verdict::Posted)
            },
            effects,
        );
        self.say(
            OutgoingText {
                to: draft.to,
                only: draft.only,
                thread: Some(run.thread.clone()),
                chat: draft.chat,
                id: run.growing.id.clone(),
                ..OutgoingText::default()
            },
            now,
            effects,
        );
        Some(MentionOutcome::Answered)
    }

    /// What a run had written that is no answer waits for its person, who may post it all the same. Whether there is
    /// anything.
    fn keep_unfinished(
        &mut self,
        run: &Run,
        ending: &Ending,
        why: Failure,
        outside: &ExternalAccess,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if ending.unfinished.trim().is_empty() {
            return false;
        }
        let draft = Draft {
            unfinished: Some(why),
            ..self.draft_of_answer(run, ending.unfinished.clone(), ending, outside)
        };
        self.answer_waits(run, draft, outside, now, effects);
        true
    }

    /// An answer waits for its person.
    fn answer_waits(
        &mut self,
        run: &Run,
        draft: Draft,
        outside: &ExternalAccess,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        self.draft_waits(draft, outside.results.clone(), now, effects);
        let waiting = Run {
            activity: Activity::Waiting,
            ..run.clone()
        };
        self.say_activity(&waiting, effects);
        self.withdraw(run, effects);
    }

    /// What a run has written, as it would be posted.
    fn draft_of_answer(&self, run: &Run, text: String, ending: &Ending, outside: &ExternalAccess) -> Draft {
        let text = self.fit(text);
        let (mut to, only) = self.answers_to(run);
        let asks_others = self.asks_others(&text, &to);
        to.extend(asks_others.iter().cloned());
        let chat = Chat {
            text,
            origin: Origin::Agent,
            agent: Some(run.ask.agent.clone()),
            // A person reads it. An agent is asked back, which its person decides.
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
            flags: self.found_in(&chat.text, outside),
            // Also what an earlier turn of the session has read: the agent knows it still.
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

    /// What in an agent's words must not leave without a person.
    fn found_in(&self, text: &str, outside: &ExternalAccess) -> Vec<secrets::Flag> {
        let own = self.settings.token.as_ref().map(|token| token.0.as_str());
        let secrets = secrets::secrets(text, own.as_slice());
        secrets::with(secrets, secrets::OUTSIDE, overlap::with(text, &outside.results))
    }

    /// `to` and `only` of a run's answer.
    pub(in crate::core) fn answers_to(&self, run: &Run) -> (Vec<String>, bool) {
        match &run.audience {
            // Our own person need not be told that they are answered.
            Audience::Everyone if self.is_me(&run.ask.from.member) => (Vec::new(), false),
            Audience::Everyone => (vec![run.ask.from.member.clone()], false),
            audience @ Audience::Only(_) => audience.addresses(&self.settings.me),
        }
    }

    /// What the session of a run has touched outside, with this run. Where there are places and no results, not
    /// all is known any more of what came back, and it stays so.
    fn outside_of(&self, run: &Run, ending: &Ending) -> ExternalAccess {
        let session = self.runs.session(&run.thread, &run.ask.agent);
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

    /// A run that goes on in a session has looked outside: that holds for the session from now on, also where the
    /// program ends before the run does.
    fn taint_session(&mut self, run: &Run, place: String, effects: &mut Vec<Effect>) {
        let session = self.runs.session(&run.thread, &run.ask.agent);
        let Some(session) = session.filter(|session| run.ask.resume.as_ref() == Some(&session.id)) else {
            return;
        };
        let mut session = session.clone();
        if session.outside.paths.is_empty() {
            session.outside.paths.push(place);
            self.keep_session(run, session, effects);
        }
    }

    fn keep_session(&mut self, run: &Run, session: Session, effects: &mut Vec<Effect>) {
        effects.push(Effect::Keep(Box::new(Record::Session {
            thread: run.thread.clone(),
            agent: run.ask.agent.clone(),
            session: Some(session.id.clone()),
            audience: session.audience.clone(),
            totals: session.totals,
            outside: session.outside.paths.clone(),
        })));
        self.runs
            .set_session(run.thread.clone(), run.ask.agent.clone(), Some(session));
    }

    /// The thread's next accepted mention goes on from this session.
    fn remember_session(
        &mut self,
        run: &Run,
        ending: &Ending,
        outside: &ExternalAccess,
        effects: &mut Vec<Effect>,
    ) {
        let Some(id) = ending.session.clone() else { return };
        let before = self.runs.session(&run.thread, &run.ask.agent);
        // The same session also knows what it was given before.
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
        self.keep_session(run, session, effects);
    }
}
