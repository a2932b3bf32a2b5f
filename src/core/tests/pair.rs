//! Two members in auto mode whose agents always ask each other: both rooms are real, and the network between them
//! changes their messages as a hostile client would.

use super::{
    auto::{auto, limit},
    *,
};

/// Changes a message in transit: its thread, its text, its sender's name.
type Forge = fn(usize, &mut String, &mut Chat, &mut String);

/// A member in auto mode with the whole budget of the day.
fn side(me: &str) -> World {
    let mut world = auto(500.0);
    world.room_mut().settings.me = me.to_owned();
    world.effects.clear();
    world
}

fn sees(world: &mut World, name: &str, v: u32) {
    let member = Member { v, ..member(name) };
    let event = PresenceEvent::Join;
    world.event(Event::Frame(Box::new(Frame::Presence(Presence {
        event,
        member,
    }))));
}

/// Delivers everything that a side has sent to the other one. Returns the number of messages.
fn carry(from: &mut World, to: &mut World, forge: Forge, nth: usize) -> usize {
    let sent: Vec<(wire::Send, Body)> = from.sent().collect();
    from.effects.clear();
    for (frame, body) in &sent {
        let mut sender = from.room().settings.me.clone();
        let mut thread = frame.thread.clone().unwrap_or_else(|| frame.id.clone());
        let body = match body {
            Body::Chat(chat) => {
                let mut chat = chat.clone();
                forge(nth, &mut thread, &mut chat, &mut sender);
                Body::Chat(chat)
            }
            other => other.clone(),
        };
        let names: Vec<&str> = frame.to.iter().map(String::as_str).collect();
        let mut message = to.message(&sender, &frame.id, &names, frame.only, &body);
        message.thread = Some(thread);
        to.receives(message);
    }
    sent.len()
}

/// The agent of a side answers everything and asks back each time. Returns how often.
fn work(world: &mut World, other: &str) -> usize {
    let mut answers = 0;
    loop {
        let run = world.program.runs().working().next().map(|run| run.id.clone());
        let Some(run) = run else { return answers };
        let ending = Ending {
            outcome: Outcome::Answer(format!("@{other} and what do you say?").into()),
            usd: Some(0.01),
            ..Ending::failed(failed(""))
        };
        let event = AgentEvent::Ended(ending);
        world.event(Event::Run { run, event });
        answers += 1;
    }
}

/// bob's agent begins, with its owner's permission. Returns how often the agents of alice and bob have answered.
fn exchange(forge: Forge, v: u32, restart: Option<usize>) -> (usize, usize) {
    let (mut alice, mut bob) = (side("alice"), side("bob"));
    sees(&mut alice, "bob", v);
    sees(&mut bob, "alice", v);
    bob.trusts("alice");
    let begins = UnpromptedText {
        agent: "claude".into(),
        to: vec!["alice".into()],
        text: "shall we?".into(),
        ..UnpromptedText::default()
    };
    let drafted = bob.drafted(begins).unwrap();
    bob.accept(drafted);
    let mut answers = (0, 0);
    for nth in 0..100 {
        let moved = carry(&mut bob, &mut alice, forge, nth);
        answers.0 += work(&mut alice, "bob");
        let moved = moved + carry(&mut alice, &mut bob, forge, nth);
        answers.1 += work(&mut bob, "alice");
        if restart == Some(nth) {
            for (world, other) in [(&mut alice, "bob"), (&mut bob, "alice")] {
                // Nothing is in transit except for the outbox.
                world.restart();
                limit(world, 500.0);
                world.room_mut().settings.mode = wire::Mode::Auto;
                let welcome = Welcome {
                    members: vec![member(&world.room().settings.me.clone())],
                    ..welcome(Resumed::Ok, "e1", world.seq)
                };
                world.event(Event::Welcome(Box::new(welcome)));
                sees(world, other, v);
            }
        }
        if moved == 0 && restart.is_none_or(|restart| nth > restart) {
            // The exchange has stopped: one side holds the last question, with a reason.
            let held = |world: &World| {
                let items = world.room().review.inbox.waiting();
                items
                    .filter(|item| matches!(&item.matter, ItemKind::Mention(one) if one.hold != Hold::Manual))
                    .count()
            };
            assert_eq!(held(&alice) + held(&bob), 1);
            return answers;
        }
    }
    panic!("it does not end: {answers:?}");
}

#[test]
fn two_rooms_in_auto_mode_come_to_rest() {
    let table: &[(&str, Forge, u32, (usize, usize))] = &[
        ("honest: the hop ends it", |_, _, _, _| {}, 2, (2, 1)),
        ("no hop", |_, _, chat, _| chat.hop = 0, 2, (3, 3)),
        (
            "fresh threads",
            |nth, thread, chat, _| {
                *thread = format!("{thread}-{nth}");
                chat.hop = 0;
            },
            2,
            (3, 3),
        ),
        (
            "fresh threads that answer nothing, names in another case",
            |nth, thread, chat, from| {
                *thread = format!("{thread}-{nth}");
                (chat.hop, chat.reply_to) = (0, None);
                *from = from.to_uppercase();
            },
            2,
            (3, 3),
        ),
        (
            "as if persons asked",
            |_, _, chat, _| {
                (chat.hop, chat.origin, chat.reply_to) = (0, Origin::Human, None);
                chat.asks = true;
            },
            2,
            (3, 3),
        ),
        (
            "version 1: whoever is named is asked, and nothing says what is answered",
            |_, _, chat, _| (chat.asks, chat.reply_to) = (true, None),
            1,
            (2, 1),
        ),
        (
            "version 1, with a hop count of its own and fresh threads",
            |nth, thread, chat, _| {
                *thread = format!("{thread}-{nth}");
                (chat.asks, chat.hop, chat.reply_to) = (true, 0, None);
            },
            1,
            (3, 3),
        ),
    ];
    for (what, forge, v, expected) in table {
        for restart in [None, Some(0)] {
            let answers = exchange(*forge, *v, restart);
            assert_eq!(answers, *expected, "{what}, restart: {restart:?}");
        }
    }
}
