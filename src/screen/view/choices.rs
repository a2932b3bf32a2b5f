//! Lists to choose from, at the bottom of the messages: completions, keys that may follow, the palette.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use super::{Look, Scope, timeline::cut_line};
use crate::screen::{palette::Palette, popup::Popup, state::State};

/// Rows of completions, at most.
const MOST: usize = 8;

/// Draws whichever of them is open into the bottom of `area`.
pub(super) fn draw(look: &Look, state: &State, area: Rect, buffer: &mut Buffer) {
    if let Some(palette) = &state.palette {
        let lines = palette_lines(look, palette, area);
        draw_lines(look, lines, area, buffer);
    } else if !state.pending.is_empty() {
        draw_lines(look, following(look, state, area), area, buffer);
    } else if let Some(popup) = &state.popup {
        draw_lines(look, completions(look, popup, area), area, buffer);
    }
}

fn draw_lines(look: &Look, lines: Vec<Line<'static>>, area: Rect, buffer: &mut Buffer) {
    let height = (lines.len() as u16).min(area.height);
    let area = Rect {
        y: area.bottom() - height,
        height,
        ..area
    };
    Clear.render(area, buffer);
    buffer.set_style(area, look.style(Scope::Text));
    for (line, y) in lines.into_iter().zip(area.y..area.bottom()) {
        line.render(Rect { y, height: 1, ..area }, buffer);
    }
}

/// The part of a list that is shown, so that the one at hand is among it.
fn window(count: usize, at: usize, rows: usize) -> std::ops::Range<usize> {
    let rows = rows.min(count);
    let from = at.saturating_sub(rows.saturating_sub(1)).min(count - rows);
    from..from + rows
}

/// One line of a list: what it is at the left, what else is known of it behind.
fn line(look: &Look, at_hand: bool, words: &str, note: &str, width: usize) -> Line<'static> {
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

fn completions(look: &Look, popup: &Popup, area: Rect) -> Vec<Line<'static>> {
    let rows = MOST.min(area.height as usize);
    let shown = window(popup.choices.len(), popup.at, rows);
    let first = shown.start;
    popup.choices[shown]
        .iter()
        .enumerate()
        .map(|(nth, choice)| {
            let at_hand = first + nth == popup.at;
            line(
                look,
                at_hand,
                choice.insert.trim_end(),
                &choice.note,
                area.width as usize,
            )
        })
        .collect()
}

fn palette_lines(look: &Look, palette: &Palette, area: Rect) -> Vec<Line<'static>> {
    let shown: Vec<_> = palette.shown().collect();
    if shown.is_empty() {
        return vec![look.line("Nothing is called so.", Scope::Dim)];
    }
    let rows = window(shown.len(), palette.at(), area.height as usize);
    rows.map(|nth| {
        let key = shown[nth].key.as_deref().unwrap_or_default();
        line(
            look,
            nth == palette.at(),
            &shown[nth].does,
            key,
            area.width as usize,
        )
    })
    .collect()
}

/// What may follow the keys that were pressed.
fn following(look: &Look, state: &State, area: Rect) -> Vec<Line<'static>> {
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
