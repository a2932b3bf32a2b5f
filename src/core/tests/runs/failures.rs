//! Runs without an answer: the asker gets one of a fixed list of reasons, and the unfinished text waits for the
//! owner.

use proptest::prelude::*;

use crate::core::{
    runs::{ExternalAccess, Failed, ToolRequest},
    tests::*,
};

const CANARY: &str = "canary-7f3a";

/// Bob asks and alice accepts; the run ends in the given way.
fn ends(world: &mut World, id: &str, ending: Ending) {
    let message = world.message("bob", id, &["alice"], true, &Body::Chat(ask("how?")));
    world.receives(message);
    // In auto mode it does not wait.
    if let Some(item) = world.room().review.inbox.waiting().last().map(|item| item.id) {
        world.accept(item);
    }
    let (run, event) = (world.started().run, AgentEvent::Ended(ending));
    world.event(Event::Run { run, event });
}

fn failing(why: Failure, written: &str) -> Ending {
    Ending {
        unfinished: written.into(),
        ..Ending::failed(Failed::new(why, format!("it said {CANARY}")))
    }
}

/// Everything that is sent, as JSON.
fn sent(world: &World) -> String {
    world.sent().map(|sent| format!("{sent:?}\n")).collect()
}

#[test]
fn an_error_is_no_way_around_the_review_of_answers() {
    for why in Failure::ALL {
        for review in [Review::Always, Review::Flagged] {
            let mut world = World::new();
            world.room_mut().settings.review = review;
            ends(&mut world, "m-1", failing(why, CANARY));
            assert!(!sent(&world).contains(CANARY), "{why:?}");
            // The owner gets the details.
            let notes: Vec<String> = world
                .room()
                .chat
                .timeline
                .entries()
                .iter()
                .map(|entry| format!("{entry:?}"))
                .collect();
            assert!(notes.concat().contains(CANARY), "{notes:?}");
            let told = world.receipts().pop().unwrap();
            if why == Failure::NoAnswer {
                // The unfinished text is the draft, and the question waits with it.
                assert_eq!(told.1, ReceiptState::Accepted);
            } else {
                assert_eq!((told.1, &*told.2), (ReceiptState::Failed, why.in_words()));
            }
            world.restart();
            world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
            assert!(!sent(&world).contains(CANARY), "{why:?}");
        }
    }
}

#[test]
fn what_older_versions_wrote_of_a_failure_is_told_to_nobody() {
    let mut world = World::new();
    world.bob_asks("m-1", "how?");
    let old = format!(r#"{{"mention":{{"from":"bob","id":"m-1","fate":{{"failed":"{CANARY}"}},"at":1}}}}"#);
    world.records.push(serde_json::from_str(&old).unwrap());
    world.restart();
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    let told = world.receipts().pop().unwrap();
    assert_eq!(
        (told.1, &*told.2),
        (ReceiptState::Failed, Failure::Other.in_words())
    );
}

#[test]
fn what_was_written_before_a_failure_is_a_draft_that_says_so() {
    for (why, open) in [
        (Failure::NoAnswer, true),
        (Failure::Exited, false),
        (Failure::Unfinished, false),
    ] {
        for auto in [false, true] {
            let mut world = World::new();
            if auto {
                world.decide(Intent::Auto).unwrap();
            }
            ends(&mut world, "m-1", failing(why, "The first half"));
            assert!(world.chats().is_empty());
            let item = world.room().review.inbox.get(ItemId::Draft(1)).expect("a draft");
            assert_eq!(item.text, "The first half");
            assert_eq!(item.warnings(), [format!("unfinished: {}", why.in_words())]);
            assert!(item.wants_a_second_yes());
            // It survives a restart, and is not an interrupted run.
            world.restart();
            assert!(world.room().review.inbox.get(ItemId::Draft(1)).is_some());
            world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
            let interrupted = |why: &str| why == Failure::Interrupted.in_words();
            assert!(!world.receipts().iter().any(|(_, _, why)| interrupted(why)));

            // If posted, it is the answer.
            world.accept(ItemId::Draft(1));
            assert_eq!(world.chats().pop().unwrap().1.text, "The first half");
            assert_eq!(world.receipts().pop().unwrap().1, ReceiptState::Answered);

            // If discarded, the asker is told only if they still wait.
            let mut world = World::new();
            ends(&mut world, "m-1", failing(why, "The first half"));
            let told = world.receipts().len();
            let target = Target::Item(ItemId::Draft(1));
            let reason = "no".to_owned();
            world.decide(Intent::Reject { target, reason }).unwrap();
            assert_eq!(world.receipts().len() > told, open);
        }
    }
}

#[test]
fn a_stop_keeps_what_was_written() {
    let mut world = World::new();
    let ending = Ending {
        outcome: Outcome::Cancelled,
        ..failing(Failure::Other, "The first half")
    };
    ends(&mut world, "m-1", ending);
    assert!(world.chats().is_empty());
    assert_eq!(
        world.room().review.inbox.get(ItemId::Draft(1)).unwrap().text,
        "The first half"
    );
    let told = world.receipts().pop().unwrap();
    assert_eq!((told.1, &*told.2), (ReceiptState::Failed, "stopped by its owner"));
}

#[test]
fn without_a_word_it_has_failed() {
    for outcome in [
        Outcome::Answer("".into()),
        Outcome::Answer(" \n".into()),
        Outcome::Failed(Failed::new(Failure::NoAnswer, "")),
    ] {
        let mut world = World::new();
        ends(
            &mut world,
            "m-1",
            Ending {
                outcome,
                ..failing(Failure::Other, " ")
            },
        );
        assert!(world.room().review.inbox.is_empty() && world.chats().is_empty());
        let told = world.receipts().pop().unwrap();
        assert_eq!(
            (told.1, &*told.2),
            (ReceiptState::Failed, "it ended without an answer")
        );
    }
}

/// The agent ends an exchange with the marker that its prompt names.
#[test]
fn an_exchange_is_ended_in_words() {
    let mut world = World::new();
    let ending = Ending {
        outcome: Outcome::Answer("[[end]]".into()),
        ..failing(Failure::Other, "")
    };
    ends(&mut world, "m-1", ending);
    assert!(world.chats().is_empty() && world.room().review.inbox.is_empty());
    assert_eq!(world.receipts().pop().unwrap().1, ReceiptState::Answered);
}

/// The session's transcript contains it, even if neither the run nor the program ended normally.
#[test]
fn what_a_run_has_read_taints_the_session_also_where_it_never_ends() {
    let mut world = World::new();
    let answered = |outside: ExternalAccess| Ending {
        outcome: Outcome::Answer("fine".into()),
        session: Some("s".into()),
        outside,
        ..failing(Failure::Other, "")
    };
    let asks = |world: &mut World, id: &str| {
        let mut message = world.message("bob", id, &["alice"], true, &Body::Chat(ask("how?")));
        message.thread = Some("t".into());
        world.receives(message);
        let item = world.room().review.inbox.waiting().last().unwrap().id;
        world.accept(item);
        world.started()
    };
    let run = asks(&mut world, "m-1").run;
    let event = AgentEvent::Ended(answered(ExternalAccess::default()));
    world.event(Event::Run { run, event });
    assert_eq!(world.chats().len(), 1);
    let resumed = asks(&mut world, "m-2");
    assert_eq!(resumed.resume.as_deref(), Some("s"));
    let event = AgentEvent::Outside("/etc/plan".into());
    world.event(Event::Run {
        run: resumed.run,
        event,
    });

    world.restart();
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 2))));
    let run = asks(&mut world, "m-3").run;
    let before = world.chats().len();
    let event = AgentEvent::Ended(answered(ExternalAccess::default()));
    world.event(Event::Run { run, event });
    assert_eq!(world.chats().len(), before);
    let warnings = world
        .room()
        .review
        .inbox
        .get(ItemId::Draft(1))
        .unwrap()
        .warnings();
    assert_eq!(warnings, ["its session has used /etc/plan, outside its folder"]);
}

/// Something that an agent does in a run.
#[derive(Debug, Clone)]
enum Act {
    Text,
    Tool,
    Outside,
    Ask(u8),
    Gone(u8),
    Fails,
    Stopped,
    Answers,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::Text),
        1 => Just(Act::Tool),
        1 => Just(Act::Outside),
        1 => (0..3u8).prop_map(Act::Ask),
        1 => (0..3u8).prop_map(Act::Gone),
        1 => Just(Act::Fails),
        1 => Just(Act::Stopped),
        2 => Just(Act::Answers),
        1 => Just(Act::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever an agent does, in any order: only a complete answer of a session without text from outside is sent
    /// automatically, and none of its text is lost.
    #[test]
    fn nothing_leaves_that_must_be_reviewed_and_nothing_is_lost(acts in prop::collection::vec(act(), 1..24)) {
        let mut world = World::new();
        let (mut asked, mut said, mut tainted) = (0, 0, false);
        let mut run: Option<String> = None;
        let mut written = Vec::<String>::new();
        // For each text: whether it may be sent without a person.
        let mut texts: Vec<(String, bool)> = Vec::new();
        for act in acts {
            let id = match run.clone() {
                Some(id) => id,
                None => {
                    asked += 1;
                    let mut message =
                        world.message("bob", &format!("m-{asked}"), &["alice"], true, &Body::Chat(ask("how?")));
                    message.thread = Some("t".into());
                    world.receives(message);
                    let item = world.room().review.inbox.waiting().find(|item| matches!(item.id, ItemId::Mention(_)));
                    let item = item.expect("it waits").id;
                    world.accept(item);
                    run = Some(world.started().run);
                    world.started().run
                }
            };
            let event = |world: &mut World, event| world.event(Event::Run { run: id.clone(), event });
            let over = |outcome: Outcome, unfinished: String| Ending {
                outcome,
                unfinished: unfinished.into(),
                session: Some("s".into()),
                outside: ExternalAccess {
                    paths: if tainted { vec!["/etc/plan".into()] } else { Vec::new() },
                    results: String::new(),
                },
                ..failing(Failure::Other, "")
            };
            match act {
                Act::Text => {
                    said += 1;
                    written.push(format!("word-{said}."));
                    event(&mut world, AgentEvent::Partial(written.concat().into()));
                }
                Act::Tool => event(&mut world, AgentEvent::Tool { name: "Bash".into(), detail: "ls".into() }),
                Act::Outside => {
                    tainted = true;
                    event(&mut world, AgentEvent::Outside("/etc/plan".into()));
                }
                Act::Ask(n) => event(&mut world, AgentEvent::Permission(ToolRequest {
                    id: n.to_string(),
                    tool: "Bash".into(),
                    what: "ls".into(),
                    hidden: 0,
                    outside: Vec::new(),
                    rule: None,
                })),
                Act::Gone(n) => event(&mut world, AgentEvent::PermissionGone(n.to_string())),
                Act::Fails | Act::Stopped => {
                    let text = std::mem::take(&mut written).concat();
                    texts.push((text.clone(), false));
                    let outcome = match act {
                        Act::Fails => Outcome::Failed(failed("broke")),
                        _ => Outcome::Cancelled,
                    };
                    event(&mut world, AgentEvent::Ended(over(outcome, text)));
                    run = None;
                }
                Act::Answers => {
                    let text = std::mem::take(&mut written).concat();
                    texts.push((text.clone(), !tainted));
                    event(&mut world, AgentEvent::Ended(over(Outcome::Answer(text.into()), String::new())));
                    run = None;
                }
                Act::Restart => {
                    // Data in memory is lost with the program; everything that a run reported as its end is on disk.
                    world.restart();
                    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
                    written.clear();
                    run = None;
                }
            }
            // No request outlives its run.
            if run.is_none() {
                let asks = |item: &&Item| matches!(item.matter, ItemKind::Permission(_));
                prop_assert!(world.room().review.inbox.waiting().find(asks).is_none());
            }
        }
        let posted: Vec<String> = world.room().chat.timeline.posts().filter(|(_, post)| post.sender.mine).map(|(_, post)| post.text.to_string()).collect();
        let drafts: Vec<String> = world.room().review.inbox.waiting().filter(|item| matches!(item.id, ItemId::Draft(_))).map(|item| item.text.to_string()).collect();
        for (text, free) in texts.iter().filter(|(text, _)| !text.is_empty()) {
            prop_assert!(posted.contains(text) || drafts.contains(text), "{text} is lost");
            prop_assert!(*free || !posted.contains(text), "{text} has left unreviewed");
        }
    }
}
