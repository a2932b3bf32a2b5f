//! What programs and agents may do with a session through its socket.
//!
//! Agent-facing: nothing that another member chose is told but valid names; sizes, kinds, our own ids, and the
//! words of our own side and those that a person has accepted. Nothing is decided: who asks for a decision
//! leaves a mark on the item for the person.

mod args;
mod decisions;
mod long_poll;
mod queries;

use nexscope_relay::protocol::is_name;
use serde_json::{Value, json};

use super::Client;
use crate::{
    clock::now,
    control::{
        Call, Caller, Line, Request, Response, RpcError,
        policy::{self, Asks, Handling, Permit, Who},
    },
    core::{
        Command, Connection, ItemId, Millis, Reply, Steady, UnpromptedText, What, files::AgentFile,
        runs::settings::Kind,
    },
};
use args::{Id, LONGEST, Say, Watch, client, names, read, refused, short, thread, until, usage};
use long_poll::{WaitFor, Waiting};

pub(super) use long_poll::Subscribers;

/// How long `say` waits to learn who got it, in milliseconds.
const ACK: Millis = 3_000;
/// How long `accept` waits for the files of a draft to be looked through, in milliseconds.
const LOOKING: Millis = 30_000;

type Answer = Result<Value, RpcError>;

impl Client {
    /// Answers a request, at once or when what it waits for has happened.
    pub(super) fn serve(&mut self, call: Call) {
        let Call {
            request,
            caller,
            reply,
            line,
        } = call;
        let id = request.id;
        if let Some(line) = line {
            let attached = self.attach(request, &caller, line);
            _ = reply.send(Response::new(id, attached));
            return;
        }
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

    /// Judges a request by the policy's table, and carries it out as that says.
    fn answer(&mut self, request: Request, caller: &Caller) -> Result<Done, RpcError> {
        let asks = asked(&request.word, &request.args).ok_or_else(|| {
            RpcError::new(
                "unknown_word",
                format!(
                    "There is no command {}. nexscope-tui --help lists them.",
                    short(&request.word)
                ),
            )
        })?;
        let permit = self.permit(asks, &request, caller)?;
        self.handle(permit, request, caller)
    }

    /// The one place where it is judged who asks, and whether they may.
    fn permit(&self, asks: Asks, request: &Request, caller: &Caller) -> Result<Permit, RpcError> {
        let who = Who::new(request.agent.is_some() || caller.of_agent, caller.person);
        let session = policy::SessionKind {
            headless: self.config.headless,
            remote_decisions: self.config.remote_decisions,
        };
        policy::admit(asks, who, session).map_err(refused)
    }

    fn handle(&mut self, permit: Permit, request: Request, caller: &Caller) -> Result<Done, RpcError> {
        let Request { args, agent, .. } = request;
        let now = self.clock.now();
        Ok(Done::Now(match permit.asks() {
            Asks::Hello => self.hello(),
            Asks::Say => return self.serve_say(permit, read(args)?, agent),
            Asks::Append => {
                let say: Say = read(args)?;
                let say = Say { note: true, ..say };
                return self.serve_say(permit, say, agent);
            }
            Asks::Who => self.who(),
            Asks::Inbox => {
                if permit.decides() {
                    self.returns_all();
                }
                self.inbox(permit.decides())
            }
            Asks::Status => self.status(),
            Asks::Files => self.files(),
            Asks::History => self.history(read(args)?)?,
            Asks::Mode | Asks::AutoMode => self.serve_mode(permit, &read(args)?, caller)?,
            Asks::Accept | Asks::Reject | Asks::Retry | Asks::Ask if permit.decides() => {
                return self.decide_remotely(permit, args);
            }
            Asks::Accept | Asks::Reject | Asks::Retry => self.guarded(permit, read(args)?, caller)?,
            Asks::Cancel => self.cancel(read(args)?, permit.decides())?,
            Asks::Poll => {
                let watch: Watch = read(args)?;
                let client = client(watch.client)?;
                self.happened(&client)
            }
            Asks::Watch => {
                let watch: Watch = read(args)?;
                let until = until(watch.timeout.unwrap_or(30), now)?;
                let client = client(watch.client)?;
                if self.has_news(&client) {
                    self.happened(&client)
                } else {
                    return Ok(Done::Later(WaitFor::Anything(client), until));
                }
            }
            Asks::Wait => {
                let watch: Watch = read(args)?;
                let until = until(watch.timeout.unwrap_or(LONGEST), now)?;
                return Ok(Done::Later(self.wish(watch.r#for.as_deref())?, until));
            }
            Asks::BeforeStop => self.before_stop(),
            Asks::Stop => self.stop(permit, caller),
            Asks::Update => self.versions(),
            // What is not asked of a session has no word on the socket; attach has a line of its own.
            Asks::Ask
            | Asks::Attach
            | Asks::Join
            | Asks::JoinHeadless
            | Asks::JoinInAuto
            | Asks::JoinWithRemoteDecisions
            | Asks::Invite
            | Asks::AuditVerify
            | Asks::AuditShow
            | Asks::Relay
            | Asks::Mcp
            | Asks::Setup
            | Asks::Doctor
            | Asks::Config
            | Asks::Demo
            | Asks::Completions
            | Asks::Hook => return Err(usage("that is not asked of a session")),
        }))
    }

    /// A person's terminal shows a session without a face from now on, in the place of one that does already.
    fn attach(&mut self, request: Request, caller: &Caller, line: Line) -> Answer {
        self.permit(Asks::Attach, &request, caller)?;
        self.attach = Some((read(request.args)?, line));
        Ok(self.hello())
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

    fn serve_say(&mut self, permit: Permit, say: Say, agent: Option<String>) -> Result<Done, RpcError> {
        let thread = say.thread.map(thread).transpose()?;
        let (to, files) = (names(say.to.all())?, say.files.all());
        if let Some(unknown) = self.room.unknown_name(&to).filter(|_| !say.force) {
            return Err(refused(format!(
                "Nothing was sent: {} --force (for a tool: force) sends it anyway.",
                unknown.in_words()
            )));
        }
        if permit.how() == Handling::Done {
            let command = Command::Say {
                to,
                text: say.text,
                thread,
                public: say.public,
                note: say.note,
                files,
                force: say.force,
            };
            return match self.perform(command).map_err(refused)? {
                Reply::Said(number) => Ok(Done::Later(WaitFor::Sent(number), self.clock.now().plus(ACK))),
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
        // Where the agent works; a program that says of itself that it is another one has this folder.
        let dir = agent
            .as_ref()
            .and_then(|name| self.config.agents.get(name)?.dir.as_ref());
        let dir = dir.map_or_else(|| self.here.clone(), |dir| crate::config::in_home(dir));
        let files = files.iter().map(|path| AgentFile::find(&dir.join(path), &dir));
        let files = files
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| refused(format!("Nothing was sent: {why}.")))?;
        let agent = agent
            .filter(|name| is_name(name))
            .unwrap_or_else(|| "agent".to_owned());
        let words = UnpromptedText {
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

    fn cancel(&mut self, args: Id, remote: bool) -> Answer {
        let id = match args.id {
            Some(id) => Some(id.parse().map_err(|()| usage("id is m12 or f3"))?),
            None => None,
        };
        if let Some(ItemId::File(number)) = id
            && !remote
            && self.room.is_undecided(number)
        {
            // To end what nobody has accepted is to reject it.
            return Err(refused(format!(
                "f{number} was not accepted yet: only a person at the screen declines it."
            )));
        }
        self.perform(Command::Cancel(id)).map_err(refused)?;
        Ok(json!({ "cancelled": true }))
    }

    fn stop(&mut self, permit: Permit, caller: &Caller) -> Value {
        if permit.how() == Handling::Done {
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
}

/// What a word of the socket asks for; none where there is no such word.
fn asked(word: &str, args: &Value) -> Option<Asks> {
    Some(match word {
        "hello" => Asks::Hello,
        "say" => Asks::Say,
        "append" => Asks::Append,
        "who" => Asks::Who,
        "inbox" => Asks::Inbox,
        "status" => Asks::Status,
        "files" => Asks::Files,
        "history" => Asks::History,
        "mode" if args["mode"] == "auto" => Asks::AutoMode,
        "mode" => Asks::Mode,
        "accept" => Asks::Accept,
        "reject" => Asks::Reject,
        "retry" => Asks::Retry,
        "ask" => Asks::Ask,
        "cancel" => Asks::Cancel,
        "poll" => Asks::Poll,
        "watch" => Asks::Watch,
        "wait" => Asks::Wait,
        "before_stop" => Asks::BeforeStop,
        "stop" => Asks::Stop,
        "update" => Asks::Update,
        _ => return None,
    })
}

/// An answer that is there, or one that waits for something.
enum Done {
    Now(Value),
    Later(WaitFor, Steady),
}
