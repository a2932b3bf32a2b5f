//! The scrollbar of the messages: one column, and only where there is more than a page.

use std::ops::Range;

use ratatui::{buffer::Buffer, layout::Rect};

use super::{RenderContext, Scope};

/// Which part of the messages is on the screen, from 0 to 1. Only what is on the screen has been laid out, so it
/// counts messages and not rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::tui) struct Part {
    pub from: f64,
    pub to: f64,
}

/// Rows of a bar of some height that stand for a part; none where the part is all there is.
fn rows(part: Part, height: u16) -> Option<Range<u16>> {
    let at_ends = (part.from <= 0.0, part.to >= 1.0);
    if at_ends == (true, true) || height < 2 {
        return None;
    }
    let length = (part.to - part.from) * f64::from(height);
    let length = (length.round() as u16).clamp(1, height - 1);
    let free = height - length;
    let above = part.from / (1.0 - (part.to - part.from)).max(f64::EPSILON);
    let above = (above * f64::from(free)).round() as u16;
    let first = match at_ends {
        (true, _) => 0,
        (_, true) => free,
        // It reaches an end only where the messages do, if it has rows to tell that.
        _ => above.min(free.saturating_sub(1)).max(1).min(free),
    };
    Some(first..first + length)
}

/// Draws it into a column.
pub(super) fn draw(look: &RenderContext, part: Part, area: Rect, buffer: &mut Buffer) {
    let style = look.style(Scope::Scrollbar);
    for row in rows(part, area.height).into_iter().flatten() {
        if let Some(cell) = buffer.cell_mut((area.x, area.y + row)) {
            cell.set_symbol("┃").set_style(style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reaches_an_end_only_where_the_messages_do() {
        // (from, to, height) -> rows
        let table = [
            (0.0, 1.0, 10, None),
            (0.5, 1.0, 1, None),
            (0.0, 0.5, 10, Some(0..5)),
            (0.5, 1.0, 10, Some(5..10)),
            (0.25, 0.75, 10, Some(3..8)),
            (0.9999, 1.0, 10, Some(9..10)),
            (0.999, 0.9999, 10, Some(8..9)),
            (0.0001, 0.001, 10, Some(1..2)),
            (0.0, 0.999, 10, Some(0..9)),
            (0.4, 0.6, 2, Some(1..2)),
            (0.4, 0.6, 3, Some(1..2)),
        ];
        for (from, to, height, expected) in table {
            assert_eq!(
                rows(Part { from, to }, height),
                expected,
                "{from} to {to} of {height}"
            );
        }
    }
}
