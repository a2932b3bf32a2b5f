//! No sequence of frames from three members that may break every rule breaks credit, order or the bounds of a stream.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// A step of a member that may break every rule.
#[derive(Debug, Clone)]
enum Op {
    Open {
        by: usize,
        n: u128,
        to: usize,
        size: u64,
        offset: u64,
    },
    /// Relative to the correct value.
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

/// The position of each stream of a receiver.
type Got = HashMap<Uuid, u64>;

fn check(bench: &Bench, clients: &[Client]) {
    let mut queued = 0;
    for (id, stream) in &bench.room.streams.by_id {
        assert!(
            stream.credit <= stream.progress.written_to() + WINDOW,
            "credit within the window"
        );
        assert!(stream.sent <= stream.credit.max(stream.progress.written_to()) && stream.sent <= stream.size);
        assert!(
            stream.progress.written_to() <= stream.sent
                && stream.sent - stream.progress.written_to() <= WINDOW
        );
        queued += stream.sent - stream.progress.written_to();
        assert_eq!(stream.progress.stream, *id);
    }
    let lanes = clients.iter().map(|client| {
        let state = client.outbox.0.borrow();
        let pieces = state.lanes.iter().flat_map(|(_, pieces)| pieces);
        pieces
            .map(|piece| {
                if let StreamItem::Chunk { payload, head, .. } = piece {
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
                    .stream_open(&clients[by].seat_id, &open(n, NAMES[to], size, offset));
                if let Some(stream) = bench.room.streams.by_id.get(&Uuid::from_u128(n))
                    && stream.sent == offset
                    && stream.from == clients[by].seat_id
                    && stream.progress.written_to() == offset
                {
                    got[to].insert(Uuid::from_u128(n), offset);
                }
            }
            Op::Chunk { by, n, shift, length } => {
                let sent = bench
                    .room
                    .streams
                    .by_id
                    .get(&Uuid::from_u128(n))
                    .map_or(0, |s| s.sent);
                let frame = chunk(n, sent.saturating_add_signed(shift), length);
                let _ = bench.room.streams().chunk(&clients[by].seat_id, frame);
            }
            Op::Credit { by, n, above_begun } => {
                let begun = bench
                    .room
                    .streams
                    .by_id
                    .get(&Uuid::from_u128(n))
                    .map_or(0, |s| s.progress.written_to());
                let bytes = begun.saturating_add_signed(above_begun);
                let _ = bench
                    .room
                    .streams()
                    .credit(&clients[by].seat_id, &credit(n, bytes));
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
                    .streams()
                    .close(&clients[by].seat_id, &close(n, reasons[usize::from(reason)]));
            }
            Op::Take { by, times } => {
                for _ in 0..times {
                    let Some(StreamItem::Chunk { payload, .. }) = clients[by].take() else {
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
                bench.room.mark_away(&clients[by].seat_id);
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
