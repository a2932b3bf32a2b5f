//! Items expire by the time that they have waited, whatever happens to the clock.

use crate::core::{ClockReading, tests::*};

const HOUR: Millis = 3_600_000;

/// A world whose wall clock can be set to any time; the steady clock measures the time that has passed.
struct Clocks {
    world: World,
    steady: Millis,
}

impl Clocks {
    fn new() -> Self {
        let mut clocks = Self {
            world: World::new(),
            steady: NOW,
        };
        clocks.begins("one", 0);
        clocks
    }

    /// Starts a session, in that boot of the machine and at that uptime.
    fn begins(&mut self, boot: &str, uptime: Millis) {
        let (earlier, latest) = self.world.program.last_reading();
        let reading = ClockReading::new(earlier, latest, Some(boot.into()), uptime, self.world.now);
        self.steady = reading.at(uptime).since(Steady::default());
        let effects = self.world.program.clock_read(self.world.in_room, reading);
        self.world.follow(effects);
    }

    fn passes(&mut self, time: Millis) {
        self.steady += time;
        self.world.program.time_passes(Steady::new(self.steady));
        let effects = self
            .world
            .program
            .update(self.world.in_room, Event::Tick, self.world.now);
        self.world.follow(effects);
    }

    fn receives(&mut self, id: &str) -> ItemId {
        self.comes(id);
        self.world
            .room()
            .review
            .inbox
            .waiting()
            .last()
            .expect("an item")
            .id
    }

    fn comes(&mut self, id: &str) {
        let message = self
            .world
            .message("bob", id, &["alice"], true, &Body::Chat(ask("look")));
        let frame = Event::Frame(Box::new(Frame::Message(message)));
        let effects = self
            .world
            .program
            .update(self.world.in_room, frame, self.world.now);
        self.world.follow(effects);
    }

    fn waits(&self, id: ItemId) -> bool {
        self.world.room().review.inbox.get(id).is_some()
    }
}

#[test]
fn a_clock_that_is_set_expires_nothing() {
    for ahead in [25 * HOUR, 400 * HOUR] {
        let mut clocks = Clocks::new();
        let item = clocks.receives("a");
        clocks.world.now += ahead;
        clocks.passes(5_000);
        assert!(
            clocks.waits(item),
            "a clock that is {ahead} ms ahead expired a mention of five seconds"
        );
        clocks.passes(23 * HOUR);
        assert!(clocks.waits(item));
        clocks.passes(HOUR);
        assert!(!clocks.waits(item), "it has waited for a day");
    }
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_longer() {
    let mut clocks = Clocks::new();
    let item = clocks.receives("a");
    clocks.world.now -= 48 * HOUR;
    clocks.passes(24 * HOUR);
    assert!(!clocks.waits(item));
}

#[test]
fn what_has_waited_is_known_after_a_restart_whatever_the_clocks_say() {
    // The message has the time of the relay's clock, which is a day and an hour behind ours.
    let mut clocks = Clocks::new();
    clocks.world.now -= 25 * HOUR;
    let item = clocks.receives("a");
    clocks.passes(HOUR);
    clocks.world.now += 50 * HOUR;
    clocks.world.restart_without_clock();
    clocks.begins("one", 2 * HOUR);
    clocks.passes(0);
    assert!(clocks.waits(item), "it has waited for two hours");
    // Two hours of it have passed, including the time between the sessions.
    clocks.passes(22 * HOUR - 1);
    assert!(clocks.waits(item));
    clocks.passes(1);
    assert!(!clocks.waits(item));
}

#[test]
fn after_a_start_of_the_machine_its_person_has_an_hour_all_the_same() {
    let mut clocks = Clocks::new();
    let item = clocks.receives("a");
    clocks.world.now += 25 * HOUR;
    clocks.world.restart_without_clock();
    clocks.begins("two", 60_000);
    clocks.passes(0);
    assert!(clocks.waits(item));
    let due = clocks
        .world
        .program
        .next_deadline(clocks.world.in_room)
        .expect("a deadline");
    assert_eq!(due.since(Steady::new(clocks.steady)), HOUR);
    clocks.passes(HOUR);
    assert!(!clocks.waits(item));
}

#[test]
fn a_budget_is_of_a_day_by_the_same_clock() {
    let mut clocks = Clocks::new();
    clocks.world.trusts("bob");
    clocks.world.decide(Intent::Auto).unwrap();
    clocks.comes("a");
    assert_eq!(clocks.world.program.budget_standing("claude").runs, 1);
    clocks.world.now += 25 * HOUR;
    clocks.passes(1_000);
    assert_eq!(clocks.world.program.budget_standing("claude").runs, 1);
    clocks.passes(24 * HOUR);
    assert_eq!(clocks.world.program.budget_standing("claude").runs, 0);
}

/// Issue 16, 32c: a clock that was 26 h ahead at one start renewed the budget of a day.
#[test]
fn a_clock_that_is_ahead_at_one_start_renews_no_budget() {
    let mut clocks = Clocks::new();
    clocks.world.trusts("bob");
    clocks.world.decide(Intent::Auto).unwrap();
    clocks.comes("a");
    let runs = |clocks: &Clocks| clocks.world.program.budget_standing("claude").runs;
    for (boot, ahead) in [("two", 26), ("three", 0), ("four", 500), ("five", 0)] {
        clocks.world.now = NOW + ahead * HOUR;
        clocks.world.restart_without_clock();
        clocks.begins(boot, 60_000);
        clocks.passes(HOUR);
        assert_eq!(runs(&clocks), 1, "{boot}");
    }
    clocks.passes(12 * HOUR);
    assert_eq!(runs(&clocks), 1);
    clocks.passes(12 * HOUR);
    assert_eq!(runs(&clocks), 0);
}
