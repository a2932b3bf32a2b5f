//! A sheet of lines over the messages: help, and what a command answered.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::Line,
    widgets::{Clear, Paragraph, Widget, Wrap},
};

use super::{Look, Scope};
use crate::screen::{action::Action, keymap::Context, state::Paper};

pub(super) fn draw(look: &Look, paper: &Paper, area: Rect, buffer: &mut Buffer) {
    Clear.render(area, buffer);
    buffer.set_style(area, look.style(Scope::Text));
    let back = look.keymap.hint(Context::Help, Action::Back).unwrap_or_default();
    let title = look.line(format!("{} · {back} goes back", paper.title), Scope::Title);
    title.render(
        Rect {
            height: area.height.min(1),
            ..area
        },
        buffer,
    );
    let body = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let lines: Vec<Line> = paper.lines.iter().skip(paper.scroll).cloned().collect();
    if body.height > 0 {
        Paragraph::new(lines)
            .wrap(Wrap { trim: false })
            .render(body, buffer);
    }
}
