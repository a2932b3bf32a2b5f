//! Colours as a terminal has them: none, 16, 256, or all.

use ratatui::style::Color;

use crate::config::Colors;

/// The code of a colour (ECMA-48, and ISO 8613-6 for more than eight): `base` is 0 for text, 10 for what is
/// behind it.
pub(crate) fn code(color: Color, base: u16) -> String {
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
pub(crate) fn fit(color: Color, colors: Colors) -> Color {
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

/// The red, green and blue of a colour of the palette.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
