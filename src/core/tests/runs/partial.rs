//! The part of an answer that others see while it is written.

use crate::core::{runs::ExternalAccess, tests::*};

const SECRET: &str = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";

fn sharing() -> World {
    let mut world = World::new();
    world.room_mut().settings.share_partial = true;
    world
}

/// bob asks and alice's agent begins. Returns the run.
fn works(world: &mut World) -> String {
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    world.started().run
}

fn writes(world: &mut World, run: &str, text: &str) {
    let event = AgentEvent::Partial(text.into());
    world.event(Event::Run {
        run: run.to_owned(),
        event,
    });
}

/// The partial answers that were sent: id, text, addressees.
fn shown(world: &World) -> Vec<(String, String, Vec<String>)> {
    let of = |effect: &Effect| match effect {
        Effect::Send(Outbound::Signal(signal)) => match serde_json::from_str(signal.body.get()) {
            Ok(SignalBody::Partial { of, text }) => Some((of, text, signal.to.clone())),
            _ => None,
        },
        _ => None,
    };
    world.effects.iter().filter_map(of).collect()
}

fn words(world: &World) -> Vec<String> {
    shown(world).into_iter().map(|(_, text, _)| text).collect()
}

#[test]
fn whole_paragraphs_leave_one_behind_and_the_answer_has_their_id() {
    let mut world = sharing();
    let run = works(&mut world);
    let answer = "One.\n\nTwo.\n\nThree.\n\nFour.";
    for end in (0..=answer.len()).filter(|end| answer.is_char_boundary(*end)) {
        writes(&mut world, &run, &answer[..end]);
    }
    assert_eq!(words(&world), ["One.", "One.\n\nTwo."]);
    world.ends(&run, Outcome::Answer(answer.into()));
    let (frame, chat) = world.chats().pop().unwrap();
    assert_eq!(chat.text, answer);
    for (of, _, to) in shown(&world) {
        assert_eq!((of, to), (frame.id.clone(), vec!["bob".to_owned()]));
    }
    // Each part is in the audit log, once.
    let entries = world.effects.iter().filter_map(|effect| match effect {
        Effect::Audit(entry) => match &**entry {
            crate::core::persist::audit::Entry::Shown { text, message, .. } => {
                Some((text.as_str(), message.clone()))
            }
            _ => None,
        },
        _ => None,
    });
    let id = frame.id;
    assert_eq!(
        entries.collect::<Vec<_>>(),
        [("One.", id.clone()), ("\n\nTwo.", id)]
    );
}

#[test]
fn where_a_person_is_to_see_the_answer_first_nothing_is_shown() {
    let long = "One.\n\nTwo.\n\nThree.\n\nFour.";
    let with_file = format!("[[attach: plan.md]]\n\n{long}");
    let at_carol = format!("@carol look.\n\n{long}");
    type Prepare = fn(&mut World);
    // (the reason to hold, accepted for review, the answer)
    let table: &[(&str, Prepare, bool, &str)] = &[
        (
            "off",
            |world| world.room_mut().settings.share_partial = false,
            false,
            long,
        ),
        (
            "always",
            |world| world.room_mut().settings.review = Review::Always,
            false,
            long,
        ),
        ("review", |_| {}, true, long),
        ("a third member", |_| {}, false, &at_carol),
        ("a file", |_| {}, false, &with_file),
        (
            "offline",
            |world| {
                world.event(Event::Connection(Connection::Waiting {
                    code: None,
                    why: "cut".into(),
                    until: NOW,
                }));
            },
            false,
            long,
        ),
    ];
    for (what, prepare, review, answer) in table {
        let mut world = sharing();
        prepare(&mut world);
        let item = world.bob_asks("m-1", "how?");
        let how = AcceptOptions {
            review: *review,
            ..AcceptOptions::default()
        };
        let target = Target::Item(item);
        world.decide(Intent::Accept { target, how }).unwrap();
        let run = world.started().run;
        for end in 0..=answer.len() {
            writes(&mut world, &run, &answer[..end]);
        }
        assert!(shown(&world).is_empty(), "{what}");
    }
}

#[test]
fn a_session_that_was_outside_shows_nothing_and_one_that_goes_there_takes_back_what_it_showed() {
    let long = "One.\n\nTwo.\n\nThree.";
    let mut world = sharing();
    let run = works(&mut world);
    writes(&mut world, &run, long);
    let event = AgentEvent::Outside("/etc/x".into());
    world.event(Event::Run {
        run: run.clone(),
        event,
    });
    writes(&mut world, &run, &format!("{long}\n\nFour.\n\nFive."));
    assert_eq!(words(&world), ["One.", ""]);
    let ending = Ending {
        outcome: Outcome::Answer(long.into()),
        session: Some("s".into()),
        outside: ExternalAccess {
            paths: vec!["/etc/plan".into()],
            results: "x".into(),
        },
        ..Ending::failed(failed(""))
    };
    world.event(Event::Run {
        run,
        event: AgentEvent::Ended(ending),
    });
    // It is a draft now, and its message will have the id that was sent before.
    let id = shown(&world)[0].0.clone();
    world.restart();
    world.room_mut().settings.share_partial = true;
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    world.accept(ItemId::Draft(1));
    assert_eq!(world.chats().pop().unwrap().0.id, id);

    // The session continues, but its knowledge is no longer known here.
    let mut message = world.message("bob", "m-2", &["alice"], true, &Body::Chat(ask("and?")));
    message.thread = Some("m-1".into());
    world.receives(message);
    let item = world.room().review.inbox.next().unwrap().id;
    world.accept(item);
    assert!(world.started().resume.is_some());
    let run = world.started().run;
    writes(&mut world, &run, long);
    assert!(shown(&world).is_empty());
}

#[test]
fn nothing_of_a_secret_leaves_however_it_is_cut() {
    // The secret within a paragraph, across the end of one, and named in the one before.
    let named = "The password:\n\nhV7kQ2mZ9tRw4\n\nThat is it.\n\nBye.";
    let plain = format!("One.\n\nTwo.\n\nIt is {SECRET}.\n\nThree.\n\nFour.");
    let key = "See:\n\n-----BEGIN PRIVATE KEY-----\n\nMIIEvQIBADANBg\n\n-----END PRIVATE KEY-----\n\nBye.";
    for (answer, secret) in [(plain.as_str(), "ghp_"), (named, "hV7k"), (key, "MIIE")] {
        for step in [1, 7, answer.len()] {
            let mut world = sharing();
            let run = works(&mut world);
            for end in (0..answer.len()).step_by(step).chain([answer.len()]) {
                writes(&mut world, &run, &answer[..end]);
            }
            // The rest is not shown either.
            writes(&mut world, &run, "Quite.\n\nanother.\n\nanswer.");
            world.ends(&run, Outcome::Answer(answer.into()));
            for effect in &world.effects {
                if let Effect::Send(frame) = effect {
                    let frame = format!("{frame:?}");
                    assert!(!frame.contains(secret) && !frame.contains("Quite"), "{frame}");
                }
            }
            assert_eq!(world.room().review.inbox.len(), 1, "{answer}");
            assert!(words(&world).last().is_none_or(String::is_empty));
        }
    }
}

#[test]
fn a_run_that_fails_takes_back_what_it_showed() {
    for outcome in [
        Outcome::Failed(failed("broke")),
        Outcome::Cancelled,
        Outcome::Answer("".into()),
    ] {
        let mut world = sharing();
        let run = works(&mut world);
        writes(&mut world, &run, "One.\n\nTwo.\n\n");
        world.ends(&run, outcome);
        assert_eq!(words(&world), ["One.", ""]);
        assert!(world.chats().is_empty());
    }
}

fn bob_shows(world: &mut World, of: &str, text: &str) {
    let signal = wire::Signal {
        from: "bob".into(),
        to: vec!["alice".into()],
        only: true,
        thread: Some("t".into()),
        body: serde_json::value::to_raw_value(&SignalBody::Partial {
            of: of.into(),
            text: text.into(),
        })
        .unwrap(),
    };
    world.event(Event::Frame(Box::new(Frame::Signal(signal))));
}

fn seen(world: &World) -> Vec<(String, String)> {
    let all = world.room().chat.partials.all();
    all.map(|one| (one.from.in_words(), one.text.to_string()))
        .collect()
}

#[test]
fn what_others_agents_write_is_seen_until_it_is_said_or_can_not_be() {
    let said = |world: &mut World| {
        let chat = Chat {
            text: "One. Two.".into(),
            origin: Origin::Agent,
            agent: Some("codex".into()),
            ..Chat::default()
        };
        let message = world.message("bob", "a-1", &["alice"], true, &Body::Chat(chat));
        world.receives(message);
    };
    let gone = |world: &mut World, event| {
        let presence = Presence {
            event,
            member: member("bob"),
        };
        world.event(Event::Frame(Box::new(Frame::Presence(presence))));
    };
    let ends: [&dyn Fn(&mut World); 6] = [
        &said,
        &|world| bob_shows(world, "a-1", ""),
        &|world| gone(world, PresenceEvent::Leave),
        &|world| gone(world, PresenceEvent::Away),
        &|world| {
            world.event(Event::Connection(Connection::Waiting {
                code: None,
                why: "cut".into(),
                until: NOW,
            }));
        },
        &|world| {
            world.perform("@bob look").unwrap();
            let of = world.chats()[0].0.id.clone();
            let body = Body::Receipt(Receipt {
                of,
                state: ReceiptState::Failed,
                reason: String::new(),
            });
            let message = world.message("bob", "r-1", &["alice"], true, &body);
            world.receives(message);
        },
    ];
    for (nth, end) in ends.into_iter().enumerate() {
        let mut world = World::new();
        bob_shows(&mut world, "a-1", "One.");
        bob_shows(&mut world, "a-1", "One.\u{1b}[31m\n\nTwo.");
        assert_eq!(
            seen(&world),
            [("bob·codex".to_owned(), "One.\n\nTwo.".to_owned())]
        );
        end(&mut world);
        assert_eq!(seen(&world), [], "row {nth}");
    }
    // Late parts of an answer that was already sent are not shown.
    let mut world = World::new();
    said(&mut world);
    bob_shows(&mut world, "a-1", "late");
    bob_shows(&mut world, "no id!", "x");
    assert_eq!(seen(&world), []);
    // It is only on the screen and nowhere else.
    bob_shows(&mut world, "a-2", "CANARY");
    assert!(!format!("{:?}{:?}", world.effects, world.records).contains("CANARY"));
    assert!(world.room().review.inbox.is_empty());
}

#[test]
fn a_hostile_member_fills_no_screen() {
    let mut world = World::new();
    for n in 0..100 {
        bob_shows(&mut world, &format!("a-{n}"), &"x\n".repeat(100_000));
    }
    assert!(seen(&world).len() <= 2);
    assert!(seen(&world).iter().all(|(_, text)| text.len() <= 4_000));
}
