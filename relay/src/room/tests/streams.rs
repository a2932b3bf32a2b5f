//! Streams without sockets: the rules one by one, and that no sequence of frames breaks credit.
//!
//! Long, because the rules and the model that the property test checks them against are read side by side.

use std::collections::HashMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::protocol::{ChunkHead, StreamClose, StreamCredit, StreamOpen, StreamReason};

const WINDOW: u64 = 1000;
const NAMES: [&str; 3] = ["ann", "bob", "cat"];

fn id(n: u128) -> String {
    Uuid::from_u128(n).to_string()
}

fn open(n: u128, to: &str, size: u64, offset: u64) -> StreamOpen {
    StreamOpen {
        stream: id(n),
        to: Some(to.into()),
        from: None,
        size,
        of: "f".into(),
        offset,
        pushed: false,
    }
}

fn chunk(n: u128, offset: u64, length: usize) -> Bytes {
    let stream = Uuid::from_u128(n);
    let mut frame = ChunkHead { stream, offset }.to_bytes().to_vec();
    frame.extend((0..length as u64).map(|i| (offset + i) as u8));
    frame.into()
}

fn credit(n: u128, bytes: u64) -> StreamCredit {
    StreamCredit { stream: id(n), bytes }
}

fn close(n: u128, reason: StreamReason) -> StreamClose {
    StreamClose {
        stream: id(n),
        reason,
        message: String::new(),
    }
}

/// What a frame of a stream came to: the code of the error that its sender gets, if any.
fn told(result: Result<(), StreamFault>) -> Option<Code> {
    match result {
        Ok(()) => None,
        Err(StreamFault::Tell(error)) => Some(error.code),
        Err(StreamFault::Violation) => Some(Code::StreamViolation),
    }
}

fn bench() -> (Bench, [Client; 3]) {
    let mut bench = Bench::new(|rules| rules.limits.window_bytes = WINDOW as usize);
    let mut clients = NAMES.map(|name| bench.join(name));
    clients.iter_mut().for_each(|client| {
        bench.read_all(client);
    });
    (bench, clients)
}

/// What waits for a connection: types, and reasons or codes.
fn waiting(bench: &mut Bench, client: &mut Client) -> Vec<String> {
    let frames = bench.read_all(client);
    let word = |frame: &Value| {
        let more = [&frame["reason"], &frame["code"], &frame["bytes"]];
        let more = more.into_iter().find(|value| !value.is_null());
        format!("{} {}", frame["type"], more.unwrap_or(&Value::Null)).replace('"', "")
    };
    frames.iter().map(word).collect()
}

impl Client {
    /// Takes the next piece of any lane, as a writer would.
    fn take(&self) -> Option<Piece> {
        let mut state = self.outbox.0.borrow_mut();
        let lane = state.lanes.iter().position(|(_, lane)| !lane.is_empty())?;
        let (flow, pieces) = &mut state.lanes[lane];
        let piece = pieces.pop_front()?;
        match &piece {
            Piece::Chunk { end, .. } => flow.begin(*end),
            Piece::Last(_) => {
                flow.finish();
                state.lanes.remove(lane);
            }
            Piece::Frame(_) => {}
        }
        Some(piece)
    }
}

#[test]
fn a_file_goes_over() {
    let (mut bench, [mut ann, mut bob, _]) = bench();
    assert_eq!(
        told(bench.room.stream_open(&ann.ticket, &open(1, "BOB", 1500, 0))),
        None
    );
    let frames = bench.read_all(&mut bob);
    assert_eq!(
        frames,
        [
            json!({"type": "stream_open", "stream": id(1), "from": "ann", "size": 1500, "of": "f", "offset": 0})
        ]
    );
    for (bytes, frames) in [(1000, &["stream_credit 1000"][..]), (900, &[]), (1000, &[])] {
        assert_eq!(
            told(bench.room.stream_credit(&bob.ticket, &credit(1, bytes))),
            None
        );
        assert_eq!(waiting(&mut bench, &mut ann), frames);
    }
    for offset in [0, 500] {
        assert_eq!(
            told(bench.room.stream_chunk(&ann.ticket, chunk(1, offset, 500))),
            None
        );
    }
    assert!(matches!(bob.take(), Some(Piece::Chunk { end: 500, .. })));
    assert_eq!(
        told(bench.room.stream_credit(&bob.ticket, &credit(1, 1500))),
        None
    );
    assert_eq!(
        told(bench.room.stream_chunk(&ann.ticket, chunk(1, 1000, 500))),
        None
    );
    assert_eq!(
        told(
            bench
                .room
                .stream_close(&ann.ticket, &close(1, StreamReason::Done))
        ),
        None
    );
    assert_eq!(
        waiting(&mut bench, &mut bob),
        [""; 0],
        "done waits behind the chunks"
    );
    // Ending the sender's connection does not cut what it has said to be done.
    bench.room.bye(&ann.ticket);
    for end in [1000, 1500] {
        assert!(matches!(bob.take(), Some(Piece::Chunk { end: e, .. }) if e == end));
    }
    assert!(matches!(bob.take(), Some(Piece::Last(frame)) if json_of(&frame)["reason"] == "done"));
    assert_eq!(
        told(bench.room.stream_credit(&bob.ticket, &credit(1, 2500))),
        None,
        "late, and nobody's fault"
    );
}

/// What each fault comes to. The stream is of 1,500 bytes, 1,000 of them credited and 500 sent.
#[test]
fn faults() {
    type Act = fn(&mut Room<Box_>, &Client, &Client, &Client) -> Result<(), StreamFault>;
    let violation: &[&str] = &["error stream_violation", "stream_close failed"];
    let failed: &[&str] = &["stream_close failed"];
    let none: &[&str] = &[];
    type Row = (
        &'static str,
        Act,
        Option<Code>,
        &'static [&'static str],
        &'static [&'static str],
    );
    let table: &[Row] = &[
        (
            "a hole",
            |r, a, _, _| r.stream_chunk(&a.ticket, chunk(1, 501, 9)),
            Some(Code::StreamViolation),
            violation,
            failed,
        ),
        (
            "again",
            |r, a, _, _| r.stream_chunk(&a.ticket, chunk(1, 0, 9)),
            Some(Code::StreamViolation),
            violation,
            failed,
        ),
        (
            "no credit",
            |r, a, _, _| r.stream_chunk(&a.ticket, chunk(1, 500, 501)),
            Some(Code::StreamViolation),
            violation,
            failed,
        ),
        (
            "all credit",
            |r, a, _, _| r.stream_chunk(&a.ticket, chunk(1, 500, 500)),
            None,
            none,
            none,
        ),
        (
            "too soon",
            |r, a, _, _| r.stream_close(&a.ticket, &close(1, StreamReason::Done)),
            Some(Code::StreamViolation),
            violation,
            failed,
        ),
        (
            "not its credit",
            |r, a, _, _| r.stream_credit(&a.ticket, &credit(1, 1001)),
            Some(Code::StreamViolation),
            violation,
            failed,
        ),
        (
            "too much",
            |r, _, b, _| r.stream_credit(&b.ticket, &credit(1, 1001)),
            Some(Code::StreamViolation),
            failed,
            violation,
        ),
        (
            "not its file",
            |r, _, b, _| r.stream_chunk(&b.ticket, chunk(1, 500, 1)),
            Some(Code::StreamViolation),
            failed,
            violation,
        ),
        (
            "a third",
            |r, _, _, c| r.stream_chunk(&c.ticket, chunk(1, 500, 1)),
            Some(Code::NoSuchStream),
            none,
            none,
        ),
        (
            "a third",
            |r, _, _, c| r.stream_close(&c.ticket, &close(1, StreamReason::Failed)),
            Some(Code::NoSuchStream),
            none,
            none,
        ),
        (
            "cancelled",
            |r, a, _, _| r.stream_close(&a.ticket, &close(1, StreamReason::Cancelled)),
            None,
            none,
            &["stream_close cancelled"],
        ),
        (
            "cancelled",
            |r, _, b, _| r.stream_close(&b.ticket, &close(1, StreamReason::Cancelled)),
            None,
            &["stream_close cancelled"],
            none,
        ),
        (
            "twice",
            |r, a, _, _| r.stream_open(&a.ticket, &open(1, "bob", 1, 0)),
            Some(Code::BadFrame),
            none,
            none,
        ),
        (
            "no id",
            |r, a, _, _| {
                r.stream_open(
                    &a.ticket,
                    &StreamOpen {
                        stream: "x".into(),
                        ..open(2, "bob", 1, 0)
                    },
                )
            },
            Some(Code::BadFrame),
            none,
            none,
        ),
        (
            "beyond",
            |r, a, _, _| r.stream_open(&a.ticket, &open(2, "bob", 1, 2)),
            Some(Code::BadFrame),
            none,
            none,
        ),
        (
            "to nobody",
            |r, a, _, _| {
                r.stream_open(
                    &a.ticket,
                    &StreamOpen {
                        to: None,
                        ..open(2, "bob", 1, 0)
                    },
                )
            },
            Some(Code::BadFrame),
            none,
            none,
        ),
        (
            "absent",
            |r, a, _, _| r.stream_open(&a.ticket, &open(2, "dan", 1, 0)),
            None,
            &["stream_close peer_gone"],
            none,
        ),
        (
            "oneself",
            |r, a, _, _| r.stream_open(&a.ticket, &open(2, "ANN", 1, 0)),
            None,
            &["stream_close peer_gone"],
            none,
        ),
        (
            "empty",
            |r, a, _, _| r.stream_open(&a.ticket, &open(2, "bob", 0, 0)),
            None,
            none,
            &["stream_open null"],
        ),
        (
            "unknown",
            |r, a, _, _| r.stream_chunk(&a.ticket, chunk(2, 0, 1)),
            Some(Code::NoSuchStream),
            none,
            none,
        ),
        (
            "no payload",
            |r, a, _, _| r.stream_chunk(&a.ticket, chunk(1, 500, 0)),
            Some(Code::BadFrame),
            none,
            none,
        ),
    ];
    for (what, act, code, ann_gets, bob_gets) in table {
        let (mut bench, [mut ann, mut bob, cat]) = bench();
        assert!(
            bench
                .room
                .stream_open(&ann.ticket, &open(1, "bob", 1500, 0))
                .is_ok()
        );
        assert!(bench.room.stream_credit(&bob.ticket, &credit(1, 1000)).is_ok());
        assert!(bench.room.stream_chunk(&ann.ticket, chunk(1, 0, 500)).is_ok());
        waiting(&mut bench, &mut ann);
        waiting(&mut bench, &mut bob);
        assert_eq!(told(act(&mut bench.room, &ann, &bob, &cat)), *code, "{what}");
        assert_eq!(waiting(&mut bench, &mut ann), *ann_gets, "{what}");
        assert_eq!(waiting(&mut bench, &mut bob), *bob_gets, "{what}");
        let ended = [ann_gets, bob_gets].iter().any(|got| {
            got.iter()
                .any(|w| w.starts_with("stream_close") && !w.ends_with("peer_gone"))
        });
        assert_eq!(bob.take().is_none(), ended, "{what}: what was queued is dropped");
    }
}

#[test]
fn nothing_to_send_is_done_at_once() {
    for (size, offset) in [(0, 0), (700, 700)] {
        let (mut bench, [ann, bob, _]) = bench();
        assert_eq!(
            told(bench.room.stream_open(&ann.ticket, &open(1, "bob", size, offset))),
            None
        );
        assert_eq!(
            told(
                bench
                    .room
                    .stream_close(&ann.ticket, &close(1, StreamReason::Done))
            ),
            None
        );
        assert!(matches!(bob.take(), Some(Piece::Last(_))));
    }
}

#[test]
fn connections_that_end_take_their_streams_along() {
    for end in ["lost", "bye", "takeover"] {
        let (mut bench, [mut ann, mut bob, mut cat]) = bench();
        for (n, from, to) in [(1, &ann, "bob"), (2, &bob, "ann"), (3, &bob, "cat")] {
            assert!(bench.room.stream_open(&from.ticket, &open(n, to, 9, 0)).is_ok());
        }
        for client in [&mut ann, &mut bob, &mut cat] {
            waiting(&mut bench, client);
        }
        match end {
            "lost" => drop(bench.room.lost(&bob.ticket)),
            "bye" => bench.room.bye(&bob.ticket),
            _ => drop(bench.enter(
                "bob",
                json!({"resume": {"session": "session2", "epoch": "epoch", "seq": 0}}),
            )),
        }
        let gone = |frames: Vec<String>| frames.iter().filter(|f| *f == "stream_close peer_gone").count();
        assert_eq!(
            (
                gone(waiting(&mut bench, &mut ann)),
                gone(waiting(&mut bench, &mut cat))
            ),
            (2, 1),
            "{end}"
        );
        assert!(bench.room.streams.is_empty());
    }
}

#[test]
fn streams_are_few() {
    let (mut bench, [mut ann, bob, mut cat]) = bench();
    for n in 0..16 {
        assert!(bench.room.stream_open(&ann.ticket, &open(n, "bob", 9, 0)).is_ok());
    }
    assert_eq!(
        told(bench.room.stream_open(&ann.ticket, &open(99, "cat", 9, 0))),
        Some(Code::StreamViolation)
    );
    assert_eq!(
        waiting(&mut bench, &mut ann),
        ["error stream_violation", "stream_close failed"]
    );
    assert_eq!(
        told(bench.room.stream_open(&cat.ticket, &open(98, "bob", 9, 0))),
        None
    );
    assert_eq!(
        waiting(&mut bench, &mut cat),
        ["stream_close failed"],
        "the receiver has enough"
    );
    assert_eq!(
        told(bench.room.stream_open(&bob.ticket, &open(97, "ann", 9, 0))),
        None,
        "the other direction"
    );
    // One that is done and not read yet costs memory still.
    assert!(bench.room.stream_credit(&bob.ticket, &credit(0, 9)).is_ok());
    assert!(bench.room.stream_chunk(&ann.ticket, chunk(0, 0, 9)).is_ok());
    assert!(
        bench
            .room
            .stream_close(&ann.ticket, &close(0, StreamReason::Done))
            .is_ok()
    );
    assert_eq!(
        told(bench.room.stream_open(&ann.ticket, &open(50, "cat", 9, 0))),
        Some(Code::StreamViolation)
    );
    while bob.take().is_some() {}
    assert_eq!(
        told(bench.room.stream_open(&ann.ticket, &open(51, "cat", 9, 0))),
        None
    );
}

#[test]
fn small_credits_count_for_the_rate() {
    let (mut bench, [ann, bob, _]) = bench();
    assert!(
        bench
            .room
            .stream_open(&ann.ticket, &open(1, "bob", 100_000, 0))
            .is_ok()
    );
    for (bytes, small) in [
        (16_383, true),
        (16_384, false),
        (0, true),
        (100_000, false),
        (200_000, false),
    ] {
        assert_eq!(
            bench.room.is_small_credit(&bob.ticket, &credit(1, bytes)),
            small,
            "{bytes}"
        );
    }
    assert!(bench.room.stream_open(&ann.ticket, &open(2, "bob", 5, 0)).is_ok());
    for (n, bytes, small) in [(2, 4, true), (2, 5, false), (9, 99_999, true)] {
        assert_eq!(
            bench.room.is_small_credit(&bob.ticket, &credit(n, bytes)),
            small,
            "{n} {bytes}"
        );
    }
    assert!(
        bench.room.is_small_credit(&ann.ticket, &credit(1, 50_000)),
        "not its stream"
    );
}

/// A step of somebody who may break every rule.
#[derive(Debug, Clone)]
enum Op {
    Open {
        by: usize,
        n: u128,
        to: usize,
        size: u64,
        offset: u64,
    },
    /// Relative to what would be right.
    Chunk {
        by: usize,
        n: u128,
        shift: i64,
        length: usize,
    },
    Credit {
        by: usize,
        n: u128,
        above_begun: i64,
    },
    Close {
        by: usize,
        n: u128,
        reason: u8,
    },
    Take {
        by: usize,
        times: usize,
    },
    Lose {
        by: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let (who, n) = (0..3usize, 1..4u128);
    prop_oneof![
        2 => (who.clone(), n.clone(), 0..3usize, 0..5000u64, 0..200u64)
            .prop_map(|(by, n, to, size, offset)| Op::Open { by, n, to, size, offset: offset / 2 }),
        8 => (who.clone(), n.clone(), prop_oneof![9 => Just(0i64), 1 => -2..3i64], 1..700usize)
            .prop_map(|(by, n, shift, length)| Op::Chunk { by, n, shift, length }),
        6 => (who.clone(), n.clone(), prop_oneof![9 => 0..=WINDOW as i64, 1 => -10..1100i64])
            .prop_map(|(by, n, above_begun)| Op::Credit { by, n, above_begun }),
        1 => (who.clone(), n, 0..4u8).prop_map(|(by, n, reason)| Op::Close { by, n, reason }),
        6 => (who.clone(), 1..4usize).prop_map(|(by, times)| Op::Take { by, times }),
        1 => who.prop_map(|by| Op::Lose { by }),
    ]
}

/// What a receiver has: where each of its streams is.
type Got = HashMap<Uuid, u64>;

fn check(bench: &Bench, clients: &[Client]) {
    let mut queued = 0;
    for (id, stream) in &bench.room.streams {
        assert!(
            stream.credit <= stream.flow.begun() + WINDOW,
            "credit within the window"
        );
        assert!(stream.sent <= stream.credit.max(stream.flow.begun()) && stream.sent <= stream.size);
        assert!(stream.flow.begun() <= stream.sent && stream.sent - stream.flow.begun() <= WINDOW);
        queued += stream.sent - stream.flow.begun();
        assert_eq!(stream.flow.lane, *id);
    }
    let lanes = clients.iter().map(|client| {
        let state = client.outbox.0.borrow();
        let pieces = state.lanes.iter().flat_map(|(_, pieces)| pieces);
        pieces
            .map(|piece| {
                if let Piece::Chunk { payload, head, .. } = piece {
                    (payload.len() - head) as u64
                } else {
                    0
                }
            })
            .sum::<u64>()
    });
    assert_eq!(
        lanes.sum::<u64>(),
        queued,
        "nothing is queued but for what is open"
    );
}

fn run(ops: &[Op]) {
    let (mut bench, mut clients) = bench();
    let mut got: [Got; 3] = Default::default();
    for op in ops {
        match *op {
            Op::Open {
                by,
                n,
                to,
                size,
                offset,
            } => {
                let _ = bench
                    .room
                    .stream_open(&clients[by].ticket, &open(n, NAMES[to], size, offset));
                if let Some(stream) = bench.room.streams.get(&Uuid::from_u128(n))
                    && stream.sent == offset
                    && stream.from == clients[by].ticket
                    && stream.flow.begun() == offset
                {
                    got[to].insert(Uuid::from_u128(n), offset);
                }
            }
            Op::Chunk { by, n, shift, length } => {
                let sent = bench.room.streams.get(&Uuid::from_u128(n)).map_or(0, |s| s.sent);
                let frame = chunk(n, sent.saturating_add_signed(shift), length);
                let _ = bench.room.stream_chunk(&clients[by].ticket, frame);
            }
            Op::Credit { by, n, above_begun } => {
                let begun = bench
                    .room
                    .streams
                    .get(&Uuid::from_u128(n))
                    .map_or(0, |s| s.flow.begun());
                let bytes = begun.saturating_add_signed(above_begun);
                let _ = bench.room.stream_credit(&clients[by].ticket, &credit(n, bytes));
            }
            Op::Close { by, n, reason } => {
                let reasons = [
                    StreamReason::Done,
                    StreamReason::Cancelled,
                    StreamReason::Failed,
                    StreamReason::PeerGone,
                ];
                let _ = bench
                    .room
                    .stream_close(&clients[by].ticket, &close(n, reasons[usize::from(reason)]));
            }
            Op::Take { by, times } => {
                for _ in 0..times {
                    let Some(Piece::Chunk { payload, .. }) = clients[by].take() else {
                        continue;
                    };
                    let (head, data) = ChunkHead::parse(&payload).expect("a chunk");
                    let at = got[by].get_mut(&head.stream).expect("a stream that it knows");
                    assert_eq!(head.offset, *at, "in order, without a hole");
                    *at += data.len() as u64;
                    assert!(
                        data.iter()
                            .enumerate()
                            .all(|(i, byte)| *byte == (head.offset + i as u64) as u8)
                    );
                }
            }
            Op::Lose { by } => {
                bench.room.lost(&clients[by].ticket);
                let resume =
                    json!({"resume": {"session": format!("session{}", by + 1), "epoch": "epoch", "seq": 0}});
                clients[by] = bench.enter(NAMES[by], resume).expect("a welcome");
            }
        }
        check(&bench, &clients);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn credit_is_never_broken(ops in proptest::collection::vec(op(), 1..200)) {
        run(&ops);
    }
}
