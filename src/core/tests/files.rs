//! Decisions about files, and the limits of other members.

use nexscope_relay::protocol::{StreamOpen, body::File};

use super::*;
use crate::core::{
    files::{Source, TransferEvent as FileEvent, TransferId, TransferOrder},
    runs::Prompt,
};

const STREAM: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn file(id: &str, name: &str, size: u64) -> File {
    File {
        id: id.into(),
        name: name.into(),
        size,
        sha256: Some("0".repeat(64)),
    }
}

fn with_files(chat: Chat, files: Vec<File>) -> Body {
    Body::Chat(Chat { files, ..chat })
}

fn open(from: &str, of: &str, size: u64, pushed: bool) -> StreamOpen {
    StreamOpen {
        stream: STREAM.into(),
        to: None,
        from: Some(from.into()),
        size,
        of: of.into(),
        offset: 0,
        pushed,
    }
}

impl World {
    fn bob_offers(&mut self, chat: Chat, files: Vec<File>) {
        let message = self.message("bob", "m-file", &["alice"], true, &with_files(chat, files));
        self.receives(message);
    }

    /// The orders to the transfers, newest last.
    fn orders(&self) -> Vec<(TransferId, TransferOrder)> {
        let orders = self.effects.iter().filter_map(|effect| match effect {
            Effect::File { handle, order } => Some((handle.clone(), order.clone())),
            _ => None,
        });
        orders.collect()
    }

    fn transfer(&mut self, number: u32, event: FileEvent) {
        let handle = TransferId { number, to: None };
        self.event(Event::File { handle, event });
    }

    /// Accepts and declines that were sent: message, file, and the offset or the reason.
    fn asked(&self) -> Vec<(String, String, String)> {
        self.sent()
            .filter_map(|(_, body)| match body {
                Body::FileAccept { of, file, offset } => Some((of, file, offset.to_string())),
                Body::FileDecline { of, file, reason } => Some((of, file, reason)),
                _ => None,
            })
            .collect()
    }

    fn stream(&mut self, open: StreamOpen) {
        self.event(Event::Frame(Box::new(Frame::StreamOpen(open))));
    }

    fn refused(&self) -> bool {
        self.effects
            .iter()
            .any(|effect| matches!(effect, Effect::RefuseStream { .. }))
    }

    fn done(&mut self, number: u32, path: &str) {
        self.transfer(number, FileEvent::Done { path: path.into() });
    }
}

fn note() -> Chat {
    Chat {
        text: "see".into(),
        ..Chat::default()
    }
}

#[test]
fn an_offered_file_waits_and_is_asked_for_when_the_disk_is_ready() {
    let mut world = World::new();
    world.bob_offers(note(), vec![file("x", "../a.pdf", 10)]);
    let item = world.room().review.inbox.get(ItemId::File(1)).unwrap().clone();
    assert_eq!(item.text, "a.pdf · 10 B");
    assert!(
        world.orders().is_empty(),
        "nothing happens before a person says so"
    );
    world.accept(ItemId::File(1));
    assert!(
        matches!(&world.orders()[..], [(_, TransferOrder::Fetch(wanted))] if wanted.accepted && wanted.name == "a.pdf")
    );
    assert!(world.asked().is_empty(), "the disk comes first");
    world.transfer(1, FileEvent::Ready { have: 4 });
    assert_eq!(world.asked(), [("m-file".into(), "x".into(), "4".into())]);
    world.stream(open("bob", "x", 10, false));
    assert!(matches!(
        world.orders().last(),
        Some((_, TransferOrder::Take { .. }))
    ));
}

#[test]
fn a_mention_brings_its_files_and_the_agent_waits_for_them() {
    let mut world = World::new();
    world.bob_offers(ask("review"), vec![file("x", "a.rs", 10), file("y", "b.rs", 20)]);
    assert!(
        world.room().review.inbox.get(ItemId::File(1)).is_none(),
        "one item for all"
    );
    world.accept(ItemId::Mention(1));
    assert_eq!(world.starts(), 0);
    for number in [1, 2] {
        world.transfer(number, FileEvent::Ready { have: 0 });
    }
    world.done(1, "/got/a.rs");
    assert_eq!(world.starts(), 0);
    world.done(2, "/got/b.rs");
    let ask = world.started();
    assert_eq!(
        ask.files,
        [std::path::PathBuf::from("/got/a.rs"), "/got/b.rs".into()]
    );
    let prompt = Prompt::new(&ask);
    assert!(prompt.as_str().contains("- /got/a.rs\n- /got/b.rs\n"));
}

#[test]
fn a_mention_whose_file_does_not_come_fails_and_can_be_tried_again() {
    let mut world = World::new();
    world.bob_offers(ask("review"), vec![file("x", "a.rs", 10)]);
    world.accept(ItemId::Mention(1));
    world.transfer(1, FileEvent::Failed("the disk is full".into()));
    assert_eq!(world.starts(), 0);
    let last = world.receipts().pop().unwrap();
    assert_eq!(
        (last.1, last.2.as_str()),
        (ReceiptState::Failed, Failure::NoFile.in_words())
    );
    world.decide(Intent::HandOver(1)).unwrap();
    world.transfer(1, FileEvent::Ready { have: 0 });
    world.done(1, "/got/a.rs");
    assert_eq!(world.starts(), 1);
}

#[test]
fn who_has_no_room_for_a_file_tells_its_sender_and_may_try_again() {
    let mut world = World::new();
    world.bob_offers(note(), vec![file("x", "a.pdf", 10)]);
    world.accept(ItemId::File(1));
    world.transfer(1, FileEvent::Failed("the disk has not enough room".into()));
    let told = ("m-file".into(), "x".into(), "the disk has not enough room".into());
    assert_eq!(world.asked(), [told]);
    world.perform("/retry f1").unwrap();
    world.transfer(1, FileEvent::Ready { have: 0 });
    assert_eq!(world.asked().last().unwrap().2, "0", "it is asked for after all");
}

#[test]
fn what_is_rejected_is_declined() {
    let mut world = World::new();
    world.bob_offers(ask("review"), vec![file("x", "a.rs", 10)]);
    let reject = |id| Intent::Reject {
        target: Target::Item(id),
        reason: "busy".into(),
    };
    world.decide(reject(ItemId::Mention(1))).unwrap();
    assert_eq!(world.asked(), [("m-file".into(), "x".into(), "busy".into())]);
    world.stream(open("bob", "x", 10, false));
    assert!(world.refused());
}

#[test]
fn limits_and_settings_decide_by_themselves() {
    let mut world = World::new();
    world.room_mut().settings.files = FileRules {
        auto_accept_below: 100,
        max: 1000,
    };
    world.bob_offers(
        note(),
        vec![
            file("s", "small", 99),
            file("m", "middle", 100),
            file("l", "large", 1001),
        ],
    );
    let waiting: Vec<ItemId> = world.room().review.inbox.waiting().map(|item| item.id).collect();
    assert_eq!(waiting, [ItemId::File(2)]);
    assert!(matches!(
        &world.orders()[..],
        [
            (TransferId { number: 1, .. }, TransferOrder::Fetch(_)),
            (TransferId { number: 3, .. }, TransferOrder::Stop)
        ]
    ));
    assert!(world.asked()[0].2.contains("larger than 1.0 KB"));
}

#[test]
fn auto_mode_holds_a_mention_that_brings_files() {
    let mut world = World::new();
    world.decide(Intent::Auto).unwrap();
    world.trusts("bob");
    world.bob_offers(ask("review"), vec![file("x", "a.rs", 10)]);
    assert_eq!(world.starts(), 0);
    let ItemKind::Mention(mention) = &world.room().review.inbox.get(ItemId::Mention(1)).unwrap().matter
    else {
        panic!()
    };
    assert_eq!(mention.hold, Hold::Because(WhyHeld::Files));
}

#[test]
fn streams_that_nobody_asked_for_are_refused() {
    let mut world = World::new();
    world.bob_offers(note(), vec![file("x", "a", 10)]);
    // Not accepted; of another member; another file; another size.
    for stream in [
        open("bob", "x", 10, false),
        open("carol", "x", 10, false),
        open("bob", "y", 10, false),
    ] {
        world.effects.clear();
        world.stream(stream.clone());
        assert!(world.refused(), "{stream:?}");
    }
    world.accept(ItemId::File(1));
    world.transfer(1, FileEvent::Ready { have: 0 });
    world.effects.clear();
    world.stream(open("bob", "x", 11, false));
    assert!(world.refused());
}

#[test]
fn a_pushed_file_is_kept_aside_within_bounds_until_it_is_decided() {
    let mut world = World::new();
    world.bob_offers(note(), vec![file("x", "a", 10), file("big", "b", 300 << 20)]);
    world.stream(open("bob", "x", 10, true));
    assert!(
        matches!(&world.orders()[..], [(_, TransferOrder::Fetch(wanted)), (_, TransferOrder::Take { .. })] if !wanted.accepted)
    );
    world.transfer(1, FileEvent::Aside);
    world.stream(open("bob", "big", 300 << 20, true));
    assert!(world.refused());
    assert!(
        world.room().review.inbox.get(ItemId::File(1)).is_some(),
        "it still waits for a person"
    );
    world.accept(ItemId::File(1));
    assert!(matches!(world.orders().last(), Some((_, TransferOrder::Keep))));
    // Another one is not decided in time.
    let message = world.message(
        "bob",
        "m2",
        &["alice"],
        true,
        &with_files(note(), vec![file("z", "c", 5)]),
    );
    world.receives(message);
    world.stream(open("bob", "z", 5, true));
    world.transfer(3, FileEvent::Aside);
    world.now += world.room().settings.expire_after;
    world.event(Event::Tick);
    assert!(matches!(
        world.orders().last(),
        Some((TransferId { number: 3, .. }, TransferOrder::Stop))
    ));
}

/// Issue 16, 32b: what was pushed and cut stayed on disk, beyond the bound, also after a restart.
#[test]
fn the_remains_of_an_interrupted_push_are_deleted() {
    let mut world = World::new();
    for nth in 0..20 {
        let (id, of) = (format!("p{nth}"), format!("x{nth}"));
        let pushed = with_files(note(), vec![file(&of, "a", 31 << 20)]);
        let message = world.message("bob", &id, &["alice"], true, &pushed);
        world.receives(message);
        world.stream(open("bob", &of, 31 << 20, true));
        assert!(!world.refused(), "{nth}");
        world.transfer(nth + 1, FileEvent::Cut { have: 30 << 20 });
        assert!(
            matches!(world.orders().last(), Some((TransferId { number, .. }, TransferOrder::Stop)) if *number == nth + 1)
        );
    }
    // The program may end before a push does.
    world.bob_offers(note(), vec![file("y", "b", 10)]);
    world.restart();
    let discarded = world.orders();
    let discarded = discarded
        .iter()
        .filter(|(_, order)| matches!(order, TransferOrder::Discard(_)));
    assert_eq!(discarded.count(), 21);
}

#[test]
fn only_those_who_were_offered_a_file_get_it() {
    let mut world = World::new();
    world.perform("/say @bob --file /tmp/x look").unwrap();
    let source = Source {
        path: "/tmp/x".into(),
        size: 10,
        modified: 1,
        sha256: "1".repeat(64),
        identity: None,
    };
    assert!(world.chats().is_empty(), "not before the file was read");
    world.transfer(1, FileEvent::Hashed(source.clone()));
    let (sent, chat) = world.chats().remove(0);
    assert_eq!((chat.files[0].size, chat.files[0].name.as_str()), (10, "x"));
    assert_eq!(chat.files[0].sha256.as_ref(), Some(&source.sha256));
    let accept = |offset| Body::FileAccept {
        of: sent.id.clone(),
        file: chat.files[0].id.clone(),
        offset,
    };
    for (from, offset, gets) in [("carol", 0, false), ("bob", 11, false), ("bob", 4, true)] {
        world.effects.clear();
        let id = format!("a-{from}-{offset}");
        let message = world.message(from, &id, &["alice"], true, &accept(offset));
        world.receives(message);
        let given = world.orders().into_iter().any(|(handle, order)| {
            matches!(order, TransferOrder::Give(giving) if giving.offset == offset && giving.source == source && handle.to.as_deref() == Some(from))
        });
        assert_eq!(given, gets, "{from} {offset}");
    }
    world.perform("/cancel f1").unwrap();
    world.effects.clear();
    let message = world.message("bob", "again", &["alice"], true, &accept(0));
    world.receives(message);
    assert!(world.orders().is_empty() && world.asked()[0].2 == "withdrawn");
}

#[test]
fn a_restart_resumes_downloads_and_offers_files_already_read() {
    let mut world = World::new();
    world.bob_offers(
        note(),
        vec![file("x", "a", 10), file("y", "b", 10), file("z", "c", 10)],
    );
    world.accept(ItemId::File(1));
    world
        .decide(Intent::Reject {
            target: Target::Item(ItemId::File(2)),
            reason: String::new(),
        })
        .unwrap();
    world.perform("/say @bob --file /tmp/x look").unwrap();
    world.restart();
    let orders = world.orders();
    assert!(
        matches!(
            &orders[..],
            [
                (TransferId { number: 3, .. }, TransferOrder::Discard(_)),
                (TransferId { number: 1, .. }, TransferOrder::Fetch(_)),
                (TransferId { number: 4, .. }, TransferOrder::Hash(_))
            ]
        ),
        "{orders:?}"
    );
    let waiting: Vec<ItemId> = world.room().review.inbox.waiting().map(|item| item.id).collect();
    assert_eq!(waiting, [ItemId::File(3)]);
    // The disk is ready before the relay is connected: the file is requested then.
    world.transfer(1, FileEvent::Ready { have: 7 });
    assert!(world.asked().is_empty());
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    assert!(world.asked().contains(&("m-file".into(), "x".into(), "7".into())));
    world.done(1, "/got/a");
    world.restart();
    assert_eq!(world.room().files.get(1).unwrap().in_words(), "in /got/a");
}

#[test]
fn what_is_cut_is_asked_for_again_from_where_it_was() {
    let mut world = World::new();
    world.bob_offers(note(), vec![file("x", "a", 10)]);
    world.accept(ItemId::File(1));
    world.transfer(1, FileEvent::Ready { have: 0 });
    world.stream(open("bob", "x", 10, false));
    world.transfer(1, FileEvent::Progress { have: 6 });
    world.effects.clear();
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    assert_eq!(world.asked(), [("m-file".into(), "x".into(), "6".into())]);
    // Its sender withdraws it.
    let back = Body::FileDecline {
        of: "m-file".into(),
        file: "x".into(),
        reason: "withdrawn".into(),
    };
    let message = world.message("bob", "b", &["alice"], true, &back);
    world.receives(message);
    assert!(
        world
            .room()
            .files
            .get(1)
            .unwrap()
            .in_words()
            .contains("bob: withdrawn")
    );
}
