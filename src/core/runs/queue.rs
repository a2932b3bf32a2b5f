//! What our agents are doing: one run at a time per agent, the rest queue, visibly.

use std::collections::{HashMap, VecDeque};

use nexscope_relay::protocol::body::Activity;

use crate::core::{
    Millis, Post,
    chat::threads::Audience,
    review::{grant::GrantScope, inbox::Key},
    runs::{ExternalAccess, Totals, ask::Ask, partial::Shown},
};

/// An agent at work on an accepted mention, or waiting for its turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub id: String,
    pub ask: Ask,
    /// The number of the message that it answers.
    pub post: u32,
    /// The thread that it belongs to.
    pub thread: String,
    /// Everyone who will see the answer.
    pub audience: Audience,
    /// `hop` of the answer.
    pub hop: u32,
    /// When it began to work; `None` while it waits for its turn.
    pub started: Option<Millis>,
    /// What the agent is doing.
    pub activity: Activity,
    pub partial: String,
    /// The newest tool call: name, and what it is used on.
    pub tool: Option<(String, String)>,
    /// The newest thing that the person should know: a retry, a setting that does not hold.
    pub notice: Option<String>,
    /// Somebody asked for its end.
    pub stopping: bool,
    /// Its answer waits as a draft, whatever the settings.
    pub review: bool,
    /// The numbers of files that it waits for.
    pub files: Vec<u32>,
    pub(in crate::core) key: Key,
    pub(in crate::core) before: Totals,
    /// What others see of its answer.
    pub(in crate::core) growing: Shown,
}

impl Run {
    /// A run that waits for its agent.
    pub(in crate::core) fn queued(ask: Ask, post: &Post, audience: Audience, key: Key) -> Self {
        Self {
            id: ask.run.clone(),
            ask,
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
            review: false,
            files: Vec::new(),
            key,
            before: Totals::default(),
            growing: Shown::default(),
        }
    }

    /// For whom a grant that is given in it holds.
    pub(in crate::core) fn whose(&self) -> GrantScope {
        GrantScope {
            agent: self.ask.agent.clone(),
            thread: self.thread.clone(),
            asker: self.ask.from.member.to_ascii_lowercase(),
        }
    }
}

/// An agent's session in one thread.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::core) struct Session {
    pub id: String,
    /// Everyone who may know what it was given.
    pub audience: Audience,
    pub totals: Totals,
    /// What its runs touched outside.
    pub outside: ExternalAccess,
}

/// All runs of ours, and the sessions that they left.
#[derive(Debug, Default)]
pub struct Runs {
    /// In the order in which they were accepted; the first of each agent works.
    queue: VecDeque<Run>,
    sessions: HashMap<(String, String), Session>,
}

impl Runs {
    /// All that work or wait for their turn, in order.
    pub fn all(&self) -> impl Iterator<Item = &Run> {
        self.queue.iter()
    }

    pub fn working(&self) -> impl Iterator<Item = &Run> {
        self.queue.iter().filter(|run| run.started.is_some())
    }

    /// Whether nothing works or waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The run with that id.
    pub fn get(&self, id: &str) -> Option<&Run> {
        self.queue.iter().find(|run| run.id == id)
    }

    pub(in crate::core) fn get_mut(&mut self, id: &str) -> Option<&mut Run> {
        self.queue.iter_mut().find(|run| run.id == id)
    }

    pub(in crate::core) fn push(&mut self, run: Run) {
        self.queue.push_back(run);
    }

    pub(in crate::core) fn remove(&mut self, id: &str) -> Option<Run> {
        let at = self.queue.iter().position(|run| run.id == id)?;
        self.queue.remove(at)
    }

    /// The next run whose agent is free, marked as working from `now` on.
    pub(in crate::core) fn next_to_start(&mut self, now: Millis) -> Option<&Run> {
        let busy: Vec<String> = self.working().map(|run| run.ask.agent.clone()).collect();
        let at = self.queue.iter().position(|run| {
            run.started.is_none() && run.files.is_empty() && !busy.contains(&run.ask.agent)
        })?;
        let run = &mut self.queue[at];
        run.started = Some(now);
        run.activity = Activity::Thinking;
        Some(run)
    }

    pub(in crate::core) fn session(&self, thread: &str, agent: &str) -> Option<&Session> {
        self.sessions.get(&(thread.to_owned(), agent.to_owned()))
    }

    pub(in crate::core) fn set_session(&mut self, thread: String, agent: String, session: Option<Session>) {
        match session {
            Some(session) => self.sessions.insert((thread, agent), session),
            None => self.sessions.remove(&(thread, agent)),
        };
    }
}
