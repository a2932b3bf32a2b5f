//! The rules of a room, one by one.

use super::*;

fn resume(session: &str, epoch: &str, seq: u64) -> Value {
    json!({"resume": {"session": session, "epoch": epoch, "seq": seq}})
}

/// The receivers of a message by `to` and `only`.
#[test]
fn addressing() {
    for (to, only, result, reached, absent, receivers) in [
        (
            &[][..],
            false,
            Ok(3),
            &[][..],
            &[][..],
            &["bob", "carol", "dave"][..],
        ),
        (&[], true, Err(Code::BadFrame), &[], &[], &[]),
        (&["Alice"], true, Err(Code::BadFrame), &[], &[], &[]),
        (&["Alice"], false, Ok(3), &[], &[], &["bob", "carol", "dave"]),
        (&["BOB", "bob"], true, Ok(1), &["bob"], &[], &["bob"]),
        (&["bob", "Eve", "eve"], true, Ok(1), &["bob"], &["Eve"], &["bob"]),
        (&["FRED"], true, Ok(0), &[], &["Fred"], &[]),
        (
            &["bob", "FRED"],
            false,
            Ok(3),
            &["bob"],
            &["Fred"],
            &["bob", "carol", "dave"],
        ),
    ] {
        let mut bench = Bench::new(|_| {});
        let mut alice = bench.join("alice");
        let mut others = ["bob", "carol", "dave"].map(|name| (name, bench.join(name)));
        let away = bench.join("Fred");
        bench.room.mark_away(&away.seat_id);
        bench.read_all(&mut alice);
        assert_eq!(bench.post(&alice, "a", to, only), result, "{to:?}");
        if result.is_ok() {
            let frames = bench.read_all(&mut alice);
            let [ack] = &frames[..] else {
                panic!("one ack: {frames:?}")
            };
            assert_eq!(
                (&ack["reached"], &ack["absent"]),
                (&json!(reached), &json!(absent)),
                "{to:?}"
            );
        }
        let mut got = Vec::new();
        for (name, client) in &mut others {
            got.extend((!bench.ids(client).is_empty()).then_some(*name));
        }
        assert_eq!(got, receivers, "{to:?}");
    }
}

#[test]
fn receipts_have_memory_of_their_own() {
    let mut bench = Bench::new(|rules| rules.memory_messages = 3);
    let alice = bench.join("alice");
    for i in 0..3 {
        bench
            .post(&alice, &format!("m{i}"), &["bob"], true)
            .expect("taken");
    }
    for i in 0..9 {
        let body = json!({"kind": "receipt", "of": "x", "state": "received"});
        bench
            .post_body(&alice, &format!("r{i}"), &["bob"], true, body)
            .expect("taken");
    }
    // Neither the word in a text nor a nested kind makes a receipt.
    let body = json!({"kind": "chat", "text": "receipt", "x": {"kind": "receipt"}});
    bench
        .post_body(&alice, "m3", &["bob"], true, body)
        .expect("taken");
    let mut bob = bench.join("bob");
    assert_eq!(bench.ids(&mut bob), ["m1", "m2", "r6", "r7", "r8", "m3"]);
    assert_eq!(bench.room.memory.size().map(|(count, _)| count), [3, 3]);
}

#[test]
fn memory_is_bounded_by_bytes() {
    let mut bench = Bench::new(|rules| rules.memory_bytes = 1000);
    let alice = bench.join("alice");
    let mut walker = bench.enter("bob", json!({"history": 9})).expect("a welcome");
    for i in 0..50 {
        bench
            .post_body(
                &alice,
                &format!("m{i}"),
                &[],
                false,
                json!({"x": "x".repeat(i * 4)}),
            )
            .expect("taken");
        assert!(bench.room.memory.size().iter().all(|(_, bytes)| *bytes <= 1000));
    }
    bench
        .post_body(&alice, "huge", &["carol"], false, json!({"x": "x".repeat(2000)}))
        .expect("taken");
    assert_eq!(bench.room.memory.size(), [(0, 0), (0, 0)]);
    assert!(
        !bench.room.has_pending() && bench.room.pending.recipients().count() == 0,
        "nothing is kept about what is forgotten"
    );
    // A member without a replay is live and got everything.
    assert_eq!(bench.ids(&mut walker).len(), 51);
}

/// Issue 16, 31: 64 absent names a message took 36 MB a room with a limit of 8 MiB.
#[test]
fn addressees_count_as_memory() {
    let mut bench = Bench::new(|rules| (rules.memory_messages, rules.memory_bytes) = (1000, 8 << 20));
    let alice = bench.join("alice");
    for kind in ["chat", "receipt"] {
        for message in 0..1000 {
            let names: Vec<_> = (0..64).map(|name| format!("{kind}-{message}-{name}")).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let body = json!({"kind": kind});
            bench
                .post_body(&alice, &format!("{kind}{message}"), &names, true, body)
                .expect("taken");
        }
        // An absent name takes about 400 bytes besides the frame.
        let kept = bench.room.pending.recipients().count();
        let rings = if kind == "chat" { 1 } else { 2 };
        assert!(
            (10_000..=(8 << 20) / 400).contains(&(kept / rings)),
            "{kind}: {kept}"
        );
    }
}

#[test]
fn a_walker_that_the_memory_overtakes_is_closed() {
    let mut bench = Bench::new(|rules| rules.memory_messages = 3);
    let alice = bench.join("alice");
    for id in ["a", "b", "c"] {
        bench.post(&alice, id, &[], false).expect("taken");
    }
    let mut slow = bench.enter("slow", json!({"history": 3})).expect("a welcome");
    let slower = bench.enter("slower", json!({"history": 3})).expect("a welcome");
    let bystander = bench
        .enter("bystander", json!({"history": 1}))
        .expect("a welcome");
    assert_eq!(bench.read(&mut slow, 1).last().expect("a frame")["id"], "a");
    assert_eq!(bench.post(&alice, "d", &[], false), Ok(3));
    assert_eq!(
        (slow.closed(), slower.closed(), bystander.closed()),
        (None, Some(Code::SlowConsumer), None)
    );
    assert_eq!(bench.ids(&mut slow), ["b", "c", "d"]);
    bench.room.mark_away(&slower.seat_id);
    assert_eq!(bench.post(&alice, "e", &["slower"], false), Ok(2));
    let fields = resume("session3", "epoch", 0);
    let mut slower = bench.enter("slower", fields).expect("a welcome");
    let welcome = json_of(&slower.outbox.0.borrow().frames[0]);
    assert_eq!(
        (&welcome["resumed"], bench.ids(&mut slower).join("")),
        (&json!("gap"), "cde".into())
    );
}

#[test]
fn acks_keep_their_place_in_a_replay() {
    let mut bench = Bench::new(|_| {});
    let mut alice = bench.join("alice");
    for id in ["a", "b"] {
        bench.post(&alice, id, &[], false).expect("taken");
    }
    let mut bob = bench.enter("bob", json!({"history": 9})).expect("a welcome");
    bench.post(&bob, "c", &[], false).expect("taken");
    bench.post(&alice, "d", &[], false).expect("taken");
    bench.post(&bob, "e", &[], false).expect("taken");
    let frames = bench.read_all(&mut bob);
    let order: Vec<_> = frames[1..]
        .iter()
        .map(|f| format!("{} {}", f["type"], f["id"]).replace('"', ""))
        .collect();
    assert_eq!(order, ["message a", "message b", "ack c", "message d", "ack e"]);
    assert_eq!(bench.ids(&mut alice), ["c", "e"]);

    let mut bench = Bench::new(|rules| rules.queue_frames = 3);
    let alice = bench.join("alice");
    bench.post(&alice, "a", &[], false).expect("taken");
    let flood = bench.enter("bob", json!({"history": 9})).expect("a welcome");
    for i in 0..4 {
        bench.post(&flood, &format!("m{i}"), &[], false).expect("taken");
    }
    assert_eq!(flood.closed(), Some(Code::SlowConsumer));
}

/// The result of a second connection for a seat or a name.
#[test]
fn who_may_have_a_name() {
    let (a, b) = ("A".repeat(43), "B".repeat(43));
    for (first, away, second, result) in [
        (json!({}), false, json!({}), Err(Code::NameTaken)),
        (json!({}), true, json!({}), Err(Code::NameTaken)),
        (json!({}), true, json!({"owner": a}), Err(Code::NameTaken)),
        (json!({}), true, resume("guess", "epoch", 0), Err(Code::NameTaken)),
        (json!({}), true, resume("session1", "epoch", 0), Ok(())),
        (json!({}), false, resume("session1", "another", 0), Ok(())),
        (json!({"owner": a}), false, json!({"owner": a}), Ok(())),
        (json!({"owner": a}), true, json!({"owner": a}), Ok(())),
        (
            json!({"owner": a}),
            true,
            json!({"owner": b}),
            Err(Code::NameTaken),
        ),
        (json!({"owner": a}), true, json!({}), Err(Code::NameTaken)),
        (json!({"owner": a}), true, resume("session1", "epoch", 0), Ok(())),
        (
            json!({"owner": a}),
            true,
            json!({"owner": b, "resume": {"session": "session1", "epoch": "epoch", "seq": 0}}),
            Err(Code::NameTaken),
        ),
    ] {
        let mut bench = Bench::new(|_| {});
        let client = bench.enter("bob", first.clone()).expect("a welcome");
        if away {
            assert!(bench.room.mark_away(&client.seat_id).is_some());
        }
        let second_result = bench.enter("BOB", second.clone()).map(drop);
        assert_eq!(second_result, result, "{first} {away} {second}");
        let replaced = (result.is_ok() && !away).then_some(Code::Replaced);
        assert_eq!(client.closed(), replaced);
        assert!(
            bench.room.mark_away(&client.seat_id).is_none() || result.is_err(),
            "the old connection has no say"
        );
        assert_eq!(bench.room.members(), 1);
    }
}

#[test]
fn an_absence_ends_once() {
    let mut bench = Bench::new(|_| {});
    let bob = bench.join("bob");
    let first = bench.room.mark_away(&bob.seat_id).expect("a grace period");
    assert!(bench.room.mark_away(&bob.seat_id).is_none());
    let bob = bench
        .enter("bob", resume("session1", "epoch", 0))
        .expect("a welcome");
    bench.room.expire(&first);
    assert_eq!(bench.room.members(), 1, "it came back");
    let second = bench.room.mark_away(&bob.seat_id).expect("a grace period");
    bench.room.expire(&first);
    assert_eq!(bench.room.members(), 1, "the new grace_period has its own time");
    bench.room.expire(&second);
    bench.room.expire(&second);
    assert_eq!((bench.room.members(), bench.room.seats.names()), (0, 0));
}

/// A forgotten private message is a gap for its addressee only.
#[test]
fn gaps_are_reported_to_the_affected_members() {
    let mut bench = Bench::new(|rules| rules.memory_messages = 2);
    let alice = bench.join("alice");
    for name in ["bob", "carol"] {
        let client = bench.join(name);
        bench.room.mark_away(&client.seat_id);
    }
    for i in 0..5 {
        bench
            .post(&alice, &format!("m{i}"), &["bob"], true)
            .expect("taken");
    }
    for (name, session, expected) in [("bob", "session2", "gap"), ("carol", "session3", "ok")] {
        let client = bench.enter(name, resume(session, "epoch", 0)).expect("a welcome");
        let welcome = json_of(&client.outbox.0.borrow().frames[0]);
        assert_eq!(welcome["resumed"], expected, "{name}");
    }
}

/// Confirming more than was sent loses nothing.
#[test]
fn what_was_not_sent_is_not_had() {
    let mut bench = Bench::new(|_| {});
    let alice = bench.join("alice");
    let bob = bench.join("bob");
    bench.post(&alice, "a", &["bob"], true).expect("taken");
    bench.room.mark_away(&bob.seat_id);
    bench.post(&alice, "b", &["bob"], true).expect("taken");
    bench.post(&alice, "c", &["bob"], true).expect("taken");
    let mut bob = bench
        .enter("bob", resume("session2", "epoch", 9))
        .expect("a welcome");
    assert_eq!(bench.read(&mut bob, 1).last().expect("a frame")["id"], "b");
    // Disconnect in the middle of the replay, and claim to have everything.
    bench.room.mark_away(&bob.seat_id);
    let mut bob = bench
        .enter("bob", resume("session2", "epoch", 3))
        .expect("a welcome");
    assert_eq!(bench.ids(&mut bob), ["c"]);
}

/// Issue 16, 31: members that joined and went away filled a room.
#[test]
fn absent_members_make_way_in_a_full_room() {
    let mut bench = Bench::new(|rules| rules.max_members = 3);
    let [mut alice, bob, carol] = ["alice", "bob", "carol"].map(|name| bench.join(name));
    assert!(matches!(bench.enter("dave", json!({})), Err(Code::Full)));
    for (client, time) in [(&carol, 1000), (&bob, 2000)] {
        bench.room.advance_clock(time);
        bench.room.mark_away(&client.seat_id);
    }
    bench.read_all(&mut alice);
    bench.join("dave");
    let frames = bench.read_all(&mut alice);
    let events: Vec<_> = frames
        .iter()
        .map(|frame| (&frame["event"], &frame["member"]["name"]))
        .collect();
    assert_eq!(
        events,
        [
            (&json!("leave"), &json!("carol")),
            (&json!("join"), &json!("dave"))
        ]
    );
    bench.join("erin");
    assert!(matches!(bench.enter("frank", json!({})), Err(Code::Full)));
    // A member that is here never makes way.
    assert!(bench.enter("alice2", json!({})).is_err() && bench.post(&alice, "a", &["dave"], true) == Ok(1));
}
