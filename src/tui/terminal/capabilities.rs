//! The capabilities of the terminal: as it says itself, as its environment says, and as the person's settings say,
//! which win.

use crate::{
    config::{Colors, TerminalOverrides},
    control::Capabilities,
};

impl Capabilities {
    /// Finds the capabilities. `variable` looks a variable of the environment up; `asks` asks the terminal whether it
    /// speaks the keyboard protocol, within a time limit, and is called only where nobody said so.
    pub fn find(
        wishes: &TerminalOverrides,
        variable: impl Fn(&str) -> Option<String>,
        asks: impl FnOnce() -> bool,
    ) -> Self {
        Self {
            colors: wishes.colors.unwrap_or_else(|| colors(&variable)),
            links: wishes.links.unwrap_or_else(|| opens_links(&variable)),
            keyboard: wishes.keyboard.unwrap_or_else(asks),
            italics: variable("STY").unwrap_or_default().is_empty(),
        }
    }
}

fn colors(variable: &impl Fn(&str) -> Option<String>) -> Colors {
    let value = |name: &str| variable(name).unwrap_or_default();
    let term = value("TERM");
    // <https://no-color.org>: whatever its value, if it has one.
    if !value("NO_COLOR").is_empty() || term == "dumb" {
        Colors::None
    } else if matches!(value("COLORTERM").as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
        Colors::Full
    } else if term.contains("256color") {
        Colors::Palette
    } else {
        Colors::Sixteen
    }
}

/// Nothing asks a terminal whether it opens links: these are known to.
fn opens_links(variable: &impl Fn(&str) -> Option<String>) -> bool {
    let value = |name: &str| variable(name).unwrap_or_default();
    let number = |text: String| -> f64 {
        let digits: String = text
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        digits.parse().unwrap_or(0.0)
    };
    let program = value("TERM_PROGRAM");
    if program == "tmux" {
        return number(value("TERM_PROGRAM_VERSION")) >= 3.4;
    }
    if !value("TMUX").is_empty() || !value("STY").is_empty() {
        return false;
    }
    let term = value("TERM");
    ["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio"].contains(&program.as_str())
        || [
            "xterm-kitty",
            "xterm-ghostty",
            "alacritty",
            "foot",
            "wezterm",
            "contour",
        ]
        .iter()
        .any(|known| term.starts_with(known))
        || number(value("VTE_VERSION")) >= 5000.0
        || ["KONSOLE_VERSION", "WT_SESSION"]
            .iter()
            .any(|name| !value(name).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], wishes: TerminalOverrides) -> (Colors, bool) {
        let variable = |name: &str| {
            let set = variables.iter().find(|(known, _)| *known == name);
            set.map(|(_, value)| (*value).to_owned())
        };
        let abilities = Capabilities::find(&wishes, variable, || false);
        (abilities.colors, abilities.links)
    }

    #[test]
    fn environments_table() {
        let none = TerminalOverrides::default();
        type Row = (&'static [(&'static str, &'static str)], Colors, bool);
        let table: &[Row] = &[
            (&[], Colors::Sixteen, false),
            (&[("TERM", "xterm")], Colors::Sixteen, false),
            (
                &[("TERM", "screen-256color"), ("STY", "1.x")],
                Colors::Palette,
                false,
            ),
            (
                &[("TERM", "xterm-kitty"), ("COLORTERM", "truecolor")],
                Colors::Full,
                true,
            ),
            (&[("TERM", "xterm-kitty"), ("NO_COLOR", "1")], Colors::None, true),
            (&[("TERM", "xterm-kitty"), ("TMUX", "x")], Colors::Sixteen, false),
            (
                &[
                    ("TERM_PROGRAM", "tmux"),
                    ("TERM_PROGRAM_VERSION", "3.4a"),
                    ("TMUX", "x"),
                ],
                Colors::Sixteen,
                true,
            ),
            (
                &[("TERM_PROGRAM", "tmux"), ("TERM_PROGRAM_VERSION", "3.3a")],
                Colors::Sixteen,
                false,
            ),
            (
                &[("TERM", "xterm-256color"), ("VTE_VERSION", "7200")],
                Colors::Palette,
                true,
            ),
            (&[("TERM", "dumb")], Colors::None, false),
        ];
        for (variables, colors, links) in table {
            assert_eq!(found(variables, none), (*colors, *links), "{variables:?}");
        }
        let wishes = TerminalOverrides {
            colors: Some(Colors::Palette),
            links: Some(true),
            keyboard: Some(true),
        };
        assert_eq!(found(&[("NO_COLOR", "1")], wishes), (Colors::Palette, true));
        let in_screen = |sty: &str| {
            let variable = |name: &str| (name == "STY").then(|| sty.to_owned());
            Capabilities::find(&none, variable, || false)
        };
        assert!(!in_screen("1.x").italics && in_screen("").italics);
        let asked = || panic!("the person has said so");
        assert!(Capabilities::find(&wishes, |_| None, asked).keyboard);
    }
}
