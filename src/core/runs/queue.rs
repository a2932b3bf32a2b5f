//! Runs of our agents: one at a time per agent; others are queued, visibly. Only a person's own session holds several.

use std::collections::{HashMap, VecDeque};

use nexscope_relay::protocol::body::Activity;

use crate::{
    core::{
        Millis, Post, RoomId,
        chat::threads::Audience,
        review::{grant::GrantScope, inbox::Key},
        runs::{ExternalAccess, Totals, ask::Ask, partial::Shown},
    },
    text::Clean,
};

/// An agent at work on an accepted mention, or queued for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub id: String,
    pub room: RoomId,
    pub ask: Ask,
    /// The number of the message that it answers.
    pub post: u32,
    /// The thread that it belongs to.
    pub thread: String,
    /// Everyone who will see the answer.
    pub audience: Audience,
    /// The answer's `hop`.
    pub hop: u32,
    /// When it started to work; `None` while it is queued.
    pub started: Option<Millis>,
    pub activity: Activity,
    pub partial: Clean,
    /// The newest tool call: name and target.
    pub tool: Option<(String, String)>,
    /// The newest notice for the person: a retry, a setting that is not applied.
    pub notice: Option<String>,
    /// Whether its agent may work on other threads meanwhile.
    pub(in crate::core) in_parallel: bool,
    /// Whether it was cancelled.
    pub stopping: bool,
    /// Whether its answer becomes a draft, whatever the settings.
    pub review: bool,
    /// The numbers of the files that it waits for.
    pub files: Vec<u32>,
    pub(in crate::core) key: Key,
    pub(in crate::core) before: Totals,
    /// The part of its answer that others see.
    pub(in crate::core) growing: Shown,
}

impl Run {
    /// A run that is queued for its agent.
    pub(in crate::core) fn queued(room: RoomId, ask: Ask, post: &Post, audience: Audience, key: Key) -> Self {
        Self {
            id: ask.run.clone(),
            room,
            ask,
            post: post.number,
            thread: post.thread.clone(),
            audience,
            hop: post.hop.saturating_add(1),
            started: None,
            activity: Activity::Queued,
            partial: Clean::default(),
            tool: None,
            notice: None,
            in_parallel: false,
            stopping: false,
            review: false,
            files: Vec::new(),
            key,
            before: Totals::default(),
            growing: Shown::default(),
        }
    }

    /// The scope of grants that are given in it.
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
    /// External access of its runs.
    pub outside: ExternalAccess,
}

/// All our runs, and the sessions that they left.
#[derive(Debug, Default)]
pub struct Runs {
    /// In the order in which they were accepted; the first of each agent is at work, and of each thread, if the agent
    /// works on several.
    queue: VecDeque<Run>,
    /// By room, thread and agent.
    sessions: HashMap<(RoomId, String, String), Session>,
}

impl Runs {
    /// All runs, working or queued, in order.
    pub fn all(&self) -> impl Iterator<Item = &Run> {
        self.queue.iter()
    }

    /// The runs of one room, working or queued, in order.
    pub fn of(&self, room: RoomId) -> impl Iterator<Item = &Run> {
        self.queue.iter().filter(move |run| run.room == room)
    }

    pub fn working(&self) -> impl Iterator<Item = &Run> {
        self.queue.iter().filter(|run| run.started.is_some())
    }

    /// Whether there are no runs.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

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

    /// The next run whose agent is free, marked as started at `now`.
    pub(in crate::core) fn next_to_start(&mut self, now: Millis) -> Option<&Run> {
        let at = self.queue.iter().position(|run| {
            let in_its_way = |other: &Run| {
                other.ask.agent == run.ask.agent
                    && (!run.in_parallel || (other.room, &other.thread) == (run.room, &run.thread))
            };
            run.started.is_none() && run.files.is_empty() && !self.working().any(in_its_way)
        })?;
        let run = &mut self.queue[at];
        run.started = Some(now);
        run.activity = Activity::Thinking;
        Some(run)
    }

    /// Senders choose the ids of threads, so a session also belongs to its room.
    pub(in crate::core) fn session(&self, room: RoomId, thread: &str, agent: &str) -> Option<&Session> {
        self.sessions.get(&(room, thread.to_owned(), agent.to_owned()))
    }

    pub(in crate::core) fn set_session(
        &mut self,
        room: RoomId,
        thread: String,
        agent: String,
        session: Option<Session>,
    ) {
        match session {
            Some(session) => self.sessions.insert((room, thread, agent), session),
            None => self.sessions.remove(&(room, thread, agent)),
        };
    }
}
