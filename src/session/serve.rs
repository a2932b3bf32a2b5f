//! What programs and agents may do with a session through its socket.
//!
//! Agent-facing: nothing that another member chose is told but valid names; sizes, kinds, our own ids, and the
//! words of our own side and those that a person has accepted. Nothing is decided: who asks for a decision
//! leaves a mark on the item for the person.

use nexscope_relay::protocol::{Mode, PresenceEvent, Status, body::Origin, is_id, is_name};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Session, now};
use crate::{
    config::agents::Kind,
    control::{Call, Caller, Problem, Request, Response},
    room::{
        Command, Connection, ItemId, Matter, MentionFate, Millis, Post, Reply, Side, Stage, Target, Unasked,
        What,
    },
};

/// Clients whose place in what has happened is remembered; the one that asked longest ago is forgotten first.
const CLIENTS: usize = 64;
/// The most of what has happened that one answer tells.
const EVENTS: usize = 100;
/// How long `say` waits to learn who got it, in milliseconds.
const ACK: Millis = 3_000;
/// The longest that `watch` and `wait` wait, in seconds.
const LONGEST: u64 = 120;
/// How long an auto-mode task keeps a session of an agent's from stopping, in seconds.
const FRESH: u64 = 300;

/// Clients that come again, and those that wait for something.
#[derive(Default)]
pub(super) struct Clients {
    /// Where each stands among the timeline's entries; the newest last.
    places: Vec<(String, usize)>,
    waiting: Vec<Waiting>,
    /// How often a person has decided something.
    decisions: u64,
}

/// A client that waits for something.
struct Waiting {
    id: u64,
    reply: oneshot::Sender<Response>,
    until: Millis,
    what: Wish,
}

/// What a client waits for.
enum Wish {
    /// That the relay has a message.
    Sent(u32),
    /// That anything happens.
    Anything(String),
    /// That a mention comes: more than so many waited.
    Mention(Vec<ItemId>),
    /// That a message comes: beyond this one.
    Message(u32),
    /// That a person decides: beyond so many.
    Decision(u64),
}

impl Clients {
    pub fn next_deadline(&self) -> Option<Millis> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    pub fn decided(&mut self) {
        self.decisions += 1;
    }

    /// Where a client stands; a new one begins where the session did.
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

/// One or several of something.
#[derive(Deserialize)]
#[serde(untagged)]
enum Some1<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Default for Some1<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> Some1<T> {
    fn all(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(all) => all,
        }
    }
}

/// `t3`, as a string or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Ref {
    Number(u32),
    Name(String),
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Say {
    to: Some1<String>,
    text: String,
    thread: Option<Ref>,
    public: bool,
    note: bool,
    files: Some1<std::path::PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    id: Ref,
    /// Instructions, a reason, an agent: for the person, who writes their own.
    #[serde(default)]
    #[expect(
        dead_code,
        reason = "known arguments of guarded words, which the person gives anew"
    )]
    with: Value,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    limit: Option<usize>,
    thread: Option<Ref>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Watch {
    client: Option<String>,
    timeout: Option<u64>,
    r#for: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct ModeArgs {
    mode: Option<Mode>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Id {
    id: Option<String>,
}

type Answer = Result<Value, Problem>;

impl Session {
    /// Answers a request, at once or when what it waits for has happened.
    pub(super) fn serve(&mut self, call: Call) {
        let Call {
            request,
            caller,
            reply,
        } = call;
        let id = request.id;
        match self.answer(request, &caller) {
            Ok(Done::Now(result)) => _ = reply.send(Response::new(id, Ok(result))),
            Ok(Done::Later(what, until)) => {
                self.clients.waiting.push(Waiting {
                    id,
                    reply,
                    until,
                    what,
                });
                self.answer_waiting();
            }
            Err(problem) => _ = reply.send(Response::new(id, Err(problem))),
        }
    }

    fn answer(&mut self, request: Request, caller: &Caller) -> Result<Done, Problem> {
        let Request {
            word, args, agent, ..
        } = request;
        let now = now();
        Ok(Done::Now(match word.as_str() {
            "hello" => self.hello(),
            "say" => return self.serve_say(read(args)?, agent, caller),
            "append" => {
                let say: Say = read(args)?;
                let say = Say { note: true, ..say };
                return self.serve_say(say, agent, caller);
            }
            "who" => self.who(),
            "inbox" => self.inbox(),
            "status" => self.status(),
            "files" => self.files(),
            "history" => self.history(read(args)?)?,
            "mode" => self.mode(&read(args)?, caller)?,
            "accept" | "reject" | "retry" | "grant" => self.guarded(&word, read(args)?, caller)?,
            "ask" => {
                return Err(refused(
                    "Only a person at the screen asks their agent: /ask there.",
                ));
            }
            "cancel" => self.cancel(read(args)?)?,
            "poll" => {
                let watch: Watch = read(args)?;
                let client = client(watch.client)?;
                self.happened(&client)
            }
            "watch" => {
                let watch: Watch = read(args)?;
                let until = until(watch.timeout.unwrap_or(30), now)?;
                let client = client(watch.client)?;
                if self.has_news(&client) {
                    self.happened(&client)
                } else {
                    return Ok(Done::Later(Wish::Anything(client), until));
                }
            }
            "wait" => {
                let watch: Watch = read(args)?;
                let until = until(watch.timeout.unwrap_or(LONGEST), now)?;
                return Ok(Done::Later(self.wish(watch.r#for.as_deref())?, until));
            }
            "before_stop" => self.before_stop(),
            "stop" => self.stop(caller),
            "update" => self.versions(),
            _ => {
                return Err(Problem::new(
                    "unknown_word",
                    format!(
                        "There is no word {}; nexscope-tui --help lists them.",
                        short(&word)
                    ),
                ));
            }
        }))
    }

    fn hello(&self) -> Value {
        let settings = &self.room.settings;
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "name": settings.me,
            "room": settings.room,
            "folder": self.here,
            "online": self.room.connection == Connection::Online,
            // Whether what is accepted may be handed to a session that joins through MCP.
            "hands": self.config.agents.values().any(|agent| agent.kind == Kind::Session),
        })
    }

    fn serve_say(&mut self, say: Say, agent: Option<String>, caller: &Caller) -> Result<Done, Problem> {
        let thread = say.thread.map(thread).transpose()?;
        let (to, files) = (names(say.to.all())?, say.files.all());
        if caller.person && agent.is_none() {
            let command = Command::Say {
                to,
                text: say.text,
                thread,
                public: say.public,
                note: say.note,
                files,
            };
            return match self.perform(command).map_err(refused)? {
                Reply::Said(number) => Ok(Done::Later(Wish::Sent(number), now() + ACK)),
                _ => Ok(Done::Now(Value::Null)),
            };
        }
        if let Some(number) = thread
            && files.is_empty()
            && self.takes_as_answer(number, &say.text)
        {
            return Ok(Done::Now(json!({
                "answered": true,
                "threadId": format!("t{number}"),
                "message": "It is the answer to what was handed to you; it leaves as any answer does.",
            })));
        }
        for path in &files {
            self.may_attach(path).map_err(refused)?;
        }
        let agent = agent
            .filter(|name| is_name(name))
            .unwrap_or_else(|| "agent".to_owned());
        let words = Unasked {
            agent,
            to,
            text: crate::text::clean_with_tabs(&say.text),
            thread,
            public: say.public,
            note: say.note,
            files,
        };
        let (effects, result) = self.room.drafted(words, now());
        self.carry_out(effects);
        let id = result.map_err(refused)?;
        let me = &self.room.settings.me;
        Ok(Done::Now(json!({
            "draft": id.to_string(),
            "message": format!("It waits as draft {id}: {me} reads it at the screen before it leaves."),
        })))
    }

    /// What an agent attaches lies below the folder that this session was started in, links resolved.
    fn may_attach(&self, path: &std::path::Path) -> Result<(), String> {
        let real = path
            .canonicalize()
            .map_err(|_| format!("There is no file {}.", path.display()))?;
        let here = self.here.canonicalize().unwrap_or_else(|_| self.here.clone());
        match real.starts_with(&here) {
            true => crate::transfer::inspect(&real),
            false => Err(format!(
                "{} is not below {}; only files there are sent.",
                path.display(),
                here.display()
            )),
        }
    }

    fn who(&self) -> Value {
        let members = self
            .room
            .members
            .list()
            .iter()
            .filter(|member| is_name(&member.name));
        let members: Vec<Value> = members
            .map(|member| {
                json!({
                    "name": member.name,
                    "status": status(member.status),
                    "mode": mode(member.mode),
                    "agents": member.agents.len(),
                    "busy": member.doing.len(),
                    "version": member.v,
                })
            })
            .collect();
        json!({
            "name": self.room.settings.me,
            "room": self.room.settings.room,
            "online": self.online(),
            "members": members,
        })
    }

    fn online(&self) -> Vec<&str> {
        let members = self.room.members.list().iter();
        members
            .filter(|member| member.status == Status::Online && is_name(&member.name))
            .map(|member| member.name.as_str())
            .collect()
    }

    fn inbox(&self) -> Value {
        let pending: Vec<Value> = self
            .room
            .inbox
            .waiting()
            .map(|item| {
                let (kind, why) = match &item.matter {
                    Matter::Mention(mention) if mention.held.is_some() => {
                        ("mention", "auto mode stepped back")
                    }
                    Matter::Mention(_) => ("mention", "a person decides"),
                    Matter::Draft(draft) if !draft.flags.is_empty() => {
                        ("draft", "something in it looks like a secret")
                    }
                    Matter::Draft(_) => ("draft", "a person reads it first"),
                    Matter::Permission(_) => ("permission", "a person decides"),
                    Matter::File(_) => ("file", "a person decides"),
                };
                let thread = self
                    .room
                    .threads
                    .get(&item.thread)
                    .map(|thread| format!("t{}", thread.number));
                json!({
                    "id": item.id.to_string(),
                    "kind": kind,
                    "from": valid(&item.from.member),
                    "by": if item.from.agent.is_some() { "agent" } else { "person" },
                    "threadId": thread,
                    "bytes": item.text.len(),
                    "time": item.arrived,
                    "why": why,
                    "askedFor": item.asked_for.is_some(),
                })
            })
            .collect();
        let mut archive: Vec<Value> = self
            .room
            .timeline
            .posts()
            .rev()
            .filter_map(|(_, post)| Some((post, self.room.inbox.fate(post)?)))
            .take(10)
            .map(|(post, fate)| {
                json!({
                    "id": format!("m{}", post.number),
                    "from": valid(&post.from),
                    "fate": match fate {
                        MentionFate::Accepted(_) => "accepted",
                        MentionFate::Rejected(_) => "rejected",
                        MentionFate::Answered => "answered",
                        MentionFate::Failed(_) => "failed",
                        MentionFate::Expired => "expired",
                    },
                })
            })
            .collect();
        archive.reverse();
        json!({ "pending": pending, "archive": archive })
    }

    fn status(&self) -> Value {
        let room = &self.room;
        let at = now();
        let agents: Vec<Value> = room
            .settings
            .agents
            .iter()
            .map(|agent| {
                json!({
                    "name": agent,
                    "runsToday": room.guard.runs_today(agent, at),
                    "runsADay": room.settings.budget(agent).runs,
                })
            })
            .collect();
        json!({
            "connection": match &room.connection {
                Connection::Online => "online",
                Connection::Connecting => "connecting",
                Connection::Waiting { .. } => "waiting",
                Connection::Refused { .. } => "refused",
                Connection::Left => "left",
            },
            "name": room.settings.me,
            "room": room.settings.room,
            "mode": mode(room.settings.mode),
            "hopLimit": room.settings.limits.hop_limit,
            "agents": agents,
            "running": room.runs.all().map(|run| format!("m{}", run.post)).collect::<Vec<_>>(),
            "waiting": room.inbox.len(),
            "outbox": room.outbox.unacked(),
        })
    }

    fn files(&self) -> Value {
        let files: Vec<Value> = self
            .room
            .offers
            .all()
            .map(|offer| {
                let state = match &offer.side {
                    Side::Theirs(fetch) => match fetch.stage {
                        Stage::Offered | Stage::Aside => "waits",
                        Stage::Preparing | Stage::Asked(_) | Stage::Moving(_) => "comes",
                        Stage::Done(_) => "done",
                        Stage::Declined => "declined",
                        Stage::Failed(_) => "failed",
                    },
                    Side::Mine(mine) if mine.withdrawn => "withdrawn",
                    Side::Mine(_) if offer.is_moving() => "goes",
                    Side::Mine(_) => "offered",
                    Side::Others => "others",
                };
                json!({
                    "id": format!("f{}", offer.number),
                    "from": valid(&offer.from),
                    "bytes": offer.size,
                    "state": state,
                    "percent": offer.fraction().map(|far| (far * 100.0) as u32),
                })
            })
            .collect();
        json!({ "files": files })
    }

    fn history(&mut self, limits: Limits) -> Answer {
        let limit = limits.limit.unwrap_or(50).clamp(1, 500);
        let thread = limits.thread.map(thread).transpose()?;
        let reply = self
            .perform(Command::History { limit, thread })
            .map_err(refused)?;
        let Reply::History(numbers) = reply else {
            return Ok(Value::Null);
        };
        let posts = numbers
            .iter()
            .filter_map(|number| self.room.timeline.post_numbered(*number));
        let lines: Vec<Value> = posts.map(|post| self.line(post)).collect();
        Ok(json!({ "lines": lines }))
    }

    /// A message as an agent may know it.
    fn line(&self, post: &Post) -> Value {
        let accepted = matches!(
            self.room.inbox.fate(post),
            Some(MentionFate::Accepted(_) | MentionFate::Answered)
        );
        let thread = self
            .room
            .threads
            .get(&post.thread)
            .map(|thread| format!("t{}", thread.number));
        json!({
            "id": format!("m{}", post.number),
            "from": valid(&post.from),
            "by": if post.origin == Origin::Agent { "agent" } else { "person" },
            "to": post.to.iter().filter(|name| is_name(name)).collect::<Vec<_>>(),
            "threadId": thread,
            "bytes": post.text.len(),
            "text": (post.mine || accepted).then_some(&post.text),
        })
    }

    fn mode(&mut self, args: &ModeArgs, caller: &Caller) -> Answer {
        match args.mode {
            Some(Mode::Auto) if self.room.settings.mode != Mode::Auto => {
                self.tell_once(format!(
                    "{} has asked for auto mode; it stays manual until you write /mode auto.",
                    caller.process
                ));
                Err(refused(
                    "Only a person at the screen turns auto mode on, by /mode auto; they were told that you ask.",
                ))
            }
            Some(Mode::Manual) => {
                self.perform(Command::Mode(Some(Mode::Manual))).map_err(refused)?;
                Ok(json!({ "mode": "manual" }))
            }
            _ => Ok(json!({ "mode": mode(self.room.settings.mode) })),
        }
    }

    /// A word that only a person carries out: what it is about is marked, and nothing else happens.
    fn guarded(&mut self, word: &str, which: Which, caller: &Caller) -> Answer {
        let me = self.room.settings.me.clone();
        let target = match which.id {
            Ref::Number(number) => Target::Item(ItemId::Mention(number)),
            Ref::Name(name) => match thread(Ref::Name(name.clone())) {
                Ok(number) => Target::Thread(number),
                Err(_) => Target::Item(name.parse().map_err(|()| usage("id is m12, d3, p4, f5 or t6"))?),
            },
        };
        if word == "retry" {
            self.tell_once(format!(
                "{} has asked for something to be tried again.",
                caller.process
            ));
            return Err(refused(format!(
                "Only a person at the screen tries it again: {me} was told that you ask."
            )));
        }
        let ids = self.room.asked_for(target, &caller.process).map_err(refused)?;
        let ids: Vec<String> = ids.iter().map(ItemId::to_string).collect();
        Ok(json!({
            "decided": false,
            "waits": ids,
            "message": format!("Nothing is decided: {} waits for a key of {me}'s at the screen, who sees that you ask.", ids.join(", ")),
        }))
    }

    fn cancel(&mut self, args: Id) -> Answer {
        let id = match args.id {
            Some(id) => Some(id.parse().map_err(|()| usage("id is m12 or f3"))?),
            None => None,
        };
        self.perform(Command::Cancel(id)).map_err(refused)?;
        Ok(json!({ "cancelled": true }))
    }

    fn stop(&mut self, caller: &Caller) -> Value {
        if caller.person || self.config.headless {
            self.end_asked = true;
            return json!({ "stopped": true });
        }
        self.tell_once(format!("{} has asked you to leave; /quit does.", caller.process));
        json!({ "stopped": false, "message": "The person at the screen was told; only they close it." })
    }

    fn tell_once(&mut self, words: String) {
        let last = self.room.timeline.entries().last();
        // Who asks again and again is shown once.
        if !last.is_some_and(|entry| matches!(&entry.what, What::Note(note) if *note == words)) {
            self.room.tell_person(words, now());
        }
    }

    fn versions(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "members": self.room.members.list().iter().filter(|member| is_name(&member.name)).map(|member| {
                json!({ "name": member.name, "protocol": member.v, "client": known_program(&member.client) })
            }).collect::<Vec<_>>(),
            "message": "To update, build the newest sources: git pull && cargo build --release.",
        })
    }

    fn before_stop(&self) -> Value {
        let open: Vec<Value> = self.tasks(Some(FRESH));
        let auto = self.room.settings.mode == Mode::Auto;
        if open.is_empty() || !auto {
            return json!({ "can_stop": true, "reason": "nothing that was handed to you waits for an answer" });
        }
        json!({
            "can_stop": false,
            "reason": format!("{} that was handed to you waits for an answer", open.len()),
            "auto_tasks": open,
            "instruction": "Answer each with nexscope_say and its threadId, then stop.",
        })
    }

    /// What was handed over and waits for an answer.
    fn tasks(&self, younger_than: Option<u64>) -> Vec<Value> {
        let mut tasks: Vec<_> = self
            .handed
            .values()
            .filter(|handed| younger_than.is_none_or(|seconds| handed.since.elapsed().as_secs() < seconds))
            .collect();
        tasks.sort_by_key(|handed| handed.post);
        let each = tasks.into_iter().map(|handed| {
            json!({
                "id": format!("m{}", handed.post),
                "threadId": format!("t{}", handed.thread),
                "from": valid(&handed.from),
                "text": handed.prompt.as_str(),
            })
        });
        each.collect()
    }

    fn has_news(&self, client: &str) -> bool {
        let end = self.room.timeline.entries().len();
        let from = self.clients.place(client, self.began).min(end);
        let entries = &self.room.timeline.entries()[from..];
        entries.iter().any(|entry| self.event(&entry.what).is_some())
            || self
                .handed
                .values()
                .any(|handed| !handed.prompt.as_str().is_empty())
    }

    /// What has happened since a client asked last, without what others wrote.
    fn happened(&mut self, client: &str) -> Value {
        let end = self.room.timeline.entries().len();
        let from = self.clients.place(client, self.began).min(end);
        let entries = &self.room.timeline.entries()[from..];
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
        json!({
            "events": events,
            "auto_tasks": tasks,
            "online": self.online(),
            "waiting": self.room.inbox.len(),
            "session": {
                "name": self.room.settings.me,
                "mode": mode(self.room.settings.mode),
                "hopLimit": self.room.settings.limits.hop_limit,
            },
        })
    }

    /// Something that happened, in words that another member had no part in.
    fn event(&self, what: &What) -> Option<String> {
        Some(match what {
            What::Post(post) if post.mine => return None,
            What::Post(post) => {
                let by = if post.origin == Origin::Agent {
                    "'s agent"
                } else {
                    ""
                };
                let waits = match self.room.inbox.has_mention(post.number) {
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
            // Ours, but it may quote what others wrote.
            What::Note(_) => return None,
        })
    }

    fn wish(&self, what: Option<&str>) -> Result<Wish, Problem> {
        Ok(match what.unwrap_or("mention") {
            "mention" => Wish::Mention(self.room.inbox.waiting().map(|item| item.id).collect()),
            "message" => Wish::Message(self.room.timeline.newest()),
            "decision" => Wish::Decision(self.clients.decisions),
            _ => return Err(usage("wait is --for mention, message or decision")),
        })
    }

    /// Answers those whose wish has come true, or whose time is over.
    pub(super) fn answer_waiting(&mut self) {
        if self.clients.waiting.is_empty() {
            return;
        }
        let now = now();
        let (ready, waiting): (Vec<Waiting>, Vec<Waiting>) = std::mem::take(&mut self.clients.waiting)
            .into_iter()
            // Who has gone is forgotten.
            .filter(|waiting| !waiting.reply.is_closed())
            .partition(|waiting| waiting.until <= now || self.has_come_true(&waiting.what));
        self.clients.waiting = waiting;
        for Waiting { id, reply, what, .. } in ready {
            let came = self.has_come_true(&what);
            let result = match what {
                Wish::Sent(number) => self.fate_for_caller(number),
                Wish::Anything(client) => {
                    let mut happened = self.happened(&client);
                    happened["timed_out"] = json!(!came);
                    happened
                }
                Wish::Mention(_) | Wish::Message(_) | Wish::Decision(_) => json!({ "timed_out": !came }),
            };
            // Who has gone is told nothing.
            let _ = reply.send(Response::new(id, Ok(result)));
        }
    }

    fn has_come_true(&self, wish: &Wish) -> bool {
        match wish {
            Wish::Sent(number) => {
                let post = self.room.timeline.post_numbered(*number);
                let outgoing = post.and_then(|post| self.room.outbox.get(&post.id));
                outgoing.is_none_or(|outgoing| outgoing.acked || outgoing.failed.is_some())
            }
            Wish::Anything(client) => self.has_news(client),
            Wish::Mention(known) => self
                .room
                .inbox
                .waiting()
                .any(|item| matches!(item.id, ItemId::Mention(_)) && !known.contains(&item.id)),
            Wish::Message(known) => {
                let newer = self
                    .room
                    .timeline
                    .posts()
                    .rev()
                    .take_while(|(_, post)| post.number > *known);
                newer.into_iter().any(|(_, post)| !post.mine)
            }
            Wish::Decision(known) => self.clients.decisions > *known,
        }
    }

    fn fate_for_caller(&self, number: u32) -> Value {
        let post = self.room.timeline.post_numbered(number);
        let outgoing = post.and_then(|post| self.room.outbox.get(&post.id));
        let thread = post.and_then(|post| self.room.threads.get(&post.thread));
        let (sent, offline) = outgoing.map_or((false, Vec::new()), |one| (one.acked, one.absent.clone()));
        let to = post.map_or_else(Vec::new, |post| post.to.clone());
        let delivered: Vec<&String> = to.iter().filter(|name| sent && !offline.contains(name)).collect();
        json!({
            "said": format!("m{number}"),
            "threadId": thread.map(|thread| format!("t{}", thread.number)),
            "sent": sent,
            "delivered": delivered,
            "offline": offline,
        })
    }
}

/// An answer that is there, or one that waits for something.
enum Done {
    Now(Value),
    Later(Wish, Millis),
}

fn read<T: serde::de::DeserializeOwned>(args: Value) -> Result<T, Problem> {
    let args = if args.is_null() { json!({}) } else { args };
    serde_json::from_value(args).map_err(|error| {
        // It may quote what was given, which is the caller's own.
        usage(crate::text::clean_line(
            &format!("those arguments are wrong: {error}"),
            300,
        ))
    })
}

fn usage(message: impl Into<String>) -> Problem {
    Problem::new("usage", message)
}

fn refused(message: impl Into<String>) -> Problem {
    Problem::new("refused", message)
}

fn names(names: Vec<String>) -> Result<Vec<String>, Problem> {
    let each = names.into_iter().map(|name| {
        let plain = name.trim_start_matches('@');
        match is_name(plain) {
            true => Ok(plain.to_owned()),
            false => Err(usage(format!(
                "{} is no name: 1 to 32 of a-z, 0-9, _ and -",
                short(&name)
            ))),
        }
    });
    each.collect()
}

fn thread(given: Ref) -> Result<u32, Problem> {
    match given {
        Ref::Number(number) => Ok(number),
        Ref::Name(name) => name
            .strip_prefix(['t', 'T'])
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| usage(format!("{} is no thread: t3, for example", short(&name)))),
    }
}

fn client(given: Option<String>) -> Result<String, Problem> {
    let client = given.unwrap_or_else(|| "shell".to_owned());
    match is_id(&client) {
        true => Ok(client),
        false => Err(usage("client is 1 to 64 of a-z, 0-9, _ and -")),
    }
}

fn until(seconds: u64, now: Millis) -> Result<Millis, Problem> {
    match seconds {
        1..=LONGEST => Ok(now + seconds * 1000),
        _ => Err(usage(format!("timeout is 1 to {LONGEST} seconds"))),
    }
}

fn short(text: &str) -> String {
    crate::text::clean_line(text, 40)
}

/// A member's name, if it is one.
fn valid(name: &str) -> &str {
    if is_name(name) { name } else { "somebody" }
}

/// A member's program, if it is one that we know; what others call themselves is told to nobody.
fn known_program(client: &str) -> Option<&str> {
    let version = ["nexscope-tui/", "nexscope-plugin/"]
        .iter()
        .find_map(|known| client.strip_prefix(known))?;
    let plain = version.len() <= 16 && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then_some(client)
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Manual => "manual",
        Mode::Auto => "auto",
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Online => "online",
        Status::Away => "away",
    }
}
