//! Owns a room, carries out its effects and feeds it events. This is the only module that connects the pure room
//! with the outside world.
//!
//! A front end owns the session and drives it: it awaits [`Client::step`] beside its own input, and draws the
//! room of [`Client::room`]. So there are no locks, and drawing sees a consistent state.

mod clock;
mod delegated;
mod effects;
mod error;
mod host;
mod next_session;
mod rpc;
mod scanner;
mod settings;
mod startup;
mod warm_agents;

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    time::Duration,
};

use nexscope_relay::protocol::{Code, Frame};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    client::rpc::{Subscribers, long_poll},
    clock::now,
    config::{Config, ConfigDiff, ConfigError, Paths},
    control::{Attach, Call, Entry, Line, Server, SessionRegistry},
    core::{
        Attention, Command, Connection, Decision, Event, Intent, ItemId, Outbound, Person, Program, Reply,
        Room, RoomId, Shown,
        files::Source,
        runs::{RunEvent, ToolAnswer},
    },
    link::{HelloState, Invite, Link, Target},
    store::{Journal, Lock, Report, StateDirError, ToWrite},
    transfer::{self, Transfers},
};

use clock::Clock;
use delegated::DelegatedTask;
pub use error::ClientError;
use scanner::AttachmentScanner;
use warm_agents::WarmAgents;

pub use crate::client::next_session::NextSession;
pub use host::{Host, HostError, fresh_token, reachable};
pub use startup::Startup;

/// The content of the next hello: always from the current room, so that changes since the start are included.
fn standing(room: &Room) -> HelloState {
    HelloState {
        resume: room.resume(),
        mode: room.settings.mode,
        agents: room.settings.announced_agents(),
    }
}

/// History messages requested on first join.
const HISTORY: u32 = 50;
/// The queue length of events from agents. Full: the agents' output waits in their pipes.
const AGENT_EVENTS: usize = 256;
/// The number of records queued for the disk at which no more events are accepted from the relay, agents, transfers
/// or programs.
const RECORDS_WAITING: usize = 4096;
/// The number of frames queued for the link at which signals, which are expendable, are dropped.
const FRAMES_WAITING: usize = 1024;
/// The timeout for runs to end when the session does.
const STOPPING: Duration = Duration::from_secs(15);
/// The timeout, after that, for the relay to accept the last messages.
const FAREWELL: Duration = Duration::from_secs(2);

/// A member's presence in a room, with everything that belongs to it.
pub struct Client {
    program: Program,
    in_room: RoomId,
    /// Warnings for the person, such as ignored settings.
    pub warnings: Vec<String>,
    /// The invite to this room, if the token is known.
    pub invite: Invite,
    config: Config,
    here: PathBuf,
    state: PathBuf,
    link: Link,
    clock: Clock,
    journal: Journal,
    // Frames for which the link's queues have no room. Signals are bounded by FRAMES_WAITING; each message is a
    // record that the journal has taken, and is in the room's outbox.
    to_link: VecDeque<Outbound>,
    receipts_to_link: VecDeque<Outbound>,
    // Writes for which the journal's queue has no room; bounded by RECORDS_WAITING because reading pauses.
    to_journal: VecDeque<ToWrite>,
    runs: HashMap<String, RunControls>,
    staying: WarmAgents,
    agent_events: mpsc::Receiver<(String, RunEvent)>,
    agent_events_in: mpsc::Sender<(String, RunEvent)>,
    transfers: Transfers,
    looking: AttachmentScanner,
    /// Accepted mentions delegated to a session that has joined through MCP, by run.
    handed: HashMap<String, DelegatedTask>,
    control: Option<Server>,
    clients: Subscribers,
    /// The items returned in full to programs that may decide.
    returned: Option<Shown>,
    /// The number of timeline entries at the start.
    began: usize,
    /// An authorized caller has asked the session to end.
    end_asked: bool,
    /// The session that follows this one.
    onward: Option<NextSession>,
    /// A terminal that asks to show the session.
    attach: Option<(Attach, Line)>,
    swept: mpsc::Receiver<String>,
    swept_in: mpsc::Sender<String>,
    attention: Vec<Attention>,
    /// The connection's task has ended, which happens only with the session.
    broken: bool,
    host: Option<Host>,
    _lock: Lock,
}

/// A decision of which the files were just found to be those that were scanned.
#[derive(Debug)]
pub struct CheckedDecision(Decision);

impl CheckedDecision {
    pub fn get(&self) -> &Decision {
        &self.0
    }
}

/// An event that a session waits for.
enum Incoming {
    Event(Event),
    Call(Call),
    /// The connection's task has ended.
    LinkEnded,
    Journal(Report),
}

/// The channels to control a run.
struct RunControls {
    stop: CancellationToken,
    answers: mpsc::Sender<(String, ToolAnswer)>,
}

/// A session cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Place(#[from] StateDirError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("cannot read the room's journal {0}: {1}")]
    Journal(PathBuf, std::io::Error),
    #[error("no name is set: give one with -n NAME, or set name in config.toml")]
    NoName,
    #[error("no relay is set: give --relay ws://HOST:PORT/ws or --invite, or set relay in config.toml")]
    NoRelay,
    #[error("there is no token for {0}: set token in config.toml beside relay, or NEXSCOPE_TOKEN")]
    NoToken(Target),
}

impl Client {
    /// Joins the configured room, on a relay inside this program if `config` says so. Fails if the session
    /// cannot start.
    pub async fn start(config: Config, paths: &Paths) -> Result<Self, StartError> {
        Startup::new(config, paths).await?.join().await
    }

    /// Waits for the next event, and passes it to the room. Cancel safe: nothing is lost.
    pub async fn step(&mut self) {
        self.program.time_passes(self.clock.now());
        let deadline = self.program.next_deadline(self.in_room);
        let keeps_up = self.to_journal.len() < RECORDS_WAITING;
        let came = tokio::select! {
            event = self.link.events.recv(), if keeps_up => match event {
                Some(event) => Incoming::Event(event),
                None if !self.broken => Incoming::LinkEnded,
                None => return std::future::pending().await,
            },
            report = self.journal.reports.recv() => match report {
                Some(report) => Incoming::Journal(report),
                None => return std::future::pending().await,
            },
            Some((run, event)) = self.agent_events.recv(), if keeps_up => Incoming::Event(Event::Run { run, event }),
            Some(told) = self.staying.told() => {
                self.warnings.extend(told.why.clone());
                if !self.staying.gone(&told) || !told.gone {
                    return;
                }
                Incoming::Event(Event::SweptUp { run: told.began_with })
            }
            Some((handle, event)) = self.transfers.events.recv(), if keeps_up => Incoming::Event(Event::File { handle, event }),
            Some(event) = self.looking.looked.recv(), if keeps_up => Incoming::Event(event),
            Some(run) = self.swept.recv() => Incoming::Event(Event::SweptUp { run }),
            Some(call) = next_call(&mut self.control), if keeps_up => Incoming::Call(call),
            () = self.clock.sleep_until(self.clients.next_deadline()) => Incoming::Event(Event::Tick),
            Ok(permit) = self.link.frames.reserve(), if !self.to_link.is_empty() => {
                if let Some(frame) = self.to_link.pop_front() {
                    permit.send(frame);
                }
                return;
            }
            Ok(permit) = self.link.receipts.reserve(), if !self.receipts_to_link.is_empty() => {
                if let Some(receipt) = self.receipts_to_link.pop_front() {
                    permit.send(receipt);
                }
                return;
            }
            Ok(permit) = self.journal.records.reserve(), if !self.to_journal.is_empty() => {
                if let Some(record) = self.to_journal.pop_front() {
                    permit.send(record);
                }
                return;
            }
            () = self.clock.sleep_until(deadline) => Incoming::Event(Event::Tick),
        };
        match came {
            Incoming::Event(event) => self.take(event),
            Incoming::Call(call) => self.serve(call),
            Incoming::LinkEnded => self.link_ended(),
            Incoming::Journal(report) => self.journal_said(report),
        }
        // Pending events are handled together, and drawn once.
        while self.to_journal.len() < RECORDS_WAITING
            && let Ok(event) = self.link.events.try_recv()
        {
            self.take(event);
        }
        long_poll::answer_waiting(self);
    }

    /// The connection's task has ended, which only a bug can cause.
    fn link_ended(&mut self) {
        self.broken = true;
        self.take(Event::Connection(Connection::Refused {
            code: Code::Other,
            why: "Nexscope hit a bug and lost the connection. Quit, and start it again.".into(),
        }));
    }

    fn journal_said(&mut self, report: Report) {
        match report {
            Report::Kept(kept) => self.take(Event::Kept(kept)),
            Report::Failing(why) => {
                tracing::error!(%why, "the journal cannot be written");
                self.warnings.push(format!(
                    "The journal cannot be written ({why}). Nothing is confirmed until it can."
                ));
            }
            Report::Mended => self.warnings.push("The journal can be written again.".into()),
        }
    }

    /// Carries out a command that anybody may use. Fails if it cannot be carried out.
    pub fn perform(&mut self, mut command: Command) -> Result<Reply, ClientError> {
        if let Command::Say { files, .. } = &mut command {
            for path in files {
                *path = self.here.join(crate::config::in_home(path));
                transfer::inspect(path)?;
            }
        }
        self.program.time_passes(self.clock.now());
        let (effects, result) = self.program.perform(self.in_room, command, now());
        effects::carry_out(self, effects);
        Ok(result?)
    }

    /// Carries out a command that a person wrote at the screen. Fails if it cannot be carried
    /// out.
    pub fn perform_as_person(&mut self, command: Command, by: &Person) -> Result<Reply, ClientError> {
        let reply = self.perform(command)?;
        if let Reply::Said(number) = reply {
            let effects = self.program.wrote(self.in_room, number, by);
            effects::carry_out(self, effects);
        }
        Ok(reply)
    }

    /// Checks that the files a decision would send are still those that were scanned. Fails if one is not, and scans
    /// it again. The files are opened; do it once for each key press.
    pub fn check(&mut self, decision: Decision) -> Result<CheckedDecision, ClientError> {
        self.look_again(decision.intent())?;
        Ok(CheckedDecision(decision))
    }

    /// Carries out a person's decision. Fails if it cannot be carried out.
    pub fn decide(
        &mut self,
        CheckedDecision(decision): CheckedDecision,
        by: Person,
    ) -> Result<Reply, ClientError> {
        self.program.time_passes(self.clock.now());
        let (effects, result) = self.program.decide(self.in_room, decision, by, now());
        effects::carry_out(self, effects);
        let inbox = self.program.room(self.in_room).review.inbox();
        self.looking
            .keep_only(|number| inbox.get(ItemId::Draft(number)).is_some());
        self.clients.decided();
        long_poll::answer_waiting(self);
        Ok(result?)
    }

    /// Checks that the files a decision would send are still those that were scanned. Fails
    /// if one is not, and scans it again.
    pub fn look_again(&mut self, intent: &Intent) -> Result<(), ClientError> {
        let Intent::Accept { target, .. } = intent else {
            return Ok(());
        };
        let (effects, changed) = self.program.look_again(self.in_room, *target, Source::is_there);
        effects::carry_out(self, effects);
        Ok(changed?)
    }

    /// The room, for front ends to show.
    pub fn room(&self) -> &Room {
        self.program.room(self.in_room)
    }

    pub fn room_mut(&mut self) -> &mut Room {
        self.program.room_mut(self.in_room)
    }

    /// The program that the room belongs to, with its runs and budgets.
    pub fn program(&self) -> &Program {
        &self.program
    }

    #[cfg(test)]
    pub(crate) fn swap_program(&mut self, other: &mut Program) {
        std::mem::swap(&mut self.program, other);
    }

    /// The current configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Applies another configuration; name and place stay the same. The caller has checked that it may.
    pub fn set_config(&mut self, config: Config) {
        let config = ConfigDiff::staying(&self.config, config);
        let unconfirmed = config.confirmed.missing(&config.agents);
        let mut new = settings::settings(&config, &self.room().settings.me, unconfirmed);
        new.mode = settings::mode_after_reload(self.room().settings.mode, self.config.mode, config.mode);
        let effects = self.program.set_settings(self.in_room, new);
        self.config = config;
        self.staying.hold_to(self.room().settings.mode, &self.config);
        effects::carry_out(self, effects);
    }

    /// Dials the relay now.
    pub fn dial_now(&self) {
        self.link.dial_now();
    }

    /// The folder in which the program was started.
    pub fn folder(&self) -> &Path {
        &self.here
    }

    /// The folder of this room's state, locked for this program.
    pub fn state_folder(&self) -> &Path {
        &self.state
    }

    /// Takes the calls for the person's attention since the last call.
    pub fn take_attention(&mut self) -> Vec<Attention> {
        std::mem::take(&mut self.attention)
    }

    /// Whether an authorized caller has asked the session to end.
    pub fn end_asked(&self) -> bool {
        self.end_asked
    }

    /// Whether a terminal asks to show this headless session.
    pub fn attach_asked(&self) -> bool {
        self.attach.is_some()
    }

    /// Takes the terminal that asks.
    pub fn take_attach(&mut self) -> Option<(Attach, Line)> {
        self.attach.take()
    }

    /// Takes the warnings since the last call.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Whether a relay runs inside this program.
    pub fn is_host(&self) -> bool {
        self.host.is_some()
    }

    /// Stops the runs, writes what is queued, says bye, and stops the built-in relay.
    pub async fn leave(mut self) {
        self.staying.close();
        // Queued runs are cancelled first, or they would start when the current run ends.
        let posts: Vec<u32> = self.program.runs().of(self.in_room).map(|run| run.post).collect();
        for post in posts {
            // Fails if it is over by now.
            let _ = self.perform(Command::Cancel(Some(ItemId::Mention(post))));
        }
        let ended = async {
            while !self.runs.is_empty()
                || !self.staying.is_empty()
                || !self.to_journal.is_empty()
                || !self.to_link.is_empty()
                || !self.receipts_to_link.is_empty()
            {
                // Each time: in auto mode a mention may still start a run.
                self.runs.values().for_each(|run| run.stop.cancel());
                self.step().await;
                if self.room().connection != Connection::Online {
                    self.to_link.clear();
                    self.receipts_to_link.clear();
                }
            }
        };
        if tokio::time::timeout(STOPPING, ended).await.is_err() {
            tracing::warn!("not everything had ended in time");
        }
        // The last messages, such as that a run was cancelled, are written to disk before they are sent.
        let told = async {
            while self.room().connection == Connection::Online && self.room().chat.outbox().unacked() > 0 {
                self.step().await;
            }
        };
        if tokio::time::timeout(FAREWELL, told).await.is_err() {
            tracing::warn!("the relay does not have the last messages; they are sent at the next start");
        }
        if let Some(control) = self.control.take() {
            // Waiting clients are notified that their event will not happen.
            drop(std::mem::take(&mut self.clients));
            control.finish().await;
        }
        self.link.leave().await;
        if let Some(host) = self.host {
            host.stop().await;
        }
    }

    fn take(&mut self, event: Event) {
        let mut swept = None;
        if let Event::Run {
            run,
            event: RunEvent::Ended(ending),
        } = &event
        {
            self.runs.remove(run);
            // What a person has stopped is no task any more.
            self.handed.remove(run);
            swept = self.staying.ended(run, ending).then(|| run.clone());
        }
        if let Event::Frame(frame) = &event
            && let Frame::StreamClose(close) = &**frame
        {
            // A stream that was just opened; the connection did not know its receiver yet.
            self.link.files.streams.closed(close);
            return;
        }
        if matches!(event, Event::Welcome(_)) {
            // No stream outlives its connection.
            self.link.files.streams.cut();
            // The room resends everything that is due, including the frames queued here.
            self.to_link.clear();
            self.receipts_to_link.clear();
        }
        self.program.time_passes(self.clock.now());
        let effects = self.program.update(self.in_room, event, now());
        effects::carry_out(self, effects);
        if let Some(run) = swept {
            self.take(Event::SweptUp { run });
        }
    }
}

/// The next request on the control socket; pending forever if there is no socket.
async fn next_call(control: &mut Option<Server>) -> Option<Call> {
    match control {
        Some(server) => server.calls.recv().await,
        None => std::future::pending().await,
    }
}
