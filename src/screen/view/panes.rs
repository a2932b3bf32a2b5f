//! People and inbox: beside the messages on a wide screen, in their place on a narrow one.

use nexscope_relay::protocol::Status;
use ratatui::{buffer::Buffer, layout::Rect, text::Line, widgets::Widget};

use super::{Look, Scope, files, timeline::cut_line, words};
use crate::{
    room::{Item, Matter, Seen, ask::Speaker},
    screen::state::{Pane, State},
};

/// Draws people and inbox one above the other.
pub(super) fn draw_side(look: &Look, state: &State, area: Rect, buffer: &mut Buffer) {
    let width = area.width.saturating_sub(1) as usize;
    let mut lines = Vec::new();
    let title = |name: &str, count: usize, pane: Pane| {
        let scope = if state.pane == pane {
            Scope::Focus
        } else {
            Scope::Title
        };
        look.line(format!("{name} {count}"), scope)
    };
    lines.push(title("People", look.room.members.list().len(), Pane::People));
    lines.extend(
        look.room
            .members
            .list()
            .iter()
            .map(|member| person(look, member, width)),
    );
    lines.push(Line::default());
    lines.push(title("Inbox", look.room.inbox.len(), Pane::Inbox));
    lines.extend(inbox_lines(look, state, width));
    if look.room.offers.all().next().is_some() {
        lines.push(Line::default());
        lines.push(title("Files", look.room.offers.open().count(), Pane::Files));
        lines.extend(files::side_lines(look, width));
    }
    draw_lines(
        lines,
        Rect {
            width: width as u16,
            ..area
        },
        buffer,
    );
    for y in area.y..area.bottom() {
        look.span("│", Scope::Border).render(
            Rect {
                x: area.right() - 1,
                y,
                width: 1,
                height: 1,
            },
            buffer,
        );
    }
}

/// Draws people in the messages' place.
pub(super) fn draw_people(look: &Look, area: Rect, buffer: &mut Buffer) {
    let people = look
        .room
        .members
        .list()
        .iter()
        .map(|member| person(look, member, area.width as usize));
    draw_lines(people.collect(), area, buffer);
}

/// Draws the inbox in the messages' place.
pub(super) fn draw_inbox(look: &Look, state: &State, area: Rect, buffer: &mut Buffer) {
    draw_lines(inbox_lines(look, state, area.width as usize), area, buffer);
}

fn draw_lines(lines: Vec<Line<'static>>, area: Rect, buffer: &mut Buffer) {
    for (line, y) in lines.into_iter().zip(area.y..area.bottom()) {
        line.render(Rect { y, height: 1, ..area }, buffer);
    }
}

fn person(look: &Look, member: &Seen, width: usize) -> Line<'static> {
    let (mark, scope) = match member.status {
        Status::Online => ("●", Scope::Good),
        Status::Away => ("◌", Scope::Dim),
    };
    let mut spans = vec![
        look.span(format!("{mark} "), scope),
        look.speaker(&Speaker {
            member: member.name.clone(),
            agent: None,
        }),
    ];
    for agent in &member.agents {
        match member.doing.get(agent) {
            Some(doing) => {
                spans.push(look.span(format!("  {agent} ⚙ {}", words::activity(*doing)), Scope::Working));
            }
            None => spans.push(look.span(format!("  {agent}"), Scope::Dim)),
        }
    }
    if member.mode == nexscope_relay::protocol::Mode::Auto {
        spans.push(look.span(" auto", Scope::Warning));
    }
    if member.status == Status::Away {
        spans.push(look.span(" away", Scope::Dim));
    }
    cut_line(spans, width)
}

fn inbox_lines(look: &Look, state: &State, width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line> = look
        .room
        .inbox
        .waiting()
        .filter(|item| state.filter.shows(item))
        .map(|item| inbox_line(look, state, item, width))
        .collect();
    match state.filter.word() {
        Some(kind) => lines.insert(0, look.line(format!("only {kind}"), Scope::Waiting)),
        None if lines.is_empty() => lines.push(look.line("nothing waits", Scope::Dim)),
        None => {}
    }
    lines
}

fn inbox_line(look: &Look, state: &State, item: &Item, width: usize) -> Line<'static> {
    let selected = state.pane == Pane::Inbox && state.selected_item(look.room) == Some(item.id);
    let mark = if selected { "▸ " } else { "  " };
    let risk = if item.warnings().is_empty() { "" } else { "⚠ " };
    let kind = match item.matter {
        Matter::Mention(_) => "",
        Matter::Draft(_) => " draft",
        Matter::Permission(_) => " wants",
        Matter::File(_) => " offers",
    };
    let later = if item.later { "later " } else { "" };
    let line = cut_line(
        vec![
            look.span(mark, Scope::Strip),
            look.speaker(&item.from),
            look.span(kind, Scope::Waiting),
            look.span(format!(" {later}"), Scope::Dim),
            look.span(risk, Scope::Risk),
            look.span(item.text.replace('\n', " "), Scope::Text),
        ],
        width,
    );
    if selected {
        line.patch_style(look.style(Scope::Selected))
    } else {
        line
    }
}
