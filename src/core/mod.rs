//! The room as one member sees it, and all its rules.
//!
//! PURE: no clock, no I/O, no async, no drawing. Something happens ([`Event`]), a front end wants
//! something ([`Command`]), a person decides ([`Decision`]); the room changes and says what is to be done
//! ([`Effect`]). Time comes in as an argument, ids from a source given at the start.

mod auto;
mod chat;
mod ctx;
pub mod files;
mod leak;
mod perform;
pub mod persist;
mod review;
pub mod runs;
mod settings;
mod steady;
#[cfg(test)]
mod tests;
mod token;

use nexscope_relay::protocol::{Code, Frame, Resume, Status, Welcome};

pub use auto::budget::{Budget, BudgetUse, Unit};
pub use auto::limits::{Guard, Limits};
pub use chat::ChatState;
pub use chat::address::leading_names;
pub use chat::group_answers::Recipient;
pub use chat::members::{Members, RoomMember};
pub use chat::outbox::{DeliveryStatus, Outbox, Outgoing};
use chat::outgoing::OutgoingText;
pub use chat::threads::{Audience, Thread, Threads};
pub use chat::timeline::{Doubt, Entry, Post, Timeline, What};
pub use chat::unknown_name::UnknownNames;
pub use files::{Fetch, FileOutcome, Offer, Offers, OwnFile, Progress, Receiver, Side, Stage, UploadState};
pub use leak::attachment::{Attachment, LOOKED_THROUGH, ScanResult};
pub use leak::secrets::{Flag, secrets};
pub use perform::{Command, Reply, UPDATE};
pub use persist::record::{Kept, Record};
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

use auto::AutoState;
use ctx::Ctx;
use persist::audit;
use runs::ask::Ask;
use steady::Clock;

use crate::core::{
    auto::dispatch,
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

/// How the connection to the relay stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// Dialling for the first time.
    Connecting,
    Online,
    /// Cut or not reachable; dialled again by itself.
    Waiting {
        /// The relay's code, where it said no.
        code: Option<Code>,
        why: String,
        /// When it is dialled next.
        until: Millis,
    },
    /// The relay said no, and dialling again would not help; waits for the person.
    Refused {
        code: Code,
        /// Why and what to do.
        why: String,
    },
}

#[derive(Debug)]
pub enum Event {
    /// The relay let us in.
    Welcome(Box<Welcome>),
    /// A later frame of the relay's.
    Frame(Box<Frame>),
    /// The connection changed without a frame.
    Connection(Connection),
    /// A record is safely on disk.
    Kept(Kept),
    Run {
        run: String,
        event: RunEvent,
    },
    /// A file's transfer tells something.
    File {
        handle: TransferId,
        event: TransferEvent,
    },
    /// The files of a draft were searched.
    Looked {
        draft: u32,
        /// What each turned out to be, in the draft's order.
        files: Vec<ScanResult>,
    },
    /// Nothing is left of a run of an earlier life of this program.
    SweptUp {
        run: String,
    },
    /// Time has passed; only deadlines are looked at.
    Tick,
}

/// Something to be done outside.
#[derive(Debug)]
pub enum Effect {
    /// Put a frame on the connection, if there is one.
    Send(Outbound),
    /// Write a record to disk; answered with [`Event::Kept`] when it is safe.
    Keep(Box<Record>),
    /// Note something in the audit log.
    Audit(Box<audit::Entry>),
    Start {
        ask: Box<Ask>,
        /// The totals of the agent's session so far, which it counts on from.
        before: Totals,
    },
    Stop {
        run: String,
    },
    /// Tell a run what a person says to its request.
    Answer {
        run: String,
        request: String,
        answer: ToolAnswer,
    },
    /// End what a run of an earlier life of this program left; answered with [`Event::SweptUp`].
    SweepUp {
        run: String,
    },
    /// The person has said yes to what an agent reaches: it is known from now on.
    Confirm {
        agent: String,
    },
    /// Do something with a file.
    File {
        handle: TransferId,
        order: TransferOrder,
    },
    /// Look the files of a draft through; answered with [`Event::Looked`].
    Look {
        draft: u32,
        files: Vec<AgentFile>,
        /// What the draft's agent has got from outside of its folder.
        brought: String,
    },
    /// End a stream that nobody here wants.
    RefuseStream {
        stream: uuid::Uuid,
        why: String,
    },
    /// Something new waits for the person.
    Attention(Attention),
}

/// Why a person should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attention {
    /// An item came into the inbox.
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

/// Where fresh ids come from; each id is new for all time, and later ones sort behind earlier ones (UUIDv7).
pub type Ids = Box<dyn FnMut() -> String + Send>;

/// The state of one room. Each part is changed only by the core; front ends read it.
pub struct Room {
    /// Who we are, and what was configured.
    pub settings: Settings,
    pub connection: Connection,
    /// Members, messages and their receipts.
    pub chat: ChatState,
    /// What waits for the person, and what they have allowed.
    pub review: ReviewState,
    /// What our agents are doing.
    pub runs: Runs,
    pub files: Offers,
    auto: AutoState,
    clock: Clock,
    ids: Ids,
}

impl Room {
    /// An empty room, not connected.
    pub fn new(settings: Settings, ids: Ids) -> Self {
        Self {
            settings,
            connection: Connection::Connecting,
            chat: ChatState::default(),
            review: ReviewState::default(),
            runs: Runs::default(),
            files: Offers::default(),
            auto: AutoState::default(),
            clock: Clock::default(),
            ids,
        }
    }

    /// Takes what happened at `now`, and says what is to be done.
    pub fn update(&mut self, event: Event, now: Millis) -> Vec<Effect> {
        let mut ctx = Ctx::new(now);
        match event {
            Event::Welcome(welcome) => receive::welcomed(self, *welcome, &mut ctx),
            Event::Frame(frame) => receive::receive_frame(self, *frame, &mut ctx),
            Event::Connection(connection) => receive::connection_changed(self, connection, now),
            Event::Kept(kept) => receive::kept(self, kept, &mut ctx),
            Event::Run { run, event } => answer::run_event(self, &run, event, &mut ctx),
            Event::File { handle, event } => sharing::file_event(self, &handle, event, &mut ctx),
            Event::Looked { draft, files } => attachment::looked(self, draft, files, &mut ctx),
            Event::SweptUp { run } => ctx.keep(Record::Ended { run }),
            Event::Tick => {}
        }
        dispatch::run_waiting(self, &mut ctx);
        receive::deadlines(self, &mut ctx);
        self.finish(ctx)
    }

    /// Ends a step: what it made free is started.
    fn finish(&mut self, mut ctx: Ctx) -> Vec<Effect> {
        answer::start_next(self, &mut ctx);
        ctx.into_effects()
    }

    /// Goes on with other wishes of the same member; the others are told what they see of them.
    pub fn set_settings(&mut self, settings: Settings) -> Vec<Effect> {
        let mut ctx = Ctx::new(0);
        let mode = settings.mode;
        if settings.agents != self.settings.agents {
            ctx.send(Outbound::Update(nexscope_relay::protocol::Update {
                agents: Some(settings.agents.clone()),
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
        perform::set_mode(self, mode, audit::By::Setting("config.toml".to_owned()), &mut ctx);
        ctx.into_effects()
    }

    /// Tells our own person something, and nobody else.
    pub fn tell_person(&mut self, words: impl Into<String>, now: Millis) {
        self.chat.timeline.note(words, now);
    }

    /// How late it is by the steady clock. It comes before everything that happens then.
    pub fn time_passes(&mut self, steady: Steady) {
        self.clock.steady = self.clock.steady.max(steady);
    }

    /// What the steady clock said when the session before began, and the latest that is known of it.
    pub fn last_reading(&self) -> (Option<&ClockReading>, Steady) {
        (self.clock.reading.as_ref(), self.clock.steady)
    }

    /// A session begins, and the steady clock goes on from that reading. Where the time since the session before is
    /// a guess, nothing expires until a 24th of its time has gone by in this one.
    pub fn clock_read(&mut self, reading: ClockReading) -> Vec<Effect> {
        self.time_passes(reading.steady);
        if self
            .clock
            .reading
            .as_ref()
            .is_some_and(|earlier| reading.is_guess(earlier))
        {
            self.clock.nothing_expires_before = reading.steady.plus(self.settings.expire_after / 24);
        }
        self.clock.reading = Some(reading.clone());
        vec![Effect::Keep(Box::new(Record::Clock(reading)))]
    }

    /// Now: for people, and for how long something waits from now on.
    fn moment(&self, now: Millis) -> Moment {
        Moment {
            at: now,
            steady: self.clock.steady,
        }
    }

    /// How an agent of ours stands with its budget.
    pub fn budget_standing(&self, agent: &str) -> BudgetUse {
        self.auto.guard.standing(agent, self.clock.steady)
    }

    /// When [`Event::Tick`] is due next, by the steady clock, if anything waits for time to pass.
    pub fn next_deadline(&self) -> Option<Steady> {
        let expire_after = self.settings.expire_after;
        let mention = self
            .review
            .inbox
            .oldest_mention()
            .map(|came| came.plus(expire_after));
        let aside = download::oldest_aside(self).map(|came| came.plus(expire_after));
        let expiry = mention.into_iter().chain(aside);
        let expiry = expiry.map(|due| due.max(self.clock.nothing_expires_before));
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

    /// Where a new connection goes on from.
    pub fn resume(&self) -> Option<Resume> {
        let session = self.chat.position.session.clone()?;
        Some(Resume {
            session,
            epoch: self.chat.position.epoch.clone(),
            seq: self.chat.position.seq,
        })
    }

    /// What became of one of our own messages.
    pub fn fate_of(&self, post: &Post) -> Option<DeliveryStatus> {
        let outgoing = self.chat.outbox.get(&post.id).filter(|_| post.mine)?;
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

    fn fresh_id(&mut self) -> String {
        (self.ids)()
    }
}
