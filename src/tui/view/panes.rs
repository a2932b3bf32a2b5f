//! People and inbox: beside the messages on a wide screen, in their place on a narrow one.

use nexscope_relay::protocol::Status;
use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use super::{RenderContext, Scope, files, timeline::cut_line};
use crate::{
    core::{Item, ItemKind, RoomMember, runs::ask::Speaker},
    tui::{
        state::{Pane, State},
        view::{format, hit_test::HitTarget, overlays::list::List},
    },
};

/// People, inbox and files one above the other, as they stand beside the messages.
pub(super) fn side(look: &RenderContext, state: &State, width: usize) -> List {
    let mut list = List::default();
    let title = |list: &mut List, name: &str, count: usize, pane: Pane| {
        let scope = if state.pane == pane {
            Scope::Focus
        } else {
            Scope::Title
        };
        list.push(
            look.line(format!("{name} {count}"), scope),
            Some(HitTarget::Pane(pane)),
        );
    };
    title(
        &mut list,
        "People",
        look.room.chat.members().list().len(),
        Pane::People,
    );
    add_people(&mut list, look, width);
    list.push(Line::default(), None);
    title(&mut list, "Inbox", look.room.review.inbox().len(), Pane::Inbox);
    add_inbox(&mut list, look, state, width);
    if look.room.files.all().next().is_some() {
        list.push(Line::default(), None);
        title(&mut list, "Files", look.room.files.open().count(), Pane::Files);
        files::add_open(&mut list, look, width);
    }
    list
}

/// People in the messages' place.
pub(super) fn people(look: &RenderContext, width: usize) -> List {
    let mut list = List::default();
    add_people(&mut list, look, width);
    list
}

/// The inbox in the messages' place.
pub(super) fn inbox(look: &RenderContext, state: &State, width: usize) -> List {
    let mut list = List::default();
    add_inbox(&mut list, look, state, width);
    list
}

/// The line between the side panes and the messages, at the right of `area`.
pub(super) fn draw_edge(look: &RenderContext, area: Rect, buffer: &mut Buffer) {
    for y in area.y..area.bottom() {
        if let Some(cell) = buffer.cell_mut((area.right() - 1, y)) {
            cell.set_symbol("│").set_style(look.style(Scope::Border));
        }
    }
}

fn add_people(list: &mut List, look: &RenderContext, width: usize) {
    for member in look.room.chat.members().list() {
        list.push(person(look, member, width), Some(HitTarget::Pane(Pane::People)));
    }
}

fn person(look: &RenderContext, member: &RoomMember, width: usize) -> Line<'static> {
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
                spans.push(look.span(
                    format!("  {agent} ⚙ {}", format::activity(*doing)),
                    Scope::Working,
                ));
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

fn add_inbox(list: &mut List, look: &RenderContext, state: &State, width: usize) {
    let heading = Some(HitTarget::Pane(Pane::Inbox));
    let mut items = look
        .room
        .review
        .inbox()
        .waiting()
        .filter(|item| state.lists.filter.shows(item))
        .peekable();
    match state.lists.filter.word() {
        Some(kind) => list.push(look.line(format!("only {kind}"), Scope::Waiting), heading),
        None if items.peek().is_none() => list.push(look.line("nothing pending", Scope::Dim), heading),
        None => {}
    }
    let selected = state
        .selected_item(look.room)
        .filter(|_| state.pane == Pane::Inbox);
    for item in items {
        let at_hand = selected == Some(item.id);
        let line = inbox_line(look, item, at_hand, width);
        list.extend([line], Some(HitTarget::Item(item.id)), at_hand);
    }
}

fn inbox_line(look: &RenderContext, item: &Item, selected: bool, width: usize) -> Line<'static> {
    let mark = if selected { "▸ " } else { "  " };
    let risk = if item.warnings().is_empty() { "" } else { "⚠ " };
    let kind = match item.matter {
        ItemKind::Mention(_) => "",
        ItemKind::Draft(_) => " draft",
        ItemKind::Permission(_) => " wants",
        ItemKind::File(_) => " offers",
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
