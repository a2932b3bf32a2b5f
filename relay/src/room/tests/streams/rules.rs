//! The rules of streams, one by one.

use super::*;

#[test]
fn a_file_goes_over() {
    let (mut bench, [mut ann, mut bob, _]) = bench();
    assert_eq!(
        told(bench.room.stream_open(&ann.seat_id, &open(1, "BOB", 1500, 0))),
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
            told(bench.room.stream_credit(&bob.seat_id, &credit(1, bytes))),
            None
        );
        assert_eq!(waiting(&mut bench, &mut ann), frames);
    }
    for offset in [0, 500] {
        assert_eq!(
            told(bench.room.stream_chunk(&ann.seat_id, chunk(1, offset, 500))),
            None
        );
    }
    assert!(matches!(bob.take(), Some(StreamItem::Chunk { end: 500, .. })));
    assert_eq!(
        told(bench.room.stream_credit(&bob.seat_id, &credit(1, 1500))),
        None
    );
    assert_eq!(
        told(bench.room.stream_chunk(&ann.seat_id, chunk(1, 1000, 500))),
        None
    );
    assert_eq!(
        told(
            bench
                .room
                .stream_close(&ann.seat_id, &close(1, StreamReason::Done))
        ),
        None
    );
    assert_eq!(
        waiting(&mut bench, &mut bob),
        [""; 0],
        "done waits behind the chunks"
    );
    // Ending the sender's connection does not cut what it has said to be done.
    bench.room.leave(&ann.seat_id);
    for end in [1000, 1500] {
        assert!(matches!(bob.take(), Some(StreamItem::Chunk { end: e, .. }) if e == end));
    }
    assert!(matches!(bob.take(), Some(StreamItem::Last(frame)) if json_of(&frame)["reason"] == "done"));
    assert_eq!(
        told(bench.room.stream_credit(&bob.seat_id, &credit(1, 2500))),
        None,
        "late, and nobody's fault"
    );
}

/// What each fault comes to. The stream is of 1,500 bytes, 1,000 of them credited and 500 sent.
#[test]
fn faults() {
    type Act = fn(&mut Room<Box_>, &Client, &Client, &Client) -> Result<(), StreamError>;
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
            |r, a, _, _| r.stream_chunk(&a.seat_id, chunk(1, 501, 9)),
            Some(Code::StreamViolation),
            violation,
            failed,
        ),
        (
            "again",
            |r, a, _, _| r.stream_chunk(&a.seat_id, chunk(1, 0, 9)),
            Some(Code::StreamViolation),
            violation,
            failed,
        ),
        (
            "no credit",
            |r, a, _, _| r.stream_chunk(&a.seat_id, chunk(1, 500, 501)),
            Some(Code::StreamViolation),
            violation,
            failed,
        ),
        (
            "all credit",
            |r, a, _, _| r.stream_chunk(&a.seat_id, chunk(1, 500, 500)),
            None,
            none,
            none,
        ),
        (
            "too soon",
            |r, a, _, _| r.stream_close(&a.seat_id, &close(1, StreamReason::Done)),
            Some(Code::StreamViolation),
            violation,
            failed,
        ),
        (
            "not its credit",
            |r, a, _, _| r.stream_credit(&a.seat_id, &credit(1, 1001)),
            Some(Code::StreamViolation),
            violation,
            failed,
        ),
        (
            "too much",
            |r, _, b, _| r.stream_credit(&b.seat_id, &credit(1, 1001)),
            Some(Code::StreamViolation),
            failed,
            violation,
        ),
        (
            "not its file",
            |r, _, b, _| r.stream_chunk(&b.seat_id, chunk(1, 500, 1)),
            Some(Code::StreamViolation),
            failed,
            violation,
        ),
        (
            "a third",
            |r, _, _, c| r.stream_chunk(&c.seat_id, chunk(1, 500, 1)),
            Some(Code::NoSuchStream),
            none,
            none,
        ),
        (
            "a third",
            |r, _, _, c| r.stream_close(&c.seat_id, &close(1, StreamReason::Failed)),
            Some(Code::NoSuchStream),
            none,
            none,
        ),
        (
            "cancelled",
            |r, a, _, _| r.stream_close(&a.seat_id, &close(1, StreamReason::Cancelled)),
            None,
            none,
            &["stream_close cancelled"],
        ),
        (
            "cancelled",
            |r, _, b, _| r.stream_close(&b.seat_id, &close(1, StreamReason::Cancelled)),
            None,
            &["stream_close cancelled"],
            none,
        ),
        (
            "twice",
            |r, a, _, _| r.stream_open(&a.seat_id, &open(1, "bob", 1, 0)),
            Some(Code::BadFrame),
            none,
            none,
        ),
        (
            "no id",
            |r, a, _, _| {
                r.stream_open(
                    &a.seat_id,
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
            |r, a, _, _| r.stream_open(&a.seat_id, &open(2, "bob", 1, 2)),
            Some(Code::BadFrame),
            none,
            none,
        ),
        (
            "to nobody",
            |r, a, _, _| {
                r.stream_open(
                    &a.seat_id,
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
            |r, a, _, _| r.stream_open(&a.seat_id, &open(2, "dan", 1, 0)),
            None,
            &["stream_close peer_gone"],
            none,
        ),
        (
            "oneself",
            |r, a, _, _| r.stream_open(&a.seat_id, &open(2, "ANN", 1, 0)),
            None,
            &["stream_close peer_gone"],
            none,
        ),
        (
            "empty",
            |r, a, _, _| r.stream_open(&a.seat_id, &open(2, "bob", 0, 0)),
            None,
            none,
            &["stream_open null"],
        ),
        (
            "unknown",
            |r, a, _, _| r.stream_chunk(&a.seat_id, chunk(2, 0, 1)),
            Some(Code::NoSuchStream),
            none,
            none,
        ),
        (
            "no payload",
            |r, a, _, _| r.stream_chunk(&a.seat_id, chunk(1, 500, 0)),
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
                .stream_open(&ann.seat_id, &open(1, "bob", 1500, 0))
                .is_ok()
        );
        assert!(bench.room.stream_credit(&bob.seat_id, &credit(1, 1000)).is_ok());
        assert!(bench.room.stream_chunk(&ann.seat_id, chunk(1, 0, 500)).is_ok());
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
            told(
                bench
                    .room
                    .stream_open(&ann.seat_id, &open(1, "bob", size, offset))
            ),
            None
        );
        assert_eq!(
            told(
                bench
                    .room
                    .stream_close(&ann.seat_id, &close(1, StreamReason::Done))
            ),
            None
        );
        assert!(matches!(bob.take(), Some(StreamItem::Last(_))));
    }
}

#[test]
fn connections_that_end_take_their_streams_along() {
    for end in ["lost", "bye", "takeover"] {
        let (mut bench, [mut ann, mut bob, mut cat]) = bench();
        for (n, from, to) in [(1, &ann, "bob"), (2, &bob, "ann"), (3, &bob, "cat")] {
            assert!(bench.room.stream_open(&from.seat_id, &open(n, to, 9, 0)).is_ok());
        }
        for client in [&mut ann, &mut bob, &mut cat] {
            waiting(&mut bench, client);
        }
        match end {
            "lost" => drop(bench.room.mark_away(&bob.seat_id)),
            "bye" => bench.room.leave(&bob.seat_id),
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
        assert!(
            bench
                .room
                .stream_open(&ann.seat_id, &open(n, "bob", 9, 0))
                .is_ok()
        );
    }
    assert_eq!(
        told(bench.room.stream_open(&ann.seat_id, &open(99, "cat", 9, 0))),
        Some(Code::StreamViolation)
    );
    assert_eq!(
        waiting(&mut bench, &mut ann),
        ["error stream_violation", "stream_close failed"]
    );
    assert_eq!(
        told(bench.room.stream_open(&cat.seat_id, &open(98, "bob", 9, 0))),
        None
    );
    assert_eq!(
        waiting(&mut bench, &mut cat),
        ["stream_close failed"],
        "the receiver has enough"
    );
    assert_eq!(
        told(bench.room.stream_open(&bob.seat_id, &open(97, "ann", 9, 0))),
        None,
        "the other direction"
    );
    waiting(&mut bench, &mut ann);
    // Its sender is done with one, though nobody has read it yet: the next may begin.
    for n in 0..16 {
        send_all(&mut bench, &ann, &bob, n);
        assert_eq!(
            told(bench.room.stream_open(&ann.seat_id, &open(100 + n, "bob", 9, 0))),
            None
        );
        assert_eq!(waiting(&mut bench, &mut ann), ["stream_credit 9"], "{n}");
    }
    // Those cost memory still: there is an end to them too.
    send_all(&mut bench, &ann, &bob, 100);
    waiting(&mut bench, &mut ann);
    assert_eq!(
        told(bench.room.stream_open(&ann.seat_id, &open(200, "bob", 9, 0))),
        None
    );
    assert_eq!(waiting(&mut bench, &mut ann), ["stream_close failed"]);
    while bob.take().is_some() {}
    assert_eq!(
        told(bench.room.stream_open(&ann.seat_id, &open(201, "bob", 9, 0))),
        None
    );
    assert_eq!(waiting(&mut bench, &mut ann), [""; 0]);
}

/// All nine bytes of a stream, and its end.
fn send_all(bench: &mut Bench, from: &Client, to: &Client, n: u128) {
    assert!(bench.room.stream_credit(&to.seat_id, &credit(n, 9)).is_ok());
    assert!(bench.room.stream_chunk(&from.seat_id, chunk(n, 0, 9)).is_ok());
    let done = close(n, StreamReason::Done);
    assert!(bench.room.stream_close(&from.seat_id, &done).is_ok());
}

#[test]
fn who_is_done_has_no_stream_any_more() {
    for read in [false, true] {
        let (mut bench, [mut ann, mut bob, _]) = bench();
        assert!(
            bench
                .room
                .stream_open(&ann.seat_id, &open(1, "bob", 9, 0))
                .is_ok()
        );
        send_all(&mut bench, &ann, &bob, 1);
        while read && bob.take().is_some() {}
        waiting(&mut bench, &mut ann);
        waiting(&mut bench, &mut bob);
        let room = &mut bench.room;
        for result in [
            room.stream_close(&ann.seat_id, &close(1, StreamReason::Done)),
            room.stream_close(&ann.seat_id, &close(1, StreamReason::Cancelled)),
            room.stream_chunk(&ann.seat_id, chunk(1, 9, 1)),
            room.stream_credit(&ann.seat_id, &credit(1, 9)),
        ] {
            assert_eq!(told(result), Some(Code::NoSuchStream));
        }
        assert_eq!(
            waiting(&mut bench, &mut bob),
            [""; 0],
            "its receiver has the file"
        );
        assert_eq!(bob.take().is_some(), !read);
    }
}

#[test]
fn the_largest_numbers_are_no_way_round_a_rule() {
    let (mut bench, [mut ann, mut bob, _]) = bench();
    for (n, offset, bytes) in [(1, u64::MAX, u64::MAX), (2, u64::MAX - 1, u64::MAX)] {
        let opened = bench
            .room
            .stream_open(&ann.seat_id, &open(n, "bob", u64::MAX, offset));
        assert_eq!(told(opened), None);
        assert_eq!(
            told(bench.room.stream_credit(&bob.seat_id, &credit(n, bytes))),
            None
        );
        waiting(&mut bench, &mut ann);
        waiting(&mut bench, &mut bob);
        assert_eq!(
            told(bench.room.stream_chunk(&ann.seat_id, chunk(n, offset, 2))),
            Some(Code::StreamViolation)
        );
        assert_eq!(
            waiting(&mut bench, &mut ann),
            ["error stream_violation", "stream_close failed"]
        );
        assert_eq!(waiting(&mut bench, &mut bob), ["stream_close failed"]);
    }
}

#[test]
fn small_credits_count_for_the_rate() {
    let (mut bench, [ann, bob, _]) = bench();
    assert!(
        bench
            .room
            .stream_open(&ann.seat_id, &open(1, "bob", 100_000, 0))
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
            bench.room.is_small_credit(&bob.seat_id, &credit(1, bytes)),
            small,
            "{bytes}"
        );
    }
    assert!(
        bench
            .room
            .stream_open(&ann.seat_id, &open(2, "bob", 5, 0))
            .is_ok()
    );
    for (n, bytes, small) in [(2, 4, true), (2, 5, false), (9, 99_999, true)] {
        assert_eq!(
            bench.room.is_small_credit(&bob.seat_id, &credit(n, bytes)),
            small,
            "{n} {bytes}"
        );
    }
    assert!(
        bench.room.is_small_credit(&ann.seat_id, &credit(1, 50_000)),
        "not its stream"
    );
}
