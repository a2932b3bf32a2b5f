//! The mouse's selection among the messages, and its text.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr;

/// The mouse's selection, from where it was pressed to where it is: columns and rows of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    from: (u16, u16),
    to: (u16, u16),
}

impl Selection {
    /// The button was pressed there.
    pub fn new(column: u16, row: u16) -> Self {
        Self {
            from: (column, row),
            to: (column, row),
        }
    }

    /// The mouse is there now.
    pub fn reach(&mut self, column: u16, row: u16) {
        self.to = (column, row);
    }

    /// It has gone nowhere: a click.
    pub fn is_click(&self) -> bool {
        self.from == self.to
    }

    /// The marked columns of a row within `area`, first and last.
    fn columns(&self, row: u16, area: Rect) -> Option<(u16, u16)> {
        let order = |(column, row)| (row, column);
        let (first, last) = if order(self.from) <= order(self.to) {
            (self.from, self.to)
        } else {
            (self.to, self.from)
        };
        if self.is_click() || row < first.1 || row > last.1 || area.is_empty() {
            return None;
        }
        let from = if row == first.1 { first.0 } else { area.x };
        let to = if row == last.1 { last.0 } else { area.right() - 1 };
        Some((from.max(area.x), to.min(area.right() - 1)))
    }

    pub fn draw(&self, area: Rect, style: Style, buffer: &mut Buffer) {
        for y in area.y..area.bottom() {
            if let Some((from, to)) = self.columns(y, area).filter(|(from, to)| from <= to) {
                let row = Rect::new(from, y, to - from + 1, 1);
                buffer.set_style(row, style);
            }
        }
    }

    /// The text of it, from rows as they were drawn, top down; without blanks at the ends of rows.
    pub fn text(&self, area: Rect, rows: &[String]) -> String {
        let mut lines = Vec::new();
        for (y, row) in (area.y..area.bottom()).zip(rows) {
            if let Some((from, to)) = self.columns(y, area) {
                lines.push(
                    columns(row, from - area.x, to.saturating_sub(area.x))
                        .trim_end()
                        .to_owned(),
                );
            }
        }
        lines.join("\n").trim_matches('\n').to_owned()
    }
}

/// Some columns of a row.
fn columns(row: &str, from: u16, to: u16) -> String {
    use unicode_segmentation::UnicodeSegmentation;
    let mut at = 0;
    let mut out = String::new();
    for grapheme in row.graphemes(true) {
        if at >= from && at <= to {
            out.push_str(grapheme);
        }
        at += grapheme.width() as u16;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_what_is_marked() {
        let area = Rect::new(2, 1, 10, 3);
        let rows: Vec<String> = ["09:14 bob ", "  日本x", ""].map(str::to_owned).into();
        let table = [
            ((8, 1), (10, 1), "bob"),
            ((10, 1), (8, 1), "bob"),
            ((8, 1), (5, 2), "bob\n  日"),
            ((0, 0), (40, 9), "09:14 bob\n  日本x"),
            ((4, 2), (4, 2), ""),
        ];
        for (from, to, expected) in table {
            let mut drag = Selection::new(from.0, from.1);
            drag.reach(to.0, to.1);
            assert_eq!(drag.text(area, &rows), expected, "{from:?} to {to:?}");
        }
    }
}
