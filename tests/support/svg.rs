//! A picture of a terminal's screen, for the README; also reviewed as a snapshot.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

/// Width and height of a cell, in pixels, for a monospaced font of size 14.
const CELL: (f64, f64) = (8.43, 17.0);
/// Pixels around the screen.
const MARGIN: f64 = 12.0;

/// The default colours of a terminal: foreground, background, and the sixteen.
pub struct Page {
    pub text: &'static str,
    pub paper: &'static str,
    pub own: [&'static str; 16],
}

/// A dark terminal.
pub const DARK: Page = Page {
    text: "#d7dae0",
    paper: "#16181d",
    own: [
        "#16181d", "#e5666f", "#8cc570", "#e0b45c", "#6aaef2", "#c98be0", "#5fc0cc", "#c3c8d1", "#6b7280",
        "#f08a92", "#a6d98c", "#ecc97e", "#8fc4f8", "#d9a9ec", "#85d5df", "#ffffff",
    ],
};

/// The screen as an SVG.
pub fn picture(screen: &Screen, page: &Page) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let width = f64::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f64::from(rows) * CELL.1 + 2.0 * MARGIN;
    let paper = screen
        .cell(0, 0)
        .map_or(page.paper.into(), |cell| behind(cell, page));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" xml:space=\"preserve\">\n<style>text{{font:14px 'DejaVu Sans Mono',Menlo,Consolas,monospace;\
         white-space:pre}}</style>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{paper}\"/>\n"
    );
    for row in 0..rows {
        let y = MARGIN + f64::from(row) * CELL.1;
        for (from, to, cell) in runs(screen, row, columns) {
            let x = MARGIN + f64::from(from) * CELL.0;
            let wide = f64::from(to - from) * CELL.0;
            let fill = behind(&cell, page);
            if fill != paper {
                let height = CELL.1;
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{height}\" fill=\"{fill}\"/>"
                );
            }
            let words: String = (from..to)
                .filter_map(|column| screen.cell(row, column))
                .filter(|cell| !cell.is_wide_continuation())
                .map(|cell| if cell.has_contents() { cell.contents() } else { " " })
                .collect();
            // Some SVG readers drop spaces at the ends.
            let blank =
                |words: &str| f64::from(words.chars().take_while(|c| *c == ' ').count() as u16) * CELL.0;
            let backwards: String = words.chars().rev().collect();
            let (x, wide) = (x + blank(&words), wide - blank(&words) - blank(&backwards));
            let words = words.trim_matches(' ');
            if words.is_empty() {
                continue;
            }
            let base = y + CELL.1 * 0.76;
            let style = style(&cell, page);
            // Each run has the width of its cells, whatever the font.
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{base:.1}\" textLength=\"{wide:.1}\" lengthAdjust=\"spacingAndGlyphs\"{style}>{}</text>",
                escaped(words)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Adjacent cells with the same style: the first column, the column after the last, and one of the cells.
fn runs(screen: &Screen, row: u16, columns: u16) -> Vec<(u16, u16, Cell)> {
    let mut runs: Vec<(u16, u16, Cell)> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column) else {
            continue;
        };
        match runs.last_mut() {
            Some((_, to, first)) if looks(first) == looks(cell) => *to = column + 1,
            _ => runs.push((column, column + 1, cell.clone())),
        }
    }
    runs
}

fn looks(cell: &Cell) -> (Color, Color, bool, bool, bool, bool, bool) {
    (
        cell.fgcolor(),
        cell.bgcolor(),
        cell.bold(),
        cell.dim(),
        cell.italic(),
        cell.underline(),
        cell.inverse(),
    )
}

fn behind(cell: &Cell, page: &Page) -> String {
    match cell.inverse() {
        true => color(cell.fgcolor(), page.text, page),
        false => color(cell.bgcolor(), page.paper, page),
    }
}

fn style(cell: &Cell, page: &Page) -> String {
    let ink = match cell.inverse() {
        true => color(cell.bgcolor(), page.paper, page),
        false => color(cell.fgcolor(), page.text, page),
    };
    let mut style = format!(" fill=\"{ink}\"");
    for (on, attribute) in [
        (cell.bold(), " font-weight=\"bold\""),
        (cell.italic(), " font-style=\"italic\""),
        (cell.underline(), " text-decoration=\"underline\""),
        (cell.dim(), " opacity=\"0.65\""),
    ] {
        if on {
            style.push_str(attribute);
        }
    }
    style
}

fn color(color: Color, default: &str, page: &Page) -> String {
    match color {
        Color::Default => default.to_owned(),
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Idx(at @ 0..=15) => page.own[at as usize].to_owned(),
        Color::Idx(at @ 16..=231) => {
            let step = |by: u8| [0, 95, 135, 175, 215, 255][((at - 16) / by % 6) as usize];
            format!("#{:02x}{:02x}{:02x}", step(36), step(6), step(1))
        }
        Color::Idx(at) => {
            let level = 8 + (at - 232) * 10;
            format!("#{level:02x}{level:02x}{level:02x}")
        }
    }
}

fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
