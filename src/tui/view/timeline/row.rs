//! A row of the screen: its text, and where in it links are.

use std::{num::NonZeroU16, ops::Range, rc::Rc};

use ratatui::{
    buffer::{Buffer, CellDiffOption},
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};
use unicode_width::UnicodeWidthStr;

use crate::text;

/// One row that is laid out.
#[derive(Debug, Clone, Default)]
pub(in crate::tui) struct Row {
    pub line: Line<'static>,
    /// Links in it, by columns.
    pub links: Vec<Link>,
}

/// Columns of a row that lead somewhere.
#[derive(Debug, Clone)]
pub(in crate::tui) struct Link {
    columns: Range<u16>,
    url: Rc<str>,
}

impl From<Line<'static>> for Row {
    fn from(line: Line<'static>) -> Self {
        Self {
            line,
            links: Vec::new(),
        }
    }
}

impl Row {
    /// Columns that it takes.
    pub fn width(&self) -> usize {
        self.line
            .spans
            .iter()
            .map(|span| text::width(&span.content))
            .sum()
    }

    /// Adds a piece at the end, which may be a link.
    pub fn push(&mut self, words: &str, style: Style, url: Option<&Rc<str>>) {
        if words.is_empty() {
            return;
        }
        if let Some(url) = url {
            let from = self.width() as u16;
            self.links.push(Link {
                columns: from..from + text::width(words) as u16,
                url: url.clone(),
            });
        }
        self.line.spans.push(Span::styled(words.to_owned(), style));
    }

    /// The same row behind something else.
    pub fn behind(self, before: impl IntoIterator<Item = Span<'static>>) -> Self {
        let mut row = Row::default();
        row.line.spans.extend(before);
        let by = row.width() as u16;
        row.line.spans.extend(self.line.spans);
        row.links = self.links;
        for link in &mut row.links {
            link.columns = link.columns.start + by..link.columns.end + by;
        }
        row
    }

    /// Marks what matches, wherever it stands in the row.
    pub fn mark(&mut self, matches: impl Fn(&str) -> Vec<Range<usize>>, style: Style) {
        let whole: String = self.line.spans.iter().map(|span| &*span.content).collect();
        let found = matches(&whole);
        if found.is_empty() {
            return;
        }
        let mut spans = Vec::new();
        let mut at = 0;
        for span in std::mem::take(&mut self.line.spans) {
            let end = at + span.content.len();
            let mut done = at;
            for range in found.iter().filter(|range| range.start < end && range.end > at) {
                let (from, to) = (range.start.max(done), range.end.min(end));
                spans.push(Span::styled(whole[done..from].to_owned(), span.style));
                spans.push(Span::styled(whole[from..to].to_owned(), span.style.patch(style)));
                done = to;
            }
            spans.push(Span::styled(whole[done..end].to_owned(), span.style));
            at = end;
        }
        spans.retain(|span| !span.content.is_empty());
        self.line.spans = spans;
    }

    /// Draws it into the first row of `area`; with `links`, as what the terminal opens (OSC 8).
    pub fn draw(&self, area: Rect, links: bool, buffer: &mut Buffer) {
        let area = Rect {
            height: area.height.min(1),
            ..area
        }
        .intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        (&self.line).render(area, buffer);
        for link in self.links.iter().filter(|_| links) {
            for x in link.columns.clone() {
                let Some(cell) = buffer
                    .cell_mut((area.x.saturating_add(x), area.y))
                    .filter(|_| x < area.width)
                else {
                    break;
                };
                // Each cell is complete, since any of them may be drawn alone.
                let Some(width) = NonZeroU16::new(cell.symbol().width() as u16) else {
                    continue;
                };
                let symbol = format!("\x1b]8;;{}\x1b\\{}\x1b]8;;\x1b\\", link.url, cell.symbol());
                cell.set_symbol(&symbol)
                    .set_diff_option(CellDiffOption::ForcedWidth(width));
            }
        }
    }
}

/// Longest address that a terminal is given, in bytes.
const URL_MAX: usize = 2000;

/// An address that a terminal may be given: of a kind that only shows something, and with nothing in it that
/// could end the sequence that carries it.
pub(crate) fn safe_url(url: &str) -> Option<Rc<str>> {
    let known = ["http://", "https://", "mailto:"];
    let known = known.iter().any(|scheme| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    (known && url.len() <= URL_MAX && url.bytes().all(|byte| byte.is_ascii_graphic())).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_addresses_are_links() {
        let long = format!("https://x/{}", "a".repeat(URL_MAX));
        let table = [
            ("https://example.com/a?b#c", true),
            ("HTTP://example.com", true),
            ("mailto:a@b", true),
            ("javascript:alert(1)", false),
            ("file:///etc/passwd", false),
            ("https://x\u{1b}\\\u{1b}]52;c;aGk=\u{7}", false),
            ("https://exämple.com", false),
            (long.as_str(), false),
        ];
        for (url, expected) in table {
            assert_eq!(safe_url(url).is_some(), expected, "{url}");
        }
    }

    #[test]
    fn a_link_is_whole_in_each_cell_and_off_where_the_terminal_cannot() {
        let mut row = Row::default();
        row.push("see ", Style::new(), None);
        row.push("日x", Style::new(), safe_url("https://e.x").as_ref());
        let area = Rect::new(0, 0, 8, 1);
        for on in [true, false] {
            let mut buffer = Buffer::empty(area);
            row.clone().behind([Span::raw("> ")]).draw(area, on, &mut buffer);
            let symbols: Vec<&str> = (0..8).map(|x| buffer[(x, 0)].symbol()).collect();
            assert_eq!(symbols[0], ">");
            let link = if on {
                "\x1b]8;;https://e.x\x1b\\日\x1b]8;;\x1b\\"
            } else {
                "日"
            };
            assert_eq!(symbols[6], link);
        }
    }

    #[test]
    fn matches_are_marked_across_pieces() {
        let mut row = Row::default();
        row.push("abc", Style::new(), None);
        row.push("def", Style::new().bold(), None);
        row.mark(
            |text| text.find("cd").map(|at| at..at + 2).into_iter().collect(),
            Style::new().reversed(),
        );
        let pieces: Vec<(&str, bool)> = row
            .line
            .spans
            .iter()
            .map(|span| {
                let reversed = span
                    .style
                    .add_modifier
                    .contains(ratatui::style::Modifier::REVERSED);
                (&*span.content, reversed)
            })
            .collect();
        assert_eq!(pieces, [("ab", false), ("c", true), ("d", true), ("ef", false)]);
    }
}
