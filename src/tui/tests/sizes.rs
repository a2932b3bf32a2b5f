//! Every size can be drawn, however small.

use std::time::Instant;

use nexscope_relay::protocol::{Code, body::Chat};

use super::*;
use crate::{
    core::{Connection, runs::RunEvent as AgentEvent},
    tui::{
        composer::Composer,
        modal::{InputPrompt, ItemView, Modal, PromptKind, TextView},
        state::{Pane, Tone},
    },
};

const HOSTILE: &str =
    "👨‍👩‍👧‍👦 🇩🇪 日本語 עברית العربية e\u{301}\u{301} \x1b[2J\x1b]52;c;aGk=\x07 \u{202e}abc\tx\r\nsecond line";

/// A room with many messages and pending items.
fn busy() -> World {
    let mut world = World::morning();
    world.says(
        "bob",
        &[],
        Chat {
            text: format!("{HOSTILE} {}", "x".repeat(10_000)),
            ..Chat::default()
        },
    );
    world.asks("bob", HOSTILE);
    world.asks("carol", &"long ".repeat(500));
    world
}

/// The busy room after a change.
fn with(change: &dyn Fn(&mut World)) -> World {
    let mut world = busy();
    change(&mut world);
    world
}

/// Every view, with some content.
fn views() -> Vec<(&'static str, World)> {
    let item = busy().room().review.inbox().next().unwrap().id;
    let mut views = vec![
        ("empty", World::new()),
        ("room", busy()),
        ("writing", with(&|world| world.state.composer.paste(HOSTILE))),
        (
            "timeline",
            with(&|world| {
                world.state.pane = Pane::Timeline;
                world.state.selected.post = Some(3);
            }),
        ),
        ("inbox", with(&|world| world.state.pane = Pane::Inbox)),
        ("people", with(&|world| world.state.pane = Pane::People)),
    ];
    views.extend(modals(item));
    views.extend(events(item));
    views
}

/// Views with something open.
fn modals(item: ItemId) -> Vec<(&'static str, World)> {
    vec![
        (
            "item",
            with(&|world| {
                world.state.modals.open(Modal::Item(ItemView {
                    scroll: 3,
                    ..ItemView::of(&[item])
                }));
            }),
        ),
        (
            "help",
            with(&|world| {
                let lines = view::help_lines(&world.look());
                world.state.modals.open(Modal::Text(TextView {
                    scroll: 2,
                    ..TextView::new("Help", lines)
                }));
            }),
        ),
        (
            "reason",
            with(&|world| {
                let mut field = Composer::default();
                field.paste(HOSTILE);
                world.state.modals.open(Modal::Prompt(InputPrompt {
                    what: PromptKind::Reason,
                    ids: vec![item],
                    shown: world.room().shown(&[item]),
                    field,
                    since: Instant::now(),
                }));
            }),
        ),
    ]
}

/// Views of a room in which something is in progress.
fn events(item: ItemId) -> Vec<(&'static str, World)> {
    vec![
        (
            "run",
            with(&|world| {
                world.accept(item);
                let run = world.program.runs().all().next().unwrap().id.clone();
                for event in [
                    AgentEvent::Notice("retries: overloaded".into()),
                    AgentEvent::Partial(crate::text::clean(&HOSTILE.repeat(40)).text),
                    AgentEvent::Tool {
                        name: "Bash".into(),
                        detail: "cargo test".into(),
                    },
                ] {
                    world.event(Event::Run {
                        run: run.clone(),
                        event,
                    });
                }
            }),
        ),
        (
            "cut",
            with(&|world| {
                world.event(Event::Connection(Connection::Waiting {
                    code: None,
                    why: "cut".into(),
                    until: NOW + 5_000,
                }));
            }),
        ),
        (
            "refused",
            with(&|world| {
                let refused = Connection::Refused {
                    code: Code::BadToken,
                    why: "the token is wrong".into(),
                };
                world.event(Event::Connection(refused));
                world.state.say("something to read", Tone::Bad);
            }),
        ),
    ]
}

#[test]
fn every_view_at_every_size() {
    for (name, mut world) in views() {
        for width in 0..=60 {
            for height in 0..=20 {
                let (screen, _) = world.screen(width, height);
                assert!(
                    !screen.contains('\x1b') && !screen.contains('\u{202e}'),
                    "{name} at {width}x{height}"
                );
            }
        }
        for (width, height) in [(90, 10), (100, 30), (120, 36), (200, 60), (90, 9), (300, 5)] {
            world.screen(width, height);
        }
    }
}

#[test]
fn scrolling_at_every_size() {
    for (width, height) in [(1, 1), (7, 3), (20, 6), (40, 12), (60, 20), (100, 30)] {
        let mut world = World::morning();
        for nth in 0..40 {
            world.says(
                "bob",
                &[],
                Chat {
                    text: format!("message {nth} {HOSTILE}"),
                    ..Chat::default()
                },
            );
        }
        for by in [-1, -3, -50, -10_000, 1, 7, -2, 10_000, -20] {
            world.pages(width, height, |pages| pages.by(by));
            world.screen(width, height);
        }
        world.pages(width, height, |pages| pages.go_to_start());
        world.state.reading.scroll.go_to_end();
        for number in [1, 20, 40, 2] {
            world.pages(width, height, |pages| pages.show(number));
            world.screen(width, height);
        }
    }
}

#[test]
fn the_first_and_the_last_message_can_be_reached() {
    let mut world = World::new();
    for nth in 0..100 {
        world.says(
            "bob",
            &[],
            Chat {
                text: format!("message {nth}."),
                ..Chat::default()
            },
        );
    }
    world.screen(60, 20);
    let (width, height) = world.state.reading.page;
    for _ in 0..40 {
        world.pages(width, height, |pages| pages.by(-5));
    }
    let (screen, _) = world.screen(60, 20);
    assert!(
        screen.contains("message 0.") && !screen.contains("message 30."),
        "{screen}"
    );
    assert!(screen.contains("new below"), "{screen}");
    // The position stays while new ones arrive.
    world.says(
        "bob",
        &[],
        Chat {
            text: "another".into(),
            ..Chat::default()
        },
    );
    assert!(world.screen(60, 20).0.contains("message 0."));
    for _ in 0..40 {
        world.pages(width, height, |pages| pages.by(5));
    }
    assert!(world.screen(60, 20).0.contains("another"));
    world.pages(width, height, |pages| pages.show(50));
    assert!(world.screen(60, 20).0.contains("message 49."));
}

#[test]
fn an_item_counts_as_whole_only_when_all_of_it_was_on_the_screen() {
    // (text, width, height, whether all of it is in the strip)
    let long = "word ".repeat(100);
    let table = [
        ("review src/auth.rs?", 60, 20, true),
        ("review src/auth.rs?", 100, 30, true),
        ("two\nlines", 60, 20, true),
        ("three\nlines\nof text", 60, 20, false),
        (long.as_str(), 60, 20, false),
        ("see https://example.com", 60, 20, false),
        ("run `curl x | sh`", 100, 30, false),
        ("review src/auth.rs?", 60, 6, false),
    ];
    for (text, width, height, whole) in table {
        let mut world = World::new();
        world.asks("bob", text);
        assert_eq!(
            world.screen(width, height).1.is_some(),
            whole,
            "{text:?} at {width}x{height}"
        );
    }
    // An open item counts as seen in full when its end was reached without a gap.
    let mut world = World::new();
    world.asks("bob", &"line\n".repeat(60));
    world.state.open(&[ItemId::Mention(1)]);
    assert_eq!(world.screen(60, 20).1, None);
    let scroll_to = |world: &mut World, line: usize| {
        let view = world.state.modals.item_mut().unwrap();
        view.scroll = line;
        world.screen(60, 20).1
    };
    assert_eq!(scroll_to(&mut world, 1_000), None);
    for line in (0..60).step_by(10) {
        scroll_to(&mut world, line);
    }
    assert_eq!(scroll_to(&mut world, 1_000), Some(ItemId::Mention(1)));
}
