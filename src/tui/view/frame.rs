//! The whole screen, from its plan.

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Block, Borders, Clear, Widget},
};

use super::{Layout, RenderContext, Scope, composer, panes, timeline};
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
    frame.buffer_mut().set_style(plan.all, look.style(Scope::Text));
    if plan.too_small {
        let line = look.line("too small", Scope::Warning);
        return draw_lines(&[line], plan.main, frame);
    }
    if plan.wide {
        let block = Block::new()
            .borders(Borders::ALL)
            .border_style(look.style(Scope::Border));
        let area = frame.area();
        frame.render_widget(block, area);
        plan.side_list.draw(frame.buffer_mut());
        panes::draw_edge(look, plan.side, frame.buffer_mut());
    }
    header::draw(look, state, plan, frame);
    draw_main(look, state, plan, frame);
    if let Some(choices) = &plan.choices {
        choices.draw(look, frame.buffer_mut());
    }
    draw_lines(&plan.banner_lines, plan.banner, frame);
    draw_lines(&plan.strip_lines, plan.strip, frame);
    composer::draw(look, state, plan, frame);
    status_bar::draw(look, state, plan, frame);
}

fn draw_lines(lines: &[Line<'static>], area: Rect, frame: &mut Frame) {
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        line.render(Rect { y, height: 1, ..area }, frame.buffer_mut());
    }
}

fn draw_main(look: &RenderContext, state: &State, plan: &Layout, frame: &mut Frame) {
    match (&plan.paper, &plan.item) {
        (Some(paper), _) => pager::draw(look, paper, plan.main, frame.buffer_mut()),
        (None, Some(item)) => {
            Clear.render(plan.main, frame.buffer_mut());
            frame.buffer_mut().set_style(plan.main, look.style(Scope::Text));
            draw_lines(&item.lines, plan.main, frame);
        }
        _ => {
            let buffer = frame.buffer_mut();
            plan.main_list.draw(buffer);
            timeline::draw(look, &plan.rows, plan.messages, buffer);
            if let Some(part) = plan.part {
                scrollbar::draw(look, part, plan.bar, buffer);
            }
            if let Some(drag) = &state.pointer.drag {
                drag.draw(plan.messages, look.style(Scope::Selected), buffer);
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
                format!("⚠ Config changed: {words}. {key} to review and apply"),
                Scope::Warning,
            )
        }
        _ => (format!("{mark} {words}"), scope),
    };
    let lines = text::wrap_at_most(&words, width as usize, most);
    lines.into_iter().map(|line| look.line(line, scope)).collect()
}
