//! Screens as a person sees them: every size, and snapshots of each view.

mod focus;
mod mouse;
mod sizes;
mod snapshots;

use jiff::tz::TimeZone;
use nexscope_relay::protocol::{
    Frame, Limits, Member, Message, Mode, Resumed, Status, Welcome,
    body::{Body, Chat, Origin, Receipt, ReceiptState, Usage},
};
use ratatui::{Terminal, backend::TestBackend};

use super::{
    state::State,
    theme::Theme,
    view::{self, HitMap, Layout, RenderContext},
};
use crate::{
    core::{
        AcceptOptions, Decision, Event, Intent, ItemId, Person, Program, Record, Room, RoomId, Settings,
        Target,
    },
    tui::input::keymap::Keymap,
};

/// 3 March 2025, 09:14 UTC.
pub(super) const NOW: u64 = 1_740_993_240_000;

/// A room with people in it, and everything that is needed to draw it.
pub(super) struct World {
    pub program: Program,
    pub in_room: RoomId,
    pub state: State,
    theme: Theme,
    keymap: Keymap,
    zone: TimeZone,
    seq: u64,
}

fn member(name: &str, agents: &[&str], status: Status) -> Member {
    Member {
        name: name.into(),
        key: None,
        status,
        agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
        mode: Mode::Manual,
        client: "nexscope-tui/0.1.0".into(),
        note: String::new(),
        joined_at: NOW,
        v: 2,
    }
}

impl World {
    pub fn new() -> Self {
        let settings = Settings {
            agents: vec!["claude".into()],
            permissions: [("claude".to_owned(), "read-only")].into(),
            ..Settings::new("alice", "lobby")
        };
        let mut count = 0;
        let ids = Box::new(move || {
            count += 1;
            format!("id-{count:06}")
        });
        let mut program = Program::new(ids);
        let mut world = Self {
            in_room: program.open(settings),
            program,
            state: State::default(),
            theme: Theme::built_in(),
            keymap: Keymap::built_in(),
            zone: TimeZone::UTC,
            seq: 0,
        };
        // Nothing expires by the clock of a session that takes over the room.
        let tomorrow = crate::clock::now() + 86_400_000;
        world.program.time_passes(crate::core::Steady::new(tomorrow));
        world.event(Event::Welcome(Box::new(Welcome {
            v: 2,
            room: "lobby".into(),
            name: "alice".into(),
            session: "secret".into(),
            epoch: "e".into(),
            seq: 0,
            resumed: Resumed::New,
            members: vec![
                member("alice", &["claude"], Status::Online),
                member("bob", &["codex"], Status::Online),
                member("carol", &[], Status::Away),
            ],
            heartbeat: 20,
            server: "test".into(),
            limits: Limits {
                message_bytes: 262_144,
                chunk_bytes: 1,
                window_bytes: 1,
                rate: 50,
                burst: 200,
            },
            features: Vec::new(),
            bound: None,
        })));
        world
    }

    /// An ordinary morning.
    pub fn morning() -> Self {
        let mut world = Self::new();
        world.says(
            "carol",
            &[],
            Chat {
                text: "good morning".into(),
                ..Chat::default()
            },
        );
        world.person("@bob where does the refresh race?");
        let answer = Chat {
            text: "At line 42: two requests see the expired token and both ask for a new one. The second \
                   answer overwrites the first, and the first caller is logged out.\n\nA lock around the \
                   refresh fixes it."
                .into(),
            origin: Origin::Agent,
            agent: Some("codex".into()),
            reply_to: Some("id-000001".into()),
            usage: Some(Usage {
                ms: Some(14_000),
                tools: Some(2),
                usd: Some(0.03),
                tokens: None,
            }),
            ..Chat::default()
        };
        world.says("bob", &["alice"], answer);
        world
    }

    pub fn room(&self) -> &Room {
        self.program.room(self.in_room)
    }

    pub fn room_mut(&mut self) -> &mut Room {
        self.program.room_mut(self.in_room)
    }

    pub fn event(&mut self, event: Event) {
        let effects = self.program.update(self.in_room, event, NOW);
        self.follow(effects);
    }

    fn follow(&mut self, effects: crate::core::Effects) {
        for (_, effect) in effects {
            if let crate::core::Effect::Keep(record) = effect
                && let Some(kept) = Record::kept(&record)
            {
                self.event(Event::Kept(kept));
            }
        }
    }

    pub fn says(&mut self, from: &str, to: &[&str], chat: Chat) {
        self.says_in(None, from, to, chat);
    }

    /// Adds a message in one thread with the other given fields; it may ask.
    pub fn in_thread(&mut self, from: &str, text: &str, asks: bool) {
        let chat = Chat {
            text: text.into(),
            asks,
            ..Chat::default()
        };
        self.says_in(Some("thread-1"), from, &["alice"], chat);
    }

    fn says_in(&mut self, thread: Option<&str>, from: &str, to: &[&str], chat: Chat) {
        self.brings(thread, from, to, Body::Chat(chat));
    }

    /// A receipt for a message of ours arrives.
    pub fn tells(&mut self, from: &str, of: &str, state: ReceiptState, reason: &str) {
        let body = Body::Receipt(Receipt {
            of: of.into(),
            state,
            reason: reason.into(),
        });
        self.brings(None, from, &["alice"], body);
    }

    fn brings(&mut self, thread: Option<&str>, from: &str, to: &[&str], body: Body) {
        self.seq += 1;
        let message = Message {
            id: format!("m-{}", self.seq),
            from: from.into(),
            from_key: None,
            to: to.iter().map(|name| (*name).to_owned()).collect(),
            only: !to.is_empty(),
            thread: thread.map(str::to_owned),
            seq: self.seq,
            at: NOW,
            body: serde_json::value::to_raw_value(&body).unwrap(),
        };
        self.event(Event::Frame(Box::new(Frame::Message(message))));
    }

    pub fn asks(&mut self, from: &str, text: &str) {
        self.says(
            from,
            &["alice"],
            Chat {
                text: text.into(),
                asks: true,
                ..Chat::default()
            },
        );
    }

    pub fn person(&mut self, line: &str) {
        let Ok(crate::command::Line::Command(command)) = crate::command::parse(line) else {
            panic!("{line}")
        };
        let (effects, result) = self.program.perform(self.in_room, command, NOW);
        result.unwrap();
        self.follow(effects);
    }

    pub fn accept(&mut self, id: ItemId) {
        let intent = Intent::Accept {
            target: Target::Item(id),
            how: AcceptOptions::default(),
        };
        let decision = Decision::new(intent, self.room().shown(&[id]));
        let (effects, result) = self
            .program
            .decide(self.in_room, decision, Person::at_keyboard(), NOW);
        result.unwrap();
        self.follow(effects);
    }

    /// A saved file has looser settings than the current ones.
    pub fn tells_looser(&mut self, words: &str) {
        let dir = tempfile::tempdir().unwrap();
        let paths = crate::config::Paths {
            config: dir.path().to_owned(),
            state: dir.path().to_owned(),
            here: dir.path().to_owned(),
            runtime: None,
        };
        let config = crate::config::load(&paths, |_| None, &crate::config::Flags::default());
        self.state.looser = Some(super::state::PendingSettings {
            wants: super::state::AfterConsent::Saved(Box::new(config.unwrap())),
            words: vec![words.to_owned()],
            details: vec![words.to_owned()],
            keymap: None,
            shown: None,
        });
    }

    pub fn look(&self) -> RenderContext<'_> {
        RenderContext {
            program: &self.program,
            room: self.room(),
            relay: "wss://relay.example:443",
            theme: &self.theme,
            keymap: &self.keymap,
            now: NOW,
            zone: &self.zone,
            links: false,
        }
    }

    /// Changes the messages with a given page size.
    pub fn pages(&mut self, width: u16, height: u16, then: impl FnOnce(&mut view::Pages)) {
        let look = self.look();
        let mut pages = view::Pages::new(&look, &self.state.reading, (width, height));
        then(&mut pages);
        let scroll = pages.scroll;
        self.state.reading.scroll = scroll;
    }

    /// The screen at a size, as text, and the item that is completely visible.
    pub fn screen(&mut self, width: u16, height: u16) -> (String, Option<ItemId>) {
        let (screen, whole, _) = self.drawn(width, height);
        (screen, whole)
    }

    /// The same, and the positions of its parts.
    pub fn drawn(&mut self, width: u16, height: u16) -> (String, Option<ItemId>, HitMap) {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let Self {
            program,
            in_room,
            state,
            theme,
            keymap,
            zone,
            ..
        } = self;
        let room = program.room(*in_room);
        let look = RenderContext {
            program,
            room,
            relay: "wss://relay.example:443",
            theme,
            keymap,
            now: NOW,
            zone,
            links: false,
        };
        state.reading.follow(room);
        let mut plan = None;
        let drawn = terminal.draw(|frame| {
            let laid = Layout::new(&look, state, frame.area());
            view::draw(&look, state, &laid, frame);
            plan = Some(laid);
        });
        drawn.unwrap();
        let plan: Layout = plan.unwrap();
        state.apply(plan.adjustments());
        // The backend cannot show a screen without columns.
        let screen = if width == 0 {
            String::new()
        } else {
            terminal.backend().to_string()
        };
        (screen, plan.whole.first().copied(), plan.shown(state))
    }
}
