//! Text of other members reaches no agent before a person accepts it: a canary is planted in every field that a
//! member can set, and searched for in everything that an agent would read.

use super::*;
use crate::core::{
    files::{TransferEvent, TransferId},
    runs::Prompt,
};

const CANARY: &str = "canary-7f3a";

/// The number of prompts, and of those that contain the canary.
fn prompts(world: &World) -> (usize, usize) {
    let asks = world.effects.iter().filter_map(|effect| match effect {
        Effect::Start { ask, .. } => Some(Prompt::new(ask)),
        _ => None,
    });
    let all: Vec<Prompt> = asks.collect();
    let with = all.iter().filter(|prompt| prompt.as_str().contains(CANARY));
    (all.len(), with.count())
}

/// A file whose name and id contain the canary.
fn canary_file() -> wire::body::File {
    wire::body::File {
        id: format!("{CANARY}-file"),
        name: format!("{CANARY} \u{202e}.txt"),
        size: 10,
        sha256: Some(CANARY.into()),
    }
}

/// A message that contains the canary in every string of its sender, except the thread.
fn planted(world: &mut World, from: &str, id: &str, to: &[&str], thread: &str, agent: bool) -> Message {
    let chat = Chat {
        origin: if agent { Origin::Agent } else { Origin::Human },
        agent: agent.then(|| CANARY.to_owned()),
        edited_by: Some(CANARY.into()),
        files: (id != "pending").then(canary_file).into_iter().collect(),
        ..ask(&format!("{CANARY} do it"))
    };
    let mut message = world.message(from, &format!("{CANARY}-{id}"), to, false, &Body::Chat(chat));
    message.thread = Some(thread.into());
    message
}

#[test]
fn nothing_that_was_not_accepted_is_in_a_prompt() {
    let mut world = World::new();
    let thread = format!("{CANARY}-thread");
    // The members, with all fields that they set themselves.
    let mallory = Member {
        client: CANARY.into(),
        note: CANARY.into(),
        agents: vec![CANARY.into()],
        v: 1,
        ..member("mallory")
    };
    let event = PresenceEvent::Join;
    let presence = Presence {
        event,
        member: mallory,
    };
    world.event(Event::Frame(Box::new(Frame::Presence(presence))));

    // Expired, rejected, a broadcast, of version 1, of an agent, and a pending one.
    let expired = planted(&mut world, "bob", "expired", &["alice"], &thread, false);
    world.receives(expired);
    world.now += 86_400_000;
    world.event(Event::Tick);
    let rejected = planted(&mut world, "carol", "rejected", &["alice"], &thread, false);
    world.receives(rejected);
    let target = Target::Item(world.room().review.inbox.next().unwrap().id);
    let reason = "no".into();
    world.decide(Intent::Reject { target, reason }).unwrap();
    for (from, id, to, agent) in [
        ("bob", "broadcast", vec![], false),
        ("mallory", "plain", vec!["alice"], false),
        ("mallory", "plain-agent", vec!["alice"], true),
        ("bob", "pending", vec!["alice"], false),
    ] {
        let message = planted(&mut world, from, id, &to, &thread, agent);
        world.receives(message);
    }

    // Their receipts for our own message and its file.
    world.perform("/say @bob --file /tmp/x look").unwrap();
    let of = world
        .room()
        .chat
        .timeline
        .posts()
        .next_back()
        .unwrap()
        .1
        .id
        .clone();
    let refused = Body::Receipt(Receipt {
        of: of.clone(),
        state: ReceiptState::Rejected,
        reason: CANARY.into(),
    });
    let declined = Body::FileDecline {
        of,
        file: CANARY.into(),
        reason: CANARY.into(),
    };
    for (nth, body) in [refused, declined].into_iter().enumerate() {
        let message = world.message("bob", &format!("{CANARY}-told-{nth}"), &["alice"], true, &body);
        world.receives(message);
    }
    assert!(
        matches!(world.room().chat.outbox.get(&world.room().chat.timeline.posts().next_back().unwrap().1.id),
            Some(one) if one.receipts.values().any(|(_, why)| why == CANARY)),
        "the reason has come"
    );

    // An accepted mention in the same thread runs with the earlier messages in its prompt; so does our own question.
    let mut message = world.message("bob", "m-plain", &["alice"], false, &Body::Chat(ask("and now?")));
    message.thread = Some(thread.clone());
    world.receives(message);
    let item = world.room().review.inbox.waiting().last().unwrap().id;
    world.accept(item);
    let run = world.started().run;
    world.ends(&run, Outcome::Failed(failed("broke")));
    world
        .decide(Intent::Ask {
            words: "what is new?".into(),
        })
        .unwrap();
    let run = world.started().run;
    world.ends(&run, Outcome::Answer("Nothing.".into()));
    assert_eq!(prompts(&world), (2, 0));

    // The pending one is accepted: its text is in one prompt, once, and no other string of its sender is.
    let pending = world
        .room()
        .review
        .inbox
        .waiting()
        .find(|item| item.from.member == "bob" && matches!(item.id, ItemId::Mention(_)));
    let pending = pending.unwrap().id;
    world.accept(pending);
    assert_eq!(prompts(&world), (3, 1));
    let prompt = Prompt::new(&world.started());
    assert_eq!(prompt.as_str().matches(CANARY).count(), 1);
}

/// The file belongs only to the accepted mention: its path is in that prompt, and in none before or after.
#[test]
fn a_file_name_arrives_only_with_its_accepted_mention() {
    let mut world = World::new();
    let chat = Chat {
        files: vec![canary_file()],
        ..ask("look at it")
    };
    let message = world.message("bob", "m-1", &["alice"], true, &Body::Chat(chat));
    world.receives(message);
    let asks_more = |world: &mut World, id: &str| {
        let mut message = world.message("bob", id, &["alice"], true, &Body::Chat(ask("and?")));
        message.thread = Some("m-1".into());
        world.receives(message);
        let item = world.room().review.inbox.waiting().last().unwrap().id;
        world.accept(item);
        let run = world.started().run;
        world.ends(&run, Outcome::Answer("So.".into()));
    };
    asks_more(&mut world, "m-2");
    assert_eq!(prompts(&world), (1, 0));
    world.accept(ItemId::Mention(1));
    let handle = TransferId { number: 1, to: None };
    for event in [
        TransferEvent::Ready { have: 0 },
        TransferEvent::Done {
            path: format!("/got/{CANARY}.txt").into(),
        },
    ] {
        let handle = handle.clone();
        world.event(Event::File { handle, event });
    }
    assert_eq!(prompts(&world), (2, 1));
    let run = world.started().run;
    world.ends(&run, Outcome::Answer("Seen.".into()));
    asks_more(&mut world, "m-3");
    assert_eq!(prompts(&world), (3, 1));
}

#[test]
fn a_secret_that_comes_in_two_pieces_reaches_no_other_member() {
    let secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    for cut in 1..secret.len() {
        let mut world = World::new();
        let item = world.bob_asks("m-1", "how?");
        world.accept(item);
        let run = world.started().run;
        for text in [&secret[..cut], secret] {
            let event = AgentEvent::Partial(text.into());
            world.event(Event::Run {
                run: run.clone(),
                event,
            });
        }
        world.ends(&run, Outcome::Answer(secret.into()));
        // No frame of any kind contains even the beginning of it.
        for effect in &world.effects {
            if let Effect::Send(frame) = effect {
                assert!(!format!("{frame:?}").contains("ghp_"), "{frame:?}");
            }
        }
        assert_eq!(world.room().review.inbox.len(), 1);
    }
}
