//! The requests that programs and agents can send to a session through its socket.
//!
//! Agent-facing: of anything that another member chose, only valid names are returned; besides these, sizes, kinds,
//! our own ids, our own side's text, and text that a person has accepted. Nothing is decided: a request for a
//! decision marks the item for the person.

mod args;
mod decisions;
pub(in crate::client) mod long_poll;
mod queries;

use nexscope_relay::protocol::is_name;

use super::{Client, ClientError};
use crate::{
    client::{delegated, effects},
    clock::now,
    control::{
        Attach, Call, Caller, Line, Reply, Request, Response, RpcError,
        policy::{self, Handling, Permit, Rule, SessionKind, Who},
        protocol::{
            ACK_WAIT, Append, Cancel, Cancelled, Hello, LONGEST_WAIT, Said, Say, Stopped, ThreadNumber,
        },
    },
    core::{
        self, Command, Connection, ItemId, Steady, UnpromptedText, What, files::AgentFile,
        runs::settings::Kind,
    },
};
use args::{client_name, names, until};
use long_poll::{WaitFor, Waiting};

pub(super) use long_poll::Subscribers;

type Answer = Result<Reply, RpcError>;

/// A reply, or the event that it waits for and the deadline.
enum Progress {
    Done(Reply),
    Later(WaitFor, Steady),
}

impl Client {
    /// Answers a request, at once or when the event that it waits for has happened.
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
                long_poll::answer_waiting(self);
            }
            Err(problem) => _ = reply.send(Response::new(id, Err(problem))),
        }
    }

    /// Answers a request of the person at this front end.
    ///
    /// # Errors
    ///
    /// Fails also for a request that waits for something, which only a shell can do.
    pub(crate) fn answer_person(&mut self, request: Request) -> Result<Reply, ClientError> {
        let permit = self.permit(request.rule(), Who::Person);
        let progress = permit.and_then(|permit| self.handle(permit, request, None, &Caller::here()));
        match progress {
            Ok(Progress::Done(reply)) => Ok(reply),
            Ok(Progress::Later(..)) => Err(ClientError::OnlyShellWaits),
            Err(error) => Err(ClientError::Request(error)),
        }
    }

    /// Checks the caller's permission; the only place that does.
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
            Request::Say(say) => return serve_say(self, permit, say, agent),
            Request::Append(Append { thread, words }) => {
                let say = Say {
                    thread: Some(thread),
                    words,
                    note: true,
                    ..Say::default()
                };
                return serve_say(self, permit, say, agent);
            }
            Request::Who(_) => Reply::Who(queries::who(self)),
            Request::Inbox(_) => {
                if permit.decides() {
                    queries::returns_all(self);
                }
                Reply::Inbox(queries::inbox(self, permit.decides()))
            }
            Request::Status(_) => Reply::Status(queries::status(self)),
            Request::Files(_) => Reply::Files(queries::files(self)),
            Request::History(history) => queries::history(self, history)?,
            Request::Mode(mode) => decisions::serve_mode(self, permit, mode, caller)?,
            Request::Accept(_) | Request::Reject(_) | Request::Retry(_) | Request::Ask(_)
                if permit.decides() =>
            {
                return decisions::decide_remotely(self, request);
            }
            Request::Accept(_) | Request::Reject(_) | Request::Retry(_) | Request::Ask(_) => {
                decisions::ask_person(self, request, caller)?
            }
            Request::Cancel(cancel) => serve_cancel(self, cancel, permit.decides())?,
            Request::Poll(poll) => {
                let client = client_name(poll.client)?;
                Reply::Poll(long_poll::news(self, &client))
            }
            Request::Watch(watch) => {
                let until = until(watch.timeout.unwrap_or(30), now)?;
                let client = client_name(watch.client)?;
                if !long_poll::has_news(self, &client) {
                    return Ok(Progress::Later(WaitFor::Anything(client), until));
                }
                Reply::Watch(long_poll::news(self, &client))
            }
            Request::Wait(wait) => {
                let until = until(wait.timeout.unwrap_or(LONGEST_WAIT), now)?;
                let client = client_name(wait.client)?;
                return Ok(Progress::Later(
                    long_poll::wait_for(self, wait.event, client),
                    until,
                ));
            }
            Request::BeforeStop(_) => Reply::BeforeStop(long_poll::before_stop(self)),
            Request::Stop(_) => Reply::Stop(stop(self, permit, caller)),
            Request::Update(_) => Reply::Update(queries::versions(self)),
            Request::Attach(_) => return Err(RpcError::usage("attach needs a terminal.")),
        }))
    }

    /// Shows the session on a person's terminal from now on, in place of one that is already attached.
    fn attach(&mut self, terminal: Attach, line: Line) -> Reply {
        self.attach = Some((terminal, line));
        Reply::Attach(self.hello())
    }

    fn hello(&self) -> Hello {
        let settings = &self.room().settings;
        Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: settings.me.clone(),
            room: settings.room.clone(),
            folder: self.here.clone(),
            online: self.room().connection == Connection::Online,
            hands: self
                .config
                .agents
                .values()
                .any(|agent| agent.kind == Kind::Session),
        }
    }
}

/// Where the person decides, for a sentence to a program.
fn where_decided(client: &Client) -> &'static str {
    match client.config.headless {
        true => "in a terminal (nexscope-tui attach)",
        false => "at the screen",
    }
}

fn serve_say(
    client: &mut Client,
    permit: Permit,
    mut say: Say,
    agent: Option<String>,
) -> Result<Progress, RpcError> {
    say.to = names(say.to)?;
    if let Some(unknown) = client.room().unknown_name(&say.to).filter(|_| !say.force) {
        return Err(RpcError::refused(format!(
            "Nothing was sent: {} --force (for a tool: force) sends it anyway.",
            unknown.in_words()
        )));
    }
    match permit.handling() {
        Handling::Done => send(client, say),
        _ => draft(client, say, agent),
    }
}

/// Sends a message of the person's program.
fn send(client: &mut Client, say: Say) -> Result<Progress, RpcError> {
    let command = Command::Say {
        to: say.to,
        text: say.words.join(" "),
        thread: say.thread.map(|thread| thread.0.0),
        public: say.public,
        note: say.note,
        files: say.files,
        force: say.force,
    };
    match client.perform(command).map_err(RpcError::refused)? {
        core::Reply::Said(number) => Ok(Progress::Later(
            WaitFor::Sent(number),
            client.clock.now().plus(ACK_WAIT * 1000),
        )),
        _ => Err(RpcError::refused("Nothing was sent.")),
    }
}

/// Takes a message of an agent as the answer to its task, or else makes a draft of it.
fn draft(client: &mut Client, say: Say, agent: Option<String>) -> Result<Progress, RpcError> {
    let thread = say.thread.map(|thread| thread.0.0);
    let text = crate::text::clean_with_tabs(&say.words.join(" "));
    if let Some(number) = thread
        && say.files.is_empty()
        && delegated::takes_as_answer(client, number, &text)
    {
        return Ok(Progress::Done(Reply::Say(Said::Answered {
            answered: true,
            thread_id: ThreadNumber(number).to_string(),
            message: "This is the answer to the task that was delegated to you; it is sent like any answer."
                .to_owned(),
        })));
    }
    // The agent's folder; a program that claims to be another agent has this folder.
    let dir = agent
        .as_ref()
        .and_then(|name| client.config.agents.get(name)?.dir.as_ref());
    let dir = dir.map_or_else(|| client.here.clone(), |dir| crate::config::in_home(dir));
    let files = say
        .files
        .iter()
        .map(|path| AgentFile::find(&dir.join(path), &dir));
    let files = files
        .collect::<Result<Vec<_>, _>>()
        .map_err(|why| RpcError::refused(format!("Nothing was sent: {why}.")))?;
    let agent = agent
        .filter(|name| is_name(name))
        .unwrap_or_else(|| "agent".to_owned());
    let message = UnpromptedText {
        agent,
        to: say.to,
        text,
        thread,
        public: say.public,
        note: say.note,
        files,
    };
    let (effects, result) = client.program.drafted(client.in_room, message, now());
    effects::carry_out(client, effects);
    let id = result.map_err(RpcError::refused)?;
    let (me, place) = (&client.room().settings.me, where_decided(client));
    Ok(Progress::Done(Reply::Say(Said::Draft {
        draft: id.to_string(),
        message: format!("It waits as draft {id}: {me} reads it {place} before it is sent."),
    })))
}

fn serve_cancel(client: &mut Client, args: Cancel, decides: bool) -> Answer {
    let id = args.id.map(|id| id.0);
    if let Some(ItemId::File(number)) = id
        && !decides
        && client.room().is_undecided(number)
    {
        // Cancelling a file that nobody has accepted would reject it.
        return Err(RpcError::refused(format!(
            "f{number} was not accepted yet: only a person at the screen declines it."
        )));
    }
    client.perform(Command::Cancel(id)).map_err(RpcError::refused)?;
    Ok(Reply::Cancel(Cancelled { cancelled: true }))
}

fn stop(client: &mut Client, permit: Permit, caller: &Caller) -> Stopped {
    let stopped = permit.handling() == Handling::Done;
    let message = if stopped {
        client.end_asked = true;
        None
    } else {
        tell_once(
            client,
            format!("{} asked you to leave. /quit leaves.", caller.process),
        );
        Some("The person at the screen was told; only they close it.".to_owned())
    };
    Stopped { stopped, message }
}

fn tell_once(client: &mut Client, words: String) {
    let last = client.room().chat.timeline().entries().last();
    // Repeated requests are shown once.
    if !last.is_some_and(|entry| matches!(&entry.what, What::Note(note) if *note == words)) {
        client.room_mut().tell_person(words, now());
    }
}
