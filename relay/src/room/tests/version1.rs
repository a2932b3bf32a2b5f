//! Version 1 and version 2 members in one room: no sequence of frames breaks the order per sender, the visibility of
//! messages, the contents of acks, the bounds of the memory or the credit of a file.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    protocol::{StreamCredit, v1},
    room::{streams::Stream, v1::ReadAllowance},
};

/// The first two speak version 1, the others version 2.
const NAMES: [&str; 4] = ["one", "uno", "two", "due"];
const WINDOW: u64 = 1000;
const MESSAGES: usize = 6;
const BYTES: usize = 2000;

#[derive(Debug, Clone)]
enum Op {
    Join(usize),
    Cut(usize),
    Read(usize),
    /// Sends a message to everyone or to some members.
    Say(usize, Vec<usize>),
    /// Starts a file for these members.
    File(usize, Vec<usize>, u64),
    Chunk(usize, usize),
    End(usize),
    /// A version 2 member gives credit for the files to it.
    Credit(usize),
    Take(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let (who, old) = (0..NAMES.len(), 0..2usize);
    let to = || proptest::collection::vec(0..NAMES.len(), 0..4);
    prop_oneof![
        3 => who.clone().prop_map(Op::Join),
        1 => who.clone().prop_map(Op::Cut),
        5 => who.clone().prop_map(Op::Read),
        8 => (who.clone(), to()).prop_map(|(who, to)| Op::Say(who, to)),
        2 => (old.clone(), to(), 0..3000u64).prop_map(|(who, to, size)| Op::File(who, to, size)),
        6 => (old.clone(), 1..900usize).prop_map(|(who, length)| Op::Chunk(who, length)),
        2 => old.prop_map(Op::End),
        3 => (2..NAMES.len()).prop_map(Op::Credit),
        4 => who.prop_map(Op::Take),
    ]
}

struct World {
    bench: Bench,
    people: [Option<Client>; 4],
    /// Number of messages. The text of each is its number.
    said: usize,
    /// By number: sender, addressees, and present members.
    truth: Vec<(usize, Vec<usize>, Vec<usize>)>,
    /// The messages that each member has read, in order.
    got: [Vec<usize>; 4],
    /// The messages that each present member must get.
    due: [Vec<usize>; 4],
}

impl World {
    fn new() -> World {
        World {
            bench: Bench::new(|rules| {
                (rules.memory_messages, rules.memory_bytes) = (MESSAGES, BYTES);
                (rules.limits.window_bytes, rules.limits.chunk_bytes) = (WINDOW as usize, 500);
            }),
            people: Default::default(),
            said: 0,
            truth: Vec::new(),
            got: Default::default(),
            due: Default::default(),
        }
    }

    fn here(&self) -> Vec<usize> {
        (0..NAMES.len())
            .filter(|who| self.people[*who].is_some())
            .collect()
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Join(who) => self.join(*who),
            Op::Cut(who) => self.cut(*who),
            Op::Read(who) => self.read(*who),
            Op::Say(who, to) => self.say(*who, to),
            Op::File(who, to, size) => self.file(*who, to, *size),
            Op::Chunk(who, length) => self.with(*who, |bench, client| {
                // Like its connection, send no more than the receivers can take.
                if let ReadAllowance::Bytes(most) =
                    bench
                        .room
                        .v1()
                        .file_allowance(&client.seat_id, Duration::from_secs(3600), Instant::now())
                {
                    let data = Bytes::from(vec![7; (*length).min(most)]);
                    let _ = bench.room.v1().file_chunk(&client.seat_id, &data);
                }
            }),
            Op::End(who) => self.with(*who, |bench, client| {
                let _ = bench.room.v1().file_end(&client.seat_id, "file");
            }),
            Op::Credit(who) => self.with(*who, |bench, client| {
                let mine = |stream: &&Stream| stream.to == client.seat_id;
                let streams = bench.room.streams.by_id.values().filter(mine);
                let credits: Vec<_> = streams
                    .map(|s| (s.progress.stream, s.progress.written_to() + WINDOW))
                    .collect();
                for (stream, bytes) in credits {
                    let stream = stream.to_string();
                    let credit = StreamCredit { stream, bytes };
                    bench
                        .room
                        .streams()
                        .credit(&client.seat_id, &credit)
                        .expect("within the window");
                }
            }),
            Op::Take(who) => self.with(*who, |_, client| drop(client.take())),
        }
        self.check();
    }

    fn with(&mut self, who: usize, act: impl FnOnce(&mut Bench, &Client)) {
        if let Some(client) = &self.people[who] {
            act(&mut self.bench, client);
        }
    }

    fn join(&mut self, who: usize) {
        self.cut(who);
        let v1 = (who < 2).then(v1_seat);
        let client = self.bench.enter_as(NAMES[who], json!({}), v1);
        self.people[who] = Some(client.expect("the name is free"));
        self.due[who].clear();
        self.got[who].clear();
    }

    fn cut(&mut self, who: usize) {
        let Some(client) = self.people[who].take() else {
            return;
        };
        let grace_period = self.bench.room.mark_away(&client.seat_id);
        assert_eq!(
            grace_period.is_some(),
            who >= 2,
            "a version 1 member is never away"
        );
        if let Some(grace_period) = grace_period {
            self.bench.room.expire(&grace_period);
        }
    }

    fn say(&mut self, who: usize, to: &[usize]) {
        let Some(client) = &self.people[who] else { return };
        let (here, number) = (self.here(), self.said);
        let names: Vec<_> = to.iter().map(|i| NAMES[*i]).collect();
        let text = number.to_string();
        let others: Vec<usize> = to.iter().copied().filter(|i| *i != who).collect();
        if who < 2 {
            let frame = json!({"type": "msg", "msgId": text, "from": NAMES[who], "to": names,
                               "role": "user", "threadId": "", "text": text, "hopCount": 0});
            let frame = frame.to_string();
            let Ok(v1::Request::Msg(msg)) = v1::Request::parse(&frame) else {
                panic!("no msg")
            };
            self.bench.room.v1().message(&client.seat_id, &msg, 1000);
        } else {
            let only = !others.is_empty();
            let body = json!({"kind": "chat", "text": text});
            self.bench
                .post_body(client, &format!("m{number}"), &names, only, body)
                .expect("a message");
        }
        // A message to oneself only is for nobody in version 1, and for everyone in version 2.
        let to_nobody = who < 2 && !to.is_empty() && others.is_empty();
        for other in here.iter().copied().filter(|other| *other != who && !to_nobody) {
            if others.is_empty() || others.contains(&other) {
                self.due[other].push(number);
            }
        }
        self.truth.push((who, others, here));
        self.said += 1;
    }

    fn file(&mut self, who: usize, to: &[usize], size: u64) {
        let Some(client) = &self.people[who] else { return };
        let names: Vec<_> = to.iter().map(|i| NAMES[*i]).collect();
        let frame = json!({"type": "file-start", "msgId": "file", "from": NAMES[who], "to": names,
            "role": "user", "threadId": "", "text": "", "hopCount": 0,
            "attachment": {"name": "f", "size": size, "mime": "", "chunkSize": 100}});
        let frame = frame.to_string();
        let Ok(v1::Request::FileStart(msg, attachment)) = v1::Request::parse(&frame) else {
            panic!("no file-start")
        };
        let now = (1000, Instant::now());
        let _ = self
            .bench
            .room
            .v1()
            .file_start(&client.seat_id, &msg, &attachment, Uuid::new_v4, now);
    }

    fn read(&mut self, who: usize) {
        let Some(client) = &mut self.people[who] else {
            return;
        };
        // The memory moved past its replay. It would resume and learn of a gap.
        if client.closed().is_some() {
            return self.cut(who);
        }
        for frame in self.bench.read_all(client) {
            let text = match frame["type"].as_str() {
                Some("msg") => frame["text"].as_str(),
                Some("message") => frame["body"]["text"].as_str(),
                Some("ack") if who < 2 => {
                    self.acked(who, &frame);
                    None
                }
                _ => None,
            };
            let number = text.and_then(|text| text.parse::<usize>().ok());
            self.got[who].extend(number);
        }
    }

    /// Checks that a version 1 ack was true when it was sent.
    fn acked(&self, who: usize, frame: &Value) {
        let Some(number) = frame["msgId"].as_str().and_then(|id| id.parse::<usize>().ok()) else {
            return;
        };
        let (from, to, here) = &self.truth[number];
        assert_eq!(*from, who);
        let names = |field: &str| -> Vec<String> {
            serde_json::from_value(frame[field].clone()).expect("a list of names")
        };
        for name in names("offline") {
            let index = NAMES.iter().position(|n| *n == name).expect("a member");
            assert!(to.contains(&index) && !here.contains(&index), "{name} is here");
        }
        for name in names("delivered") {
            let index = NAMES.iter().position(|n| *n == name).expect("a member");
            assert!(here.contains(&index) && index != who, "{name} is not here");
        }
    }

    fn check(&self) {
        let size = self.bench.room.memory.size();
        assert!(size.iter().all(|(n, bytes)| *n <= MESSAGES && *bytes <= BYTES));
        for stream in self.bench.room.streams.by_id.values() {
            let begun = stream.progress.written_to();
            assert!(stream.sent - begun <= WINDOW, "no more than a window is queued");
            assert!(stream.sent <= stream.size && begun <= stream.sent);
        }
        let version1 = self.bench.room.seats.iter().filter(|seat| seat.v1.is_some());
        assert_eq!(version1.count(), self.bench.room.v1.members);
    }

    fn finish(mut self) {
        for (who, name) in NAMES.into_iter().enumerate() {
            self.read(who);
            if self.people[who].is_none() {
                continue;
            }
            for (number, (from, to, _)) in self.truth.iter().enumerate() {
                let times = self.got[who].iter().filter(|got| **got == number).count();
                let may_see = *from != who && (to.is_empty() || to.contains(&who));
                assert!(
                    times <= usize::from(may_see),
                    "{} got {number} {times} times",
                    name
                );
                if self.due[who].contains(&number) {
                    assert_eq!(times, 1, "{} lost {number}", name);
                }
            }
            for from in 0..NAMES.len() {
                let of = self.got[who]
                    .iter()
                    .filter(|number| self.truth[**number].0 == from);
                assert!(of.is_sorted(), "order within a sender");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_versions_in_one_room(ops in proptest::collection::vec(op(), 1..150)) {
        let mut world = World::new();
        ops.iter().for_each(|op| world.apply(op));
        world.finish();
    }
}
