//! The whole screen, from its plan.

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Block, Borders, Clear, Widget},
};

use super::{Layout, RenderContext, Scope, composer, graphemes, layout::Cover, panes, timeline};
use crate::{
    core::Connection,
    text,
    tui::{
        input::action::Action,
        state::State,
        view::{header, overlays::pager, scrollbar, status_bar},
    },
};

pub fn draw(look: &RenderContext, state: &State, plan: &Layout, frame: &mut Frame) {
    draw_all(look, state, plan, frame);
    graphemes::simplify(frame.buffer_mut());
}

fn draw_all(look: &RenderContext, state: &State, plan: &Layout, frame: &mut Frame) {
    frame
        .buffer_mut()
        .set_style(plan.areas.all, look.style(Scope::Text));
    if plan.too_small {
        let line = look.line("too small", Scope::Warning);
        return draw_lines(&[line], plan.areas.main, frame);
    }
    if plan.wide {
        let block = Block::new()
            .borders(Borders::ALL)
            .border_style(look.style(Scope::Border));
        let area = frame.area();
        frame.render_widget(block, area);
        if let Some(list) = &plan.lists.side {
            list.draw(frame.buffer_mut());
        }
        panes::draw_edge(look, plan.areas.side, frame.buffer_mut());
    }
    header::draw(look, state, plan, frame);
    draw_main(look, state, plan, frame);
    if let Some(choices) = &plan.lists.choices {
        choices.draw(look, frame.buffer_mut());
    }
    draw_lines(&plan.texts.banner, plan.areas.banner, frame);
    draw_lines(&plan.texts.strip, plan.areas.strip, frame);
    composer::draw(look, state, plan, frame);
    status_bar::draw(look, state, plan, frame);
}

fn draw_lines(lines: &[Line<'static>], area: Rect, frame: &mut Frame) {
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        line.render(Rect { y, height: 1, ..area }, frame.buffer_mut());
    }
}

fn draw_main(look: &RenderContext, state: &State, plan: &Layout, frame: &mut Frame) {
    match &plan.cover {
        Some(Cover::Text(paper)) => pager::draw(look, paper, plan.areas.main, frame.buffer_mut()),
        Some(Cover::Item(item)) => {
            Clear.render(plan.areas.main, frame.buffer_mut());
            frame
                .buffer_mut()
                .set_style(plan.areas.main, look.style(Scope::Text));
            draw_lines(&item.lines, plan.areas.main, frame);
        }
        None => {
            let buffer = frame.buffer_mut();
            if let Some(list) = &plan.lists.main {
                list.draw(buffer);
            }
            timeline::draw(look, &plan.timeline.rows, plan.areas.messages, buffer);
            if let Some(part) = plan.timeline.part {
                scrollbar::draw(look, part, plan.areas.bar, buffer);
            }
            if let Some(drag) = &state.pointer.drag {
                drag.draw(plan.areas.messages, look.style(Scope::Selected), buffer);
            }
        }
    }
}

/// How the connection stands, where it does not; else that settings wait for the person, with the key first, so
/// that it can be read however narrow it is.
pub(super) fn banner(look: &RenderContext, state: &State, width: u16, most: usize) -> Vec<Line<'static>> {
    let (mark, words, scope) = look.connection();
    let (words, scope) = match &state.looser {
        Some(looser) if look.room.connection == Connection::Online => {
            let key = look.keymap.hint(state.context(), Action::TakeSettings);
            let key = key.unwrap_or_else(|| Action::TakeSettings.name().to_owned());
            let words = looser.words.join(", ");
            (
                format!("⚠ {key} to review changed settings: {words}"),
                Scope::Warning,
            )
        }
        _ => (format!("{mark} {words}"), scope),
    };
    let lines = text::wrap_at_most(&words, width as usize, most);
    lines.into_iter().map(|line| look.line(line, scope)).collect()
}
