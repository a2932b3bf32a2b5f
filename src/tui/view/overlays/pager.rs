//! A sheet of lines over the messages: help, what a command answered, settings to read before they are taken.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use crate::{
    text,
    tui::{
        input::{action::Action, keymap::Context},
        modal::TextView,
        view::{RenderContext, Scope},
    },
};

/// A sheet that is laid out, with its scroll taken into account.
pub(crate) struct Laid {
    title: Line<'static>,
    rows: Vec<Line<'static>>,
    /// All of it has been on the screen.
    pub whole: bool,
    /// The scroll, kept within what there is.
    pub scroll: usize,
    /// Rows that have been on the screen with this one, and their columns.
    pub seen: (usize, u16),
}

/// Lays a sheet out for `area`.
pub(crate) fn lay(look: &RenderContext, paper: &TextView, area: Rect) -> Laid {
    let back = look.keymap.hint(Context::Help, Action::Back).unwrap_or_default();
    let rows: Vec<Line> = paper
        .lines
        .iter()
        .flat_map(|line| wrapped(line, area.width as usize))
        .collect();
    let (all, height) = (rows.len(), area.height.saturating_sub(1) as usize);
    // It counts as seen row by row from the first on; other rows begin at the first.
    let before = if paper.seen_at == area.width {
        paper.seen
    } else {
        0
    };
    let scroll = paper.scroll.min(all.saturating_sub(height));
    let seen = match scroll <= before {
        true => before.max(scroll + height),
        false => before,
    };
    Laid {
        title: look.line(format!("{} · {back} goes back", paper.title), Scope::Title),
        rows: rows.into_iter().skip(scroll).take(height).collect(),
        whole: seen >= all && height > 0,
        scroll,
        seen: (seen, area.width),
    }
}

/// A line in as many rows as it takes.
fn wrapped(line: &Line<'static>, width: usize) -> Vec<Line<'static>> {
    let whole: String = line.spans.iter().map(|span| &*span.content).collect();
    if text::width(&whole) <= width {
        return vec![line.clone()];
    }
    let row = |part: &str| {
        // Each row is a part of the whole line.
        let from = part.as_ptr() as usize - whole.as_ptr() as usize;
        let (mut start, mut spans) = (0, Vec::new());
        for span in &line.spans {
            let end = start + span.content.len();
            let cut = from.max(start)..(from + part.len()).min(end);
            if cut.start < cut.end {
                spans.push(Span::styled(whole[cut].to_owned(), span.style));
            }
            start = end;
        }
        Line::from(spans).style(line.style)
    };
    text::wrap(&whole, width).into_iter().map(row).collect()
}

pub(crate) fn draw(look: &RenderContext, laid: &Laid, area: Rect, buffer: &mut Buffer) {
    Clear.render(area, buffer);
    buffer.set_style(area, look.style(Scope::Text));
    let lines = std::iter::once(&laid.title).chain(&laid.rows);
    for (line, y) in lines.zip(area.y..area.bottom()) {
        line.render(Rect { y, height: 1, ..area }, buffer);
    }
}
