//! The rooms as one member sees them, and all their rules.
//!
//! PURE: no clock, no I/O, no async, no drawing. Something happens in a room (`Event`), a front end gives a command
//! (`Command`), a person decides (`Decision`); the `Program` changes and returns what is to be done (`Effect`). Time
//! comes in as an argument, ids from a source given at the start.

mod auto;
mod chat;
mod ctx;
pub mod files;
mod leak;
mod perform;
pub mod persist;
mod program;
mod refused;
mod review;
pub mod runs;
mod settings;
mod steady;
#[cfg(test)]
mod tests;
mod token;

use nexscope_relay::protocol::{Code, Frame, Resume, Status, Welcome};

pub use auto::WhyHeld;
pub use auto::budget::{Budget, BudgetUse, Unit};
pub use auto::limits::{Guard, Limits};
pub use chat::ChatState;
pub use chat::address::{NameError, leading_names};
pub use chat::group_answers::Recipient;
pub use chat::members::{Members, RoomMember};
pub use chat::outbox::{DeliveryStatus, Outbox, Outgoing};
use chat::outgoing::OutgoingText;
pub use chat::threads::{Audience, Thread, Threads};
pub use chat::timeline::{Author, Doubt, Entry, Post, Sender, Timeline, What};
pub use chat::unknown_name::UnknownNames;
pub use files::{Fetch, FileOutcome, Offer, Offers, OwnFile, Progress, Receiver, Side, Stage, UploadState};
pub use leak::attachment::{Attachment, LOOKED_THROUGH, ScanResult};
pub use leak::secrets::{Flag, secrets};
pub use perform::{Command, Reply, UPDATE};
pub use persist::record::{Kept, Record};
pub use program::{Effects, Program, RoomId};
pub use refused::Refused;
pub use review::ReviewState;
pub use review::decide::{AcceptOptions, Person};
pub use review::grant::Grants;
pub use review::inbox::{Decided, Inbox, MentionOutcome};
pub use review::item::{Draft, Hold, Item, ItemId, ItemKind, Mention, Permission};
pub use review::risk::Risk;
pub use review::shown::{Decision, Intent, Shown, Target};
pub use runs::failure::Failure;
pub use runs::partial::{PartialAnswers, RemotePartial};
pub use runs::queue::{Run, Runs};
pub use runs::unprompted::UnpromptedText;
pub use settings::{FileRules, Mentions, Review, Settings};
pub use steady::{ClockReading, Moment, Steady};
pub use token::Token;

use ctx::Ctx;
use persist::audit;
use runs::ask::Ask;
use steady::Clock;

use crate::core::{
    chat::{identity, receive},
    files::{
        AgentFile, TransferEvent, TransferId, TransferOrder,
        sharing::{self, download},
    },
    leak::attachment,
    runs::{RunEvent, ToolAnswer, Totals, answer},
};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// State of the connection to the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// Dialling for the first time.
    Connecting,
    Online,
    /// Cut or not reachable; the link redials by itself.
    Waiting {
        /// The relay's code, if it refused.
        code: Option<Code>,
        why: String,
        /// When the next attempt is made.
        until: Millis,
    },
    /// The relay refused, and another attempt would not help; waits for the person.
    Refused {
        code: Code,
        /// The reason, and what to do.
        why: String,
    },
}

#[derive(Debug)]
pub enum Event {
    /// The relay has accepted us.
    Welcome(Box<Welcome>),
    /// A later frame from the relay.
    Frame(Box<Frame>),
    /// The connection changed without a frame.
    Connection(Connection),
    /// A record is safely on disk.
    Kept(Kept),
    Run {
        run: String,
        event: RunEvent,
    },
    /// An event of a file's transfer.
    File {
        handle: TransferId,
        event: TransferEvent,
    },
    /// The files of a draft were scanned.
    Looked {
        draft: u32,
        /// The scan results, in the draft's order.
        files: Vec<ScanResult>,
    },
    /// No process is left of a run of an earlier session of this program.
    SweptUp {
        run: String,
    },
    /// Time has passed; only deadlines are checked.
    Tick,
}

/// Work that the room wants done outside.
#[derive(Debug)]
pub enum Effect {
    /// Send a frame, if there is a connection.
    Send(Outbound),
    /// Write a record to disk; answered with [`Event::Kept`] when it is safe.
    Keep(Box<Record>),
    /// Write an entry to the audit log.
    Audit(Box<audit::Entry>),
    Start {
        ask: Box<Ask>,
        /// Usage of the agent's session so far, to which its run adds.
        before: Totals,
    },
    Stop {
        run: String,
    },
    /// Send a person's answer to a run's request.
    Answer {
        run: String,
        request: String,
        answer: ToolAnswer,
    },
    /// End the remaining processes of an earlier session's run; answered with [`Event::SweptUp`].
    SweepUp {
        run: String,
    },
    /// Remember that the person has confirmed what an agent reaches.
    Confirm {
        agent: String,
    },
    /// Pass an order to a file's transfer.
    File {
        handle: TransferId,
        order: TransferOrder,
    },
    /// Scan the files of a draft; answered with [`Event::Looked`].
    Look {
        draft: u32,
        files: Vec<AgentFile>,
        /// Text that the draft's agent got from outside its folder.
        brought: String,
    },
    /// End a stream that was not requested.
    RefuseStream {
        stream: uuid::Uuid,
        why: files::StreamRefused,
    },
    /// Notify the person of a new item or message.
    Attention(Attention),
}

/// Reason to notify the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attention {
    /// An item was added to the inbox.
    Item,
    /// Somebody wrote to this member.
    Message,
    Failure,
}

/// A frame for the relay.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each variant is described by its type")]
pub enum Outbound {
    Message(nexscope_relay::protocol::Send),
    Signal(nexscope_relay::protocol::SendSignal),
    Update(nexscope_relay::protocol::Update),
}

/// The source of fresh ids: each is globally unique, and later ones sort after earlier ones (UUIDv7).
pub type Ids = Box<dyn FnMut() -> String + Send>;

/// The state of one room. Only the core changes its parts; front ends read them.
pub struct Room {
    /// The member's identity and configuration.
    pub settings: Settings,
    pub connection: Connection,
    /// Members, messages and their receipts.
    pub chat: ChatState,
    /// The inbox, and the person's grants.
    pub review: ReviewState,
    pub files: Offers,
    id: RoomId,
}

impl Room {
    fn new(id: RoomId, settings: Settings) -> Self {
        Self {
            id,
            settings,
            connection: Connection::Connecting,
            chat: ChatState::default(),
            review: ReviewState::default(),
            files: Offers::default(),
        }
    }

    pub fn id(&self) -> RoomId {
        self.id
    }

    /// Applies an event.
    fn take(&mut self, event: Event, ctx: &mut Ctx) {
        match event {
            Event::Welcome(welcome) => receive::welcomed(self, *welcome, ctx),
            Event::Frame(frame) => receive::receive_frame(self, *frame, ctx),
            Event::Connection(connection) => receive::connection_changed(self, connection, ctx.now),
            Event::Kept(kept) => receive::kept(self, kept, ctx),
            Event::Run { run, event } => answer::run_event(self, &run, event, ctx),
            Event::File { handle, event } => sharing::file_event(self, &handle, event, ctx),
            Event::Looked { draft, files } => attachment::looked(self, draft, files, ctx),
            Event::SweptUp { run } => ctx.keep(Record::Ended { run }),
            Event::Tick => {}
        }
    }

    fn set_settings(&mut self, settings: Settings, ctx: &mut Ctx) {
        let mode = settings.mode;
        if settings.agents != self.settings.agents {
            ctx.send(Outbound::Update(nexscope_relay::protocol::Update {
                agents: Some(settings.announced_agents()),
                ..Default::default()
            }));
        }
        self.settings = Settings {
            token: self.settings.token.take(),
            hosting: self.settings.hosting,
            own_key: self.settings.own_key.take(),
            mode: self.settings.mode,
            ..settings
        };
        perform::set_mode(self, mode, audit::By::Setting("config.toml".to_owned()), ctx);
    }

    /// Shows a notice to the person only.
    pub fn tell_person(&mut self, words: impl Into<String>, now: Millis) {
        self.chat.timeline.note(words, now);
    }

    fn next_deadline(&self, clock: &Clock) -> Option<Steady> {
        let expire_after = self.settings.expire_after;
        let mention = self
            .review
            .inbox
            .oldest_mention()
            .map(|came| came.plus(expire_after));
        let aside = download::oldest_aside(self).map(|came| came.plus(expire_after));
        let expiry = mention.into_iter().chain(aside);
        let expiry = expiry.map(|due| due.max(clock.nothing_expires_before));
        let refusal = self
            .review
            .inbox
            .oldest_permission()
            .map(|came| came.plus(self.settings.permission_after));
        let lost = self
            .chat
            .outbox
            .oldest_unreceived()
            .map(|written| written.plus(self.settings.give_up_after));
        expiry.chain(refusal).chain(lost).min()
    }

    /// The position from which a new connection resumes.
    pub fn resume(&self) -> Option<Resume> {
        let session = self.chat.position.session.clone()?;
        Some(Resume {
            session,
            epoch: self.chat.position.epoch.clone(),
            seq: self.chat.position.seq,
        })
    }

    /// Delivery status of our message.
    pub fn fate_of(&self, post: &Post) -> Option<DeliveryStatus> {
        let outgoing = self.chat.outbox.get(&post.id).filter(|_| post.sender.mine)?;
        let fate = outgoing.fate(&self.connection);
        let held = || identity::held_for(self, &outgoing.to, outgoing.only);
        Some(match fate {
            DeliveryStatus::Sending if !held().is_empty() => DeliveryStatus::Absent(held()),
            fate => fate,
        })
    }

    /// The message that a decision was about.
    pub fn post_of(&self, decided: &Decided) -> Option<&Post> {
        let (from, id) = &decided.key;
        self.chat.timeline.find(from, id)
    }

    fn is_me(&self, name: &str) -> bool {
        nexscope_relay::protocol::same_name(&self.settings.me, name)
    }
}
