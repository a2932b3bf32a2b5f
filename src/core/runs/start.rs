//! How what was accepted becomes a run: with which session, which files, and what of the thread the agent is told.

use nexscope_relay::protocol::body::Activity;

use crate::core::{
    Audience, Effect, Item, ItemId, ItemKind, MentionOutcome, Millis, Post, Record, Room, Run,
    persist::audit::{By, Decided, Edited, Verdict},
    review::{decide::AcceptOptions, inbox::key},
    runs::{
        Totals,
        ask::{Approved, Ask, Said},
        partial::Shown,
    },
};

impl Room {
    /// Auto mode runs an agent on a mention.
    pub(in crate::core) fn run_automatically(
        &mut self,
        post: &Post,
        agent: String,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let Some(item) = self.inbox.take(ItemId::Mention(post.number)) else {
            return;
        };
        let row = self.row_of(post, &agent);
        self.guard
            .answered(self.steady, &post.thread, &post.from, &agent, row);
        effects.push(Effect::Keep(Box::new(Record::Auto {
            at: self.steady,
            thread: post.thread.clone(),
            member: post.from.clone(),
            agent: agent.clone(),
            row,
        })));
        let decided = Decided::new(By::Auto, Verdict::Accepted);
        self.run(&item, &agent, AcceptOptions::default(), decided, now, effects);
        self.start_next(now, effects);
    }

    /// An accepted item becomes a run; it starts when its agent is free.
    /// `decided` says who let it.
    pub(in crate::core) fn run(
        &mut self,
        item: &Item,
        agent: &str,
        how: AcceptOptions,
        decided: Decided,
        now: Millis,
        effects: &mut Vec<Effect>,
    ) {
        let (ItemId::Mention(number), ItemKind::Mention(mention)) = (item.id, &item.matter) else {
            return;
        };
        let Some(post) = self.timeline.post_numbered(number).cloned() else {
            return;
        };
        let audience = Audience::of(&post, &self.settings.me);
        let session = self.runs.session(&post.thread, agent);
        // A session may only go on where everybody who will see the answer was among those who may
        // know all that it was given: thread ids are chosen by senders and prove nothing.
        let session = session
            .filter(|session| audience.is_within(&session.audience))
            .cloned();
        if session.is_none() {
            self.grants.forget(agent, &post.thread);
        }
        let earlier = if session.is_some() {
            Vec::new()
        } else {
            self.approved_before(&post, &audience)
        };
        let alone = decided.by == By::Auto;
        let id = self.fresh_id();
        let edited = how.text.as_ref().filter(|text| **text != item.text);
        self.note_decided(
            Decided {
                item: Some(item.id.to_string()),
                message: Some(mention.key.1.clone()),
                run: Some(id.clone()),
                instructions: how.instructions.clone(),
                edited: edited.map(|after| Edited {
                    before: item.text.clone(),
                    after: after.clone(),
                }),
                ..decided
            },
            effects,
        );
        let kept = AcceptOptions {
            agent: Some(agent.to_owned())
                .filter(|agent| self.settings.default_agent().as_ref() != Some(agent)),
            ..how.clone()
        };
        if *self.inbox.accepted_with(&mention.key) != kept {
            effects.push(Effect::Keep(Box::new(Record::How {
                from: mention.key.0.clone(),
                id: mention.key.1.clone(),
                how: Box::new(kept.clone()),
            })));
            self.inbox.set_accepted_with(mention.key.clone(), kept);
        }
        let files = self.fetch_all(&mention.key, effects);
        let run = Run {
            id,
            ask: Ask {
                run: String::new(),
                agent: agent.to_owned(),
                me: self.settings.me.clone(),
                room: self.settings.room.clone(),
                from: item.from.clone(),
                text: Approved::by_person(how.text.as_ref().unwrap_or(&item.text)),
                files: Vec::new(),
                alone,
                instructions: how.instructions.filter(|words| !words.trim().is_empty()),
                earlier,
                audience: match &audience {
                    Audience::Everyone => None,
                    Audience::Only(names) => Some(names.clone()),
                },
                resume: session.as_ref().map(|session| session.id.clone()),
            },
            post: post.number,
            thread: post.thread.clone(),
            audience,
            hop: post.hop.saturating_add(1),
            started: None,
            activity: Activity::Queued,
            partial: String::new(),
            tool: None,
            notice: None,
            stopping: false,
            review: how.review,
            files,
            key: mention.key.clone(),
            before: session.map_or_else(Totals::default, |session| session.totals),
            growing: Shown::default(),
        };
        let run = Run {
            ask: Ask {
                run: run.id.clone(),
                ..run.ask
            },
            ..run
        };
        self.settle(
            mention.key.clone(),
            &item.from.member,
            MentionOutcome::Accepted(agent.to_owned()),
            now,
            effects,
        );
        self.say_activity(&run, effects);
        self.runs.push(run);
        self.files_moved_on(now, effects);
    }

    /// A message in the words in which it was accepted: what our person took out of it no agent ever gets.
    pub fn accepted_words<'a>(&'a self, post: &'a Post) -> &'a str {
        let with = self.inbox.accepted_with(&key(&post.from, &post.id));
        with.text.as_deref().unwrap_or(&post.text)
    }

    /// What an agent may know of a thread: our own side's words, and what our person accepted; and only
    /// what everybody who will see the answer has seen.
    pub(in crate::core) fn approved_before(&self, post: &Post, audience: &Audience) -> Vec<Said> {
        /// How many messages back an agent is told.
        const MOST: usize = 20;
        let accepted = |other: &Post| {
            matches!(
                self.inbox.fate(other),
                Some(MentionOutcome::Accepted(_) | MentionOutcome::Answered)
            )
        };
        let thread = self.timeline.posts().rev().map(|(_, other)| other);
        let mut said: Vec<Said> = thread
            .filter(|other| other.thread == post.thread && other.number < post.number)
            .filter(|other| !other.is_strangers() && (other.mine || accepted(other)))
            .filter(|other| audience.is_within(&Audience::of(other, &self.settings.me)))
            .take(MOST)
            .map(|other| Said {
                who: other.speaker(),
                text: Approved::by_person(self.accepted_words(other)),
            })
            .collect();
        said.reverse();
        said
    }
}
