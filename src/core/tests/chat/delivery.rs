//! Nothing addressed is lost, nothing is shown twice, and the sender sees the state of each message.

use crate::core::tests::*;

fn acked(id: &str, seq: u64, reached: &[&str], absent: &[&str]) -> Event {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Event::Frame(Box::new(Frame::Ack(Ack {
        id: id.into(),
        seq,
        at: NOW,
        count: reached.len(),
        reached: names(reached),
        absent: names(absent),
        duplicate: false,
    })))
}

pub(crate) fn receipt(world: &mut World, from: &str, of: &str, state: ReceiptState, reason: &str) {
    let body = Body::Receipt(Receipt {
        of: of.into(),
        state,
        reason: reason.into(),
    });
    let id = format!("r-{}", world.seq);
    let message = world.message(from, &id, &["alice"], true, &body);
    world.receives(message);
}

#[test]
fn a_message_goes_out_only_when_it_is_safe_on_disk() {
    let mut world = World::new();
    let (effects, _) = world.program.perform(
        world.in_room,
        Command::Say {
            to: vec![],
            text: "hi".into(),
            thread: None,
            public: false,
            note: false,
            files: vec![],
            force: false,
        },
        NOW,
    );
    assert!(matches!(
        effects.as_slice(),
        [(_, Effect::Audit(_)), (_, Effect::Keep(_))]
    ));
    world.follow(effects);
    assert_eq!(world.chats().len(), 1);
}

#[test]
fn what_became_of_it() {
    let mut world = World::new();
    world.perform("@bob please look").unwrap();
    let id = world.chats()[0].0.id.clone();
    assert_eq!(world.fate(1), DeliveryStatus::Sending);
    world.event(acked(&id, 1, &["bob"], &[]));
    assert_eq!(world.fate(1), DeliveryStatus::Sent);
    // Receipts of a member that was not addressed are ignored.
    receipt(&mut world, "carol", &id, ReceiptState::Rejected, "no");
    assert_eq!(world.fate(1), DeliveryStatus::Sent);
    receipt(&mut world, "BOB", &id, ReceiptState::Received, "");
    assert_eq!(world.fate(1), DeliveryStatus::Delivered);
    for (state, why) in [
        (ReceiptState::Queued, ""),
        (ReceiptState::Accepted, ""),
        (ReceiptState::Failed, "no login\x1b[0m"),
    ] {
        receipt(&mut world, "bob", &id, state, why);
        let why = why.replace("\x1b[0m", "");
        assert_eq!(world.fate(1), DeliveryStatus::Told("bob".into(), state, why));
    }
    // A state that arrives late does not replace a newer one, but a new attempt does.
    receipt(&mut world, "bob", &id, ReceiptState::Received, "");
    assert!(matches!(
        world.fate(1),
        DeliveryStatus::Told(_, ReceiptState::Failed, _)
    ));
    receipt(&mut world, "bob", &id, ReceiptState::Accepted, "");
    assert!(matches!(
        world.fate(1),
        DeliveryStatus::Told(_, ReceiptState::Accepted, _)
    ));
}

#[test]
fn an_agent_that_is_done_is_shown_idle() {
    let mut world = World::new();
    world.perform("@bob look").unwrap();
    let id = world.chats()[0].0.id.clone();
    let works = || wire::Signal {
        from: "bob".into(),
        to: vec!["alice".into()],
        only: true,
        thread: None,
        body: serde_json::value::to_raw_value(&SignalBody::Activity {
            agent: "codex".into(),
            state: wire::body::Activity::Tool,
        })
        .unwrap(),
    };
    for (state, idle) in [(ReceiptState::Accepted, false), (ReceiptState::Failed, true)] {
        world.event(Event::Frame(Box::new(Frame::Signal(works()))));
        assert!(!world.room().chat.members.get("bob").unwrap().doing.is_empty());
        receipt(&mut world, "bob", &id, state, "");
        assert_eq!(
            world.room().chat.members.get("bob").unwrap().doing.is_empty(),
            idle,
            "{state:?}"
        );
    }
}

#[test]
fn an_absent_addressee_is_named_and_gets_it_when_it_comes() {
    let mut world = World::new();
    world.perform("/say --force @dan hello").unwrap();
    let id = world.chats()[0].0.id.clone();
    world.event(acked(&id, 1, &[], &["dan"]));
    assert_eq!(world.fate(1), DeliveryStatus::Absent(vec!["dan".into()]));
    world.effects.clear();
    let presence = Presence {
        event: PresenceEvent::Join,
        member: member("dan"),
    };
    world.event(Event::Frame(Box::new(Frame::Presence(presence))));
    assert_eq!(world.chats()[0].0.id, id);
    receipt(&mut world, "dan", &id, ReceiptState::Received, "");
    assert_eq!(world.fate(1), DeliveryStatus::Delivered);
}

#[test]
fn who_returns_to_a_relay_that_was_started_again_is_not_told_to_come() {
    let mut world = World::new();
    let told = |world: &World| -> Vec<String> {
        let entries = world.room().chat.timeline.entries().iter();
        let names = entries.filter_map(|entry| match &entry.what {
            What::Presence { name, .. } => Some(name.clone()),
            _ => None,
        });
        names.collect()
    };
    let joins = |world: &mut World, name: &str| {
        let presence = Presence {
            event: PresenceEvent::Join,
            member: member(name),
        };
        world.event(Event::Frame(Box::new(Frame::Presence(presence))));
    };
    let alone = Welcome {
        members: vec![member("alice")],
        ..welcome(Resumed::Lost, "epoch-2", 0)
    };
    world.event(Event::Welcome(Box::new(alone)));
    assert_eq!(world.room().chat.members.list().len(), 1);
    joins(&mut world, "bob");
    joins(&mut world, "dan");
    assert_eq!(told(&world), ["dan"]);
    // A member that returns after a while was away.
    world.now += 600_000;
    joins(&mut world, "carol");
    assert_eq!(told(&world), ["dan", "carol"]);
}

#[test]
fn after_a_cut_all_that_is_open_goes_out_again_in_order() {
    let mut world = World::new();
    world.perform("one").unwrap();
    world.perform("@bob two").unwrap();
    let ids: Vec<String> = world.chats().iter().map(|(frame, _)| frame.id.clone()).collect();
    world.event(acked(&ids[0], 1, &[], &[]));
    world.event(acked(&ids[1], 2, &["bob"], &[]));
    world.event(Event::Connection(Connection::Waiting {
        code: None,
        why: "cut".into(),
        until: NOW,
    }));
    world.effects.clear();
    world.perform("@carol three").unwrap();
    assert_eq!(world.fate(3), DeliveryStatus::Held);
    assert!(world.chats().is_empty());
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 2))));
    let texts: Vec<String> = world.chats().into_iter().map(|(_, chat)| chat.text).collect();
    // The broadcast has its ack; bob's message has no receipt from bob.
    assert_eq!(texts, ["two", "three"]);
}

#[test]
fn a_duplicate_message_is_shown_once_and_acknowledged_again() {
    let mut world = World::new();
    let message = world.message("bob", "m-1", &["alice"], true, &Body::Chat(ask("once")));
    world.receives(message.clone());
    world
        .decide(Intent::Reject {
            target: Target::Item(ItemId::Mention(1)),
            reason: "no".into(),
        })
        .unwrap();
    world.effects.clear();
    world.receives(Message {
        from: "BOB".into(),
        ..message.clone()
    });
    assert_eq!(world.room().chat.timeline.posts().count(), 1);
    assert_eq!(
        world.receipts(),
        [("m-1".into(), ReceiptState::Rejected, "no".into())]
    );

    world.restart();
    world.event(Event::Welcome(Box::new(welcome(Resumed::Lost, "e2", 0))));
    world.effects.clear();
    world.receives(message);
    assert_eq!(world.room().chat.timeline.posts().count(), 1);
    assert!(world.room().review.inbox.is_empty());
    assert_eq!(
        world.receipts(),
        [("m-1".into(), ReceiptState::Rejected, "no".into())]
    );
}

#[test]
fn nothing_is_confirmed_before_it_is_on_disk() {
    let mut world = World::new();
    let message = world.message("bob", "m-1", &["alice"], true, &Body::Chat(ask("x")));
    for _ in 0..2 {
        world.event_without_disk(Event::Frame(Box::new(Frame::Message(message.clone()))));
        assert!(world.receipts().is_empty());
        assert_eq!(world.room().resume().unwrap().seq, 0);
    }
    let kept = Kept::In {
        from: "bob".into(),
        id: "m-1".into(),
        epoch: "e1".into(),
        seq: 1,
    };
    world.event(Event::Kept(kept));
    assert_eq!(world.receipts().len(), 2);
    assert_eq!(world.room().resume().unwrap().seq, 1);
}

#[test]
fn a_receipt_that_a_crash_kept_from_being_written_is_sent_after_it() {
    let receipts_written = |world: &World| {
        world
            .records
            .iter()
            .filter(|r| matches!(r, Record::Out(out) if matches!(out.body, Body::Receipt(_))))
            .count()
    };
    let mut world = World::new();
    world.bob_asks("m-1", "x");
    // The crash was directly after the message itself.
    world.records.retain(|record| !matches!(record, Record::Out(_)));
    world.restart();
    assert_eq!(receipts_written(&world), 2);
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    let states: Vec<_> = world.receipts().into_iter().map(|(_, state, _)| state).collect();
    assert_eq!(states, [ReceiptState::Received, ReceiptState::Queued]);
    // And not again.
    world.restart();
    assert_eq!(receipts_written(&world), 2);

    // The same directly after a decision.
    world
        .decide(Intent::Reject {
            target: Target::Item(ItemId::Mention(1)),
            reason: "no".into(),
        })
        .unwrap();
    world.records.pop();
    world.restart();
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    assert_eq!(world.receipts().last().unwrap().1, ReceiptState::Rejected);
}

#[test]
fn the_same_room_after_a_restart() {
    let mut world = World::new();
    world.perform("hello").unwrap();
    world.perform("/say --force @dan hello").unwrap();
    let ids: Vec<String> = world.chats().iter().map(|(frame, _)| frame.id.clone()).collect();
    world.event(acked(&ids[0], 1, &[], &[]));
    world.seq = 1;
    world.bob_asks("m-1", "pending");
    let texts = |world: &World| -> Vec<(u32, String)> {
        world
            .room()
            .chat
            .timeline
            .posts()
            .map(|(_, post)| (post.number, post.text.to_string()))
            .collect()
    };
    let before = (texts(&world), world.room().resume());
    world.restart();
    assert_eq!((texts(&world), world.room().resume()), before);
    assert_eq!(world.room().review.inbox.next().unwrap().text, "pending");
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 2))));
    let again: Vec<String> = world.chats().into_iter().map(|(frame, _)| frame.id).collect();
    assert_eq!(again, ids[1..]);
}

#[test]
fn what_nobody_receives_fails_and_can_be_sent_again() {
    let mut world = World::new();
    world.perform("/say --force @dan hello").unwrap();
    world.now += 7 * 86_400_000;
    world.event(Event::Tick);
    assert_eq!(world.fate(1), DeliveryStatus::Failed("not received".into()));
    world.effects.clear();
    world.perform("/retry m1").unwrap();
    assert_eq!(world.chats().len(), 1);
    assert_eq!(world.fate(1), DeliveryStatus::Sending);
}

#[test]
fn who_sees_what_is_said() {
    // (line, to, only, asks)
    let table = [
        ("hello", vec![], false, false),
        ("@bob look", vec!["bob"], true, true),
        ("@BOB look", vec!["bob"], true, true),
        ("/say --force @bob @carol look", vec!["bob", "carol"], true, true),
        ("/say --public @bob look", vec!["bob"], false, true),
        ("/tell @bob lunch?", vec!["bob"], true, false),
        ("/say --force @dan are you there", vec!["dan"], true, true),
    ];
    for (line, to, only, asks) in table {
        let mut world = World::new();
        world.perform(line).unwrap();
        let (frame, chat) = world.chats().pop().unwrap();
        assert_eq!(
            (frame.to, frame.only, chat.asks),
            (to.iter().map(|n| (*n).to_owned()).collect(), only, asks),
            "{line}"
        );
        assert_eq!(chat.hop, 0);
    }
}

#[test]
fn a_thread_never_grows_wider() {
    let mut world = World::new();
    world.bob_asks("m-1", "between us");
    world.perform("/append t1 yes").unwrap();
    let (frame, chat) = world.chats().pop().unwrap();
    assert_eq!(
        (frame.to, frame.only, chat.asks),
        (vec!["bob".to_owned()], true, false)
    );
    // Somebody who knows the thread's id posts in it publicly: the thread stays between the two.
    let mut message = world.message("carol", "m-2", &[], false, &Body::Chat(ask("me too")));
    message.thread = Some("m-1".into());
    world.receives(message);
    world.perform("/append t1 still us").unwrap();
    let (frame, _) = world.chats().pop().unwrap();
    assert_eq!((frame.to, frame.only), (vec!["bob".to_owned()], true));
    assert!(
        world
            .perform("/say --thread t1 @carol hi")
            .unwrap_err()
            .contains("carol cannot see t1")
    );
}

#[test]
fn what_is_too_long_is_refused_with_a_hint_and_nothing_is_lost() {
    let mut world = World::new();
    let error = world.perform(&"x".repeat(300_000)).unwrap_err();
    assert!(error.contains("shorten it"), "{error}");
    assert!(world.chats().is_empty() && world.room().chat.outbox.unacked() == 0);
}

#[test]
fn a_message_that_the_relay_refuses_fails_with_its_reason() {
    let mut world = World::new();
    world.perform("hello").unwrap();
    let id = world.chats()[0].0.id.clone();
    let error = |code| {
        Event::Frame(Box::new(Frame::Error(wire::ErrorFrame {
            code,
            message: "no".into(),
            id: Some(id.clone()),
            stream: None,
            retry_ms: Some(10),
        })))
    };
    world.event(error(Code::RateLimited));
    assert_eq!(world.chats().len(), 2);
    world.event(error(Code::BadFrame));
    assert_eq!(world.fate(1), DeliveryStatus::Failed("no".into()));
}

/// Issue 16, 31: 259 broadcasts of 200 KB cost each receiver 104 MB of disk and 94 MB of memory.
#[test]
fn a_flood_that_is_not_addressed_to_us_is_not_kept_and_is_reported_once() {
    let mut world = World::new();
    let long = "long ".repeat(40_000);
    let said = Body::Chat(Chat {
        text: long.clone(),
        ..Chat::default()
    });
    for number in 0..259 {
        let to: &[&str] = if number % 2 == 0 { &[] } else { &["carol"] };
        let message = world.message("bob", &format!("b{number}"), to, false, &said);
        world.receives(message);
    }
    let count = |world: &World| {
        let posts = world.room().chat.timeline.posts().count();
        let kept = world
            .records
            .iter()
            .filter(|one| matches!(one, Record::In { .. }));
        let audited = world.audited.iter();
        let audited = audited.filter(|one| matches!(one, crate::core::persist::audit::Entry::In { .. }));
        (posts, kept.count(), audited.count())
    };
    assert_eq!(count(&world), (99, 99, 99));
    let notes = |world: &World| {
        let entries = world.room().chat.timeline.entries().iter();
        let notes = entries.filter(|entry| matches!(&entry.what, What::Note(note) if note.contains("20 MB")));
        notes.count()
    };
    assert_eq!(notes(&world), 1);
    // What is addressed to us, and what others say, is kept.
    world.bob_asks("q", "and this?");
    let message = world.message("carol", "c", &[], false, &said);
    world.receives(message);
    assert_eq!(count(&world), (101, 101, 101));
    // A restart does not begin a new allowance, nor does a dropped message come back.
    world.restart();
    for id in ["b258", "new"] {
        let message = world.message("bob", id, &[], false, &said);
        world.receives(message);
    }
    assert_eq!(count(&world).0, 101);
    // Ten minutes later bob is heard again.
    world.now += 11 * 60_000;
    let message = world.message("bob", "later", &[], false, &said);
    world.receives(message);
    assert_eq!(count(&world).0, 102);
}
