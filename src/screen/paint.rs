//! What is drawn becomes bytes, and few of them: only what has changed, in one write a frame.
//!
//! Over ssh and in tmux a key costs what is sent for it. So styles and the cursor are remembered from frame to
//! frame instead of being set anew each time, and only large frames are bracketed as one update.

use std::io::{self, Stdout, Write};

use ratatui::{
    backend::{Backend, ClearType, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
    style::{Color, Modifier},
};
use serde::{Deserialize, Serialize};

use super::abilities::Abilities;

/// A frame of more bytes than this is shown at once, with the cursor away until it is whole.
const LARGE: usize = 256;

/// How many colours a terminal has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Colors {
    /// None, or none wanted (`NO_COLOR`).
    #[serde(rename = "none")]
    None,
    /// The terminal's own 16.
    #[serde(rename = "16")]
    Sixteen,
    /// The palette of 256.
    #[serde(rename = "256")]
    Palette,
    /// 24 bits.
    #[default]
    #[serde(rename = "24bit")]
    Full,
}

/// Where the bytes of what is drawn go.
pub trait Sheet: Write {
    /// How large it is, in columns and rows.
    fn size(&self) -> io::Result<Size>;
}

impl Sheet for Stdout {
    fn size(&self) -> io::Result<Size> {
        let (width, height) = crossterm::terminal::size()?;
        Ok(Size { width, height })
    }
}

/// Draws on a terminal.
#[derive(Debug)]
pub struct Paint<W: Sheet> {
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

impl<W: Sheet> Paint<W> {
    /// Draws by writing to `out`, which is a terminal that can do so much.
    pub fn on(out: W, abilities: &Abilities) -> Self {
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

    /// Sends the frame.
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
        // What is on is switched off by beginning anew, where anything has to be.
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
            add(&mut codes, &color(new.0, 0));
        }
        if new.1 != old.1 {
            add(&mut codes, &color(new.1, 10));
        }
        self.put(&format!("\x1b[{codes}m"));
        self.style = Some(new);
    }
}

/// Whether all terminals agree that a symbol takes one column: plain letters, and what frames are drawn with. Behind
/// any other one the cursor is set anew.
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

/// The code of a colour (ECMA-48, and ISO 8613-6 for more than eight): `base` is 0 for text, 10 for what is
/// behind it.
fn color(color: Color, base: u16) -> String {
    let plain = |code: u16| (code + base).to_string();
    match color {
        Color::Reset => plain(39),
        Color::Black => plain(30),
        Color::Red => plain(31),
        Color::Green => plain(32),
        Color::Yellow => plain(33),
        Color::Blue => plain(34),
        Color::Magenta => plain(35),
        Color::Cyan => plain(36),
        Color::Gray => plain(37),
        Color::DarkGray => plain(90),
        Color::LightRed => plain(91),
        Color::LightGreen => plain(92),
        Color::LightYellow => plain(93),
        Color::LightBlue => plain(94),
        Color::LightMagenta => plain(95),
        Color::LightCyan => plain(96),
        Color::White => plain(97),
        Color::Indexed(at) => format!("{};5;{at}", 38 + base),
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", 38 + base),
    }
}

/// The steps of the cube of colours in the palette of 256 (xterm).
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The terminal's own 16 as most show them (xterm), in the order of their numbers.
const OWN: [(Color, (u8, u8, u8)); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (205, 0, 0)),
    (Color::Green, (0, 205, 0)),
    (Color::Yellow, (205, 205, 0)),
    (Color::Blue, (0, 0, 238)),
    (Color::Magenta, (205, 0, 205)),
    (Color::Cyan, (0, 205, 205)),
    (Color::Gray, (229, 229, 229)),
    (Color::DarkGray, (127, 127, 127)),
    (Color::LightRed, (255, 0, 0)),
    (Color::LightGreen, (0, 255, 0)),
    (Color::LightYellow, (255, 255, 0)),
    (Color::LightBlue, (92, 92, 255)),
    (Color::LightMagenta, (255, 0, 255)),
    (Color::LightCyan, (0, 255, 255)),
    (Color::White, (255, 255, 255)),
];

fn distance(one: (u8, u8, u8), other: (u8, u8, u8)) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    square(one.0, other.0) + square(one.1, other.1) + square(one.2, other.2)
}

/// The nearest colour that the terminal has.
fn fit(color: Color, colors: Colors) -> Color {
    let Color::Rgb(r, g, b) = color else {
        return match (colors, color) {
            (Colors::None, _) => Color::Reset,
            (Colors::Sixteen, Color::Indexed(at)) => fit(indexed(at), Colors::Sixteen),
            _ => color,
        };
    };
    let nearest_step = |value: u8| {
        let nearest = STEPS
            .iter()
            .enumerate()
            .min_by_key(|(_, step)| step.abs_diff(value));
        nearest.map_or(0, |(at, _)| at as u8)
    };
    match colors {
        Colors::None => Color::Reset,
        Colors::Full => color,
        Colors::Palette => {
            let cube = [r, g, b].map(nearest_step);
            let at = cube.map(|step| STEPS[step as usize]);
            let grey = ((u16::from(r) + u16::from(g) + u16::from(b)) / 3).saturating_sub(3) / 10;
            let grey = grey.min(23) as u8;
            let level = 8 + grey * 10;
            let is_grey =
                distance((r, g, b), (level, level, level)) < distance((r, g, b), (at[0], at[1], at[2]));
            Color::Indexed(match is_grey {
                true => 232 + grey,
                false => 16 + 36 * cube[0] + 6 * cube[1] + cube[2],
            })
        }
        Colors::Sixteen => {
            let nearest = OWN.iter().min_by_key(|(_, own)| distance((r, g, b), *own));
            nearest.map_or(Color::Reset, |(own, _)| *own)
        }
    }
}

/// What a colour of the palette looks like.
fn indexed(at: u8) -> Color {
    match at {
        0..=15 => OWN[at as usize].0,
        16..=231 => {
            let step = |by: u8| STEPS[((at - 16) / by % 6) as usize];
            Color::Rgb(step(36), step(6), step(1))
        }
        232.. => {
            let level = 8 + (at - 232) * 10;
            Color::Rgb(level, level, level)
        }
    }
}

impl<W: Sheet> Backend for Paint<W> {
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

    impl Sheet for Vec<u8> {
        fn size(&self) -> io::Result<Size> {
            Ok(Size::new(80, 24))
        }
    }

    fn codes(paint: &mut Paint<Vec<u8>>, symbol: &str, style: Style) -> String {
        paint.write_in(&cell(symbol, style));
        String::from_utf8(std::mem::take(&mut paint.frame)).unwrap()
    }

    #[test]
    fn styles_are_changed_not_set_anew() {
        let mut paint = Paint::new(Vec::new(), Colors::Full);
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
    fn colours_are_what_the_terminal_has() {
        let orange = Color::Rgb(0xff, 0x88, 0x00);
        let table = [
            (orange, Colors::Full, orange),
            (orange, Colors::Palette, Color::Indexed(208)),
            (orange, Colors::Sixteen, Color::Yellow),
            (orange, Colors::None, Color::Reset),
            (Color::Rgb(0x30, 0x30, 0x30), Colors::Palette, Color::Indexed(236)),
            (Color::Rgb(255, 255, 255), Colors::Palette, Color::Indexed(231)),
            (Color::Indexed(231), Colors::Sixteen, Color::White),
            (Color::Cyan, Colors::Sixteen, Color::Cyan),
            (Color::Cyan, Colors::None, Color::Reset),
        ];
        for (color, colors, expected) in table {
            assert_eq!(fit(color, colors), expected, "{color:?} with {colors:?}");
        }
    }

    #[test]
    fn the_cursor_is_set_anew_only_where_it_may_be_elsewhere() {
        let table = [
            ("abc", "\x1b[1;1H\x1b[0mabc"),
            ("──x", "\x1b[1;1H\x1b[0m──x"),
            ("é.", "\x1b[1;1H\x1b[0mé\x1b[1;2H."),
            ("日", "\x1b[1;1H\x1b[0m日"),
        ];
        for (text, expected) in table {
            let mut paint = Paint::new(Vec::new(), Colors::Full);
            let cells: Vec<Cell> = text.chars().map(|c| cell(&c.to_string(), Style::new())).collect();
            let places = cells.iter().zip(0..).map(|(cell, x)| (x, 0, cell));
            paint.draw(places).unwrap();
            paint.show().unwrap();
            assert_eq!(String::from_utf8_lossy(&paint.out), expected);
        }
    }

    #[test]
    fn large_frames_are_shown_at_once_and_small_ones_cost_little() {
        let mut paint = Paint::new(Vec::new(), Colors::Full);
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
