//! Shows text in full, with nothing hidden: for commands that a person approves and that then run unchanged.
//!
//! [`clean`](super::clean) drops everything that could harm a terminal; here it is escaped instead (`\e`,
//! `\u{9d}`, `\x07`). Two different texts never look the same: a backslash in the text that could be read as
//! the start of such an escape is doubled.

use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

use super::clean::{GRAPHEME_MAX, is_hidden};

/// Text with its control and invisible characters escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Escaped {
    /// The text. [`clean`](super::clean) leaves it as it is.
    pub text: String,
    /// The number of escaped characters, except tabs: a person is warned.
    pub hidden: usize,
}

/// Escapes multi-line text: line feeds stay.
pub fn escape(text: &str) -> Escaped {
    escaped(text, Syntax::Lines)
}

/// Escapes text for one line: line feeds are escaped, too.
pub fn escape_line(text: &str) -> Escaped {
    escaped(text, Syntax::OneLine)
}

/// Formats JSON on several lines. Its own escapes stay as they are: none of them begins with `\u{`.
pub fn escape_json(value: &Value) -> Escaped {
    // A parsed value can always be written.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    escaped(&text, Syntax::Json)
}

/// The syntax of the text, which decides the meaning of its backslashes.
#[derive(Clone, Copy, PartialEq)]
enum Syntax {
    Lines,
    OneLine,
    Json,
}

fn escaped(text: &str, syntax: Syntax) -> Escaped {
    let mut out = Escaped {
        text: String::with_capacity(text.len()),
        hidden: 0,
    };
    let mut chars = characters(text, syntax).peekable();
    while let Some((c, written_out)) = chars.next() {
        if written_out {
            push_sequence(c, &mut out.text);
            out.hidden += usize::from(!matches!(c, '\t' | '\n'));
            continue;
        }
        out.text.push(c);
        let begins_one = |(next, written_out): &(char, bool)| {
            *written_out
                || matches!(next, '\\' | 'e' | 't' | 'r' | 'x' | 'u')
                || syntax == Syntax::OneLine && *next == 'n'
        };
        if c == '\\' && syntax != Syntax::Json && chars.peek().is_some_and(begins_one) {
            out.text.push(c);
        }
    }
    out
}

/// The characters of a text, and whether each has to be escaped.
fn characters(text: &str, syntax: Syntax) -> impl Iterator<Item = (char, bool)> {
    text.graphemes(true).flat_map(move |grapheme| {
        // A mark without a base, or the hundredth on one letter, is drawn anywhere.
        let stray = grapheme.chars().next().is_some_and(is_mark);
        grapheme.chars().enumerate().map(move |(at, c)| {
            let is_plain = c == '\n' && syntax != Syntax::OneLine;
            let hides = is_invisible(c) || at >= GRAPHEME_MAX || stray && is_mark(c);
            (c, hides && !is_plain)
        })
    })
}

/// Whether it is invisible or changes how other characters are drawn.
fn is_invisible(c: char) -> bool {
    // Variation selectors, which choose between two looks of the previous character.
    let chooses_look = ('\u{fe00}'..='\u{fe0f}').contains(&c);
    c.is_control() || is_hidden(c) || chooses_look || c.is_whitespace() && c != ' '
}

/// Whether it combines with the previous character.
fn is_mark(c: char) -> bool {
    !c.is_control() && c.width() == Some(0)
}

fn push_sequence(c: char, out: &mut String) {
    match c {
        '\u{1b}' => out.push_str("\\e"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        '\n' => out.push_str("\\n"),
        c if c.is_ascii() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::clean, *};

    #[test]
    fn nothing_is_hidden_table() {
        let table = [
            ("ls src", "ls src", 0),
            ("ls src \x1b]0; touch X\x07", "ls src \\e]0; touch X\\x07", 2),
            ("a\u{9d}b\u{9c}", "a\\u{9d}b\\u{9c}", 2),
            ("printf 'a\\n\\0'", "printf 'a\\n\\0'", 0),
            ("a\tb", "a\\tb", 0),
            // A literal backslash and `t` are not a tab.
            ("a\\tb", "a\\\\tb", 0),
            ("a\\\tb", "a\\\\\\tb", 0),
            ("s/\\\\/x/", "s/\\\\\\/x/", 0),
            (
                "a\rb\u{a0}c\u{202e}d\u{200b}",
                "a\\rb\\u{a0}c\\u{202e}d\\u{200b}",
                4,
            ),
            ("one\ntwo", "one\ntwo", 0),
            ("e\u{301} \u{301}", "e\u{301} \u{301}", 0),
            ("\u{301}x", "\\u{301}x", 1),
            ("❤\u{fe0f}", "❤\\u{fe0f}", 1),
        ];
        for (given, expected, hidden) in table {
            let escaped = escape(given);
            assert_eq!(
                (escaped.text.as_str(), escaped.hidden),
                (expected, hidden),
                "{given:?}"
            );
        }
        assert_eq!(escape_line("a\nb\\n").text, "a\\nb\\\\n");
        let json = serde_json::json!("a\n\u{1b}\u{9d}\\u{9d}");
        assert_eq!(escape_json(&json).text, "\"a\\n\\u001b\\u{9d}\\\\u{9d}\"");
    }

    /// Reverses an escape: if that is possible, it was unambiguous.
    fn undone(text: &str) -> String {
        let (mut out, mut chars) = (String::new(), text.chars().peekable());
        while let Some(c) = chars.next() {
            let next = chars.peek().copied().unwrap_or(' ');
            if c != '\\' || !"etrxun\\".contains(next) {
                out.push(c);
                continue;
            }
            chars.next();
            let code = |digits: Vec<char>| {
                let hex: String = digits.into_iter().collect();
                char::from_u32(u32::from_str_radix(&hex, 16).unwrap()).unwrap()
            };
            out.push(match next {
                'e' => '\u{1b}',
                't' => '\t',
                'r' => '\r',
                'n' => '\n',
                'x' => code(chars.by_ref().take(2).collect()),
                'u' => code(chars.by_ref().skip(1).take_while(|c| *c != '}').collect()),
                other => other,
            });
        }
        out
    }

    const HOSTILE: &str = "([a-eurtxn\\\\{} ]|\\PC|[\\x00-\\x1f\\x7f-\\x9f]|\u{202e}|\u{200d}|\u{301}|\u{fe0f}|\u{1160}|\u{1b}\\[){0,64}";

    proptest! {
        #[test]
        fn what_is_shown_says_what_there_is(text in HOSTILE) {
            prop_assert_eq!(undone(&escape_line(&text).text), text);
        }

        #[test]
        fn cleaning_has_nothing_left_to_do(text in HOSTILE) {
            let lines = escape(&text).text;
            prop_assert_eq!(&clean(&lines).text, &lines);
            let line = escape_line(&text).text;
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(&clean(&line).text, &line);
            let json = escape_json(&Value::from(text)).text;
            prop_assert_eq!(&clean(&json).text, &json);
        }

        #[test]
        fn stacks_of_marks_are_written_out(count in 0..200usize) {
            let text = format!("a{}\u{1100}{}", "\u{301}".repeat(count), "\u{1100}".repeat(count));
            let shown = escape(&text).text;
            prop_assert_eq!(&clean(&shown).text, &shown);
        }
    }
}
