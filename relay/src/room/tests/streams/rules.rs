//! The rules of streams, one by one.

use super::{
    Act::{Chunk, Close, Credit, Open},
    *,
};
use crate::protocol::StreamReason::{Cancelled, Done, Failed};

const NONE: &[&str] = &[];

#[test]
fn a_file_goes_over() {
    let (mut bench, [mut ann, mut bob, _]) = bench();
    assert_eq!(bench.open(&ann, 1, "BOB", 1500, 0), None);
    let open =
        json!({"type": "stream_open", "stream": id(1), "from": "ann", "size": 1500, "of": "f", "offset": 0});
    assert_eq!(bench.read_all(&mut bob), [open]);
    for (bytes, frames) in [(1000, &["stream_credit 1000"][..]), (900, &[]), (1000, &[])] {
        assert_eq!(bench.act(&bob, &Credit(1, bytes)), None);
        assert_eq!(waiting(&mut bench, &mut ann), frames);
    }
    for offset in [0, 500] {
        assert_eq!(bench.act(&ann, &Chunk(1, offset, 500)), None);
    }
    assert!(matches!(bob.take(), Some(StreamItem::Chunk { end: 500, .. })));
    assert_eq!(bench.act(&bob, &Credit(1, 1500)), None);
    assert_eq!(bench.act(&ann, &Chunk(1, 1000, 500)), None);
    assert_eq!(bench.act(&ann, &Close(1, Done)), None);
    assert_eq!(
        waiting(&mut bench, &mut bob),
        NONE,
        "done waits behind the chunks"
    );
    // The end of the sender's connection does not cut a stream that is done.
    bench.room.leave(&ann.seat_id);
    for end in [1000, 1500] {
        assert!(matches!(bob.take(), Some(StreamItem::Chunk { end: e, .. }) if e == end));
    }
    assert!(matches!(bob.take(), Some(StreamItem::Last(frame)) if json_of(&frame)["reason"] == "done"));
    assert_eq!(bench.act(&bob, &Credit(1, 2500)), None, "late, but not a fault");
}

/// The results of each fault. The stream has 1,500 bytes, of which 1,000 are credited and 500 sent.
#[test]
fn faults() {
    let violates = Some(Code::StreamViolation);
    let (bad, none) = (Some(Code::BadFrame), Some(Code::NoSuchStream));
    let told: &[&str] = &["error stream_violation", "stream_close failed"];
    let failed: &[&str] = &["stream_close failed"];
    let cancelled: &[&str] = &["stream_close cancelled"];
    let gone: &[&str] = &["stream_close peer_gone"];
    let opened: &[&str] = &["stream_open null"];
    let no_id = StreamOpen {
        stream: "x".into(),
        ..open(2, "bob", 1, 0)
    };
    let no_receiver = StreamOpen {
        to: None,
        ..open(2, "bob", 1, 0)
    };
    let (ann, bob, cat) = (0, 1, 2);
    #[rustfmt::skip]
    let table = [
        ("a hole",         ann, Chunk(1, 501, 9),           violates, told,      failed),
        ("again",          ann, Chunk(1, 0, 9),             violates, told,      failed),
        ("no credit",      ann, Chunk(1, 500, 501),         violates, told,      failed),
        ("all credit",     ann, Chunk(1, 500, 500),         None,     NONE,      NONE),
        ("too soon",       ann, Close(1, Done),             violates, told,      failed),
        ("not its credit", ann, Credit(1, 1001),            violates, told,      failed),
        ("too much",       bob, Credit(1, 1001),            violates, failed,    told),
        ("not its file",   bob, Chunk(1, 500, 1),           violates, failed,    told),
        ("a third",        cat, Chunk(1, 500, 1),           none,     NONE,      NONE),
        ("a third",        cat, Close(1, Failed),           none,     NONE,      NONE),
        ("cancelled",      ann, Close(1, Cancelled),        None,     NONE,      cancelled),
        ("cancelled",      bob, Close(1, Cancelled),        None,     cancelled, NONE),
        ("twice",          ann, Open(open(1, "bob", 1, 0)), bad,      NONE,      NONE),
        ("no id",          ann, Open(no_id),                bad,      NONE,      NONE),
        ("beyond",         ann, Open(open(2, "bob", 1, 2)), bad,      NONE,      NONE),
        ("to nobody",      ann, Open(no_receiver),          bad,      NONE,      NONE),
        ("absent",         ann, Open(open(2, "dan", 1, 0)), None,     gone,      NONE),
        ("oneself",        ann, Open(open(2, "ANN", 1, 0)), None,     gone,      NONE),
        ("empty",          ann, Open(open(2, "bob", 0, 0)), None,     NONE,      opened),
        ("unknown",        ann, Chunk(2, 0, 1),             none,     NONE,      NONE),
        ("no payload",     ann, Chunk(1, 500, 0),           bad,      NONE,      NONE),
    ];
    for (what, by, act, code, ann_gets, bob_gets) in table {
        let (mut bench, mut clients) = bench();
        assert_eq!(bench.open(&clients[ann], 1, "bob", 1500, 0), None);
        assert_eq!(bench.act(&clients[bob], &Credit(1, 1000)), None);
        assert_eq!(bench.act(&clients[ann], &Chunk(1, 0, 500)), None);
        waiting(&mut bench, &mut clients[ann]);
        waiting(&mut bench, &mut clients[bob]);
        assert_eq!(bench.act(&clients[by], &act), code, "{what}");
        assert_eq!(waiting(&mut bench, &mut clients[ann]), ann_gets, "{what}");
        assert_eq!(waiting(&mut bench, &mut clients[bob]), bob_gets, "{what}");
        let mut got = ann_gets.iter().chain(bob_gets);
        let ended = got.any(|word| word.starts_with("stream_close") && !word.ends_with("peer_gone"));
        assert_eq!(
            clients[bob].take().is_none(),
            ended,
            "{what}: queued chunks are dropped"
        );
    }
}

#[test]
fn nothing_to_send_is_done_at_once() {
    for (size, offset) in [(0, 0), (700, 700)] {
        let (mut bench, [ann, bob, _]) = bench();
        assert_eq!(bench.open(&ann, 1, "bob", size, offset), None);
        assert_eq!(bench.act(&ann, &Close(1, Done)), None);
        assert!(matches!(bob.take(), Some(StreamItem::Last(_))));
    }
}

#[test]
fn connections_that_end_take_their_streams_along() {
    for end in ["lost", "bye", "takeover"] {
        let (mut bench, [mut ann, mut bob, mut cat]) = bench();
        for (n, from, to) in [(1, &ann, "bob"), (2, &bob, "ann"), (3, &bob, "cat")] {
            assert_eq!(bench.open(from, n, to, 9, 0), None);
        }
        for client in [&mut ann, &mut bob, &mut cat] {
            waiting(&mut bench, client);
        }
        let resume = json!({"resume": {"session": "session2", "epoch": "epoch", "seq": 0}});
        match end {
            "lost" => drop(bench.room.mark_away(&bob.seat_id)),
            "bye" => bench.room.leave(&bob.seat_id),
            _ => drop(bench.enter("bob", resume)),
        }
        let gone = |frames: Vec<String>| frames.iter().filter(|f| *f == "stream_close peer_gone").count();
        assert_eq!(gone(waiting(&mut bench, &mut ann)), 2, "{end}");
        assert_eq!(gone(waiting(&mut bench, &mut cat)), 1, "{end}");
        assert!(bench.room.streams.by_id.is_empty());
    }
}

#[test]
fn streams_are_few() {
    let (mut bench, [mut ann, bob, mut cat]) = bench();
    for n in 0..16 {
        assert_eq!(bench.open(&ann, n, "bob", 9, 0), None);
    }
    assert_eq!(bench.open(&ann, 99, "cat", 9, 0), Some(Code::StreamViolation));
    let told = waiting(&mut bench, &mut ann);
    assert_eq!(told, ["error stream_violation", "stream_close failed"]);
    assert_eq!(bench.open(&cat, 98, "bob", 9, 0), None);
    let told = waiting(&mut bench, &mut cat);
    assert_eq!(told, ["stream_close failed"], "the receiver has enough");
    assert_eq!(bench.open(&bob, 97, "ann", 9, 0), None, "the other direction");
    waiting(&mut bench, &mut ann);
    // Once the sender is done with one, the next may start, even if nobody has read it yet.
    for n in 0..16 {
        send_all(&mut bench, &ann, &bob, n);
        assert_eq!(bench.open(&ann, 100 + n, "bob", 9, 0), None);
        assert_eq!(waiting(&mut bench, &mut ann), ["stream_credit 9"], "{n}");
    }
    // Those still cost memory, so there is a limit for them too.
    send_all(&mut bench, &ann, &bob, 100);
    waiting(&mut bench, &mut ann);
    assert_eq!(bench.open(&ann, 200, "bob", 9, 0), None);
    assert_eq!(waiting(&mut bench, &mut ann), ["stream_close failed"]);
    while bob.take().is_some() {}
    assert_eq!(bench.open(&ann, 201, "bob", 9, 0), None);
    assert_eq!(waiting(&mut bench, &mut ann), NONE);
}

/// Sends all nine bytes of a stream, and its end.
fn send_all(bench: &mut Bench, from: &Client, to: &Client, n: u128) {
    assert_eq!(bench.act(to, &Credit(n, 9)), None);
    assert_eq!(bench.act(from, &Chunk(n, 0, 9)), None);
    assert_eq!(bench.act(from, &Close(n, Done)), None);
}

#[test]
fn a_stream_that_is_done_is_closed_for_its_sender() {
    for read in [false, true] {
        let (mut bench, [mut ann, mut bob, _]) = bench();
        assert_eq!(bench.open(&ann, 1, "bob", 9, 0), None);
        send_all(&mut bench, &ann, &bob, 1);
        while read && bob.take().is_some() {}
        waiting(&mut bench, &mut ann);
        waiting(&mut bench, &mut bob);
        for act in [Close(1, Done), Close(1, Cancelled), Chunk(1, 9, 1), Credit(1, 9)] {
            assert_eq!(bench.act(&ann, &act), Some(Code::NoSuchStream));
        }
        assert_eq!(waiting(&mut bench, &mut bob), NONE, "its receiver has the file");
        assert_eq!(bob.take().is_some(), !read);
    }
}

#[test]
fn the_largest_numbers_break_no_rule() {
    let (mut bench, [mut ann, mut bob, _]) = bench();
    for (n, offset, bytes) in [(1, u64::MAX, u64::MAX), (2, u64::MAX - 1, u64::MAX)] {
        assert_eq!(bench.open(&ann, n, "bob", u64::MAX, offset), None);
        assert_eq!(bench.act(&bob, &Credit(n, bytes)), None);
        waiting(&mut bench, &mut ann);
        waiting(&mut bench, &mut bob);
        assert_eq!(bench.act(&ann, &Chunk(n, offset, 2)), Some(Code::StreamViolation));
        let told = waiting(&mut bench, &mut ann);
        assert_eq!(told, ["error stream_violation", "stream_close failed"]);
        assert_eq!(waiting(&mut bench, &mut bob), ["stream_close failed"]);
    }
}

#[test]
fn small_credits_count_for_the_rate() {
    let (mut bench, [ann, bob, _]) = bench();
    assert_eq!(bench.open(&ann, 1, "bob", 100_000, 0), None);
    let is_small = |bench: &mut Bench, by: &Client, n, bytes| {
        bench
            .room
            .streams()
            .is_small_credit(&by.seat_id, &credit(n, bytes))
    };
    for (bytes, small) in [
        (16_383, true),
        (16_384, false),
        (0, true),
        (100_000, false),
        (200_000, false),
    ] {
        assert_eq!(is_small(&mut bench, &bob, 1, bytes), small, "{bytes}");
    }
    assert_eq!(bench.open(&ann, 2, "bob", 5, 0), None);
    for (n, bytes, small) in [(2, 4, true), (2, 5, false), (9, 99_999, true)] {
        assert_eq!(is_small(&mut bench, &bob, n, bytes), small, "{n} {bytes}");
    }
    assert!(is_small(&mut bench, &ann, 1, 50_000), "not its stream");
}
