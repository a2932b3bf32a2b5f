//! Turns frames into few bytes: only what has changed, in one write a frame.
//!
//! Over ssh and in tmux a key costs what is sent for it. So styles and the cursor are remembered from frame to
//! frame instead of being set again each time, and only large frames are bracketed as one update.

use std::io::{self, Stdout, Write};

use ratatui::{
    backend::{Backend, ClearType, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
    style::{Color, Modifier},
};

use super::colors::{code, fit};
use crate::{config::Colors, control::Capabilities};

/// A frame of more bytes than this is shown at once, with the cursor away until it is whole.
const LARGE: usize = 256;

/// Where the bytes of what is drawn go.
pub trait TtySink: Write {
    /// How large it is, in columns and rows.
    fn size(&self) -> io::Result<Size>;
}

impl TtySink for Stdout {
    fn size(&self) -> io::Result<Size> {
        let (width, height) = crossterm::terminal::size()?;
        Ok(Size { width, height })
    }
}

#[derive(Debug)]
pub struct AnsiBackend<W: TtySink> {
    out: W,
    /// How many colours it has.
    pub colors: Colors,
    /// Whether it shows italics as such; else they are left out.
    pub italics: bool,
    frame: Vec<u8>,
    /// Where the cursor is, where that is certain.
    at: Option<Position>,
    /// The style that the terminal writes in; none where it is not known.
    style: Option<(Color, Color, Modifier)>,
    cursor_shown: bool,
}

impl<W: TtySink> AnsiBackend<W> {
    /// Draws by writing to `out`, which is a terminal that can do so much.
    pub fn on(out: W, abilities: &Capabilities) -> Self {
        Self {
            italics: abilities.italics,
            ..Self::new(out, abilities.colors)
        }
    }

    fn new(out: W, colors: Colors) -> Self {
        Self {
            out,
            colors,
            italics: true,
            frame: Vec::new(),
            at: None,
            style: None,
            cursor_shown: true,
        }
    }

    /// Nothing is known of the terminal any more: another program had it.
    pub fn forget(&mut self) {
        (self.at, self.style, self.cursor_shown) = (None, None, true);
    }

    pub fn show(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        if self.frame.len() > LARGE {
            let mut whole = b"\x1b[?2026h\x1b[?25l".to_vec();
            whole.append(&mut self.frame);
            if self.cursor_shown {
                whole.extend_from_slice(b"\x1b[?25h");
            }
            whole.extend_from_slice(b"\x1b[?2026l");
            self.frame = whole;
        }
        let sent = self.out.write_all(&self.frame).and_then(|()| self.out.flush());
        self.frame.clear();
        sent
    }

    fn put(&mut self, bytes: &str) {
        self.frame.extend_from_slice(bytes.as_bytes());
    }

    fn go_to(&mut self, to: Position) {
        if self.at != Some(to) {
            self.put(&format!("\x1b[{};{}H", to.y + 1, to.x + 1));
            self.at = Some(to);
        }
    }

    fn write_in(&mut self, cell: &Cell) {
        let new = (
            fit(cell.fg, self.colors),
            fit(cell.bg, self.colors),
            match self.italics {
                true => cell.modifier,
                false => cell.modifier - Modifier::ITALIC,
            },
        );
        if self.style == Some(new) {
            return;
        }
        let mut codes = String::new();
        // What is on is switched off by beginning again, where anything has to be.
        let old = match self.style {
            Some(old) if new.2.contains(old.2) => old,
            _ => {
                codes.push('0');
                (Color::Reset, Color::Reset, Modifier::empty())
            }
        };
        for (modifier, code) in MODIFIERS {
            if new.2.contains(modifier) && !old.2.contains(modifier) {
                add(&mut codes, code);
            }
        }
        if new.0 != old.0 {
            add(&mut codes, &code(new.0, 0));
        }
        if new.1 != old.1 {
            add(&mut codes, &code(new.1, 10));
        }
        self.put(&format!("\x1b[{codes}m"));
        self.style = Some(new);
    }
}

/// Whether all terminals agree that a symbol takes one column: plain letters, and what frames are drawn with. Behind
/// any other one the cursor is set again.
fn is_one_wide(symbol: &str) -> bool {
    let mut chars = symbol.chars();
    let lines = '\u{2500}'..='\u{257f}';
    chars.next().is_some_and(|c| c.is_ascii() || lines.contains(&c)) && chars.next().is_none()
}

const MODIFIERS: [(Modifier, &str); 9] = [
    (Modifier::BOLD, "1"),
    (Modifier::DIM, "2"),
    (Modifier::ITALIC, "3"),
    (Modifier::UNDERLINED, "4"),
    (Modifier::SLOW_BLINK, "5"),
    (Modifier::RAPID_BLINK, "6"),
    (Modifier::REVERSED, "7"),
    (Modifier::HIDDEN, "8"),
    (Modifier::CROSSED_OUT, "9"),
];

fn add(codes: &mut String, code: &str) {
    if !codes.is_empty() {
        codes.push(';');
    }
    codes.push_str(code);
}

impl<W: TtySink> Backend for AnsiBackend<W> {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        let width = self.size()?.width;
        for (x, y, cell) in content {
            self.go_to(Position { x, y });
            self.write_in(cell);
            let symbol = cell.symbol();
            self.put(symbol);
            // In the last column the cursor may be here or in the next row.
            let certain = is_one_wide(symbol) && x + 1 < width;
            self.at = certain.then_some(Position { x: x + 1, y });
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.cursor_shown) {
            self.put("\x1b[?25l");
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.cursor_shown, true) {
            self.put("\x1b[?25h");
        }
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Asking the terminal would take the answer from who reads the keys.
        Ok(self.at.unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.go_to(position.into());
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, what: ClearType) -> io::Result<()> {
        // In the default colours, whatever was written last.
        self.put(match what {
            ClearType::All => "\x1b[0m\x1b[2J",
            ClearType::AfterCursor => "\x1b[0m\x1b[J",
            ClearType::BeforeCursor => "\x1b[0m\x1b[1J",
            ClearType::CurrentLine => "\x1b[0m\x1b[2K",
            ClearType::UntilNewLine => "\x1b[0m\x1b[K",
        });
        (self.at, self.style) = (None, None);
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        self.out.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize {
            columns_rows: self.size()?,
            pixels: Size::default(),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        // The frame is sent whole, by `show`.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    fn cell(symbol: &str, style: Style) -> Cell {
        let mut cell = Cell::default();
        cell.set_symbol(symbol).set_style(style);
        cell
    }

    impl TtySink for Vec<u8> {
        fn size(&self) -> io::Result<Size> {
            Ok(Size::new(80, 24))
        }
    }

    fn codes(paint: &mut AnsiBackend<Vec<u8>>, symbol: &str, style: Style) -> String {
        paint.write_in(&cell(symbol, style));
        String::from_utf8(std::mem::take(&mut paint.frame)).unwrap()
    }

    #[test]
    fn styles_are_changed_not_set_again() {
        let mut paint = AnsiBackend::new(Vec::new(), Colors::Full);
        let red = Style::new().fg(Color::Red);
        assert_eq!(codes(&mut paint, "a", Style::new()), "\x1b[0m");
        assert_eq!(codes(&mut paint, "b", red), "\x1b[31m");
        assert_eq!(codes(&mut paint, "c", red), "");
        assert_eq!(codes(&mut paint, "d", red.bold()), "\x1b[1m");
        assert_eq!(
            codes(&mut paint, "e", Style::new().bg(Color::Rgb(1, 2, 3))),
            "\x1b[0;48;2;1;2;3m"
        );
        assert_eq!(codes(&mut paint, "f", Style::new()), "\x1b[49m");
        assert_eq!(codes(&mut paint, "g", Style::new().italic()), "\x1b[3m");
        paint.italics = false;
        assert_eq!(codes(&mut paint, "h", Style::new().italic().bold()), "\x1b[0;1m");
    }

    #[test]
    fn the_cursor_is_set_again_only_where_it_may_be_elsewhere() {
        let table = [
            ("abc", "\x1b[1;1H\x1b[0mabc"),
            ("──x", "\x1b[1;1H\x1b[0m──x"),
            ("é.", "\x1b[1;1H\x1b[0mé\x1b[1;2H."),
            ("日", "\x1b[1;1H\x1b[0m日"),
        ];
        for (text, expected) in table {
            let mut paint = AnsiBackend::new(Vec::new(), Colors::Full);
            let cells: Vec<Cell> = text.chars().map(|c| cell(&c.to_string(), Style::new())).collect();
            let places = cells.iter().zip(0..).map(|(cell, x)| (x, 0, cell));
            paint.draw(places).unwrap();
            paint.show().unwrap();
            assert_eq!(String::from_utf8_lossy(&paint.out), expected);
        }
    }

    #[test]
    fn large_frames_are_shown_at_once_and_small_ones_cost_little() {
        let mut paint = AnsiBackend::new(Vec::new(), Colors::Full);
        paint.go_to(Position { x: 3, y: 4 });
        paint.show().unwrap();
        assert_eq!(paint.out, b"\x1b[5;4H");
        paint.out.clear();
        paint.put(&"x".repeat(LARGE + 1));
        paint.show().unwrap();
        let sent = String::from_utf8(paint.out.clone()).unwrap();
        assert!(
            sent.starts_with("\x1b[?2026h") && sent.ends_with("\x1b[?25h\x1b[?2026l"),
            "{sent}"
        );
        paint.out.clear();
        paint.show().unwrap();
        assert!(paint.out.is_empty());
    }
}
