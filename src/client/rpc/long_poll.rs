//! Clients that poll, and clients that wait for an event.

use nexscope_relay::protocol::{Mode, PresenceEvent, body::Origin};
use tokio::sync::oneshot;

use super::queries::valid;
use crate::{
    client::Client,
    control::{
        Reply, Response,
        protocol::{Awaited, News, NewsSession, OpenTasks, Said, Task, ThreadNumber, Waited},
    },
    core::{Intent, ItemId, Steady, What},
};

/// The time for which an auto-mode task keeps an agent's session from stopping, in seconds.
const FRESH: u64 = 300;
/// The number of clients whose position is remembered; the least recent is forgotten first.
const CLIENTS: usize = 64;
/// The maximum number of events in one reply.
const EVENTS: usize = 100;

/// The polling and the waiting clients.
#[derive(Default)]
pub(in crate::client) struct Subscribers {
    /// The position of each client in the timeline; the most recent last.
    places: Vec<(String, usize)>,
    pub(super) waiting: Vec<Waiting>,
    /// The number of decisions by a person.
    decisions: u64,
}

/// A client that waits for an event.
pub(super) struct Waiting {
    pub id: u64,
    pub reply: oneshot::Sender<Response>,
    pub until: Steady,
    pub what: WaitFor,
}

/// The event that a client waits for.
pub(super) enum WaitFor {
    /// The relay has accepted a message.
    Sent(u32),
    /// Anything happens.
    Anything(String),
    /// A new mention arrives, besides these pending ones.
    Mention(Vec<ItemId>),
    /// A message arrives after this one.
    Message(u32),
    /// A person decides: more than this number of decisions.
    Decision(u64),
    /// The files of the decision are scanned; then it is carried out.
    Decide(Intent),
}

impl Subscribers {
    pub fn next_deadline(&self) -> Option<Steady> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    pub fn decided(&mut self) {
        self.decisions += 1;
    }

    /// The position of a client; a new one starts where the session did.
    fn place(&self, client: &str, began: usize) -> usize {
        let known = self.places.iter().find(|(name, _)| name == client);
        known.map_or(began, |(_, at)| *at)
    }

    fn set_place(&mut self, client: &str, at: usize) {
        self.places.retain(|(name, _)| name != client);
        if self.places.len() >= CLIENTS {
            self.places.remove(0);
        }
        self.places.push((client.to_owned(), at));
    }
}

impl Client {
    pub(super) fn before_stop(&self) -> OpenTasks {
        let auto_tasks = self.tasks(Some(FRESH));
        if auto_tasks.is_empty() || self.room.settings.mode != Mode::Auto {
            return OpenTasks {
                can_stop: true,
                reason: "no delegated task waits for an answer".to_owned(),
                auto_tasks: Vec::new(),
                instruction: None,
            };
        }
        OpenTasks {
            can_stop: false,
            reason: format!("delegated tasks that wait for an answer: {}", auto_tasks.len()),
            auto_tasks,
            instruction: Some("Answer each with nexscope_say and its threadId, then stop.".to_owned()),
        }
    }

    /// Delegated tasks that are not answered yet.
    pub(super) fn tasks(&self, younger_than: Option<u64>) -> Vec<Task> {
        let mut tasks: Vec<_> = self
            .handed
            .values()
            .filter(|handed| younger_than.is_none_or(|seconds| handed.since.elapsed().as_secs() < seconds))
            .collect();
        tasks.sort_by_key(|handed| handed.post);
        let each = tasks.into_iter().map(|handed| Task {
            id: ItemId::Mention(handed.post).to_string(),
            thread_id: ThreadNumber(handed.thread).to_string(),
            from: valid(&handed.from).to_owned(),
            text: handed.prompt.as_str().to_owned(),
        });
        each.collect()
    }

    pub(super) fn has_news(&self, client: &str) -> bool {
        let end = self.room.chat.timeline().entries().len();
        let from = self.clients.place(client, self.began).min(end);
        let entries = &self.room.chat.timeline().entries()[from..];
        entries.iter().any(|entry| self.event(&entry.what).is_some())
            || self
                .handed
                .values()
                .any(|handed| !handed.prompt.as_str().is_empty())
    }

    /// The events since the client's last poll, without other members' text.
    pub(super) fn news(&mut self, client: &str) -> News {
        let end = self.room.chat.timeline().entries().len();
        let from = self.clients.place(client, self.began).min(end);
        let entries = &self.room.chat.timeline().entries()[from..];
        let events: Vec<String> = entries
            .iter()
            .filter_map(|entry| self.event(&entry.what))
            .take(EVENTS)
            .collect();
        self.clients.set_place(client, end);
        let tasks = self.tasks(None);
        if !tasks.is_empty() {
            self.fetched();
        }
        News {
            events,
            auto_tasks: tasks,
            online: self.online(),
            waiting: self.room.review.inbox().len(),
            session: NewsSession {
                name: self.room.settings.me.clone(),
                mode: self.room.settings.mode.into(),
                hop_limit: self.room.settings.limits.hop_limit,
            },
            timed_out: None,
        }
    }

    /// Describes an event without any text of another member.
    pub(super) fn event(&self, what: &What) -> Option<String> {
        Some(match what {
            What::Post(post) if post.mine || post.is_strangers() => return None,
            What::Post(post) => {
                let by = if post.origin == Origin::Agent {
                    "'s agent"
                } else {
                    ""
                };
                let waits = match self.room.review.inbox().has_mention(post.number) {
                    true => "; it waits for a person's decision",
                    false => "",
                };
                format!(
                    "m{} from {}{by}, {} bytes{waits}",
                    post.number,
                    valid(&post.from),
                    post.text.len()
                )
            }
            What::Presence { name, event } => {
                let what = match event {
                    PresenceEvent::Join => "joined",
                    PresenceEvent::Leave => "left",
                    _ => return None,
                };
                format!("{} {what}", valid(name))
            }
            // The note is ours, but it may quote others.
            What::Note(_) => return None,
        })
    }

    pub(super) fn wait_for(&self, event: Awaited) -> WaitFor {
        match event {
            Awaited::Mention => {
                WaitFor::Mention(self.room.review.inbox().waiting().map(|item| item.id).collect())
            }
            Awaited::Message => WaitFor::Message(self.room.chat.timeline().newest()),
            Awaited::Decision => WaitFor::Decision(self.clients.decisions),
        }
    }

    /// Answers the clients whose event has happened, or whose time is over.
    pub(in crate::client) fn answer_waiting(&mut self) {
        if self.clients.waiting.is_empty() {
            return;
        }
        let now = self.clock.now();
        let (ready, waiting): (Vec<Waiting>, Vec<Waiting>) = std::mem::take(&mut self.clients.waiting)
            .into_iter()
            // Clients that have disconnected are dropped.
            .filter(|waiting| !waiting.reply.is_closed())
            .partition(|waiting| waiting.until <= now || self.has_come_true(&waiting.what));
        self.clients.waiting = waiting;
        for Waiting { id, reply, what, .. } in ready {
            let came = self.has_come_true(&what);
            let result = Ok(match what {
                WaitFor::Decide(intent) => {
                    let decided = self.decide_now(intent);
                    // The client may have disconnected.
                    let _ = reply.send(Response::new(id, decided));
                    continue;
                }
                WaitFor::Sent(number) => Reply::Say(self.delivery(number)),
                WaitFor::Anything(client) => Reply::Watch(News {
                    timed_out: Some(!came),
                    ..self.news(&client)
                }),
                WaitFor::Mention(_) | WaitFor::Message(_) | WaitFor::Decision(_) => {
                    Reply::Wait(Waited { timed_out: !came })
                }
            });
            // The client may have disconnected.
            let _ = reply.send(Response::new(id, result));
        }
    }

    pub(super) fn has_come_true(&self, wish: &WaitFor) -> bool {
        match wish {
            WaitFor::Sent(number) => {
                let post = self.room.chat.timeline().post_numbered(*number);
                let outgoing = post.and_then(|post| self.room.chat.outbox().get(&post.id));
                outgoing.is_none_or(|outgoing| outgoing.acked || outgoing.failed.is_some())
            }
            WaitFor::Anything(client) => self.has_news(client),
            WaitFor::Mention(known) => self
                .room
                .review
                .inbox()
                .waiting()
                .any(|item| matches!(item.id, ItemId::Mention(_)) && !known.contains(&item.id)),
            WaitFor::Message(known) => {
                let newer = self
                    .room
                    .chat
                    .timeline()
                    .posts()
                    .rev()
                    .take_while(|(_, post)| post.number > *known);
                newer
                    .into_iter()
                    .any(|(_, post)| !post.mine && !post.is_strangers())
            }
            WaitFor::Decide(intent) => self.room.may_leave(intent),
            WaitFor::Decision(known) => self.clients.decisions > *known,
        }
    }

    fn delivery(&self, number: u32) -> Said {
        let post = self.room.chat.timeline().post_numbered(number);
        let outgoing = post.and_then(|post| self.room.chat.outbox().get(&post.id));
        let thread = post.and_then(|post| self.room.chat.threads().get(&post.thread));
        let (sent, offline) = outgoing.map_or((false, Vec::new()), |one| (one.acked, one.absent.clone()));
        let to = post.map_or_else(Vec::new, |post| post.to.clone());
        Said::Sent {
            said: ItemId::Mention(number).to_string(),
            thread_id: thread.map(|thread| ThreadNumber(thread.number).to_string()),
            sent,
            delivered: to
                .into_iter()
                .filter(|name| sent && !offline.contains(name))
                .collect(),
            offline,
        }
    }
}
