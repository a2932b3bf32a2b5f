//! Draws only what is as wide in every terminal as in our layout.
//!
//! Terminals disagree on the width of graphemes of several code points: some add the widths of these up, others know
//! the emoji. Where the cursor is not where we think, marks are left on the screen. So such a grapheme is drawn as
//! something simple in as many columns. What is posted or accepted does not change.

use ratatui::{
    buffer::{Buffer, Cell, CellDiffOption},
    style::Modifier,
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A simple form of a grapheme.
#[derive(Debug, PartialEq, Eq)]
struct Simple {
    /// The symbols of its cells. One that is two columns wide takes two cells.
    symbols: Vec<String>,
    /// Whether a part of it is not drawn; it is underlined, then.
    is_cut: bool,
}

/// Replaces all graphemes of a screen whose width differs between terminals.
pub(super) fn simplify(buffer: &mut Buffer) {
    let right = buffer.area.right();
    for y in buffer.area.y..buffer.area.bottom() {
        for x in buffer.area.x..right {
            let Some(simple) = buffer.cell((x, y)).and_then(|cell| simple(shown(cell))) else {
                continue;
            };
            let style = buffer[(x, y)].style();
            let mut at = x;
            for symbol in simple.symbols {
                let Some(cell) = buffer.cell_mut((at, y)).filter(|_| at < right) else {
                    break;
                };
                cell.set_symbol(&symbol)
                    .set_style(style)
                    .set_diff_option(CellDiffOption::None);
                if simple.is_cut {
                    cell.modifier |= Modifier::UNDERLINED;
                }
                at += symbol.width().max(1) as u16;
            }
        }
    }
}

/// What a cell shows, without a link around it.
fn shown(cell: &Cell) -> &str {
    let symbol = cell.symbol();
    match symbol
        .strip_prefix("\x1b]8;;")
        .and_then(|link| link.split_once("\x1b\\"))
    {
        Some((_, linked)) => linked.strip_suffix("\x1b]8;;\x1b\\").unwrap_or(linked),
        None => symbol,
    }
}

/// The simple form of a grapheme; `None` if it is simple itself.
fn simple(grapheme: &str) -> Option<Simple> {
    if grapheme.is_ascii() {
        return None;
    }
    let letters: String = grapheme.chars().filter_map(letter_of_flag).collect();
    if !letters.is_empty() {
        let symbols = columns(letters.chars().map(String::from).collect(), grapheme.width());
        return Some(Simple {
            symbols,
            is_cut: false,
        });
    }
    vowel_am(grapheme).or_else(|| emoji(grapheme))
}

/// Fills the columns that a grapheme takes.
fn columns(mut symbols: Vec<String>, width: usize) -> Vec<String> {
    let used: usize = symbols.iter().map(|symbol| symbol.width()).sum();
    symbols.extend(std::iter::repeat_n(" ".to_owned(), width.saturating_sub(used)));
    symbols
}

/// The letter of a regional indicator: a flag is drawn as the code of its country.
fn letter_of_flag(c: char) -> Option<char> {
    let letter = (c as u32).checked_sub(0x1f1e6).filter(|letter| *letter < 26)?;
    char::from_u32(u32::from('A') + letter)
}

/// The Thai and Lao vowel AM, which some terminals add to the consonant before it: a ring above, and the vowel AA.
fn vowel_am(grapheme: &str) -> Option<Simple> {
    let parts = |c| match c {
        '\u{e33}' => Some(('\u{e4d}', '\u{e32}')),
        '\u{eb3}' => Some(('\u{ecd}', '\u{eb2}')),
        _ => None,
    };
    if !grapheme.contains(['\u{e33}', '\u{eb3}']) {
        return None;
    }
    let mut symbols: Vec<String> = Vec::new();
    for c in grapheme.chars() {
        match (parts(c), symbols.last_mut()) {
            (Some((ring, vowel)), None) => symbols.push(format!("{vowel}{ring}")),
            (Some((ring, vowel)), Some(before)) => {
                before.push(ring);
                symbols.push(vowel.to_string());
            }
            (None, Some(before)) if c.width() == Some(0) => before.push(c),
            (None, _) => symbols.push(c.to_string()),
        }
    }
    Some(Simple {
        symbols: columns(symbols, grapheme.width()),
        is_cut: false,
    })
}

/// An emoji of several code points, as its first one.
fn emoji(grapheme: &str) -> Option<Simple> {
    let is_style = |c: char| matches!(c, '\u{fe0e}' | '\u{fe0f}');
    let joins = |c: char| matches!(c, '\u{200d}' | '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}');
    let mut rest = grapheme.chars();
    let first = rest.next()?;
    if !rest.clone().any(|c| is_style(c) || joins(c)) {
        return None;
    }
    let is_cut = rest.any(|c| !is_style(c));
    let fits = first
        .width()
        .is_some_and(|width| (1..=grapheme.width()).contains(&width));
    let first = if fits { first } else { char::REPLACEMENT_CHARACTER };
    Some(Simple {
        symbols: columns(vec![first.to_string()], grapheme.width()),
        is_cut: is_cut || !fits,
    })
}

#[cfg(test)]
mod tests {
    use ratatui::{layout::Rect, style::Style};

    use super::*;

    /// The width that a terminal counts which adds up its characters.
    fn added_up(text: &str) -> usize {
        text.chars().filter_map(UnicodeWidthChar::width).sum()
    }

    /// Draws a text, and returns what each cell shows, without those that a wide one covers.
    fn drawn(text: &str) -> (Vec<String>, bool) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 30, 1));
        buffer.set_string(0, 0, text, Style::new());
        buffer.set_string(text.width() as u16, 0, "|", Style::new());
        simplify(&mut buffer);
        let (mut cells, mut x, mut is_cut) = (Vec::new(), 0, false);
        while x < 30 {
            let cell = &buffer[(x, 0)];
            assert_eq!(cell.symbol().width(), added_up(cell.symbol()), "{text} {cell:?}");
            cells.push(cell.symbol().to_owned());
            is_cut |= cell.modifier.contains(Modifier::UNDERLINED);
            x += cell.symbol().width().max(1) as u16;
        }
        (cells, is_cut)
    }

    /// Issue 16, 32: U+0E33 and flags left marks on other lines in tmux.
    #[test]
    fn every_cell_is_as_wide_as_its_characters() {
        let table = [
            ("plain é 日本 👍", "plain é 日本 👍", false),
            ("e\u{301} हिन्दी", "e\u{301} हिन्दी", false),
            ("น\u{e49}\u{e33}", "น\u{e49}\u{e4d}\u{e32}", false),
            ("\u{e33}", "\u{e32}\u{e4d}", false),
            ("ก\u{e33}\u{e33}", "ก\u{e4d}\u{e32}\u{e4d}\u{e32}", false),
            ("ກ\u{eb3}", "ກ\u{ecd}\u{eb2}", false),
            ("🇩🇪🇫🇷", "DEFR", false),
            ("❤\u{fe0f}", "❤ ", false),
            ("1\u{fe0f}\u{20e3}", "1 ", true),
            ("👍🏽", "👍", true),
            ("👩\u{200d}👩\u{200d}👧", "👩", true),
            ("🏳\u{fe0f}\u{200d}🌈", "🏳 ", true),
        ];
        for (text, expected, cut) in table {
            let (cells, is_cut) = drawn(text);
            let row = cells.concat();
            assert_eq!(row.trim_end(), format!("{expected}|"), "{text}");
            assert_eq!(is_cut, cut, "{text}");
        }
        // At a line's end, an emoji may be cut by the layout, but nothing is drawn behind it.
        for text in ["🇩", "⌚\u{fe0e}", "👍🏽\u{200d}"] {
            assert!(drawn(text).0.concat().trim_end().ends_with('|'), "{text}");
        }
    }

    #[test]
    fn a_link_around_it_is_left_out() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        let width = std::num::NonZeroU16::new(2).unwrap();
        buffer[(0, 0)]
            .set_symbol("\x1b]8;;https://x\x1b\\🇩🇪\x1b]8;;\x1b\\")
            .set_diff_option(CellDiffOption::ForcedWidth(width));
        simplify(&mut buffer);
        let row: String = (0..4).map(|x| buffer[(x, 0)].symbol()).collect();
        assert_eq!(row, "DE  ");
    }
}
