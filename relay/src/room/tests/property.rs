//! No sequence of frames, disconnects and resumes breaks the order, the bounds of the memory, or exactly-once delivery.
//!
//! Four clients resume from what they received last, as the protocol demands. Each reads as slowly as the sequence says, and
//! loses what it had not read when it is disconnected.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::room::presence::GracePeriod;

const NAMES: [&str; 4] = ["ann", "Ben", "cat", "Dan"];

#[derive(Debug, Clone)]
enum Op {
    Join {
        who: usize,
        history: u64,
    },
    Cut {
        who: usize,
    },
    Bye {
        who: usize,
    },
    /// The grace period of all away members ends.
    Expire,
    /// Reads the queue and about this many bytes of replay.
    Read {
        who: usize,
        budget: usize,
    },
    Post {
        who: usize,
        to: Vec<usize>,
        only: bool,
        id: u8,
        receipt: bool,
    },
    Signal {
        who: usize,
        to: Vec<usize>,
    },
    Update {
        who: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let who = 0..NAMES.len();
    let to = || proptest::collection::vec(0..NAMES.len(), 0..4);
    prop_oneof![
        3 => (who.clone(), prop_oneof![3 => Just(0), 1 => 0..9_u64])
            .prop_map(|(who, history)| Op::Join { who, history }),
        2 => who.clone().prop_map(|who| Op::Cut { who }),
        1 => who.clone().prop_map(|who| Op::Bye { who }),
        1 => Just(Op::Expire),
        4 => (who.clone(), prop_oneof![Just(1), Just(300), Just(usize::MAX)])
            .prop_map(|(who, budget)| Op::Read { who, budget }),
        8 => (who.clone(), to(), any::<bool>(), any::<u8>(), prop::bool::weighted(0.2))
            .prop_map(|(who, to, only, id, receipt)| Op::Post { who, to, only, id, receipt }),
        1 => (who.clone(), to()).prop_map(|(who, to)| Op::Signal { who, to }),
        1 => who.prop_map(|who| Op::Update { who }),
    ]
}

/// The state that a client keeps across connections.
#[derive(Default)]
struct Person {
    link: Option<Client>,
    /// The position of the last frame on this connection.
    last: u64,
    /// The resume for the next connection.
    session: String,
    seq: Option<u64>,
    /// The room's newest message when it joined.
    newest: u64,
    /// The same for its first connection that received something.
    since: Option<u64>,
    /// Whether it ever learned of a loss.
    gap: bool,
    /// How often each message was received, not counting histories.
    got: BTreeMap<u64, usize>,
    /// Whether this connection requested a history.
    history: bool,
}

impl Person {
    /// It has received everything up to here.
    fn received(&mut self, seq: u64) {
        self.since.get_or_insert(self.newest);
        self.seq = Some(self.seq.unwrap_or(0).max(seq));
    }
}

struct World {
    bench: Bench,
    people: [Person; 4],
    absence_count: Vec<GracePeriod>,
    /// Sender, addressees and `only` by sequence number.
    sent: BTreeMap<u64, (usize, BTreeSet<usize>, bool)>,
    acked: BTreeMap<(usize, u8), u64>,
    messages: usize,
    bytes: usize,
}

impl World {
    fn new(messages: usize, bytes: usize) -> World {
        let bench = Bench::new(|rules| (rules.memory_messages, rules.memory_bytes) = (messages, bytes));
        World {
            bench,
            people: Default::default(),
            absence_count: Vec::new(),
            sent: BTreeMap::new(),
            acked: BTreeMap::new(),
            messages,
            bytes,
        }
    }

    fn forgets(&self) -> bool {
        self.messages < 1000
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Join { who, history } => self.join(*who, *history),
            Op::Cut { who } => self.cut(*who),
            Op::Bye { who } => {
                let Some(mut client) = self.people[*who].link.take() else {
                    return;
                };
                self.bench.room.leave(&client.seat_id);
                // Queued frames are sent before the close; the rest of a replay is not.
                for frame in self.bench.read(&mut client, 0) {
                    self.receive(*who, &frame);
                }
            }
            Op::Expire => self
                .absence_count
                .drain(..)
                .for_each(|grace_period| self.bench.room.expire(&grace_period)),
            Op::Read { who, budget } => self.read(*who, *budget),
            Op::Post {
                who,
                to,
                only,
                id,
                receipt,
            } => self.post(*who, to, *only, *id, *receipt),
            Op::Signal { who, to } => {
                let Some(client) = &self.people[*who].link else {
                    return;
                };
                let names: Vec<_> = to.iter().map(|i| NAMES[*i]).collect();
                let frame = json!({"type": "signal", "to": names, "body": {}}).to_string();
                let Ok(Request::Signal(post)) = Request::parse(&frame) else {
                    panic!("no signal")
                };
                self.bench.room.signal(&client.seat_id, &post).expect("a signal");
            }
            Op::Update { who } => {
                let Some(client) = &self.people[*who].link else {
                    return;
                };
                self.bench.room.update(&client.seat_id, Default::default());
            }
        }
        let limits = (self.messages, self.bytes);
        assert!(
            self.bench
                .room
                .memory
                .size()
                .iter()
                .all(|(n, bytes)| *n <= limits.0 && *bytes <= limits.1)
        );
        let replaying = self
            .bench
            .room
            .seats
            .iter()
            .filter_map(|seat| seat.link.as_ref()?.replay.as_ref())
            .count();
        assert_eq!(replaying, self.bench.room.replaying);
        let room = &self.bench.room;
        for (recipient, pending) in room.pending.recipients() {
            let seat = room.seats.named(&recipient.name).map(|seat| &room.seats[seat]);
            assert!(
                !pending.seqs.is_empty() || seat.is_some_and(|seat| seat.recipient() == *recipient),
                "{} is remembered for nothing",
                recipient.name.as_str()
            );
        }
        assert_eq!(room.seats.names(), room.members());
    }

    fn join(&mut self, who: usize, history: u64) {
        let person = &mut self.people[who];
        let mut fields = json!({"history": history});
        // Two have an owner, two do not.
        let owner = who < 2;
        if owner {
            fields["owner"] = ["A", "B", "C", "D"][who].repeat(43).into();
        }
        if let Some(seq) = person.seq {
            fields["resume"] = json!({"session": person.session, "epoch": "epoch", "seq": seq});
        }
        // Only a client without an owner may be refused, because its last session may not have reached it.
        let Ok(client) = self.bench.enter(NAMES[who], fields) else {
            assert!(!owner);
            return;
        };
        if let Some(old) = person.link.replace(client) {
            assert_eq!(
                old.closed().filter(|code| *code != Code::SlowConsumer),
                Some(Code::Replaced).filter(|_| { old.closed() != Some(Code::SlowConsumer) })
            );
        }
        (person.last, person.history) = (0, history > 0);
    }

    fn cut(&mut self, who: usize) {
        let Some(client) = self.people[who].link.take() else {
            return;
        };
        self.absence_count
            .extend(self.bench.room.mark_away(&client.seat_id));
    }

    fn read(&mut self, who: usize, budget: usize) {
        let Some(client) = &mut self.people[who].link else {
            return;
        };
        if client.closed().is_some() {
            return self.cut(who);
        }
        let frames = self.bench.read(client, budget);
        let live = !client.walking;
        for frame in frames {
            self.receive(who, &frame);
        }
        // A client learns this from the first frame that is newer than its welcome.
        if live {
            let newest = self.people[who].newest;
            self.people[who].received(newest);
        }
    }

    fn receive(&mut self, who: usize, frame: &Value) {
        let person = &mut self.people[who];
        match frame["type"].as_str() {
            Some("welcome") => {
                person.session = frame["session"].as_str().expect("a session").into();
                person.gap |= frame["resumed"] == "gap";
                assert_ne!(frame["resumed"], "lost");
                person.newest = frame["seq"].as_u64().expect("a number");
            }
            Some("message") => {
                let seq = frame["seq"].as_u64().expect("a number");
                let (from, to, only) = &self.sent[&seq];
                assert!(seq > person.last, "order");
                assert!(!only || to.contains(&who) || *from == who, "not for it");
                assert!(*from != who || person.history, "its own");
                person.last = seq;
                if !person.history || *from != who && person.seq.is_none_or(|known| seq > known) {
                    *person.got.entry(seq).or_default() += 1;
                } else {
                    person.got.entry(seq).or_insert(1);
                }
                person.received(seq);
            }
            Some("ack") if frame.get("duplicate").is_none() => {
                let seq = frame["seq"].as_u64().expect("a number");
                assert!(seq > person.last, "an ack in its place");
                person.last = seq;
                person.received(seq);
            }
            _ => {}
        }
    }

    fn post(&mut self, who: usize, to: &[usize], only: bool, id: u8, receipt: bool) {
        let Some(client) = &self.people[who].link else {
            return;
        };
        if client.closed().is_some() {
            return;
        }
        let before = self.bench.room.seq;
        let names: Vec<_> = to.iter().map(|i| NAMES[*i]).collect();
        let body = if receipt {
            json!({"kind": "receipt"})
        } else {
            json!({"x": "x".repeat(usize::from(id))})
        };
        let result = self
            .bench
            .post_body(client, &format!("m{id}"), &names, only, body);
        let to: BTreeSet<_> = to.iter().copied().filter(|i| *i != who).collect();
        assert_eq!(result.is_err(), only && to.is_empty());
        let seq = self.bench.room.seq;
        if seq > before {
            assert_eq!(seq, before + 1);
            self.sent.insert(seq, (who, to, only));
            let first = self.acked.insert((who, id), seq);
            assert!(first.is_none() || self.forgets(), "taken twice");
        } else {
            assert!(result.is_err() || self.acked.contains_key(&(who, id)));
        }
    }

    /// Everyone returns and reads everything. Then everyone has everything once.
    fn finish(mut self) {
        for who in 0..NAMES.len() {
            self.cut(who);
        }
        self.apply(&Op::Expire);
        for who in 0..NAMES.len() {
            self.join(who, 0);
        }
        for who in 0..NAMES.len() {
            while self.people[who]
                .link
                .as_ref()
                .is_some_and(|client| client.walking && client.closed().is_none())
            {
                self.read(who, 300);
            }
            self.read(who, usize::MAX);
        }
        for (who, person) in self.people.iter().enumerate() {
            let Some(since) = person.since else { continue };
            for (seq, times) in &person.got {
                assert_eq!(*times, 1, "{} got {seq}", NAMES[who]);
            }
            for (seq, (from, to, only)) in &self.sent {
                let addressed = to.contains(&who);
                // Earlier messages are for their addressees only, and a loss is announced.
                let due = *from != who
                    && if *seq > since {
                        !only || addressed
                    } else {
                        addressed && !self.forgets()
                    };
                assert!(
                    !due || person.gap || person.got.contains_key(seq),
                    "{} lost {seq}",
                    NAMES[who]
                );
            }
        }
    }
}

fn run(ops: &[Op], messages: usize, bytes: usize) {
    let mut world = World::new(messages, bytes);
    ops.iter().for_each(|op| world.apply(op));
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_memory_for_all(ops in proptest::collection::vec(op(), 1..150)) {
        run(&ops, 1000, 1 << 20);
    }

    #[test]
    fn with_memory_for_few(ops in proptest::collection::vec(op(), 1..150)) {
        run(&ops, 5, 5000);
    }
}
