//! The mouse: a click selects what it is on, another one on the same opens it, as the keys do; dragging copies,
//! and the wheel moves what is under it. No click accepts or rejects anything.

use std::time::Instant;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::{keymap::Context, selection::Selection};
use crate::tui::{
    Screen,
    state::Pane,
    view::{HitTarget, ScrollTarget},
};

/// Lines that the wheel moves.
const WHEEL: isize = 3;

impl Screen {
    pub(crate) fn mouse(&mut self, mouse: MouseEvent, now: Instant) {
        let (column, row) = (mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollUp => self.wheel(column, row, -1),
            MouseEventKind::ScrollDown => self.wheel(column, row, 1),
            MouseEventKind::Down(MouseButton::Left) => {
                self.state.pointer.holds_bar = self.spot(column, row) == Some(HitTarget::Bar);
                self.state.pointer.drag =
                    (!self.state.pointer.holds_bar).then(|| Selection::new(column, row));
                self.pull(row);
            }
            MouseEventKind::Drag(MouseButton::Left) => {
                self.state
                    .pointer
                    .drag
                    .iter_mut()
                    .for_each(|drag| drag.reach(column, row));
                self.pull(row);
            }
            MouseEventKind::Up(MouseButton::Left) => self.released(column, row, now),
            _ => {}
        }
    }

    fn spot(&self, column: u16, row: u16) -> Option<HitTarget> {
        self.shown.as_ref()?.spot(column, row)
    }

    /// Moves the messages to where the scrollbar is held, if it is.
    fn pull(&mut self, row: u16) {
        let shown = self.shown.as_ref().filter(|_| self.state.pointer.holds_bar);
        if let Some(part) = shown.map(|shown| shown.share(row)) {
            self.pages(|pages| pages.go_to(part));
        }
    }

    fn wheel(&mut self, column: u16, row: u16, by: isize) {
        self.state.pointer.drag = None;
        let under = self.shown.as_ref().map(|shown| shown.under(column, row));
        let lists = &mut self.state.lists;
        match under.unwrap_or(ScrollTarget::Messages) {
            ScrollTarget::Side => {
                lists.side = lists.side.saturating_add_signed(by * WHEEL);
                lists.held = true;
            }
            ScrollTarget::List => {
                lists.main = lists.main.saturating_add_signed(by * WHEEL);
                lists.held = true;
            }
            ScrollTarget::Choices => match (self.state.modals.palette_mut(), &mut self.state.popup) {
                (Some(palette), _) => palette.turn(by),
                (None, Some(popup)) => popup.turn(by),
                (None, None) => {}
            },
            ScrollTarget::Messages => self.scroll(by * WHEEL),
        }
    }

    /// The button was let go: what was marked is copied; a click is for what it was on.
    fn released(&mut self, column: u16, row: u16, now: Instant) {
        self.state.pointer.holds_bar = false;
        let Some(mut drag) = self.state.pointer.drag.take() else {
            return;
        };
        drag.reach(column, row);
        if drag.is_click() {
            if let Some(spot) = self.spot(column, row) {
                self.click(spot, now);
            }
            return;
        }
        let Some(shown) = &self.shown else { return };
        let text = shown.messages.map(|area| drag.text(area, &shown.text()));
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            // It stays to be seen until a key is pressed.
            self.state.pointer.drag = Some(drag);
            self.put_on_clipboard(text);
        }
    }

    fn click(&mut self, spot: HitTarget, now: Instant) {
        if let HitTarget::Choice(nth) = spot {
            return self.click_choice(nth);
        }
        let state = &mut self.state;
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
                    return self.open(Context::Timeline);
                }
                state.selected.post = Some(number);
                state.selected.since = Some(now);
            }
            HitTarget::Item(item) => {
                let again = state.pane == Pane::Inbox && state.selected.item == Some(item);
                state.go(Pane::Inbox);
                state.select_item(item);
                if again {
                    self.open(Context::Inbox);
                }
            }
            HitTarget::File(number) => {
                let again = state.pane == Pane::Files && state.selected.file == Some(number);
                state.go(Pane::Files);
                state.selected.file = Some(number);
                if again {
                    self.open(Context::Files);
                }
            }
            HitTarget::Strip(item) => state.open(&[item]),
            HitTarget::Choice(_) | HitTarget::Bar | HitTarget::Cover => {}
        }
    }

    /// A completion is written; in the palette a click only goes to a line, since some of what it does decides.
    fn click_choice(&mut self, nth: usize) {
        let state = &mut self.state;
        if let Some(palette) = state.modals.palette_mut() {
            palette.turn(nth as isize - palette.at() as isize);
        } else if let Some(mut popup) = state.popup.take() {
            popup.at = nth.min(popup.choices.len() - 1);
            popup.complete(&mut state.composer);
        }
    }
}
