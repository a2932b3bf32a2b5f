//! The first row: where one is, how it is connected, who one is; on a narrow screen the tabs as well.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Widget,
};

use super::{Layout, RenderContext, Scope, timeline};
use crate::{
    text,
    tui::state::{Pane, State},
};

/// A tab that leads to a pane.
pub(super) struct Tab {
    pub area: Rect,
    pub pane: Pane,
    words: Span<'static>,
}

/// Columns of the mark before the tabs, and of the blank before each of them.
const MARK: u16 = 1;

/// Lays the tabs out in a row, with a mark where one is `here`.
pub(super) fn tabs(look: &RenderContext, state: &State, here: Pane, row: Rect) -> Vec<Tab> {
    let room = look.room;
    let thread = state.reading.thread.as_ref();
    let thread = thread.and_then(|open| room.chat.threads().get(&open.id));
    let place = match thread {
        Some(thread) => format!("#{} t{}", room.settings.room, thread.number),
        None => format!("#{}", room.settings.room),
    };
    let counted = |name: &str, count: usize| match count {
        0 => name.to_owned(),
        count => format!("{name} {count}"),
    };
    let waiting = room.review.inbox().len();
    // A room in which nobody has offered a file needs no tab for them.
    let has_files = here == Pane::Files || room.files.all().next().is_some();
    let tabs = [
        Some((place, Pane::Timeline)),
        Some((counted("Inbox", waiting), Pane::Inbox)),
        has_files.then(|| (counted("Files", room.files.open().count()), Pane::Files)),
        Some((
            format!("People {}", room.chat.members().list().len()),
            Pane::People,
        )),
    ];
    let mut free = Rect {
        x: row.x + MARK,
        width: row.width.saturating_sub(MARK),
        ..row
    };
    let tab = |(name, pane): (String, Pane)| {
        let scope = match pane {
            pane if pane == here => Scope::Focus,
            Pane::Inbox if waiting > 0 => Scope::Waiting,
            _ => Scope::Dim,
        };
        // Where one is, is told without colour as well.
        let name = match pane == here {
            true => format!(" [{name}]"),
            false => format!("  {name} "),
        };
        let width = free.width.min(text::width(&name) as u16);
        let area = Rect { width, ..free };
        (free.x, free.width) = (free.x + width, free.width - width);
        let words = look.span(name, scope);
        Tab { area, pane, words }
    };
    tabs.into_iter().flatten().map(tab).collect()
}

/// Draws the row.
pub(super) fn draw(look: &RenderContext, state: &State, plan: &Layout, frame: &mut Frame) {
    let (mark, _, mark_scope) = look.connection();
    let (mode, mode_scope) = look.mode();
    let settings = &look.room.settings;
    let mut left: Vec<Span> = Vec::new();
    let mut right: Vec<Span> = Vec::new();
    if plan.wide {
        let thread = state.reading.thread.as_ref();
        let thread = thread.and_then(|open| look.room.chat.threads().get(&open.id));
        let place = thread.map_or_else(String::new, |thread| format!("t{} ", thread.number));
        left.push(look.span(format!("┌ #{} {place}", settings.room), Scope::Title));
        right.push(look.span(format!(" {mark}"), mark_scope));
        right.push(look.span(format!(" {} ", look.relay), Scope::Dim));
    } else {
        left.push(look.span(mark, mark_scope));
        left.extend(plan.lists.tabs.iter().map(|tab| tab.words.clone()));
    }
    right.push(look.span(settings.me.clone(), Scope::NameMe));
    right.push(look.span(" · ", Scope::Dim));
    right.push(look.span(mode, mode_scope));
    right.push(look.span(if plan.wide { " ┐" } else { " " }, Scope::Border));
    let width = |spans: &[Span]| spans.iter().map(|span| text::width(&span.content)).sum::<usize>();
    let (left_width, right_width) = (width(&left), width(&right));
    let buffer = frame.buffer_mut();
    timeline::cut_line(left, plan.areas.top.width as usize).render(plan.areas.top, buffer);
    if left_width + right_width < plan.areas.top.width as usize {
        let x = plan.areas.top.right() - right_width as u16;
        Line::from(right).render(
            Rect {
                x,
                width: right_width as u16,
                ..plan.areas.top
            },
            buffer,
        );
    }
}
