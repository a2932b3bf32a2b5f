//! Answers that are sent, and tools that run, only after a person accepts them.

use crate::core::{
    files::{CheckedFile, TransferOrder},
    runs::{ExternalAccess, GrantRule, ToolAnswer, ToolRequest},
    tests::*,
};

const SECRET: &str = "Here: ghp_abcdefghijklmnopqrstuvwxyz0123456789";

/// bob asks, alice accepts, the agent answers.
fn answered(world: &mut World, text: &str) {
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    let run = world.started().run;
    world.ends(&run, Outcome::Answer(text.into()));
}

fn draft(world: &World) -> Draft {
    match &world
        .room()
        .review
        .inbox
        .get(ItemId::Draft(1))
        .expect("a draft")
        .matter
    {
        ItemKind::Draft(draft) => (**draft).clone(),
        other => panic!("{other:?}"),
    }
}

fn last_receipt(world: &World) -> (ReceiptState, String) {
    let (_, state, why) = world.receipts().pop().unwrap();
    (state, why)
}

#[test]
fn a_flagged_answer_waits_in_every_mode_and_nothing_of_it_leaves() {
    for auto in [false, true] {
        let mut world = World::new();
        if auto {
            world.decide(Intent::Auto).unwrap();
            world.trusts("bob");
            let message = world.message("bob", "m-1", &["alice"], true, &Body::Chat(ask("how?")));
            world.receives(message);
            let run = world.started().run;
            world.ends(&run, Outcome::Answer(SECRET.into()));
        } else {
            answered(&mut world, SECRET);
        }
        assert!(world.chats().is_empty());
        // It is on disk once: as a draft.
        let others = world
            .records
            .iter()
            .filter(|one| !matches!(one, Record::Draft { .. }));
        let left = format!(
            "{:?}{:?}",
            others.collect::<Vec<_>>(),
            world.sent().collect::<Vec<_>>()
        );
        assert!(!left.contains("ghp_"), "{left}");
        let item = world.room().review.inbox.next().unwrap();
        assert_eq!(item.warnings(), ["looks like a GitHub token"]);
        assert!(item.wants_a_second_yes());
        assert_eq!(draft(&world).to, ["bob"]);
        assert_ne!(last_receipt(&world).0, ReceiptState::Answered);
    }
}

#[test]
fn the_rooms_own_token_is_a_secret_too() {
    let mut world = World::new();
    world.room_mut().settings.token = Some(crate::core::Token("plain-room-word".into()));
    answered(&mut world, "the token is plain-room-word.");
    assert!(world.chats().is_empty() && world.room().review.inbox.len() == 1);
}

#[test]
fn a_draft_is_posted_as_it_is_or_edited_or_thrown_away() {
    let mut world = World::new();
    answered(&mut world, SECRET);
    world.accept(ItemId::Draft(1));
    let (frame, chat) = world.chats().pop().unwrap();
    assert_eq!(
        (chat.text.as_str(), chat.edited_by, frame.to),
        (SECRET, None, vec!["bob".to_owned()])
    );
    assert_eq!(last_receipt(&world).0, ReceiptState::Answered);

    let mut world = World::new();
    answered(&mut world, SECRET);
    let how = AcceptOptions {
        text: Some("Ask me in person.".into()),
        ..AcceptOptions::default()
    };
    world
        .decide(Intent::Accept {
            target: Target::Item(ItemId::Draft(1)),
            how,
        })
        .unwrap();
    let (_, chat) = world.chats().pop().unwrap();
    assert_eq!(
        (chat.text.as_str(), chat.edited_by.as_deref()),
        ("Ask me in person.", Some("alice"))
    );

    let mut world = World::new();
    answered(&mut world, SECRET);
    let target = Target::Item(ItemId::Draft(1));
    world
        .decide(Intent::Reject {
            target,
            reason: "not that".into(),
        })
        .unwrap();
    assert!(world.chats().is_empty() && world.room().review.inbox.is_empty());
    assert_eq!(last_receipt(&world), (ReceiptState::Rejected, "not that".into()));
}

#[test]
fn drafts_survive_a_restart_with_all_that_they_are() {
    let mut world = World::new();
    answered(&mut world, &format!("@carol {SECRET}"));
    let unasked = UnpromptedText {
        agent: "claude".into(),
        to: vec!["bob".into()],
        text: "see this".into(),
        files: vec!["/tmp/picture.png".into()],
        ..UnpromptedText::default()
    };
    assert_eq!(world.drafted(unasked), Ok(ItemId::Draft(2)));
    let items = |world: &World| world.room().review.inbox.waiting().cloned().collect::<Vec<_>>();
    let before = items(&world);
    world.restart();
    assert_eq!(items(&world), before);
    assert_eq!(draft(&world).asks_others, ["carol"]);
    // The question still waits for it: nothing is reported as interrupted.
    let post = world.room().chat.timeline.post_numbered(1).unwrap();
    let fate = world.room().review.inbox.fate(post);
    assert!(matches!(fate, Some(MentionOutcome::Accepted(_))), "{fate:?}");
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    assert!(
        world
            .receipts()
            .iter()
            .all(|(_, state, _)| *state != ReceiptState::Failed)
    );

    // Both are decided now, one with its file, and neither returns.
    world.accept(ItemId::Draft(1));
    assert_eq!(last_receipt(&world).0, ReceiptState::Answered);
    let (frame, chat) = world.chats().pop().unwrap();
    assert_eq!(frame.to, ["bob", "carol"]);
    assert!(chat.text.contains(SECRET) && chat.reply_to.as_deref() == Some("m-1"));
    let large = ScanResult::too_large(CheckedFile::test("/tmp/picture.png"));
    world.looked(2, vec![large]);
    world.accept(ItemId::Draft(2));
    assert_eq!(world.chats().pop().unwrap().1.files[0].size, 41);
    // It is never opened by its path alone.
    let file = |world: &World| {
        let reads = world.effects.iter().filter(|effect| {
            matches!(effect, Effect::File { order: TransferOrder::Hash(path), .. }
                if path.ends_with("picture.png"))
        });
        reads.count()
    };
    assert_eq!(file(&world), 0);
    world.restart();
    assert!(world.room().review.inbox.is_empty());
    let post = world.room().chat.timeline.post_numbered(1).unwrap();
    assert_eq!(
        world.room().review.inbox.fate(post),
        Some(&MentionOutcome::Answered)
    );

    // No number is used twice, and discarded drafts stay discarded.
    let item = world.bob_asks("m-2", "and?");
    world.accept(item);
    let run = world.started().run;
    world.ends(&run, Outcome::Answer(SECRET.into()));
    let target = Target::Item(ItemId::Draft(3));
    world
        .decide(Intent::Reject {
            target,
            reason: String::new(),
        })
        .unwrap();
    world.restart();
    assert!(world.room().review.inbox.is_empty());
    let (_, drafted) = world.program.drafted(
        world.in_room,
        UnpromptedText {
            text: "once more".into(),
            ..UnpromptedText::default()
        },
        NOW,
    );
    assert_eq!(drafted, Ok(ItemId::Draft(4)));
}

#[test]
fn a_draft_that_was_posted_is_not_posted_again_wherever_the_program_ended() {
    let mut world = World::new();
    answered(&mut world, SECRET);
    world.accept(ItemId::Draft(1));
    let posted = |record: &Record| matches!(record, Record::Out(out) if out.draft == Some(1));
    let end = world.records.iter().position(posted).unwrap();
    world.records.truncate(end + 1);
    world.restart();
    assert!(world.room().review.inbox.is_empty());
    let post = world.room().chat.timeline.post_numbered(1).unwrap();
    assert_eq!(
        world.room().review.inbox.fate(post),
        Some(&MentionOutcome::Answered)
    );
    // Before that it was not posted, so it still waits.
    world.records.truncate(end);
    world.restart();
    assert_eq!(
        world.room().review.inbox.next().map(|item| item.id),
        Some(ItemId::Draft(1))
    );
}

#[test]
fn which_answers_wait() {
    // (review always, accepted for review, the answer, whether it waits)
    let table = [
        (false, false, "plain", false),
        (true, false, "plain", true),
        (false, true, "plain", true),
        (false, false, "@bob back to you", false),
        (false, false, "@carol what do you say?", true),
        (false, false, "```\n@carol\n```", false),
        (false, false, "see @carol", false),
    ];
    for (always, review, text, waits) in table {
        let mut world = World::new();
        if always {
            world.room_mut().settings.review = Review::Always;
        }
        let item = world.bob_asks("m-1", "how?");
        let how = AcceptOptions {
            review,
            ..AcceptOptions::default()
        };
        world
            .decide(Intent::Accept {
                target: Target::Item(item),
                how,
            })
            .unwrap();
        let run = world.started().run;
        world.ends(&run, Outcome::Answer(text.into()));
        assert_eq!(!world.room().review.inbox.is_empty(), waits, "{text}");
        assert_eq!(world.chats().is_empty(), waits, "{text}");
    }
}

#[test]
fn an_answer_that_asks_a_third_member_says_so() {
    let mut world = World::new();
    answered(&mut world, "@carol what do you say?");
    assert_eq!(draft(&world).asks_others, ["carol"]);
    assert_eq!(
        world.room().review.inbox.next().unwrap().warnings(),
        ["asks carol"]
    );
    world.accept(ItemId::Draft(1));
    let (frame, chat) = world.chats().pop().unwrap();
    assert_eq!(
        (frame.to, chat.asks),
        (vec!["bob".to_owned(), "carol".to_owned()], true)
    );
}

#[test]
fn a_mention_can_be_edited_before_it_is_accepted() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "delete everything");
    let how = AcceptOptions {
        text: Some("list everything".into()),
        instructions: Some("be brief".into()),
        ..AcceptOptions::default()
    };
    world
        .decide(Intent::Accept {
            target: Target::Item(item),
            how,
        })
        .unwrap();
    let ask = world.started();
    assert_eq!(
        (ask.text.as_str(), ask.instructions.as_deref()),
        ("list everything", Some("be brief"))
    );
}

fn wants(world: &mut World, id: &str, command: &str) {
    let run = world.program.runs().working().next().unwrap().id.clone();
    let request = ToolRequest {
        id: id.into(),
        tool: "Bash".into(),
        what: command.into(),
        hidden: 0,
        outside: Vec::new(),
        rule: Some(GrantRule::Call {
            tool: "Bash".into(),
            input: command.into(),
        }),
    };
    world.event(Event::Run {
        run,
        event: AgentEvent::Permission(request),
    });
}

fn answers(world: &World) -> Vec<(String, ToolAnswer)> {
    let of = |effect: &Effect| match effect {
        Effect::Answer { request, answer, .. } => Some((request.clone(), answer.clone())),
        _ => None,
    };
    world.effects.iter().filter_map(of).collect()
}

#[test]
fn a_permission_waits_for_a_person_and_the_agent_hears_what_they_say() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    wants(&mut world, "r1", "cargo test");
    assert!(answers(&world).is_empty());
    let item = world.room().review.inbox.next().unwrap();
    assert_eq!((item.id, &*item.text), (ItemId::Permission(1), "cargo test"));
    assert_eq!(
        world.program.runs().working().next().unwrap().activity,
        wire::body::Activity::Waiting
    );
    world.accept(ItemId::Permission(1));
    wants(&mut world, "r2", "rm -rf /");
    let target = Target::Item(ItemId::Permission(2));
    world
        .decide(Intent::Reject {
            target,
            reason: "no".into(),
        })
        .unwrap();
    let expected = [
        ("r1".to_owned(), ToolAnswer::Allow),
        ("r2".to_owned(), ToolAnswer::Deny("no".into())),
    ];
    assert_eq!(answers(&world), expected);
    assert_eq!(
        world.program.runs().working().next().unwrap().activity,
        wire::body::Activity::Thinking
    );
}

#[test]
fn a_grant_holds_for_the_thread_and_no_other() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    wants(&mut world, "r1", "ls");
    world.decide(Intent::Grant(ItemId::Permission(1))).unwrap();
    wants(&mut world, "r2", "ls");
    assert_eq!(answers(&world).len(), 2);
    wants(&mut world, "r3", "ls -a");
    assert_eq!(answers(&world).len(), 2);
    let run = world.started().run;
    world.ends(&run, Outcome::Answer("done".into()));
    assert!(
        world.room().review.inbox.is_empty(),
        "a run that ended waits for nothing"
    );

    let other = world.bob_asks("m-2", "and here?");
    world.accept(other);
    wants(&mut world, "r4", "ls");
    assert_eq!(answers(&world).len(), 2);
}

#[test]
fn permissions_that_were_decided_are_remembered_and_no_number_comes_twice() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    wants(&mut world, "r1", "ls");
    wants(&mut world, "r2", "rm x");
    world.accept(ItemId::Permission(1));
    world.restart();
    let told: Vec<String> = world
        .room()
        .review
        .inbox
        .log()
        .map(|one| one.what.clone())
        .collect();
    assert!(told.contains(&"Bash allowed once".to_owned()), "{told:?}");
    // The second one ended with its run.
    assert!(world.room().review.inbox.is_empty());
    world.decide(Intent::HandOver(1)).unwrap();
    wants(&mut world, "r1", "ls");
    assert_eq!(
        world.room().review.inbox.next().map(|item| item.id),
        Some(ItemId::Permission(3))
    );
}

#[test]
fn nobody_answers_a_permission() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    wants(&mut world, "r1", "ls");
    assert_eq!(
        world.program.next_deadline(world.in_room),
        Some(Steady::new(NOW + 1_800_000))
    );
    world.now += 1_800_000;
    world.event(Event::Tick);
    let (request, answer) = answers(&world).pop().unwrap();
    assert_eq!(request, "r1");
    assert!(matches!(answer, ToolAnswer::Deny(why) if why.contains("30 minutes")));
}

#[test]
fn a_permission_goes_first_but_takes_nothing_from_the_screen() {
    let mut world = World::new();
    let first = world.bob_asks("m-1", "how?");
    world.accept(first);
    let shown = world.bob_asks("m-2", "and?");
    let after = world.bob_asks("m-3", "and then?");
    wants(&mut world, "r1", "ls");
    assert_eq!(world.room().review.inbox.next().unwrap().id, shown);
    world.decide(Intent::Later(shown)).unwrap();
    assert_eq!(
        world.room().review.inbox.next().unwrap().id,
        ItemId::Permission(1)
    );
    let run = world.program.runs().working().next().unwrap().id.clone();
    world.event(Event::Run {
        run,
        event: AgentEvent::PermissionGone("r1".into()),
    });
    assert_eq!(world.room().review.inbox.next().unwrap().id, after);
}

#[test]
fn text_from_outside_leaves_only_with_approval() {
    let secret =
        "the inner workings of the thing that nobody outside of this house was ever meant to read at all";
    let touched = |paths: &[&str], results: &str| ExternalAccess {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        results: results.to_owned(),
    };
    let inside = ExternalAccess::default;
    let outside = || touched(&["/etc/plan"], secret);
    // (the access and answer of the first run; those of a second one in the thread; a restart between them; the
    // number of drafts at the end)
    let table = [
        (inside(), "fine", inside(), "fine", false, 0),
        // Later turns know everything that it has read, however few characters of it they repeat.
        (outside(), "fine", inside(), "fine", false, 2),
        (inside(), "fine", outside(), "fine", false, 1),
        (outside(), "fine", outside(), "fine", false, 2),
        (outside(), "fine", inside(), secret, false, 2),
        (outside(), "fine", inside(), &secret[..40], false, 2),
        // The results are not on disk: after a restart they are no longer known.
        (outside(), "fine", inside(), "fine", true, 2),
        (inside(), "fine", inside(), secret, true, 0),
    ];
    for (nth, (first, one, second, two, restart, drafts)) in table.into_iter().enumerate() {
        for auto in [false, true] {
            let mut world = World::new();
            world.room_mut().settings.mode = if auto {
                wire::Mode::Auto
            } else {
                wire::Mode::Manual
            };
            for (at, (outside, text)) in [(first.clone(), one), (second.clone(), two)]
                .into_iter()
                .enumerate()
            {
                if restart && at == 1 {
                    world.restart();
                    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
                }
                let mut message = world.message(
                    "bob",
                    &format!("m-{at}"),
                    &["alice"],
                    true,
                    &Body::Chat(ask("how?")),
                );
                message.thread = Some("t".into());
                world.receives(message);
                let item = world
                    .room()
                    .review
                    .inbox
                    .waiting()
                    .find(|item| matches!(item.id, ItemId::Mention(_)));
                if let Some(item) = item.map(|item| item.id) {
                    world.accept(item);
                }
                let ending = Ending {
                    outcome: Outcome::Answer(text.into()),
                    session: Some("s".into()),
                    outside,
                    ..Ending::failed(failed(""))
                };
                let (run, event) = (world.started().run, AgentEvent::Ended(ending));
                world.event(Event::Run { run, event });
            }
            assert_eq!(world.room().review.inbox.len(), drafts, "row {nth}, auto {auto}");
            assert!(
                world
                    .chats()
                    .iter()
                    .all(|(_, chat)| drafts == 0 || chat.text != secret),
                "row {nth}"
            );
            for item in world.room().review.inbox.waiting() {
                assert!(
                    item.wants_a_second_yes() && !item.warnings().is_empty(),
                    "row {nth}"
                );
            }
            // Except for the drafts themselves.
            let others = world
                .records
                .iter()
                .filter(|one| !matches!(one, Record::Draft { .. }));
            let kept = serde_json::to_string(&others.collect::<Vec<_>>()).unwrap();
            assert_eq!(kept.contains(secret), nth == 7, "row {nth}: {kept}");
        }
    }
}

#[test]
fn the_words_that_came_from_outside_are_marked() {
    let brought = "0123456789 ".repeat(9);
    let mut world = World::new();
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    let text = format!("So it is: {brought}and {SECRET}");
    let ending = Ending {
        outcome: Outcome::Answer(text.clone().into()),
        outside: ExternalAccess {
            paths: vec!["../plan".into()],
            results: brought.clone(),
        },
        ..Ending::failed(failed(""))
    };
    let (run, event) = (world.started().run, AgentEvent::Ended(ending));
    world.event(Event::Run { run, event });
    let item = world.room().review.inbox.next().unwrap();
    let marks: Vec<&str> = item.marks().iter().map(|flag| &text[flag.at.clone()]).collect();
    // A space before the text is also a space before each of its parts.
    assert_eq!(marks, [&format!(" {brought}")[..], &SECRET[6..]]);
    let expected = [
        "its session has used ../plan, outside its folder",
        "holds text from outside its folder",
        "looks like a GitHub token",
    ];
    assert_eq!(item.warnings(), expected);
}
