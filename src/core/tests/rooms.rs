//! Several rooms of one program: what they share, and what they do not.

use super::*;

/// Two rooms, connected; [`World::enter`] says in which one the next thing happens.
fn two() -> (World, RoomId, RoomId) {
    let mut world = World::new();
    let first = world.in_room;
    let second = world.program.open(Settings {
        room: "design".into(),
        ..settings()
    });
    world.in_room = second;
    world.event(Event::Welcome(Box::new(welcome(Resumed::New, "e2", 0))));
    world.in_room = first;
    world.effects.clear();
    (world, first, second)
}

impl World {
    /// bob asks in a room, in a thread and with a message id that he chooses; the person accepts if `accepts`.
    fn asked_in(&mut self, room: RoomId, thread: &str, id: &str, accepts: bool) -> ItemId {
        self.in_room = room;
        let message = self.message("bob", id, &["alice"], true, &Body::Chat(ask("why?")));
        self.receives(Message {
            thread: Some(thread.into()),
            ..message
        });
        let newest = self.room().chat.timeline.newest();
        if accepts {
            self.accept(ItemId::Mention(newest));
        }
        ItemId::Mention(newest)
    }

    fn answers(&mut self, run: &str) {
        self.in_room = self.program.runs().get(run).expect("a run").room;
        self.ends(run, Outcome::Answer("because".into()));
    }
}

#[test]
fn an_agent_works_in_one_room_at_a_time_in_the_order_of_the_accepts() {
    let (mut world, first, second) = two();
    world.asked_in(first, "t", "m-1", true);
    let one = world.started().run;
    world.asked_in(second, "u", "m-1", true);
    assert_eq!(world.starts(), 1, "the agent is busy in the other room");
    world.answers(&one);
    let two = world.started();
    assert_eq!((world.starts(), two.room.as_str()), (2, "design"));
    assert_eq!(world.program.runs().get(&two.run).unwrap().room, second);
    // What the step in the first room led to in the second one goes to the second one's relay and disk.
    let began: Vec<RoomId> = world
        .wanted_in
        .iter()
        .filter_map(|(room, starts)| starts.then_some(*room))
        .collect();
    assert_eq!(began, [first, second]);
}

#[test]
fn in_auto_mode_the_other_room_is_next_when_the_agent_is_free() {
    let (mut world, first, second) = two();
    for room in [first, second] {
        world.in_room = room;
        world.trusts("bob");
        world.decide(Intent::Auto).unwrap();
    }
    world.asked_in(first, "t", "m-1", false);
    world.asked_in(second, "t", "m-1", false);
    assert_eq!(world.starts(), 1);
    let one = world.started().run;
    world.answers(&one);
    assert_eq!(world.started().room, "design");
}

/// Senders choose threads and message ids: the same ones in another room are others.
#[test]
fn nothing_is_found_by_what_a_sender_of_another_room_has_chosen() {
    let (mut world, first, second) = two();
    world.asked_in(first, "t", "m-1", true);
    let one = world.started().run;
    // The message is not taken as one that an agent already works on.
    world.asked_in(second, "t", "m-1", false);
    assert!(world.program.may_hand_over(first, 1).is_err());
    assert!(world.program.may_hand_over(second, 1).is_ok());
    // Nothing of this room is running.
    let nothing = world.perform("/cancel").unwrap_err();
    assert!(nothing.contains("No agent is running"), "{nothing}");
    assert!(world.perform("/cancel m1").is_err());
    world.answers(&one);
    // Its session is not continued from the other room, in which others read.
    world.in_room = second;
    world.accept(ItemId::Mention(1));
    let started = world.started();
    assert_eq!((started.room.as_str(), started.resume), ("design", None));
    let run = started.run;
    world.answers(&run);
    world.asked_in(second, "t", "m-2", true);
    assert_eq!(world.started().resume.as_deref(), Some("agent-session"));
}

#[test]
fn a_streak_belongs_to_its_room_and_a_budget_to_the_agent() {
    let (mut world, first, second) = two();
    for room in [first, second] {
        world.in_room = room;
        world.room_mut().settings.budgets.insert(
            "claude".into(),
            Budget {
                unit: Unit::Runs,
                runs: 4,
            },
        );
        world.trusts("bob");
        world.decide(Intent::Auto).unwrap();
    }
    let limit = world.room().settings.limits.hop_limit;
    for nth in 0..limit {
        world.asked_in(first, "t", &format!("m-{nth}"), false);
        let run = world.started().run;
        world.answers(&run);
    }
    let held = world.asked_in(first, "t", "m-held", false);
    assert_eq!(world.starts() as u32, limit);
    assert!(world.room().review.inbox.get(held).is_some());
    // The same member and thread in another room have not reached the limit.
    world.asked_in(second, "t", "m-0", false);
    assert_eq!(world.starts() as u32, limit + 1);
    let run = world.started().run;
    world.answers(&run);
    assert_eq!(world.program.budget_standing("claude").runs, 4);
    // By now the agent has used up its day, in both.
    let held = world.asked_in(second, "v", "m-1", false);
    assert_eq!(world.starts() as u32, limit + 1);
    assert!(world.room().review.inbox.get(held).is_some());
}

#[test]
fn what_happens_in_one_room_changes_nothing_in_another() {
    let (mut world, first, second) = two();
    world.asked_in(first, "t", "m-1", false);
    world.perform("hello").unwrap();
    let (number, waiting) = (
        world.room().chat.timeline.newest(),
        world.room().review.inbox.len(),
    );
    world.wanted_in.clear();
    world.asked_in(second, "t", "m-1", false);
    world.perform("@bob hello").unwrap();
    world.decide(Intent::Auto).unwrap();
    assert!(world.wanted_in.iter().all(|(room, _)| *room == second));
    world.in_room = first;
    assert_eq!(world.room().chat.timeline.newest(), number);
    assert_eq!(world.room().review.inbox.len(), waiting);
    assert_eq!(world.room().settings.mode, wire::Mode::Manual);
}
