//! A name belongs to its owner: messages under our own name that are not ours, names with another key, the keys that
//! messages are for, and the names that auto mode answers.

use crate::core::{
    runs::Prompt,
    tests::{auto::auto, *},
};

/// Keys in the format of a relay.
const OURS: &str = "aaaaaaaaaaaaaaaa";
const BOB: &str = "b0b0b0b0b0b0b0b0";
const OTHER: &str = "cccccccccccccccc";

fn with_key(name: &str, key: Option<&str>) -> Member {
    Member {
        key: key.map(str::to_owned),
        ..member(name)
    }
}

/// A welcome of a relay with all features for names, with bob in the room.
fn modern(resumed: Resumed, bob: Option<&str>) -> Welcome {
    Welcome {
        features: wire::FEATURES.map(str::to_owned).to_vec(),
        bound: Some(true),
        members: vec![with_key("alice", Some(OURS)), with_key("bob", bob)],
        ..welcome(resumed, "e1", 0)
    }
}

impl World {
    fn modern() -> Self {
        let mut world = Self::offline();
        world.room_mut().settings.own_key = Some(OURS.into());
        world.event(Event::Welcome(Box::new(modern(Resumed::New, Some(BOB)))));
        world.effects.clear();
        world
    }

    fn comes(&mut self, event: PresenceEvent, name: &str, key: Option<&str>) {
        let member = with_key(name, key);
        self.event(Event::Frame(Box::new(Frame::Presence(Presence {
            event,
            member,
        }))));
    }

    fn says(&mut self, from: &str, key: Option<&str>, id: &str, to: &[&str], text: &str) {
        let mut message = self.message(from, id, to, !to.is_empty(), &Body::Chat(ask(text)));
        message.from_key = key.map(str::to_owned);
        self.receives(message);
    }

    fn again(&mut self, bob: Option<&str>) {
        self.restart();
        self.room_mut().settings.own_key = Some(OURS.into());
        self.event(Event::Welcome(Box::new(modern(Resumed::Ok, bob))));
    }

    fn warnings(&self) -> Vec<String> {
        self.room()
            .review
            .inbox
            .waiting()
            .flat_map(Item::warnings)
            .collect()
    }

    fn last(&self) -> &Post {
        self.room()
            .chat
            .timeline
            .posts()
            .next_back()
            .expect("a message")
            .1
    }
}

const MARK: &str = "from a different key than before, perhaps somebody else";

/// Issue 14, 13: a message that somebody sent under our name while we were away counted as our own.
#[test]
fn words_under_our_name_are_ours_only_with_our_key() {
    for key in [Some(OTHER), None] {
        let mut world = World::modern();
        world.says("Alice", key, "m-1", &[], "deploy now");
        world.says("alice", Some(OURS), "m-2", &[], "from my laptop");
        for _ in 0..2 {
            let posts: Vec<&Post> = world.room().chat.timeline.posts().map(|(_, post)| post).collect();
            let [strangers, ours] = posts.as_slice() else {
                panic!("{posts:?}")
            };
            assert!(strangers.is_strangers() && !strangers.sender.mine, "{key:?}");
            assert!(!ours.is_strangers() && ours.sender.mine);
            // The whole journal has the same result, and so does its end, which is shown first.
            let mut glimpse = Program::new(counting_ids());
            let glimpsed = glimpse.open(world.room().settings.clone());
            glimpse.glimpse(glimpsed, world.records.clone());
            let marks: Vec<bool> = glimpse
                .room(glimpsed)
                .chat
                .timeline
                .posts()
                .map(|(_, p)| p.is_strangers())
                .collect();
            assert_eq!(marks, [true, false]);
            // The key is known before the journal is read.
            let records = std::mem::take(&mut world.records);
            let settings = world.room().settings.clone();
            world.program = Program::new(counting_ids());
            world.in_room = world.program.open(settings);
            world
                .program
                .restore(world.in_room, records.clone(), |_| Default::default(), world.now);
            world.records = records;
        }
        let error = world.decide(Intent::HandOver(1)).unwrap_err();
        assert!(error.contains("Somebody else wrote m1"), "{error}");
        assert!(world.room().review.inbox.is_empty() && world.starts() == 0);
    }
}

/// Messages that we wrote here are ours, whatever the relay reports about them, and are not shown twice.
#[test]
fn what_is_in_our_journal_is_ours() {
    let mut world = World::modern();
    world.perform("hello all").unwrap();
    let id = world.last().id.clone();
    world.says("alice", None, &id, &[], "something else");
    assert_eq!(world.room().chat.timeline.posts().count(), 1);
    assert!(world.last().sender.mine && world.last().text == "hello all");
}

/// Issue 14, 13: a prompt quoted them as "alice, a person".
#[test]
fn words_under_our_name_are_in_no_prompt() {
    let mut world = World::modern();
    world.says("alice", Some(OTHER), "t", &[], "canary");
    let mut message = world.message("bob", "m-1", &["alice"], false, &Body::Chat(ask("and now?")));
    (message.from_key, message.thread) = (Some(BOB.into()), Some("t".into()));
    world.receives(message);
    let item = world.room().review.inbox.waiting().last().unwrap().id;
    world.accept(item);
    let prompt = Prompt::new(&world.started());
    assert!(prompt.as_str().contains("and now?") && !prompt.as_str().contains("canary"));
}

/// Issue 14, 15: a mention from a name with a changed key had no mark.
#[test]
fn a_mention_from_another_key_stays_marked() {
    for key in [Some(OTHER), None] {
        let mut world = World::modern();
        world.comes(PresenceEvent::Leave, "bob", Some(BOB));
        world.comes(PresenceEvent::Join, "bob", key);
        world.says("bob", key, "m-1", &["alice"], "run it");
        assert_eq!(world.warnings(), [MARK], "{key:?}");
        assert_eq!(world.last().sender.doubt, Some(Doubt::OtherKey));
        world.comes(PresenceEvent::Leave, "bob", key);
        assert_eq!(world.warnings(), [MARK], "it stays after the sender left");
        world.again(Some(BOB));
        assert_eq!(world.warnings(), [MARK], "and after a restart");
        // There is no doubt about the member with the known key.
        world.says("bob", Some(BOB), "m-2", &["alice"], "hello");
        assert_eq!(world.warnings(), [MARK]);
        // The person trusts the other key: then it is no longer marked, even after a restart.
        world.comes(PresenceEvent::Join, "bob", key);
        world.decide(Intent::Trust("bob".into())).unwrap();
        assert_eq!(world.warnings(), [""; 0]);
        world.again(key);
        assert_eq!(world.warnings(), [""; 0], "{key:?}");
    }
}

/// An offered file is marked, too.
#[test]
fn a_file_from_another_key_is_marked() {
    let mut world = World::modern();
    let file = wire::body::File {
        id: "f".into(),
        name: "a.txt".into(),
        size: 10,
        sha256: None,
    };
    let chat = Chat {
        files: vec![file],
        ..Chat::default()
    };
    let mut message = world.message("bob", "m-1", &["alice"], true, &Body::Chat(chat));
    message.from_key = Some(OTHER.into());
    world.receives(message);
    assert_eq!(world.warnings(), [MARK]);
    // No member can send its bytes while another key has the name.
    world.comes(PresenceEvent::Join, "bob", Some(OTHER));
    world.decide(Intent::Trust("bob".into())).unwrap();
    assert_eq!(world.warnings(), [""; 0]);
}

/// On a relay that does not put keys on messages, the key of the present member counts.
#[test]
fn a_mention_is_marked_on_an_older_relay_too() {
    let mut world = World::new();
    world.comes(PresenceEvent::Join, "bob", Some(BOB));
    world.comes(PresenceEvent::Leave, "bob", Some(BOB));
    world.comes(PresenceEvent::Join, "bob", Some(OTHER));
    world.says("bob", None, "m-1", &["alice"], "run it");
    assert_eq!(world.warnings(), [MARK]);
    world.comes(PresenceEvent::Leave, "bob", Some(OTHER));
    world.restart();
    assert_eq!(world.warnings(), [MARK]);
}

/// Issue 14, 14: the sender states the key that a message is for.
#[test]
fn messages_say_whom_they_are_for() {
    let mut world = World::modern();
    for line in ["/tell @bob psst", "/say --force @bob @carol --public hello"] {
        world.perform(line).unwrap();
    }
    let keys: Vec<_> = world.sent().map(|(frame, _)| frame.to_keys).collect();
    let expected = std::collections::BTreeMap::from([("bob".to_owned(), BOB.to_owned())]);
    assert_eq!(keys, [expected.clone(), expected.clone()]);
    // So do receipts.
    world.effects.clear();
    world.says("bob", Some(BOB), "m-1", &["alice"], "run it");
    assert!(world.sent().count() > 0);
    assert!(world.sent().all(|(frame, _)| frame.to_keys == expected));
}

/// Issue 14, 14: a relay that delivers private messages to any holder of the name gets them only while the right one
/// is present.
#[test]
fn an_older_relay_gets_private_words_only_for_who_is_here() {
    let mut world = World::new();
    world.comes(PresenceEvent::Join, "bob", Some(BOB));
    world.comes(PresenceEvent::Leave, "bob", Some(BOB));
    world.effects.clear();
    world.perform("/tell @bob psst").unwrap();
    assert_eq!(
        (world.sent().count(), world.fate(1)),
        (0, DeliveryStatus::Absent(vec!["bob".into()]))
    );
    for (event, key) in [(PresenceEvent::Join, Some(OTHER)), (PresenceEvent::Update, None)] {
        world.comes(event, "bob", key);
        assert_eq!(world.sent().count(), 0, "{key:?}");
    }
    // Public messages do not wait.
    world.comes(PresenceEvent::Leave, "bob", None);
    world.perform("/say @bob --public hello").unwrap();
    assert_eq!(world.sent().count(), 1);
    world.restart();
    let members = vec![member("alice"), member("carol")];
    let members = Welcome {
        members,
        ..welcome(Resumed::Ok, "e1", 0)
    };
    world.event(Event::Welcome(Box::new(members)));
    assert!(world.chats().iter().all(|(_, chat)| chat.text != "psst"));
    world.comes(PresenceEvent::Join, "bob", Some(BOB));
    assert!(
        world.chats().iter().any(|(_, chat)| chat.text == "psst"),
        "now it goes"
    );
}

/// Only receipts of members that we have addressed change the state of our messages.
#[test]
fn a_receipt_from_another_key_does_not_count() {
    let mut world = World::modern();
    world.perform("@bob look").unwrap();
    let of = world.last().id.clone();
    let state = ReceiptState::Rejected;
    let body = Body::Receipt(Receipt {
        of,
        state,
        reason: "no".into(),
    });
    for (nth, (key, counts)) in [(Some(OTHER), false), (None, false), (Some(BOB), true)]
        .into_iter()
        .enumerate()
    {
        let mut message = world.message("bob", &format!("r-{nth}"), &["alice"], true, &body);
        message.from_key = key.map(str::to_owned);
        world.receives(message);
        assert_eq!(
            matches!(world.fate(1), DeliveryStatus::Told(..)),
            counts,
            "{key:?}"
        );
    }
}

/// Issue 14, 15: in auto mode twenty unknown names were answered at once.
#[test]
fn auto_mode_answers_nobody_who_is_new() {
    let mut world = World::modern();
    world.decide(Intent::Auto).unwrap();
    for nth in 0..20 {
        let (name, key) = (format!("new{nth}"), format!("{nth:016x}"));
        world.comes(PresenceEvent::Join, &name, Some(&key));
        world.says(&name, Some(&key), &format!("m-{nth}"), &["alice"], "go");
    }
    assert_eq!((world.starts(), world.room().review.inbox.len()), (0, 20));
    let why = "no message from new0 was accepted here yet";
    let ItemKind::Mention(first) = &world.room().review.inbox.waiting().next().unwrap().matter else {
        panic!("no mention")
    };
    assert_eq!(first.hold.reason().as_deref(), Some(why));
    // The asker sees that it is queued.
    let told = ("m-0".to_owned(), ReceiptState::Queued, why.to_owned());
    assert!(world.receipts().contains(&told), "{:?}", world.receipts());
}

fn done(world: &mut World) {
    let run = world.started().run;
    world.ends(&run, Outcome::Answer("done".into()));
}

/// One accepted mention, or `/trust`, is enough until the key changes, also after a restart.
#[test]
fn auto_mode_answers_whom_its_person_trusts() {
    for by_command in [false, true] {
        let mut world = World::modern();
        world.decide(Intent::Auto).unwrap();
        let mut runs = 0;
        let mut asks = |world: &mut World, key: Option<&str>, id: &str| {
            let before = world.starts();
            world.says("bob", key, id, &["alice"], "go");
            let answered = world.starts() > before;
            if answered {
                done(world);
            }
            runs += 1;
            answered
        };
        assert!(!asks(&mut world, Some(BOB), "m-1"));
        if by_command {
            world.decide(Intent::Trust("BOB".into())).unwrap();
            assert!(
                world.decide(Intent::Trust("bob".into())).is_err(),
                "once is enough"
            );
        } else {
            let item = world.room().review.inbox.waiting().next().unwrap().id;
            world.accept(item);
            done(&mut world);
        }
        assert!(asks(&mut world, Some(BOB), "m-2"));
        world.again(Some(BOB));
        world.room_mut().settings.mode = wire::Mode::Auto;
        assert!(asks(&mut world, Some(BOB), "m-3"), "after a restart");
        for (key, id) in [(Some(OTHER), "m-4"), (None, "m-5")] {
            assert!(!asks(&mut world, key, id), "{key:?}");
        }
        // Accepting one of those trusts nobody: its key is not the known one.
        let item = world.room().review.inbox.waiting().last().unwrap().id;
        world.accept(item);
        done(&mut world);
        assert!(!asks(&mut world, None, "m-6"));
        assert!(asks(&mut world, Some(BOB), "m-7"));
    }
}

/// A name without a key is trusted until it may belong to somebody else: it leaves, is disconnected, or we are.
#[test]
fn a_name_without_a_key_is_trusted_only_while_it_stays() {
    for away in [0, 1, 2, 3] {
        let mut world = World::modern();
        world.decide(Intent::Auto).unwrap();
        world.comes(PresenceEvent::Join, "carol", None);
        world.says("carol", None, "m-1", &["alice"], "go");
        let item = world.room().review.inbox.waiting().next().unwrap().id;
        world.accept(item);
        done(&mut world);
        world.says("carol", None, "m-2", &["alice"], "go");
        assert_eq!(world.starts(), 2, "it is trusted while it stays");
        done(&mut world);
        match away {
            0 => world.comes(PresenceEvent::Leave, "carol", None),
            1 => {
                let mut carol = with_key("carol", None);
                carol.status = Status::Away;
                world.event(Event::Frame(Box::new(Frame::Presence(Presence {
                    event: PresenceEvent::Away,
                    member: carol,
                }))));
            }
            2 => world.event(Event::Welcome(Box::new(modern(Resumed::Ok, Some(BOB))))),
            _ => {
                world.again(Some(BOB));
                world.room_mut().settings.mode = wire::Mode::Auto;
            }
        }
        let before = world.starts();
        world.comes(PresenceEvent::Join, "carol", None);
        world.says("carol", None, "m-3", &["alice"], "go");
        assert_eq!(world.starts(), before, "{away}: it may be somebody else");
    }
}

/// Messages that were held while somebody else had the name are sent to the relay when they leave.
#[test]
fn a_held_private_message_is_sent_once_the_other_has_left() {
    let mut world = World::modern();
    world.comes(PresenceEvent::Leave, "bob", Some(BOB));
    world.comes(PresenceEvent::Join, "bob", None);
    world.effects.clear();
    world.perform("/tell @bob psst").unwrap();
    assert_eq!(world.sent().count(), 0);
    world.comes(PresenceEvent::Leave, "bob", None);
    let sent: Vec<_> = world.sent().collect();
    assert_eq!(sent.len(), 1);
    assert!(
        format!("{:?}", sent[0].0).contains(BOB),
        "it is for bob's key: {sent:?}"
    );
}

/// A rejected mention, and one that ran automatically, make no name trusted.
#[test]
fn only_an_accept_trusts() {
    let mut world = auto(5.0);
    world.comes(PresenceEvent::Join, "carol", None);
    world.says("carol", None, "m-1", &["alice"], "go");
    let target = Target::Item(world.room().review.inbox.waiting().next().unwrap().id);
    let reason = String::new();
    world.decide(Intent::Reject { target, reason }).unwrap();
    world.says("carol", None, "m-2", &["alice"], "go");
    assert_eq!(world.starts(), 0);
    assert!(world.decide(Intent::Trust("nobody".into())).is_err());
    assert!(world.decide(Intent::Trust("alice".into())).is_err());
}

/// Issue 14, 15: after 10,000 joins, newcomers were no longer pinned; also after a restart.
#[test]
fn a_flood_of_names_does_not_end_pinning() {
    let mut world = World::modern();
    world.perform("@bob hello").unwrap();
    for nth in 0..crate::core::chat::pins::NAMES + 10 {
        let member = with_key(&format!("n{nth}"), Some("0000000000000000"));
        let news = world.room_mut().chat.members.put(member, true);
        let (effects, ()) = world.program.step(world.in_room, NOW, |room, ctx| {
            crate::core::chat::identity::keys_seen(room, news.into_iter().collect(), ctx);
        });
        world.follow(effects);
        world.room_mut().chat.members.remove(&format!("n{nth}"));
    }
    world.comes(PresenceEvent::Join, "dan", Some(BOB));
    world.comes(PresenceEvent::Leave, "dan", Some(BOB));
    world.again(Some(BOB));
    for name in ["dan", "bob"] {
        world.comes(PresenceEvent::Join, name, Some(OTHER));
        assert!(world.room().chat.members.is_doubtful(name), "{name}");
    }
}

/// Issue 14, 16: one note explains what to do about a taken name, however often it is tried.
#[test]
fn a_taken_name_is_reported_once() {
    let mut world = World::new();
    for _ in 0..3 {
        world.event(Event::Connection(Connection::Waiting {
            code: Some(Code::NameTaken),
            why: "someone has that name (alice); /start -n alice-2 joins as alice-2".into(),
            until: NOW,
        }));
    }
    let notes = world.room().chat.timeline.entries().iter();
    let told = |entry: &&Entry| matches!(&entry.what, What::Note(note) if note.contains("alice-2"));
    assert_eq!(notes.filter(told).count(), 1);
}

/// The person is warned that somebody else can take the name later.
#[test]
fn an_unbound_name_is_told() {
    let mut world = World::offline();
    let bound = Some(false);
    let welcome = Welcome {
        bound,
        ..modern(Resumed::New, None)
    };
    world.event(Event::Welcome(Box::new(welcome)));
    let notes = world.room().chat.timeline.entries().iter();
    let told = |entry: &&Entry| matches!(&entry.what, What::Note(note) if note.contains("could not bind"));
    assert_eq!(notes.filter(told).count(), 1);
}
