//! The prompts of agents, and the sessions that they run in.

use crate::core::{
    runs::{ExternalAccess, Prompt},
    tests::*,
};

/// bob asks in a thread of his, with other addressees, too.
fn asks_in(world: &mut World, from: &str, id: &str, thread: &str, to: &[&str], only: bool) -> ItemId {
    let mut message = world.message(from, id, to, only, &Body::Chat(ask(id)));
    message.thread = Some(thread.into());
    world.receives(message);
    world.room().review.inbox.waiting().last().unwrap().id
}

fn answer(world: &mut World, item: ItemId) -> crate::core::runs::ask::Ask {
    world.accept(item);
    let ask = world.started();
    world.ends(&ask.run, Outcome::Answer("ok".into()));
    ask
}

#[test]
fn the_next_mention_of_a_thread_resumes_its_session() {
    let mut world = World::new();
    let first = asks_in(&mut world, "bob", "m-1", "m-1", &["alice"], true);
    assert_eq!(answer(&mut world, first).resume, None);
    let second = asks_in(&mut world, "bob", "m-2", "m-1", &["alice"], true);
    let ask = answer(&mut world, second);
    assert_eq!(ask.resume.as_deref(), Some("agent-session"));
    assert!(ask.earlier.is_empty());
    let other = asks_in(&mut world, "bob", "m-3", "m-3", &["alice"], true);
    assert_eq!(answer(&mut world, other).resume, None);
}

#[test]
fn a_session_continues_after_a_restart() {
    let mut world = World::new();
    let first = asks_in(&mut world, "bob", "m-1", "m-1", &["alice"], true);
    answer(&mut world, first);
    world.restart();
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    let second = asks_in(&mut world, "bob", "m-2", "m-1", &["alice"], true);
    assert_eq!(
        answer(&mut world, second).resume.as_deref(),
        Some("agent-session")
    );
}

#[test]
fn a_session_that_knows_private_words_does_not_answer_others() {
    // (who asks again in bob's private thread, whom, only, whether the session continues)
    let table = [
        ("bob", vec!["alice"], true, true),
        ("carol", vec!["alice"], true, false),
        ("bob", vec!["alice", "carol"], true, false),
        ("bob", vec!["alice"], false, false),
    ];
    for (from, to, only, goes_on) in table {
        let mut world = World::new();
        let first = asks_in(&mut world, "bob", "m-1", "m-1", &["alice"], true);
        answer(&mut world, first);
        let again = asks_in(&mut world, from, "m-2", "m-1", &to, only);
        let ask = answer(&mut world, again);
        assert_eq!(ask.resume.is_some(), goes_on, "{from} to {to:?} only {only}");
        // Nor does it get messages that only bob and alice have seen.
        assert!(goes_on || ask.earlier.is_empty(), "{:?}", ask.earlier);
    }
}

#[test]
fn a_session_narrows_to_all_that_it_was_given() {
    let mut world = World::new();
    let public = asks_in(&mut world, "bob", "m-1", "m-1", &["alice"], false);
    answer(&mut world, public);
    // A private question in the public thread continues the session, because everybody was meant to see the earlier
    // messages …
    let private = asks_in(&mut world, "bob", "m-2", "m-1", &["alice"], true);
    assert!(answer(&mut world, private).resume.is_some());
    // … and from then on the session contains something private.
    let public = asks_in(&mut world, "carol", "m-3", "m-1", &["alice"], false);
    assert_eq!(answer(&mut world, public).resume, None);
}

#[test]
fn only_what_was_accepted_is_told() {
    let mut world = World::new();
    let first = asks_in(&mut world, "bob", "accepted", "t", &["alice"], false);
    world.accept(first);
    let run = world.started().run;
    world.ends(&run, Outcome::Failed(failed("broke")));
    world.decide(Intent::RunAgain(1)).unwrap();
    let run = world.started().run;
    // Without a session to continue, the prompt has the earlier messages.
    let ending = Ending {
        session: None,
        ..Ending::failed(failed(""))
    };
    let ending = Ending {
        outcome: Outcome::Answer("said by claude".into()),
        ..ending
    };
    world.event(Event::Run {
        run,
        event: AgentEvent::Ended(ending),
    });
    world.program.shared.runs = Runs::default();

    let rejected = asks_in(&mut world, "carol", "rejected", "t", &["alice"], false);
    world
        .decide(Intent::Reject {
            target: Target::Item(rejected),
            reason: String::new(),
        })
        .unwrap();
    let mut overheard = world.message("carol", "overheard", &[], false, &Body::Chat(ask("overheard")));
    overheard.thread = Some("t".into());
    world.receives(overheard);
    asks_in(&mut world, "bob", "pending", "t", &["alice"], false);
    let now = asks_in(&mut world, "bob", "now", "t", &["alice"], false);
    world.accept(now);
    let told: Vec<String> = world
        .started()
        .earlier
        .iter()
        .map(|said| said.text.as_str().to_owned())
        .collect();
    assert_eq!(told, ["accepted", "said by claude"]);
}

#[test]
fn one_run_at_a_time_and_the_rest_queue() {
    let mut world = World::new();
    let first = world.bob_asks("m-1", "one");
    let second = world.bob_asks("m-2", "two");
    world.accept(first);
    world.accept(second);
    assert_eq!(world.starts(), 1);
    assert_eq!(world.program.runs().all().count(), 2);
    let run = world.started();
    assert_eq!(run.text.as_str(), "one");
    world.ends(&run.run, Outcome::Answer("1".into()));
    assert_eq!(world.started().text.as_str(), "two");
}

#[test]
fn cancel_stops_what_runs_and_drops_what_waits() {
    let mut world = World::new();
    for id in ["m-1", "m-2"] {
        let item = world.bob_asks(id, id);
        world.accept(item);
    }
    assert!(world.perform("/cancel").unwrap_err().contains("m1 or m2"));
    world.perform("/cancel m2").unwrap();
    assert_eq!(world.program.runs().all().count(), 1);
    let (of, state, why) = world.receipts().pop().unwrap();
    assert_eq!(
        (of.as_str(), state, why.as_str()),
        ("m-2", ReceiptState::Failed, "stopped by its owner")
    );
    world.perform("/cancel").unwrap();
    let run = world.started().run;
    assert!(
        world
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Stop { run: stopped } if *stopped == run))
    );
    world.ends(&run, Outcome::Cancelled);
    assert!(world.program.runs().is_empty() && world.chats().is_empty());
    assert!(world.perform("/cancel").is_err());
}

#[test]
fn a_run_that_ended_with_the_program_is_reported_and_can_be_retried() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "why?");
    world.accept(item);
    let run = world.started().run;
    world.restart();
    assert!(world.program.runs().is_empty() && world.starts() == 0);
    // Its remaining processes are searched for, but not again once it is known that there are none.
    let swept = |world: &World| {
        world
            .effects
            .iter()
            .any(|e| matches!(e, Effect::SweepUp { run: r } if *r == run))
    };
    assert!(swept(&world));
    world.event(Event::SweptUp { run: run.clone() });
    world.restart();
    assert!(!swept(&world));
    let post = world.room().chat.timeline.post_numbered(1).unwrap();
    assert!(matches!(
        world.room().review.inbox.fate(post),
        Some(MentionOutcome::Failed(Failure::Interrupted))
    ));
    world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
    assert_eq!(world.receipts().last().unwrap().1, ReceiptState::Failed);
    world.decide(Intent::HandOver(1)).unwrap();
    assert_eq!(world.starts(), 1);
}

/// A program that is kept after its run carries the mark of that run, whatever later runs it does.
#[test]
fn leftovers_of_a_kept_program_are_searched_for() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "why?");
    world.accept(item);
    let run = world.started().run;
    let ending = Ending {
        outcome: Outcome::Answer("because".into()),
        session: Some("s-1".into()),
        stays: true,
        ..Ending::failed(failed(""))
    };
    world.event(Event::Run {
        run: run.clone(),
        event: AgentEvent::Ended(ending),
    });
    let swept = |world: &World| {
        let all = world.effects.iter();
        all.filter(|effect| matches!(effect, Effect::SweepUp { run: r } if *r == run))
            .count()
    };
    world.restart();
    assert_eq!(swept(&world), 1);
    // The restart did not interrupt a run.
    let post = world.room().chat.timeline.post_numbered(1).unwrap();
    assert_eq!(
        world.room().review.inbox.fate(post),
        Some(&MentionOutcome::Answered)
    );
    world.event(Event::SweptUp { run: run.clone() });
    world.restart();
    assert_eq!(swept(&world), 0);
}

#[test]
fn a_lost_session_starts_over_with_what_was_before() {
    let mut world = World::new();
    let first = asks_in(&mut world, "bob", "m-1", "m-1", &["alice"], true);
    answer(&mut world, first);
    let second = asks_in(&mut world, "bob", "m-2", "m-1", &["alice"], true);
    world.accept(second);
    let ask = world.started();
    assert!(ask.resume.is_some());
    let ending = Ending {
        session_lost: true,
        ..Ending::failed(failed("no such session"))
    };
    world.event(Event::Run {
        run: ask.run.clone(),
        event: AgentEvent::Ended(ending),
    });
    let again = world.started();
    assert!(again.run != ask.run && again.resume.is_none());
    assert_eq!(again.earlier.len(), 2);
}

#[test]
fn an_answer_that_no_frame_carries_is_cut_and_says_so() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "everything?");
    world.accept(item);
    let run = world.started().run;
    world.ends(&run, Outcome::Answer("é\n".repeat(400_000).into()));
    let (frame, chat) = world.chats().pop().unwrap();
    assert!(serde_json::to_string(&frame).unwrap().len() < 262_144);
    assert!(chat.text.ends_with("than the relay carries]"));
}

#[test]
fn others_see_what_an_agent_does_and_nothing_of_what_it_writes() {
    let mut world = World::new();
    let item = world.bob_asks("m-1", "why?");
    world.accept(item);
    let run = world.started().run;
    for event in [
        AgentEvent::Tool {
            name: "Read".into(),
            detail: "secret/path".into(),
        },
        AgentEvent::Partial("CANARY".into()),
        AgentEvent::Notice("CANARY".into()),
    ] {
        world.event(Event::Run {
            run: run.clone(),
            event,
        });
    }
    let mut signals = 0;
    for effect in &world.effects {
        let Effect::Send(frame) = effect else { continue };
        if let Outbound::Signal(signal) = frame {
            signals += 1;
            assert_eq!(
                (signal.to.as_slice(), signal.only),
                (&["bob".to_owned()][..], true)
            );
        }
        let text = format!("{frame:?}");
        assert!(!text.contains("CANARY") && !text.contains("secret/path"));
    }
    assert_eq!(signals, 4);
}

#[test]
fn another_agent_is_chosen_for_one_item() {
    let mut world = World::new();
    world.room_mut().settings.agents = vec!["claude".into(), "codex".into(), "helper".into()];
    world.room_mut().settings.agent = Some("codex".into());
    let item = world.bob_asks("m-1", "how?");
    let other = world.bob_asks("m-2", "and?");
    let chosen = |world: &World, id| match &world.room().review.inbox.get(id).unwrap().matter {
        ItemKind::Mention(mention) => world.room().agent_for(mention).unwrap(),
        other => panic!("{other:?}"),
    };
    for name in ["helper", "claude", "codex", "helper"] {
        world.decide(Intent::NextAgent(item)).unwrap();
        assert_eq!(
            (chosen(&world, item), chosen(&world, other)),
            (name.into(), "codex".into())
        );
    }
    assert!(world.starts() == 0);
    world.accept(item);
    assert_eq!(world.started().agent, "helper");
    // Instructions of the acceptance are newer.
    world.decide(Intent::NextAgent(other)).unwrap();
    let how = AcceptOptions {
        agent: Some("Claude".into()),
        ..AcceptOptions::default()
    };
    let target = Target::Item(other);
    world.decide(Intent::Accept { target, how }).unwrap();
    assert_eq!(world.started().agent, "claude");
    // If one no longer exists by then, it is named, and the item stays pending.
    let item = world.bob_asks("m-3", "then?");
    world.decide(Intent::NextAgent(item)).unwrap();
    world.room_mut().settings.agents.retain(|name| name != "helper");
    let target = Target::Item(item);
    let how = AcceptOptions::default();
    let refused = world.decide(Intent::Accept { target, how }).unwrap_err();
    assert!(refused.contains("no agent helper") && world.room().review.inbox.get(item).is_some());
    world.room_mut().settings.agents = vec!["claude".into()];
    assert!(world.decide(Intent::NextAgent(item)).is_err());
    assert!(world.decide(Intent::NextAgent(ItemId::Draft(1))).is_err());
}

#[test]
fn what_a_person_took_out_of_a_mention_reaches_no_agent_later_and_a_retry_is_as_it_was_accepted() {
    for restarts in [false, true] {
        let mut world = World::new();
        let item = asks_in(
            &mut world,
            "bob",
            "list-all-then-delete-it",
            "t",
            &["alice"],
            false,
        );
        let how = AcceptOptions {
            text: Some("list all".into()),
            instructions: Some("be brief".into()),
            review: true,
            agent: None,
        };
        let target = Target::Item(item);
        world.decide(Intent::Accept { target, how }).unwrap();
        let run = world.started().run;
        world.ends(&run, Outcome::Failed(failed("broke")));
        if restarts {
            world.restart();
            world.event(Event::Welcome(Box::new(welcome(Resumed::Ok, "e1", 1))));
        }
        world.decide(Intent::RunAgain(1)).unwrap();
        let ask = world.started();
        assert_eq!(
            (ask.text.as_str(), ask.instructions.as_deref()),
            ("list all", Some("be brief"))
        );
        let ending = Ending {
            outcome: Outcome::Answer("done".into()),
            ..Ending::failed(failed(""))
        };
        let (run, event) = (ask.run, AgentEvent::Ended(ending));
        world.event(Event::Run { run, event });
        assert!(world.chats().is_empty(), "it was to be seen first");
        world.accept(ItemId::Draft(1));

        // Without a session to continue, the prompt has the earlier messages.
        world.program.shared.runs = Runs::default();
        let next = asks_in(&mut world, "bob", "and-now", "t", &["alice"], false);
        world.accept(next);
        let prompt = Prompt::new(&world.started());
        assert!(prompt.as_str().contains("> list all\n"), "{}", prompt.as_str());
        assert!(!prompt.as_str().contains("delete"), "{}", prompt.as_str());
    }
}

#[test]
fn a_reason_tells_the_asker_no_secret() {
    let secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let brought =
        "the inner workings of the thing that nobody outside of this house was to read at all, ever";
    let mut world = World::new();
    let item = world.bob_asks("m-1", "how?");
    world.accept(item);
    let ending = Ending {
        outside: ExternalAccess {
            paths: vec!["/etc/plan".into()],
            results: brought.into(),
        },
        ..Ending::failed(failed(&format!("it said: bad key {secret}, {brought}")))
    };
    let (run, event) = (world.started().run, AgentEvent::Ended(ending));
    world.event(Event::Run { run, event });
    let (_, state, why) = world.receipts().pop().unwrap();
    assert_eq!(state, ReceiptState::Failed);
    assert_eq!(why, Failure::Reported.in_words());
    for effect in &world.effects {
        assert!(!format!("{effect:?}").contains(secret), "{effect:?}");
    }
}

/// A person's session is told of all its tasks, while a program works on one at a time.
#[test]
fn a_session_has_a_task_of_each_thread_at_once() {
    for (kind, at_once) in [("session", 2), ("claude", 1)] {
        let mut world = World::new();
        world.room_mut().settings.kinds.insert("claude".into(), kind);
        for (id, thread) in [("m-1", "m-1"), ("m-2", "m-1"), ("m-3", "m-3")] {
            let item = asks_in(&mut world, "bob", id, thread, &["alice"], true);
            world.accept(item);
        }
        assert_eq!(world.starts(), at_once, "{kind}");
        // The next one of the thread comes after the one before it.
        let first = world.program.runs().all().next().unwrap().id.clone();
        world.ends(&first, Outcome::Answer("ok".into()));
        assert_eq!(world.starts(), at_once + 1, "{kind}");
    }
}
