//! Lists to choose from, at the bottom of the messages: completions, keys that may follow, the palette.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use crate::tui::{
    palette::Palette,
    popup::Popup,
    state::State,
    view::{RenderContext, Scope, hit_test::HitTarget, timeline::cut_line},
};

/// Rows of completions, at most.
const MOST: usize = 8;

/// Whichever of them is open, laid out.
pub(crate) struct Laid {
    area: Rect,
    lines: Vec<Line<'static>>,
    /// Which choice stands in the first line; none where nothing can be chosen.
    first: Option<usize>,
}

/// Lays whichever of them is open into the bottom of `area`.
pub(crate) fn lay(look: &RenderContext, state: &State, area: Rect) -> Option<Laid> {
    let (lines, first) = if let Some(palette) = state.modals.palette() {
        palette_lines(look, palette, area)
    } else if !state.pending.is_empty() {
        (following(look, state, area), None)
    } else {
        completions(look, state.popup.as_ref()?, area)
    };
    let height = (lines.len() as u16).min(area.height);
    let area = Rect {
        y: area.bottom() - height,
        height,
        ..area
    };
    Some(Laid { area, lines, first })
}

impl Laid {
    fn rows(&self) -> impl Iterator<Item = (Rect, &Line<'static>)> {
        let row = |y| Rect {
            y,
            height: 1,
            ..self.area
        };
        let rows = (self.area.y..self.area.bottom()).map(row);
        rows.zip(&self.lines)
    }

    pub fn spots(&self) -> impl Iterator<Item = (Rect, HitTarget)> {
        let spot = |nth| {
            self.first
                .map_or(HitTarget::Cover, |first| HitTarget::Choice(first + nth))
        };
        let rows = self.rows().enumerate();
        rows.map(move |(nth, (area, _))| (area, spot(nth)))
    }

    pub fn draw(&self, look: &RenderContext, buffer: &mut Buffer) {
        Clear.render(self.area, buffer);
        buffer.set_style(self.area, look.style(Scope::Text));
        for (area, line) in self.rows() {
            line.render(area, buffer);
        }
    }
}

/// The part of a list that is shown, so that the one at hand is among it.
fn window(count: usize, at: usize, rows: usize) -> std::ops::Range<usize> {
    let rows = rows.min(count);
    let from = at.saturating_sub(rows.saturating_sub(1)).min(count - rows);
    from..from + rows
}

/// One line of a list: what it is at the left, what else is known of it behind.
fn line(look: &RenderContext, at_hand: bool, words: &str, note: &str, width: usize) -> Line<'static> {
    let mark = if at_hand { "▸ " } else { "  " };
    let spans = vec![
        look.span(mark, Scope::Focus),
        look.span(words.to_owned(), Scope::Text),
        look.span(if note.is_empty() { "" } else { "  " }, Scope::Text),
        look.span(note.to_owned(), Scope::Dim),
    ];
    let line = cut_line(spans, width);
    if at_hand {
        line.patch_style(look.style(Scope::Selected))
    } else {
        line
    }
}

fn completions(look: &RenderContext, popup: &Popup, area: Rect) -> (Vec<Line<'static>>, Option<usize>) {
    let shown = window(popup.choices.len(), popup.at, MOST.min(area.height as usize));
    let first = shown.start;
    let one = |nth: usize| {
        let choice = &popup.choices[nth];
        let words = choice.insert.trim_end();
        line(look, nth == popup.at, words, &choice.note, area.width as usize)
    };
    (shown.map(one).collect(), Some(first))
}

fn palette_lines(look: &RenderContext, palette: &Palette, area: Rect) -> (Vec<Line<'static>>, Option<usize>) {
    let shown: Vec<_> = palette.shown().collect();
    if shown.is_empty() {
        return (vec![look.line("No match.", Scope::Dim)], None);
    }
    let rows = window(shown.len(), palette.at(), area.height as usize);
    let first = rows.start;
    let one = |nth: usize| {
        let key = shown[nth].key.as_deref().unwrap_or_default();
        let at_hand = nth == palette.at();
        line(look, at_hand, &shown[nth].does, key, area.width as usize)
    };
    (rows.map(one).collect(), Some(first))
}

/// The keys that may follow the pressed ones.
fn following(look: &RenderContext, state: &State, area: Rect) -> Vec<Line<'static>> {
    let begun: Vec<String> = state.pending.iter().map(ToString::to_string).collect();
    let mut lines = vec![look.line(format!("{} and then", begun.join(" ")), Scope::Title)];
    for (keys, action) in look.keymap.continuations(state.context(), &state.pending) {
        let spans: Vec<Span> = vec![
            look.span(format!("  {keys:<10} "), Scope::Key),
            look.span(action.does(), Scope::Text),
        ];
        lines.push(cut_line(spans, area.width as usize));
    }
    lines
}
