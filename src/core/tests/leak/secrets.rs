//! No secret is sent in any way before a person has seen it, and none is in clear text in a log.

use crate::core::{
    leak::secrets::tests::samples::{all, made_up},
    runs::Failed,
    tests::*,
};

/// One sample of each rule, and one in which two rules match at different positions.
fn samples() -> Vec<String> {
    let mut samples: Vec<(String, String)> = all();
    samples.dedup_by(|a, b| a.0 == b.0);
    let mut samples: Vec<String> = samples.into_iter().map(|(_, sample)| sample).collect();
    samples.push(made_up("API_KEY=ghp_{a:40}-{a:20}", "overlapping"));
    samples
}

/// The parts of a text that are flagged.
fn secret_parts(text: &str) -> Vec<String> {
    let flags = secrets(text, &[]);
    flags.into_iter().map(|flag| text[flag.at].to_owned()).collect()
}

/// Everything that was sent: messages, receipts and signals.
fn left(world: &World) -> String {
    let sent = world.effects.iter().filter_map(|effect| match effect {
        Effect::Send(Outbound::Signal(signal)) => Some(signal.body.get().to_owned()),
        _ => None,
    });
    let signals: String = sent.collect();
    format!("{signals}{:?}", world.sent().collect::<Vec<_>>())
}

/// The audit log, and the notes on the screen.
fn logs(world: &World) -> String {
    let audit = world.effects.iter().filter_map(|effect| match effect {
        Effect::Audit(entry) => serde_json::to_string(entry).ok(),
        _ => None,
    });
    audit.collect()
}

fn is_held(world: &World, sample: &str, path: &str) {
    let text = format!("here:\n{sample}\nthat is it");
    for part in secret_parts(&text) {
        let escaped = serde_json::to_string(&part).unwrap();
        let escaped = escaped.trim_matches('"');
        assert!(!left(world).contains(escaped), "{path}: {part}");
        assert!(!logs(world).contains(escaped), "{path}: {part}: {}", logs(world));
    }
}

fn run(world: &mut World) -> String {
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    world.started().run
}

#[test]
fn an_answer_with_a_secret_waits() {
    for sample in samples() {
        let mut world = World::new();
        let id = run(&mut world);
        world.ends(
            &id,
            Outcome::Answer(format!("here:\n{sample}\nthat is it").into()),
        );
        assert!(world.chats().is_empty(), "{sample}");
        assert!(
            !world
                .room()
                .review
                .inbox
                .get(ItemId::Draft(1))
                .unwrap()
                .warnings()
                .is_empty()
        );
        is_held(&world, &sample, "answer");
        // The audit log does not contain it, even after it was posted.
        world.accept(ItemId::Draft(1));
        assert_eq!(world.chats().len(), 1, "{sample}");
        for part in secret_parts(&format!("here:\n{sample}\nthat is it")) {
            let escaped = serde_json::to_string(&part).unwrap();
            assert!(!logs(&world).contains(escaped.trim_matches('"')), "{part}");
        }
        // The entry still matches the message that is sent, and no other.
        let outgoing = world.records.iter().find_map(|record| match record {
            Record::Out(out) if matches!(out.body, Body::Chat(_)) => Some((**out).clone()),
            _ => None,
        });
        let outgoing = outgoing.unwrap();
        assert!(world.audited.iter().any(|entry| entry.is_of(&outgoing)));
        let mut other = outgoing;
        if let Body::Chat(chat) = &mut other.body {
            chat.text.push('x');
        }
        assert!(!world.audited.iter().any(|entry| entry.is_of(&other)));
    }
}

#[test]
fn a_reply_in_a_thread_with_a_secret_waits() {
    for sample in samples() {
        let mut world = World::new();
        let first = run(&mut world);
        world.ends(&first, Outcome::Answer("which one?".into()));
        let thread = world.chats()[0].0.thread.clone();
        let mut message = world.message("bob", "m-2", &["alice"], true, &Body::Chat(ask("the second")));
        message.thread = thread;
        world.receives(message);
        let item = world.room().review.inbox.waiting().last().expect("an item").id;
        world.accept(item);
        let second = world.started().run;
        assert_ne!(first, second);
        world.ends(
            &second,
            Outcome::Answer(format!("here:\n{sample}\nthat is it").into()),
        );
        assert_eq!(world.chats().len(), 1, "{sample}");
        is_held(&world, &sample, "thread reply");
    }
}

#[test]
fn unprompted_output_is_flagged_and_pending() {
    for sample in samples() {
        let mut world = World::new();
        let unasked = UnpromptedText {
            agent: "claude".into(),
            text: format!("here:\n{sample}\nthat is it").into(),
            ..UnpromptedText::default()
        };
        let id = world.drafted(unasked).unwrap();
        assert!(
            world.room().review.inbox.get(id).unwrap().wants_a_second_yes(),
            "{sample}"
        );
        assert!(world.chats().is_empty());
        is_held(&world, &sample, "say");
    }
}

#[test]
fn what_is_unfinished_and_why_it_failed_leave_no_secret() {
    for sample in samples() {
        let mut world = World::new();
        let run = run(&mut world);
        let ending = Ending {
            unfinished: format!("here:\n{sample}\nthat is it").into(),
            ..Ending::failed(Failed::new(
                Failure::Reported,
                format!("here:\n{sample}\nthat is it"),
            ))
        };
        world.event(Event::Run {
            run,
            event: AgentEvent::Ended(ending),
        });
        assert!(world.chats().is_empty());
        is_held(&world, &sample, "failure");
    }
}

#[test]
fn what_others_see_of_an_answer_that_grows_has_no_secret() {
    for sample in samples() {
        let mut world = World::new();
        world.room_mut().settings.share_partial = true;
        let run = run(&mut world);
        let event =
            AgentEvent::Partial(format!("One.\n\nhere:\n{sample}\nthat is it\n\nThree.\n\nFour.").into());
        world.event(Event::Run { run, event });
        is_held(&world, &sample, "partial answer");
    }
}

#[test]
fn a_reason_and_a_question_with_a_secret_are_asked_about_once_more() {
    let mut world = World::new();
    for sample in samples() {
        let reject = Intent::Reject {
            target: Target::Thread(1),
            reason: sample.clone(),
        };
        let doubt = world.room().doubt(&reject).unwrap_or_else(|| panic!("{sample}"));
        assert!(doubt.starts_with("The reason looks like a"), "{doubt}");
        let asks = Intent::Ask {
            words: sample.clone(),
        };
        let doubt = world.room().doubt(&asks).unwrap_or_else(|| panic!("{sample}"));
        assert!(doubt.starts_with("The question looks like a"), "{doubt}");
        assert!(!doubt.contains(&sample));
    }
    let asks = Intent::Ask {
        words: "what is it?".into(),
    };
    assert_eq!(world.room().doubt(&asks), None);
    // The audit log has the decision, without the secret.
    let sample = made_up("ghp_{a:36}", "reason");
    let item = world.bob_asks("m-1", "how?");
    let reject = Intent::Reject {
        target: Target::Item(item),
        reason: format!("because {sample}"),
    };
    world.decide(reject).unwrap();
    assert!(left(&world).contains(&sample));
    assert!(!logs(&world).contains(&sample), "{}", logs(&world));
    assert!(logs(&world).contains("because [left out: GitHub token]"));
}

#[test]
fn a_secret_in_a_file_name_is_reported_and_not_logged() {
    let token = made_up("ghp_{a:36}", "name");
    let mut world = World::new();
    let unasked = UnpromptedText {
        agent: "claude".into(),
        text: "my notes".into(),
        files: vec![format!("/w/{token}.txt").as_str().into()],
        ..UnpromptedText::default()
    };
    let id = world.drafted(unasked).unwrap();
    let warnings = world.room().review.inbox.get(id).unwrap().warnings();
    assert!(
        warnings.contains(&"the name of a file looks like a GitHub token".to_owned()),
        "{warnings:?}"
    );
    assert!(world.room().review.inbox.get(id).unwrap().wants_a_second_yes());
    assert!(!logs(&world).contains(&token));
}
