//! The room's rules as tables: an event happens, and the effects are checked.

mod audit;
mod auto;
mod canary;
mod chat;
mod files;
mod leak;
mod pair;
mod review;
mod rooms;
mod runs;

use nexscope_relay::protocol::{
    self as wire, Ack, Frame, Limits, Member, Message, Presence, PresenceEvent, Resumed, Status, Welcome,
    body::{Body, Chat, Origin, Receipt, ReceiptState, SignalBody},
};

use super::*;
use crate::core::runs::{Ending, Failed, Outcome, RunEvent as AgentEvent, Totals};

const NOW: Millis = 1_700_000_000_000;

/// A room of alice with one agent, connected, with bob and carol in it; and its effects.
struct World {
    program: Program,
    in_room: RoomId,
    effects: Vec<Effect>,
    /// The room of each effect, and whether it starts a run.
    wanted_in: Vec<(RoomId, bool)>,
    records: Vec<Record>,
    seq: u64,
    now: Millis,
    lives: usize,
    /// The entries of the audit log.
    audited: Vec<crate::core::persist::audit::Entry>,
}

fn settings() -> Settings {
    Settings {
        agents: vec!["claude".into()],
        ..Settings::new("alice", "lobby")
    }
}

fn counting_ids() -> Ids {
    let mut count = 0;
    Box::new(move || {
        count += 1;
        format!("id-{count:06}")
    })
}

fn member(name: &str) -> Member {
    Member {
        name: name.into(),
        key: None,
        status: Status::Online,
        agents: vec!["codex".into()],
        mode: wire::Mode::Manual,
        client: "test".into(),
        note: String::new(),
        joined_at: NOW,
        v: 2,
    }
}

fn welcome(resumed: Resumed, epoch: &str, seq: u64) -> Welcome {
    Welcome {
        v: 2,
        room: "lobby".into(),
        name: "alice".into(),
        session: "secret".into(),
        epoch: epoch.into(),
        seq,
        resumed,
        members: vec![member("alice"), member("bob"), member("carol")],
        heartbeat: 20,
        server: "test".into(),
        limits: Limits {
            message_bytes: 262_144,
            chunk_bytes: 65_536,
            window_bytes: 1 << 20,
            rate: 50,
            burst: 200,
        },
        features: Vec::new(),
        bound: None,
    }
}

fn ask(text: &str) -> Chat {
    Chat {
        text: text.into(),
        asks: true,
        ..Chat::default()
    }
}

/// A failure with these details, which only its owner may see.
fn failed(details: &str) -> Failed {
    Failed::new(Failure::Reported, details)
}

impl World {
    fn new() -> Self {
        let mut world = Self::offline();
        world.event(Event::Welcome(Box::new(welcome(Resumed::New, "e1", 0))));
        world.effects.clear();
        world
    }

    fn offline() -> Self {
        let mut program = Program::new(counting_ids());
        Self {
            in_room: program.open(settings()),
            program,
            effects: vec![],
            wanted_in: vec![],
            records: vec![],
            seq: 0,
            now: NOW,
            lives: 0,
            audited: vec![],
        }
    }

    fn room(&self) -> &Room {
        self.program.room(self.in_room)
    }

    fn room_mut(&mut self) -> &mut Room {
        self.program.room_mut(self.in_room)
    }

    /// An event happens; records are kept at once.
    fn event(&mut self, event: Event) {
        self.program.time_passes(Steady::new(self.now));
        let effects = self.program.update(self.in_room, event, self.now);
        self.follow(effects);
    }

    /// Like [`World::event`], but the disk has not confirmed yet.
    fn event_without_disk(&mut self, event: Event) {
        self.program.time_passes(Steady::new(self.now));
        let effects = self.program.update(self.in_room, event, self.now);
        for (_, effect) in effects {
            self.audit(&effect);
            self.effects.push(effect);
        }
    }

    fn audit(&mut self, effect: &Effect) {
        if let Effect::Audit(entry) = effect {
            self.audited.push((**entry).clone());
        }
    }

    fn follow(&mut self, effects: Effects) {
        for (room, effect) in effects {
            self.audit(&effect);
            self.wanted_in
                .push((room, matches!(effect, Effect::Start { .. })));
            if let Effect::Keep(record) = &effect {
                self.records.push((**record).clone());
                if let Some(kept) = record.kept() {
                    let more = self.program.update(room, Event::Kept(kept), self.now);
                    self.follow(more);
                }
            }
            self.effects.push(effect);
        }
    }

    fn decide(&mut self, intent: Intent) -> Result<Reply, String> {
        let decision = self.saw(intent);
        self.carry_out(decision)
    }

    /// A decision by a person who has just read everything that it is about.
    fn saw(&self, intent: Intent) -> Decision {
        let ids = match &intent {
            Intent::Accept { target, .. } | Intent::Reject { target, .. } => {
                self.room().items(*target).unwrap_or_default()
            }
            Intent::Grant(id) => vec![*id],
            Intent::HandOver(number) => vec![ItemId::Mention(*number)],
            _ => Vec::new(),
        };
        let shown = match intent.wants_it_whole() {
            true => self.room().shown(&ids),
            false => Shown::written(&intent),
        };
        Decision::new(intent, shown)
    }

    fn carry_out(&mut self, decision: Decision) -> Result<Reply, String> {
        self.program.time_passes(Steady::new(self.now));
        let (effects, result) = self
            .program
            .decide(self.in_room, decision, Person::at_keyboard(), self.now);
        self.follow(effects);
        result.map_err(|why| why.to_string())
    }

    /// Auto mode may answer that name.
    fn trusts(&mut self, name: &str) {
        self.decide(Intent::Trust(name.into())).unwrap();
    }

    fn accept(&mut self, id: ItemId) {
        self.decide(Intent::Accept {
            target: Target::Item(id),
            how: AcceptOptions::default(),
        })
        .unwrap();
    }

    fn perform(&mut self, line: &str) -> Result<Reply, String> {
        let Ok(crate::command::Line::Command(command)) = crate::command::parse(line) else {
            panic!("{line}")
        };
        self.program.time_passes(Steady::new(self.now));
        let (effects, result) = self.program.perform(self.in_room, command, self.now);
        self.follow(effects);
        result.map_err(|why| why.to_string())
    }

    /// A message from `from`; its sequence number is the next one.
    fn message(&mut self, from: &str, id: &str, to: &[&str], only: bool, body: &Body) -> Message {
        self.seq += 1;
        Message {
            id: id.into(),
            from: from.into(),
            from_key: None,
            to: to.iter().map(|name| (*name).to_owned()).collect(),
            only,
            thread: None,
            seq: self.seq,
            at: self.now,
            body: serde_json::value::to_raw_value(body).unwrap(),
        }
    }

    fn receives(&mut self, message: Message) {
        self.event(Event::Frame(Box::new(Frame::Message(message))));
    }

    /// bob asks alice's agent, privately. Returns the item.
    fn bob_asks(&mut self, id: &str, text: &str) -> ItemId {
        let message = self.message("bob", id, &["alice"], true, &Body::Chat(ask(text)));
        self.receives(message);
        self.room().review.inbox.waiting().last().expect("an item").id
    }

    /// The run that started last.
    fn started(&self) -> crate::core::runs::ask::Ask {
        let mut starts = self.effects.iter().filter_map(|effect| match effect {
            Effect::Start { ask, .. } => Some((**ask).clone()),
            _ => None,
        });
        starts.next_back().expect("a run")
    }

    fn starts(&self) -> usize {
        self.effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Start { .. }))
            .count()
    }

    fn ends(&mut self, run: &str, outcome: Outcome) {
        let ending = Ending {
            files: Vec::new(),
            stays: false,
            outcome,
            unfinished: Default::default(),
            session: Some("agent-session".into()),
            took: std::time::Duration::from_secs(1),
            tools: 0,
            usd: Some(0.01),
            tokens: None,
            totals: Totals { usd: 0.01, tokens: 0 },
            session_lost: false,
            outside: Default::default(),
        };
        self.event(Event::Run {
            run: run.into(),
            event: AgentEvent::Ended(ending),
        });
    }

    /// The chats that were sent, as (to, only, body), without receipts.
    fn chats(&self) -> Vec<(wire::Send, Chat)> {
        self.sent()
            .filter_map(|(frame, body)| match body {
                Body::Chat(chat) => Some((frame, chat)),
                _ => None,
            })
            .collect()
    }

    /// The receipts that were sent, in order: message, state, reason.
    fn receipts(&self) -> Vec<(String, ReceiptState, String)> {
        self.sent()
            .filter_map(|(_, body)| match body {
                Body::Receipt(receipt) => Some((receipt.of, receipt.state, receipt.reason)),
                _ => None,
            })
            .collect()
    }

    fn sent(&self) -> impl Iterator<Item = (wire::Send, Body)> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Send(Outbound::Message(frame)) => {
                Some((frame.clone(), serde_json::from_str(frame.body.get()).unwrap()))
            }
            _ => None,
        })
    }

    fn fate(&self, number: u32) -> DeliveryStatus {
        self.room()
            .fate_of(self.room().chat.timeline.post_numbered(number).unwrap())
            .unwrap()
    }

    /// The program ends, and starts again from its records.
    fn restart(&mut self) {
        self.restart_without_clock();
        self.program.time_passes(Steady::new(self.now));
    }

    /// Like [`World::restart`], but the steady clock has not been read yet.
    fn restart_without_clock(&mut self) {
        let records = std::mem::take(&mut self.records);
        let lines: Vec<String> = records
            .iter()
            .map(|record| serde_json::to_string(record).unwrap())
            .collect();
        let read: Vec<Record> = lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        self.records = records;
        // No id is used twice, even after a restart.
        self.lives += 1;
        let mut ids = counting_ids();
        for _ in 0..1000 * self.lives {
            ids();
        }
        let me = self.room().settings.me.clone();
        self.program = Program::new(ids);
        self.in_room = self.program.open(Settings { me, ..settings() });
        self.effects.clear();
        let not_audited = |open: &[&Outgoing]| {
            let missing = open
                .iter()
                .filter(|one| !self.audited.iter().any(|entry| entry.is_of(one)));
            missing.map(|one| one.id.clone()).collect()
        };
        let effects = self.program.restore(self.in_room, read, not_audited, self.now);
        self.follow(effects);
    }
}
