//! The targets under the mouse.

use super::*;
use crate::tui::{
    modal::Modal,
    palette::Palette,
    popup::Popup,
    state::Pane,
    view::{HitTarget, ScrollTarget},
};

/// The target under the first letter of a text on the screen.
#[track_caller]
fn under(world: &mut World, size: (u16, u16), words: &str) -> (Option<HitTarget>, ScrollTarget) {
    let (screen, _, shown) = world.drawn(size.0, size.1);
    // Each line is in quotes, which are not part of the screen.
    let lines = screen.lines().map(|line| line.trim_start_matches('"'));
    let place = lines.enumerate().find_map(|(row, line)| {
        let before = line.split_once(words)?.0;
        Some((crate::text::width(before) as u16, row as u16))
    });
    let (column, row) = place.unwrap_or_else(|| panic!("{words:?} is not in\n{screen}"));
    (shown.spot(column, row), shown.under(column, row))
}

const NARROW: (u16, u16) = (60, 20);
/// The second pending item in [`waiting`].
const CAROLS: ItemId = ItemId::Mention(5);

fn waiting() -> World {
    let mut world = World::morning();
    world.asks("bob", "can you review it?");
    world.asks("carol", "deploy?");
    world
}

#[test]
fn each_place_is_what_stands_there() {
    let (wide, narrow) = ((120, 36), NARROW);
    let (bobs, carols) = (ItemId::Mention(4), CAROLS);
    let pane = HitTarget::Pane;
    let (messages, side) = (ScrollTarget::Messages, ScrollTarget::Side);
    let table = [
        (wide, "good morning", HitTarget::Message(1), messages),
        (wide, "where does the refresh", HitTarget::Message(2), messages),
        (wide, "A lock around", HitTarget::Message(3), messages),
        (wide, "People 3", pane(Pane::People), side),
        (wide, "● bob", pane(Pane::People), side),
        (wide, "Inbox 2", pane(Pane::Inbox), side),
        (wide, "bob can you", HitTarget::Item(bobs), side),
        (wide, "carol deploy?", HitTarget::Item(carols), side),
        (wide, "▸ m4", HitTarget::Strip(bobs), messages),
        (wide, "› message", pane(Pane::Composer), messages),
        (narrow, "[#lobby]", pane(Pane::Timeline), messages),
        (narrow, "Inbox 2", pane(Pane::Inbox), messages),
        (narrow, "People 3", pane(Pane::People), messages),
        (narrow, "▸ m4", HitTarget::Strip(bobs), messages),
        (narrow, "› message", pane(Pane::Composer), messages),
    ];
    for (size, words, spot, moves) in table {
        assert_eq!(
            under(&mut waiting(), size, words),
            (Some(spot), moves),
            "{words:?} at {size:?}"
        );
    }
}

#[test]
fn a_list_in_the_messages_place_is_moved_by_the_wheel() {
    let (narrow, carols) = (NARROW, CAROLS);
    let mut world = waiting();
    world.state.pane = Pane::Inbox;
    let list = |spot| (Some(spot), ScrollTarget::List);
    assert_eq!(
        under(&mut world, narrow, "carol deploy?"),
        list(HitTarget::Item(carols))
    );
    world.state.pane = Pane::People;
    assert_eq!(
        under(&mut world, narrow, "◌ carol"),
        list(HitTarget::Pane(Pane::People))
    );
}

#[test]
fn what_lies_over_the_messages_is_what_the_mouse_is_on() {
    let size = (80, 24);
    let mut world = waiting();
    world.state.modals.open(Modal::Palette(Palette::new(
        crate::tui::input::keymap::Context::Composer,
        &Keymap::built_in(),
    )));
    assert_eq!(
        under(&mut world, size, "▸ "),
        (Some(HitTarget::Choice(0)), ScrollTarget::Choices)
    );

    let mut world = waiting();
    world.state.composer.set("hello @");
    world.state.popup = Popup::while_writing(&world.state.composer, world.room());
    assert_eq!(
        under(&mut world, size, "  @carol"),
        (Some(HitTarget::Choice(1)), ScrollTarget::Choices)
    );

    let mut world = waiting();
    world.state.pending = vec!["ctrl-x".parse().unwrap()];
    assert_eq!(
        under(&mut world, size, "Ctrl-x and then"),
        (Some(HitTarget::Cover), ScrollTarget::Messages)
    );

    // In an open item nothing can be clicked, and the deciding keys least of all.
    let mut world = waiting();
    world.state.open(&[ItemId::Mention(4)]);
    for words in ["can you review", "a accept", "asks"] {
        assert_eq!(
            under(&mut world, size, words),
            (None, ScrollTarget::Messages),
            "{words}"
        );
    }
}

fn long(count: usize) -> World {
    let mut world = World::new();
    for nth in 0..count {
        let text = format!("message {nth}.");
        world.says(
            "bob",
            &[],
            Chat {
                text,
                ..Chat::default()
            },
        );
    }
    world
}

/// The columns and rows of the scrollbar.
fn bar(world: &mut World, size: (u16, u16)) -> Vec<(u16, u16)> {
    let (screen, ..) = world.drawn(size.0, size.1);
    let rows = screen.lines().enumerate();
    let places = rows.flat_map(|(row, line)| {
        let line = line.trim_start_matches('"');
        let found = line.match_indices('┃');
        found.map(move |(at, _)| (crate::text::width(&line[..at]) as u16, row as u16))
    });
    places.collect()
}

#[test]
fn the_scrollbar_is_there_where_there_is_more_than_a_page() {
    for (size, column) in [((120, 36), 119), ((80, 24), 79), ((60, 20), 59)] {
        assert_eq!(bar(&mut long(5), size), [], "{size:?}");
        let mut world = long(200);
        let (_, height) = {
            world.screen(size.0, size.1);
            world.state.reading.page
        };
        let top = 1;
        // At the end, at the beginning, and in the middle.
        assert_eq!(
            bar(&mut world, size).last(),
            Some(&(column, top + height - 1)),
            "{size:?}"
        );
        let (width, height) = world.state.reading.page;
        world.pages(width, height, |pages| pages.go_to(0.0));
        assert!(world.screen(size.0, size.1).0.contains("message 0."));
        assert_eq!(bar(&mut world, size)[0], (column, top), "{size:?}");
        world.pages(width, height, |pages| pages.go_to(0.5));
        let screen = world.screen(size.0, size.1).0;
        assert!(screen.contains("message 100."), "{screen}");
        let rows = bar(&mut world, size);
        assert!(
            rows[0].1 > top && rows[rows.len() - 1].1 < top + height - 1,
            "{rows:?}"
        );
        assert_eq!(
            world.drawn(size.0, size.1).2.spot(column, top + 3),
            Some(HitTarget::Bar)
        );
        world.pages(width, height, |pages| pages.go_to(1.0));
        assert!(world.screen(size.0, size.1).0.contains("message 199."));
    }
    // Too narrow for it.
    assert_eq!(bar(&mut long(200), (39, 20)), []);
}

#[test]
fn what_is_selected_is_on_the_screen_however_long_its_list_is() {
    let mut world = World::new();
    for nth in 0..60 {
        world.asks("bob", &format!("question {nth}?"));
    }
    for size in [(60, 20), (120, 36)] {
        world.state.go(Pane::Timeline);
        world.state.go(Pane::Inbox);
        for (number, shown) in [(60, 59), (1, 0), (30, 29)] {
            world.state.selected.item = Some(ItemId::Mention(number));
            let screen = world.screen(size.0, size.1).0;
            assert!(screen.contains(&format!("▸ bob question {shown}?")), "{screen}");
        }
        // The wheel scrolls the selection out of sight, but not beyond the end of the list.
        world.state.lists.held = true;
        (world.state.lists.side, world.state.lists.main) = (1000, 1000);
        let screen = world.screen(size.0, size.1).0;
        assert!(
            screen.contains("bob question 59?") && !screen.contains("question 20?"),
            "{screen}"
        );
        assert!(world.state.lists.side < 100 || size.0 == 60);
    }
}
