//! The room as one member sees it, and all its rules.
//!
//! PURE: no clock, no I/O, no async, no drawing. Something happens ([`Event`]), a front end wants
//! something ([`Command`]), a person decides ([`Decision`]); the room changes and says what is to be done
//! ([`Effect`]). Time comes in as an argument, ids from a source given at the start.

mod auto;
mod chat;
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

use std::collections::{HashMap, HashSet};

use nexscope_relay::protocol::{
    Code, Frame, Mode, Resume, Status, Welcome,
    body::{Body, Chat, ReceiptState, SignalBody},
};

pub use auto::budget::{Budget, BudgetUse, Unit};
pub use auto::limits::{Guard, Limits};
pub use chat::address::leading_names;
pub use chat::group_answers::Recipient;
pub use chat::members::{Members, RoomMember};
pub use chat::outbox::{DeliveryStatus, Outbox, Outgoing};
pub use chat::threads::{Audience, Thread, Threads};
pub use chat::timeline::{Doubt, Entry, Post, Timeline, What};
pub use chat::unknown_name::UnknownNames;
pub use files::{Fetch, FileOutcome, Offer, Offers, OwnFile, Progress, Receiver, Side, Stage, UploadState};
pub use leak::attachment::{Attachment, LOOKED_THROUGH, ScanResult};
pub use leak::secrets::{Flag, secrets};
pub use perform::{Command, Reply, UPDATE};
pub use persist::record::{Kept, Record};
pub use review::decide::{AcceptOptions, Person};
pub use review::grant::Grants;
pub use review::inbox::{Decided, DeliveryStatus as MentionOutcome, Inbox};
pub use review::item::{Draft, Item, ItemId, ItemKind, Mention, Permission};
pub use review::risk::Risk;
pub use review::shown::{Decision, Intent, Shown, Target};
pub use runs::failure::Failure;
pub use runs::partial::{PartialAnswers, RemotePartial};
pub use runs::queue::{Run, Runs};
pub use runs::unprompted::UnpromptedText;
pub use settings::{FileRules, Mentions, Review, Settings};
pub use steady::{ClockReading, Moment, Steady};
pub use token::Token;

use chat::group_answers::GroupAnswers;
use chat::seen_ids::SeenIds;
use persist::audit;
use review::inbox::Key;
use runs::ask::Ask;

use crate::core::{
    files::{AgentFile, Source, TransferEvent, TransferId, TransferOrder},
    runs::{RunEvent, ToolAnswer, Totals},
};

/// Milliseconds since the Unix epoch.
pub type Millis = u64;

/// How the connection to the relay stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// Dialling for the first time.
    Connecting,
    /// In the room.
    Online,
    /// Cut or not reachable; dialled again by itself.
    Waiting {
        /// The relay's code, where it said no.
        code: Option<Code>,
        /// Why, in one sentence.
        why: String,
        /// When it is dialled next.
        until: Millis,
    },
    /// The relay said no, and dialling again would not help; waits for the person.
    Refused {
        /// The relay's code.
        code: Code,
        /// Why and what to do.
        why: String,
    },
    /// Left on purpose.
    Left,
}

/// Something that happened outside.
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
    /// An agent's run reports.
    Run {
        /// The run's id.
        run: String,
        /// What it reports.
        event: RunEvent,
    },
    /// A file's transfer tells something.
    File {
        /// Which.
        handle: TransferId,
        /// What.
        event: TransferEvent,
    },
    /// The files of a draft were looked through.
    Looked {
        /// The draft's number.
        draft: u32,
        /// What each turned out to be, in the draft's order.
        files: Vec<ScanResult>,
    },
    /// Nothing is left of a run of an earlier life of this program.
    SweptUp {
        /// The run's id.
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
    /// Start an agent.
    Start {
        /// The job.
        ask: Box<Ask>,
        /// The totals of the agent's session so far, which it counts on from.
        before: Totals,
    },
    /// Stop a run.
    Stop {
        /// The run's id.
        run: String,
    },
    /// Tell a run what a person says to its request.
    Answer {
        /// The run's id.
        run: String,
        /// The request's id.
        request: String,
        /// What the person says.
        answer: ToolAnswer,
    },
    /// End what a run of an earlier life of this program left; answered with [`Event::SweptUp`].
    SweepUp {
        /// The run's id.
        run: String,
    },
    /// The person has said yes to what an agent reaches: it is known from now on.
    Confirm {
        /// The agent.
        agent: String,
    },
    /// Do something with a file.
    File {
        /// Which.
        handle: TransferId,
        /// What.
        order: TransferOrder,
    },
    /// Look the files of a draft through; answered with [`Event::Looked`].
    Look {
        /// The draft's number.
        draft: u32,
        /// Where they lie.
        files: Vec<AgentFile>,
        /// What the draft's agent has got from outside of its folder.
        brought: String,
    },
    /// End a stream that nobody here wants.
    RefuseStream {
        /// Which.
        stream: uuid::Uuid,
        /// Why, for its sender.
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
    /// A run failed.
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

/// The state of one room.
pub struct Room {
    /// Who we are and what we wish.
    pub settings: Settings,
    /// How the connection stands.
    pub connection: Connection,
    /// What the relay calls itself: program and version.
    pub relay: String,
    /// Everybody in it.
    pub members: Members,
    /// What was said and what happened.
    pub timeline: Timeline,
    /// Which messages belong together.
    pub threads: Threads,
    /// What waits for the person.
    pub inbox: Inbox,
    /// Our own messages, and what became of them.
    pub outbox: Outbox,
    /// What our agents are doing.
    pub runs: Runs,
    /// Files that were offered.
    pub offers: Offers,
    /// What auto mode has used up.
    pub guard: Guard,
    /// What was allowed for the rest of a thread.
    pub grants: Grants,
    /// Answers of others' agents that are being written.
    pub growing: PartialAnswers,
    gathered: GroupAnswers,
    place: RelayPosition,
    /// How late it is, for what waits.
    steady: Steady,
    /// What the steady clock said when a session began last.
    reading: Option<ClockReading>,
    /// Before this nothing expires: how long it has waited is a guess.
    nothing_expires_before: Steady,
    /// What the relay does for names.
    features: chat::identity::Features,
    /// The longest text frame that the relay takes, in bytes.
    message_bytes: usize,
    /// Every message that came, so that none is taken twice.
    known: SeenIds,
    /// Those of them that are not yet safely on disk.
    unkept: HashSet<Key>,
    /// Threads in which the asker was told why auto mode has stepped back.
    told_held: HashSet<String>,
    /// What the sender of a message to us was told last.
    told: HashMap<Key, (ReceiptState, String)>,
    ids: Ids,
}

/// How far this member has come in the relay's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct RelayPosition {
    session: Option<String>,
    epoch: String,
    /// The newest message that is safely kept.
    seq: u64,
}

impl Room {
    /// An empty room, not connected.
    pub fn new(settings: Settings, ids: Ids) -> Self {
        Self {
            connection: Connection::Connecting,
            relay: String::new(),
            members: Members::default(),
            timeline: Timeline::default(),
            threads: Threads::default(),
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            runs: Runs::default(),
            offers: Offers::default(),
            guard: Guard::default(),
            grants: Grants::default(),
            growing: PartialAnswers::default(),
            gathered: GroupAnswers::default(),
            place: RelayPosition::default(),
            steady: Steady::default(),
            reading: None,
            nothing_expires_before: Steady::default(),
            features: chat::identity::Features::default(),
            message_bytes: 262_144,
            known: SeenIds::default(),
            unkept: HashSet::new(),
            told_held: HashSet::new(),
            told: HashMap::new(),
            settings,
            ids,
        }
    }

    /// Takes what happened at `now`, and says what is to be done.
    pub fn update(&mut self, event: Event, now: Millis) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Welcome(welcome) => self.welcome(*welcome, now, &mut effects),
            Event::Frame(frame) => self.frame(*frame, now, &mut effects),
            Event::Connection(connection) => self.connection_changed(connection, now),
            Event::Kept(kept) => self.kept(kept, &mut effects),
            Event::Run { run, event } => self.run_event(&run, event, now, &mut effects),
            Event::File { handle, event } => self.file_event(&handle, event, now, &mut effects),
            Event::Looked { draft, files } => self.looked(draft, files, &mut effects),
            Event::SweptUp { run } => effects.push(Effect::Keep(Box::new(Record::Ended { run }))),
            Event::Tick => {}
        }
        self.run_waiting(now, &mut effects);
        self.deadlines(now, &mut effects);
        effects
    }

    /// Goes on with other wishes of the same member; the others are told what they see of them.
    pub fn set_settings(&mut self, settings: Settings) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mode = settings.mode;
        if settings.agents != self.settings.agents {
            effects.push(Effect::Send(Outbound::Update(nexscope_relay::protocol::Update {
                agents: Some(settings.agents.clone()),
                ..Default::default()
            })));
        }
        self.settings = Settings {
            token: self.settings.token.take(),
            hosting: self.settings.hosting,
            own_key: self.settings.own_key.take(),
            mode: self.settings.mode,
            ..settings
        };
        self.set_mode(mode, audit::By::Setting("config.toml".to_owned()), &mut effects);
        effects
    }

    /// Tells our own person something, and nobody else.
    pub fn tell_person(&mut self, words: impl Into<String>, now: Millis) {
        self.timeline.note(words, now);
    }

    /// How late it is by the steady clock. It comes before everything that happens then.
    pub fn time_passes(&mut self, steady: Steady) {
        self.steady = self.steady.max(steady);
    }

    /// What the steady clock said when the session before began, and the latest that is known of it.
    pub fn last_reading(&self) -> (Option<&ClockReading>, Steady) {
        (self.reading.as_ref(), self.steady)
    }

    /// A session begins, and the steady clock goes on from that reading. Where the time since the session before is
    /// a guess, nothing expires until a 24th of its time has gone by in this one.
    pub fn clock_read(&mut self, reading: ClockReading) -> Vec<Effect> {
        self.time_passes(reading.steady);
        if self
            .reading
            .as_ref()
            .is_some_and(|earlier| reading.is_guess(earlier))
        {
            self.nothing_expires_before = reading.steady.plus(self.settings.expire_after / 24);
        }
        self.reading = Some(reading.clone());
        vec![Effect::Keep(Box::new(Record::Clock(reading)))]
    }

    /// Now: for people, and for how long something waits from now on.
    fn moment(&self, now: Millis) -> Moment {
        Moment {
            at: now,
            steady: self.steady,
        }
    }

    /// How an agent of ours stands with its budget.
    pub fn budget_standing(&self, agent: &str) -> BudgetUse {
        self.guard.standing(agent, self.steady)
    }

    /// When [`Event::Tick`] is due next, by the steady clock, if anything waits for time to pass.
    pub fn next_deadline(&self) -> Option<Steady> {
        let expire_after = self.settings.expire_after;
        let mention = self.inbox.oldest_mention().map(|came| came.plus(expire_after));
        let aside = self.oldest_aside().map(|came| came.plus(expire_after));
        let expiry = mention.into_iter().chain(aside);
        let expiry = expiry.map(|due| due.max(self.nothing_expires_before));
        let refusal = self
            .inbox
            .oldest_permission()
            .map(|came| came.plus(self.settings.permission_after));
        let lost = self
            .outbox
            .oldest_unreceived()
            .map(|written| written.plus(self.settings.give_up_after));
        expiry.chain(refusal).chain(lost).min()
    }

    /// Where a new connection goes on from.
    pub fn resume(&self) -> Option<Resume> {
        let session = self.place.session.clone()?;
        Some(Resume {
            session,
            epoch: self.place.epoch.clone(),
            seq: self.place.seq,
        })
    }

    /// What became of one of our own messages.
    pub fn fate_of(&self, post: &Post) -> Option<DeliveryStatus> {
        let outgoing = self.outbox.get(&post.id).filter(|_| post.mine)?;
        let fate = outgoing.fate(&self.connection);
        let held = || self.held_for(&outgoing.to, outgoing.only);
        Some(match fate {
            DeliveryStatus::Sending if !held().is_empty() => DeliveryStatus::Absent(held()),
            fate => fate,
        })
    }

    /// The message that a decision was about.
    pub fn post_of(&self, decided: &Decided) -> Option<&Post> {
        let (from, id) = &decided.key;
        self.timeline.find(from, id)
    }

    fn is_me(&self, name: &str) -> bool {
        nexscope_relay::protocol::same_name(&self.settings.me, name)
    }

    fn fresh_id(&mut self) -> String {
        (self.ids)()
    }

    /// Writes a message of ours: kept on disk first, sent when it is safe there.
    fn send(&mut self, mut outgoing: Outgoing, effects: &mut Vec<Effect>) {
        if outgoing.since == Steady::default() {
            outgoing.since = self.steady;
        }
        // One whose files are still being read is noted once more when it can go. Only what is said has a number;
        // nothing else is looked for among all messages.
        let said = outgoing.is_chat();
        let post = said.then(|| self.timeline.find(&self.settings.me, &outgoing.id));
        let number = post.flatten().map(|post| post.number);
        let own = self.settings.token.as_ref().map(|token| token.0.as_str());
        Self::note_audit(audit::Entry::out(number, &outgoing, own.as_slice()), effects);
        effects.push(Effect::Keep(Box::new(Record::Out(Box::new(outgoing.clone())))));
        self.speaks_with(&outgoing);
        self.outbox.insert(outgoing);
    }

    /// Sends a signal, which nobody misses if it is lost.
    fn signal(&self, audience: &Audience, thread: &str, body: &SignalBody, effects: &mut Vec<Effect>) {
        let Ok(body) = serde_json::value::to_raw_value(body) else {
            return;
        };
        let (to, only) = audience.addresses(&self.settings.me);
        if self.connection == Connection::Online
            && (!only || !to.is_empty())
            && self.held_for(&to, only).is_empty()
        {
            effects.push(Effect::Send(Outbound::Signal(
                nexscope_relay::protocol::SendSignal {
                    to_keys: self.keys_of(&to),
                    to,
                    only,
                    thread: Some(thread.to_owned()),
                    body,
                },
            )));
        }
    }

    /// A chat message of ours into the timeline and on its way. Returns its number.
    fn say(&mut self, words: OutgoingText, now: Millis, effects: &mut Vec<Effect>) -> u32 {
        let id = words.id.unwrap_or_else(|| self.fresh_id());
        let thread = words.thread.unwrap_or_else(|| id.clone());
        let (files, sources) = self.attach(words.files);
        let chat = Chat {
            sent_at: now,
            files,
            ..words.chat
        };
        let (to, only) = (words.to, words.only);
        let post = Post::mine(&self.settings.me, &id, &thread, to.clone(), only, &chat);
        let number = self.add_our_post(post, &chat, &sources, now);
        let outgoing = Outgoing {
            sources,
            draft: words.draft,
            ..Outgoing::new(id.clone(), to, only, Some(thread), Body::Chat(chat), now)
        };
        self.send(outgoing, effects);
        self.read_files(&id, now, effects);
        number
    }

    /// Puts a message of ours, with the files that it offers, where it belongs. Returns its number.
    fn add_our_post(&mut self, mut post: Post, chat: &Chat, sources: &[Source], at: Millis) -> u32 {
        post.files = self.offer_ours(&post.id, chat, sources, self.timeline.next_number());
        self.add_post(post, at)
    }

    /// Puts a message where it belongs: the timeline, and its thread. Returns its number.
    fn add_post(&mut self, post: Post, at: Millis) -> u32 {
        let number = self.timeline.next_number();
        self.threads.add(&post, number, &self.settings.me, at);
        self.gather(&post, number);
        self.timeline.post(post, at)
    }
}

/// Words of ours, or of an agent of ours, on their way out.
#[derive(Default)]
struct OutgoingText {
    /// The message's id, where it is settled before.
    id: Option<String>,
    to: Vec<String>,
    only: bool,
    thread: Option<String>,
    chat: Chat,
    /// Files of ours that go with it.
    files: Vec<Source>,
    /// The number of the draft that they were.
    draft: Option<u32>,
}
