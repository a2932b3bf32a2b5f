//! The mouse: a click selects what it is on, another one on the same opens it, as the keys do; dragging copies,
//! and the wheel moves what is under it. No click accepts or rejects anything.

use std::time::Instant;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{keymap::Context, selection::Selection};
use crate::tui::{
    Screen,
    actions::{clipboard, navigation},
    state::Pane,
    view::{HitTarget, ScrollTarget},
};

/// Lines that the wheel moves.
const WHEEL: isize = 3;

pub(crate) fn handle_event(screen: &mut Screen, mouse: MouseEvent, now: Instant) {
    let (column, row) = (mouse.column, mouse.row);
    match mouse.kind {
        MouseEventKind::ScrollUp => wheel(screen, column, row, -1),
        MouseEventKind::ScrollDown => wheel(screen, column, row, 1),
        MouseEventKind::Down(MouseButton::Left) => {
            screen.state.pointer.holds_bar = spot(screen, column, row) == Some(HitTarget::Bar);
            screen.state.pointer.drag =
                (!screen.state.pointer.holds_bar).then(|| Selection::new(column, row));
            pull(screen, row);
        }
        MouseEventKind::Drag(MouseButton::Left) => {
            screen
                .state
                .pointer
                .drag
                .iter_mut()
                .for_each(|drag| drag.reach(column, row));
            pull(screen, row);
        }
        MouseEventKind::Up(MouseButton::Left) => released(screen, column, row, now),
        _ => {}
    }
}

fn spot(screen: &Screen, column: u16, row: u16) -> Option<HitTarget> {
    screen.shown.as_ref()?.spot(column, row)
}

/// Moves the messages to where the scrollbar is held, if it is.
fn pull(screen: &mut Screen, row: u16) {
    let shown = screen.shown.as_ref().filter(|_| screen.state.pointer.holds_bar);
    if let Some(part) = shown.map(|shown| shown.share(row)) {
        navigation::pages(screen, |pages| pages.go_to(part));
    }
}

fn wheel(screen: &mut Screen, column: u16, row: u16, by: isize) {
    screen.state.pointer.drag = None;
    let under = screen.shown.as_ref().map(|shown| shown.under(column, row));
    let lists = &mut screen.state.lists;
    match under.unwrap_or(ScrollTarget::Messages) {
        ScrollTarget::Side => {
            lists.side = lists.side.saturating_add_signed(by * WHEEL);
            lists.held = true;
        }
        ScrollTarget::List => {
            lists.main = lists.main.saturating_add_signed(by * WHEEL);
            lists.held = true;
        }
        ScrollTarget::Choices => match (screen.state.modals.palette_mut(), &mut screen.state.popup) {
            (Some(palette), _) => palette.turn(by),
            (None, Some(popup)) => popup.turn(by),
            (None, None) => {}
        },
        ScrollTarget::Messages => navigation::scroll(screen, by * WHEEL),
    }
}

/// The button was let go: what was marked is copied; a click is for what it was on.
fn released(screen: &mut Screen, column: u16, row: u16, now: Instant) {
    screen.state.pointer.holds_bar = false;
    let Some(mut drag) = screen.state.pointer.drag.take() else {
        return;
    };
    drag.reach(column, row);
    if drag.is_click() {
        if let Some(spot) = spot(screen, column, row) {
            click(screen, spot, now);
        }
        return;
    }
    let Some(shown) = &screen.shown else { return };
    let text = shown.messages.map(|area| drag.text(area, &shown.text()));
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        // It stays to be seen until a key is pressed.
        screen.state.pointer.drag = Some(drag);
        clipboard::set(screen, text);
    }
}

fn click(screen: &mut Screen, spot: HitTarget, now: Instant) {
    if let HitTarget::Choice(nth) = spot {
        return click_choice(screen, nth);
    }
    let state = &mut screen.state;
    match state.context() {
        // What is being written for a decision, and what is chosen from, go first.
        Context::Reason | Context::Palette => return,
        Context::Search => _ = state.modals.close(),
        _ => {}
    }
    state.popup = None;
    match spot {
        HitTarget::Pane(pane) => state.go(pane),
        HitTarget::Message(number) => {
            let again = state.pane == Pane::Timeline && state.selected.post == Some(number);
            state.go(Pane::Timeline);
            if again {
                return navigation::open(screen, Context::Timeline);
            }
            state.selected.post = Some(number);
            state.selected.since = Some(now);
        }
        HitTarget::Item(item) => {
            let again = state.pane == Pane::Inbox && state.selected.item == Some(item);
            state.go(Pane::Inbox);
            state.select_item(item);
            if again {
                navigation::open(screen, Context::Inbox);
            }
        }
        HitTarget::File(number) => {
            let again = state.pane == Pane::Files && state.selected.file == Some(number);
            state.go(Pane::Files);
            state.selected.file = Some(number);
            if again {
                navigation::open(screen, Context::Files);
            }
        }
        HitTarget::Strip(item) => state.open(&[item]),
        HitTarget::Choice(_) | HitTarget::Bar | HitTarget::Cover => {}
    }
}

/// A completion is written; in the palette a click only goes to a line, since some of what it does decides.
fn click_choice(screen: &mut Screen, nth: usize) {
    let state = &mut screen.state;
    if let Some(palette) = state.modals.palette_mut() {
        palette.turn(nth as isize - palette.at() as isize);
    } else if let Some(mut popup) = state.popup.take() {
        popup.at = nth.min(popup.choices.len() - 1);
        popup.complete(&mut state.composer);
    }
}
