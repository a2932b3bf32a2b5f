//! Keys as they are written in a keymap: `alt-a`, `ctrl-x ctrl-e`, `F2`, `R`.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// One key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Key {
    /// The key of an event. Shift is part of a character, not a modifier of it.
    pub fn of(event: &KeyEvent) -> Self {
        let known = KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT;
        let mut modifiers = event.modifiers & known;
        let code = match event.code {
            KeyCode::Char(c) => {
                modifiers.remove(KeyModifiers::SHIFT);
                // With Ctrl, terminals do not agree on the case.
                let folded = modifiers.contains(KeyModifiers::CONTROL);
                KeyCode::Char(if folded { c.to_ascii_lowercase() } else { c })
            }
            KeyCode::BackTab => {
                modifiers.insert(KeyModifiers::SHIFT);
                KeyCode::Tab
            }
            code => code,
        };
        Self { code, modifiers }
    }

    /// The character that it types, where it types one.
    pub fn typed(&self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            _ => None,
        }
    }

    /// Whether Alt is held: without a keyboard protocol, `Esc` and a key right behind it look the same.
    pub fn has_alt(&self) -> bool {
        self.modifiers.contains(KeyModifiers::ALT)
    }
}

/// Names of keys that type nothing, as written and as shown.
const NAMED: &[(&str, &str, KeyCode)] = &[
    ("enter", "Enter", KeyCode::Enter),
    ("esc", "Esc", KeyCode::Esc),
    ("tab", "Tab", KeyCode::Tab),
    ("space", "Space", KeyCode::Char(' ')),
    ("backspace", "Backspace", KeyCode::Backspace),
    ("delete", "Delete", KeyCode::Delete),
    ("insert", "Insert", KeyCode::Insert),
    ("up", "↑", KeyCode::Up),
    ("down", "↓", KeyCode::Down),
    ("left", "←", KeyCode::Left),
    ("right", "→", KeyCode::Right),
    ("home", "Home", KeyCode::Home),
    ("end", "End", KeyCode::End),
    ("pageup", "PgUp", KeyCode::PageUp),
    ("pagedown", "PgDn", KeyCode::PageDown),
    ("minus", "-", KeyCode::Char('-')),
];

impl std::str::FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("\"{text}\" is not a key; write keys as in alt-a, ctrl-x, shift-tab, F2, R, enter");
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        loop {
            let lower = rest.to_ascii_lowercase();
            let Some((modifier, prefix)) = [
                (KeyModifiers::CONTROL, "ctrl-"),
                (KeyModifiers::ALT, "alt-"),
                (KeyModifiers::SHIFT, "shift-"),
            ]
            .into_iter()
            .find(|(_, prefix)| lower.starts_with(prefix) && lower.len() > prefix.len()) else {
                break;
            };
            modifiers.insert(modifier);
            rest = &rest[prefix.len()..];
        }
        let mut characters = rest.chars();
        let code = match (characters.next(), characters.next()) {
            (Some(c), None) if modifiers.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(c.to_ascii_lowercase())
            }
            (Some(c), None) => KeyCode::Char(c),
            _ => {
                let lower = rest.to_ascii_lowercase();
                let function = lower.strip_prefix('f').and_then(|number| number.parse().ok());
                match (NAMED.iter().find(|(name, ..)| *name == lower), function) {
                    (Some((_, _, code)), _) => *code,
                    (None, Some(number @ 1..=24)) => KeyCode::F(number),
                    _ => return Err(wrong()),
                }
            }
        };
        if matches!(code, KeyCode::Char(_)) && modifiers.contains(KeyModifiers::SHIFT) {
            return Err(format!(
                "\"{text}\": write the character that it types, without shift"
            ));
        }
        Ok(Self { code, modifiers })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (modifier, name) in [
            (KeyModifiers::CONTROL, "Ctrl-"),
            (KeyModifiers::ALT, "Alt-"),
            (KeyModifiers::SHIFT, "Shift-"),
        ] {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match (NAMED.iter().find(|(_, _, code)| *code == self.code), self.code) {
            (Some((_, shown, _)), _) => f.write_str(shown),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, KeyCode::F(number)) => write!(f, "F{number}"),
            (None, code) => write!(f, "{code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_shown() {
        let table = [
            ("alt-a", "Alt-a"),
            ("Ctrl-X", "Ctrl-x"),
            ("f12", "F12"),
            ("R", "R"),
            ("shift-tab", "Shift-Tab"),
            ("ctrl-alt-enter", "Ctrl-Alt-Enter"),
            ("pageup", "PgUp"),
            ("-", "-"),
            ("alt--", "Alt--"),
        ];
        for (written, shown) in table {
            assert_eq!(written.parse::<Key>().unwrap().to_string(), shown);
        }
        for bad in ["", "alt-", "hyper-a", "f25", "shift-a", "escape!"] {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }

    #[test]
    fn events_become_the_keys_as_written() {
        let table = [
            (KeyEvent::new(KeyCode::Char('A'), KeyModifiers::SHIFT), "A"),
            (
                KeyEvent::new(KeyCode::Char('X'), KeyModifiers::CONTROL | KeyModifiers::SHIFT),
                "ctrl-x",
            ),
            (KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT), "shift-tab"),
            (KeyEvent::new(KeyCode::Char('a'), KeyModifiers::ALT), "alt-a"),
            (KeyEvent::new(KeyCode::F(2), KeyModifiers::NONE), "f2"),
        ];
        for (event, written) in table {
            assert_eq!(Key::of(&event), written.parse().unwrap());
        }
    }
}
