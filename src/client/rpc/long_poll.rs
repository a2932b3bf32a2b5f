//! Long polls: clients that poll repeatedly, and those that wait for something to happen.

use nexscope_relay::protocol::{Mode, PresenceEvent, body::Origin};
use tokio::sync::oneshot;

use super::queries::valid;
use crate::{
    client::{
        Client, delegated,
        rpc::{decisions, queries},
    },
    control::{
        Reply, Response, RpcError,
        protocol::{Awaited, News, NewsSession, OpenTasks, SUPERSEDED, Said, Task, ThreadNumber, Waited},
    },
    core::{Intent, ItemId, Steady, What},
};

/// Time for which a task delegated in auto mode keeps an agent's session from stopping, in seconds.
const FRESH: u64 = 300;
/// Number of clients whose cursor is remembered; the least recently seen is dropped first.
const CLIENTS: usize = 64;
/// Highest number of events in one reply.
const EVENTS: usize = 100;

/// Clients that poll repeatedly, and those that wait for something.
#[derive(Default)]
pub(in crate::client) struct Subscribers {
    /// Each client's cursor in the timeline's entries; the most recently seen client last.
    places: Vec<(String, usize)>,
    pub(super) waiting: Vec<Waiting>,
    /// Number of decisions made by a person.
    decisions: u64,
}

/// A caller that waits for something.
pub(super) struct Waiting {
    pub id: u64,
    pub reply: oneshot::Sender<Response>,
    pub until: Steady,
    pub what: WaitFor,
}

/// The event that a caller waits for.
pub(super) enum WaitFor {
    /// The relay has acknowledged this message.
    Sent(u32),
    /// Anything happens; with the caller's name.
    Anything(String),
    /// A mention arrives that is not among these.
    Mention(Vec<ItemId>),
    /// A message arrives after the one with this number.
    Message(u32),
    /// A person decides: more than this number of decisions.
    Decision(u64),
    /// A delegated task that this caller has not been told of.
    Task(String),
    /// The scan of the files to be accepted ends; then it is decided.
    Decide(Intent),
}

impl Subscribers {
    pub fn next_deadline(&self) -> Option<Steady> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    pub fn decided(&mut self) {
        self.decisions += 1;
    }

    /// The cursor of a caller; a new one starts at the beginning of the session.
    fn place(&self, caller: &str, began: usize) -> usize {
        let known = self.places.iter().find(|(name, _)| name == caller);
        known.map_or(began, |(_, at)| *at)
    }

    fn set_place(&mut self, caller: &str, at: usize) {
        self.places.retain(|(name, _)| name != caller);
        if self.places.len() >= CLIENTS {
            self.places.remove(0);
        }
        self.places.push((caller.to_owned(), at));
    }
}

pub(super) fn before_stop(client: &Client) -> OpenTasks {
    let auto_tasks = tasks(client, Some(FRESH));
    if auto_tasks.is_empty() {
        return OpenTasks {
            can_stop: true,
            reason: "no delegated task waits for an answer".to_owned(),
            auto_tasks,
            instruction: None,
        };
    }
    OpenTasks {
        // In manual mode the person is there, and asks again if they want to.
        can_stop: client.room().settings.mode == Mode::Manual,
        reason: format!("delegated tasks that wait for an answer: {}", auto_tasks.len()),
        auto_tasks,
        instruction: Some("Answer each with nexscope_say and its threadId, then stop.".to_owned()),
    }
}

/// Delegated tasks that wait for an answer, optionally only those younger than this number of seconds.
pub(super) fn tasks(client: &Client, younger_than: Option<u64>) -> Vec<Task> {
    let mut tasks: Vec<_> = client
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

pub(super) fn has_news(client: &Client, caller: &str) -> bool {
    let end = client.room().chat.timeline().entries().len();
    let from = client.clients.place(caller, client.began).min(end);
    let entries = &client.room().chat.timeline().entries()[from..];
    entries.iter().any(|entry| event(client, &entry.what).is_some())
        || client
            .handed
            .values()
            .any(|handed| !handed.prompt.as_str().is_empty())
}

/// Events since the caller's last poll, without text that others wrote.
pub(super) fn news(client: &mut Client, caller: &str) -> News {
    let end = client.room().chat.timeline().entries().len();
    let from = client.clients.place(caller, client.began).min(end);
    let entries = &client.room().chat.timeline().entries()[from..];
    let events: Vec<String> = entries
        .iter()
        .filter_map(|entry| event(client, &entry.what))
        .take(EVENTS)
        .collect();
    client.clients.set_place(caller, end);
    let tasks = tasks(client, None);
    if !tasks.is_empty() {
        delegated::fetched(client);
    }
    News {
        events,
        auto_tasks: tasks,
        online: queries::online(client),
        waiting: client.room().review.inbox().len(),
        session: NewsSession {
            name: client.room().settings.me.clone(),
            mode: client.room().settings.mode.into(),
            hop_limit: client.room().settings.limits.hop_limit,
        },
        timed_out: None,
    }
}

/// Formats an event without any text that another member chose.
pub(super) fn event(client: &Client, what: &What) -> Option<String> {
    Some(match what {
        What::Post(post) if post.sender.mine || post.is_strangers() => return None,
        What::Post(post) => {
            let by = if post.author.origin == Origin::Agent {
                "'s agent"
            } else {
                ""
            };
            let waits = match client.room().review.inbox().has_mention(post.number) {
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
        // Our own text, but it may quote others.
        What::Note(_) => return None,
    })
}

/// A caller that already waits for a task gives way to this one: a hook is started at each stop of its session.
pub(super) fn wait_for(client: &mut Client, event: Awaited, caller: String) -> WaitFor {
    match event {
        Awaited::Mention => WaitFor::Mention(
            client
                .room()
                .review
                .inbox()
                .waiting()
                .map(|item| item.id)
                .collect(),
        ),
        Awaited::Message => WaitFor::Message(client.room().chat.timeline().newest()),
        Awaited::Decision => WaitFor::Decision(client.clients.decisions),
        Awaited::Task => {
            let same = |one: &mut Waiting| matches!(&one.what, WaitFor::Task(of) if *of == caller);
            for earlier in client.clients.waiting.extract_if(.., same) {
                let why = RpcError::new(SUPERSEDED, "The same caller has asked again.");
                // Fails if the caller has gone.
                let _ = earlier.reply.send(Response::new(earlier.id, Err(why)));
            }
            WaitFor::Task(caller)
        }
    }
}

/// Replies to callers whose event has happened, or whose timeout has passed.
pub(in crate::client) fn answer_waiting(client: &mut Client) {
    if client.clients.waiting.is_empty() {
        return;
    }
    let now = client.clock.now();
    let (ready, waiting): (Vec<Waiting>, Vec<Waiting>) = std::mem::take(&mut client.clients.waiting)
        .into_iter()
        // Callers that have gone are dropped.
        .filter(|waiting| !waiting.reply.is_closed())
        .partition(|waiting| waiting.until <= now || has_come_true(client, &waiting.what));
    client.clients.waiting = waiting;
    for Waiting { id, reply, what, .. } in ready {
        let came = has_come_true(client, &what);
        let result = Ok(match what {
            WaitFor::Decide(intent) => {
                let decided = decisions::decide_now(client, intent);
                // Fails if the caller has gone.
                let _ = reply.send(Response::new(id, decided));
                continue;
            }
            WaitFor::Sent(number) => Reply::Say(delivery(client, number)),
            WaitFor::Anything(caller) => Reply::Watch(News {
                timed_out: Some(!came),
                ..news(client, &caller)
            }),
            WaitFor::Task(caller) => {
                delegated::told(client, &caller);
                Reply::Wait(Waited { timed_out: !came })
            }
            WaitFor::Mention(_) | WaitFor::Message(_) | WaitFor::Decision(_) => {
                Reply::Wait(Waited { timed_out: !came })
            }
        });
        // Fails if the caller has gone.
        let _ = reply.send(Response::new(id, result));
    }
}

pub(super) fn has_come_true(client: &Client, wish: &WaitFor) -> bool {
    match wish {
        WaitFor::Sent(number) => {
            let post = client.room().chat.timeline().post_numbered(*number);
            let outgoing = post.and_then(|post| client.room().chat.outbox().get(&post.id));
            outgoing.is_none_or(|outgoing| outgoing.acked || outgoing.failed.is_some())
        }
        WaitFor::Anything(caller) => has_news(client, caller),
        WaitFor::Mention(known) => client
            .room()
            .review
            .inbox()
            .waiting()
            .any(|item| matches!(item.id, ItemId::Mention(_)) && !known.contains(&item.id)),
        WaitFor::Message(known) => {
            let newer = client
                .room()
                .chat
                .timeline()
                .posts()
                .rev()
                .take_while(|(_, post)| post.number > *known);
            newer
                .into_iter()
                .any(|(_, post)| !post.sender.mine && !post.is_strangers())
        }
        WaitFor::Decide(intent) => client.room().may_leave(intent),
        WaitFor::Task(caller) => client.handed.values().any(|task| !task.is_known_to(caller)),
        WaitFor::Decision(known) => client.clients.decisions > *known,
    }
}

fn delivery(client: &Client, number: u32) -> Said {
    let post = client.room().chat.timeline().post_numbered(number);
    let outgoing = post.and_then(|post| client.room().chat.outbox().get(&post.id));
    let thread = post.and_then(|post| client.room().chat.threads().get(&post.thread));
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
