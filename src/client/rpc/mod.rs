//! Requests of programs and agents to a session through its socket.
//!
//! Agent-facing: replies contain no text of other members except valid names; only sizes, kinds, our own ids,
//! our side's text, and text that a person has accepted. Nothing is decided: a request for a decision marks
//! the item for the person.

mod args;
mod decisions;
mod long_poll;
mod queries;

use nexscope_relay::protocol::is_name;

use super::Client;
use crate::{
    clock::now,
    control::{
        Attach, Call, Caller, Line, Reply, Request, Response, RpcError,
        policy::{self, Handling, Permit, Rule, SessionKind, Who},
        protocol::{Append, Cancel, Cancelled, Hello, Said, Say, Stopped, ThreadNumber},
    },
    core::{
        self, Command, Connection, ItemId, Millis, Steady, UnpromptedText, What, files::AgentFile,
        runs::settings::Kind,
    },
};
use args::{LONGEST, client, names, until};
use long_poll::{WaitFor, Waiting};

pub(super) use long_poll::Subscribers;

/// The timeout of `say` for learning who received it, in milliseconds.
const ACK: Millis = 3_000;
/// The timeout of `accept` for the scan of a draft's files, in milliseconds.
const SCAN: Millis = 30_000;

type Answer = Result<Reply, RpcError>;

/// A reply, or the event that it waits for and until when.
enum Progress {
    Done(Reply),
    Later(WaitFor, Steady),
}

impl Client {
    /// Answers a request, at once or when its event has happened.
    pub(super) fn serve(&mut self, call: Call) {
        let Call {
            id,
            request,
            agent,
            caller,
            reply,
            line,
        } = call;
        let who = Who::new(agent.is_some() || caller.of_agent, caller.person);
        let progress = self
            .permit(request.rule(), who)
            .and_then(|permit| match (request, line) {
                (Request::Attach(terminal), Some(line)) => Ok(Progress::Done(self.attach(terminal, line))),
                (request, _) => self.handle(permit, request, agent, &caller),
            });
        match progress {
            Ok(Progress::Done(result)) => _ = reply.send(Response::new(id, Ok(result))),
            Ok(Progress::Later(what, until)) => {
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

    /// Answers a request of the person at this front end.
    ///
    /// # Errors
    ///
    /// A sentence, also for a request that waits for an event, which only a shell can make.
    pub(crate) fn answer_person(&mut self, request: Request) -> Result<Reply, String> {
        let permit = self.permit(request.rule(), Who::Person);
        let progress = permit.and_then(|permit| self.handle(permit, request, None, &Caller::here()));
        match progress {
            Ok(Progress::Done(reply)) => Ok(reply),
            Ok(Progress::Later(..)) => Err("Only a shell can wait for that.".to_owned()),
            Err(error) => Err(error.message),
        }
    }

    /// Identifies the caller and checks the policy; the only place that does. Fails if the caller may not.
    fn permit(&self, rule: Rule, who: Who) -> Result<Permit, RpcError> {
        let session = SessionKind {
            headless: self.config.headless,
            remote_decisions: self.config.remote_decisions,
        };
        policy::admit(rule, who, session).map_err(RpcError::refused)
    }

    fn handle(
        &mut self,
        permit: Permit,
        request: Request,
        agent: Option<String>,
        caller: &Caller,
    ) -> Result<Progress, RpcError> {
        let now = self.clock.now();
        Ok(Progress::Done(match request {
            Request::Hello(_) => Reply::Hello(self.hello()),
            Request::Say(say) => return self.serve_say(permit, say, agent),
            Request::Append(Append { thread, words }) => {
                let say = Say {
                    thread: Some(thread),
                    words,
                    note: true,
                    ..Say::default()
                };
                return self.serve_say(permit, say, agent);
            }
            Request::Who(_) => Reply::Who(self.who()),
            Request::Inbox(_) => {
                if permit.decides() {
                    self.returns_all();
                }
                Reply::Inbox(self.inbox(permit.decides()))
            }
            Request::Status(_) => Reply::Status(self.status()),
            Request::Files(_) => Reply::Files(self.files()),
            Request::History(history) => self.history(history)?,
            Request::Mode(mode) => self.serve_mode(permit, mode, caller)?,
            Request::Accept(_) | Request::Reject(_) | Request::Retry(_) | Request::Ask(_)
                if permit.decides() =>
            {
                return self.decide_remotely(request);
            }
            Request::Accept(_) | Request::Reject(_) | Request::Retry(_) | Request::Ask(_) => {
                self.ask_person(request, caller)?
            }
            Request::Cancel(cancel) => self.cancel(cancel, permit.decides())?,
            Request::Poll(poll) => {
                let client = client(poll.client)?;
                Reply::Poll(self.news(&client))
            }
            Request::Watch(watch) => {
                let until = until(watch.timeout.unwrap_or(30), now)?;
                let client = client(watch.client)?;
                if !self.has_news(&client) {
                    return Ok(Progress::Later(WaitFor::Anything(client), until));
                }
                Reply::Watch(self.news(&client))
            }
            Request::Wait(wait) => {
                let until = until(wait.timeout.unwrap_or(LONGEST), now)?;
                return Ok(Progress::Later(self.wait_for(wait.event), until));
            }
            Request::BeforeStop(_) => Reply::BeforeStop(self.before_stop()),
            Request::Stop(_) => Reply::Stop(self.stop(permit, caller)),
            Request::Update(_) => Reply::Update(self.versions()),
            Request::Attach(_) => return Err(RpcError::usage("attach needs a terminal.")),
        }))
    }

    /// Shows the session on a person's terminal, replacing an attached one.
    fn attach(&mut self, terminal: Attach, line: Line) -> Reply {
        self.attach = Some((terminal, line));
        Reply::Attach(self.hello())
    }

    fn hello(&self) -> Hello {
        let settings = &self.room.settings;
        Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: settings.me.clone(),
            room: settings.room.clone(),
            folder: self.here.clone(),
            online: self.room.connection == Connection::Online,
            hands: self
                .config
                .agents
                .values()
                .any(|agent| agent.kind == Kind::Session),
        }
    }

    fn serve_say(&mut self, permit: Permit, say: Say, agent: Option<String>) -> Result<Progress, RpcError> {
        let thread = say.thread.map(|thread| thread.0.0);
        let (to, files, text) = (names(say.to)?, say.files, say.words.join(" "));
        if let Some(unknown) = self.room.unknown_name(&to).filter(|_| !say.force) {
            return Err(RpcError::refused(format!(
                "Nothing was sent: {} --force (for a tool: force) sends it anyway.",
                unknown.in_words()
            )));
        }
        if permit.handling() == Handling::Done {
            let command = Command::Say {
                to,
                text,
                thread,
                public: say.public,
                note: say.note,
                files,
                force: say.force,
            };
            return match self.perform(command).map_err(RpcError::refused)? {
                core::Reply::Said(number) => {
                    Ok(Progress::Later(WaitFor::Sent(number), self.clock.now().plus(ACK)))
                }
                _ => Err(RpcError::refused("Nothing was sent.")),
            };
        }
        if let Some(number) = thread
            && files.is_empty()
            && self.takes_as_answer(number, &text)
        {
            return Ok(Progress::Done(Reply::Say(Said::Answered {
                answered: true,
                thread_id: ThreadNumber(number).to_string(),
                message:
                    "This is the answer to the task that was delegated to you; it is sent like any answer."
                        .to_owned(),
            })));
        }
        // The agent's folder; a program that claims to be another agent gets this folder.
        let dir = agent
            .as_ref()
            .and_then(|name| self.config.agents.get(name)?.dir.as_ref());
        let dir = dir.map_or_else(|| self.here.clone(), |dir| crate::config::in_home(dir));
        let files = files.iter().map(|path| AgentFile::find(&dir.join(path), &dir));
        let files = files
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| RpcError::refused(format!("Nothing was sent: {why}.")))?;
        let agent = agent
            .filter(|name| is_name(name))
            .unwrap_or_else(|| "agent".to_owned());
        let words = UnpromptedText {
            agent,
            to,
            text: crate::text::clean_with_tabs(&text),
            thread,
            public: say.public,
            note: say.note,
            files,
        };
        let (effects, result) = self.room.drafted(words, now());
        self.carry_out(effects);
        let id = result.map_err(RpcError::refused)?;
        let me = &self.room.settings.me;
        Ok(Progress::Done(Reply::Say(Said::Draft {
            draft: id.to_string(),
            message: format!("It waits as draft {id}: {me} reads it at the screen before it is sent."),
        })))
    }

    fn cancel(&mut self, args: Cancel, decides: bool) -> Answer {
        let id = args.id.map(|id| id.0);
        if let Some(ItemId::File(number)) = id
            && !decides
            && self.room.is_undecided(number)
        {
            // Cancelling an unaccepted item is the same as rejecting it.
            return Err(RpcError::refused(format!(
                "f{number} was not accepted yet: only a person at the screen declines it."
            )));
        }
        self.perform(Command::Cancel(id)).map_err(RpcError::refused)?;
        Ok(Reply::Cancel(Cancelled { cancelled: true }))
    }

    fn stop(&mut self, permit: Permit, caller: &Caller) -> Stopped {
        let stopped = permit.handling() == Handling::Done;
        let message = if stopped {
            self.end_asked = true;
            None
        } else {
            self.tell_once(format!("{} asked you to leave. /quit leaves.", caller.process));
            Some("The person at the screen was told; only they close it.".to_owned())
        };
        Stopped { stopped, message }
    }

    fn tell_once(&mut self, words: String) {
        let last = self.room.chat.timeline().entries().last();
        // Repeated requests of the same caller are shown once.
        if !last.is_some_and(|entry| matches!(&entry.what, What::Note(note) if *note == words)) {
            self.room.tell_person(words, now());
        }
    }
}
