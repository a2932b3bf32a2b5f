//! Makes untrusted text safe for a terminal and unambiguous for its reader.
//!
//! Cleaned text has no control characters except line feeds, no escape sequences, no marks that change text
//! direction, and nothing invisible. All text from the network, an agent or a file is cleaned once, before it
//! enters the state.

use unicode_segmentation::UnicodeSegmentation;

use super::Clean;

/// Text that is safe to draw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    pub text: Clean,
    /// The number of invisible or direction-changing characters removed; a person is warned.
    pub hidden: usize,
}

/// Columns between tab stops; tabs become spaces, since a terminal's own stops would break the layout.
const TAB: usize = 4;

/// The maximum code points kept in one grapheme. The longest emoji family has 11; stacks of accents have no
/// limit.
pub(super) const GRAPHEME_MAX: usize = 12;

/// Cleans multi-line text. Carriage returns and the Unicode line separators become line feeds, tabs become spaces.
pub fn clean(text: &str) -> Cleaned {
    let (text, hidden) = cleaned(text, true);
    Cleaned {
        text: Clean::cleaned(text),
        hidden,
    }
}

/// Does the same as [`clean`], but keeps tabs: for text forwarded to others as it is, such as an agent's
/// answer.
pub fn clean_with_tabs(text: &str) -> Clean {
    Clean::cleaned(cleaned(text, false).0)
}

fn cleaned(text: &str, expand_tabs: bool) -> (String, usize) {
    let (mut out, mut hidden) = (String::with_capacity(text.len()), 0);
    let mut column = 0;
    let mut rest = Strip { text };
    while let Some(piece) = rest.next() {
        match piece {
            Piece::Sequence => {}
            Piece::Line => {
                out.push('\n');
                column = 0;
            }
            Piece::Tab if !expand_tabs => out.push('\t'),
            Piece::Tab => {
                let spaces = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            Piece::Plain(run) => {
                out.push_str(run);
                column += run.len();
            }
            Piece::Grapheme(grapheme) => {
                hidden += push_grapheme(grapheme, &mut out);
                column += 1;
            }
        }
    }
    (out, hidden)
}

/// Cleans single-line text: a name, a reason, a title. Line breaks become spaces, and text longer than
/// `max_chars` is cut with an ellipsis.
pub fn clean_line(text: &str, max_chars: usize) -> String {
    // Text far beyond what can be shown is not even read.
    let end = text
        .char_indices()
        .nth(max_chars.saturating_mul(4))
        .map_or(text.len(), |(at, _)| at);
    let cleaned = cleaned(&text[..end], true).0.replace('\n', " ");
    if cleaned.chars().count() <= max_chars && end == text.len() {
        return cleaned;
    }
    let mut cut: String = cleaned.chars().take(max_chars.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Appends what is visible of a grapheme; returns the number of characters that were left out.
fn push_grapheme(grapheme: &str, out: &mut String) -> usize {
    let joins_emoji = grapheme.contains('\u{200d}') && grapheme.chars().any(is_pictograph);
    let (base, mut hidden) = (out.len(), 0);
    for c in grapheme.chars().take(GRAPHEME_MAX) {
        let joiner = c == '\u{200d}' && joins_emoji;
        if is_hidden(c) && !joiner {
            hidden += 1;
        } else if !c.is_control() {
            out.push(c);
        }
    }
    // A mark that lost its base would combine with whatever is drawn before it.
    if base == 0 || out[..base].ends_with('\n') {
        let first = out[base..].chars().next();
        if first.is_some_and(|c| unicode_width::UnicodeWidthChar::width(c) == Some(0)) {
            out.insert(base, '\u{25cc}');
        }
    }
    hidden
}

fn is_pictograph(c: char) -> bool {
    matches!(c as u32, 0x2190..=0x2bff | 0x1f000..=0x1faff)
}

/// Whether a character is invisible or changes how others are drawn.
pub fn is_hidden(c: char) -> bool {
    matches!(c as u32,
        0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfeff | 0xffa0
        | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

enum Piece<'a> {
    /// An escape sequence or a control character: dropped.
    Sequence,
    Line,
    Tab,
    /// Printable ASCII: most text, and taken as a whole.
    Plain(&'a str),
    Grapheme(&'a str),
}

/// Splits text into parts to keep and parts to drop.
struct Strip<'a> {
    text: &'a str,
}

impl<'a> Strip<'a> {
    /// The length of the leading printable ASCII, except a last character that a following mark could combine
    /// with.
    fn plain_length(&self) -> usize {
        let length = self
            .text
            .bytes()
            .take_while(|byte| (b' '..=b'~').contains(byte))
            .count();
        match self.text.as_bytes().get(length) {
            Some(byte) if !byte.is_ascii() => length.saturating_sub(1),
            _ => length,
        }
    }

    fn next(&mut self) -> Option<Piece<'a>> {
        let first = self.text.chars().next()?;
        let plain = self.plain_length();
        if plain > 0 {
            let (run, rest) = self.text.split_at(plain);
            self.text = rest;
            return Some(Piece::Plain(run));
        }
        let (length, piece) = match first {
            '\r' if self.text[1..].starts_with('\n') => (2, Piece::Line),
            '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                (first.len_utf8(), Piece::Line)
            }
            '\t' => (1, Piece::Tab),
            '\u{1b}' => (escape_length(self.text), Piece::Sequence),
            '\u{9b}' => (2 + csi_length(&self.text[2..]), Piece::Sequence),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => {
                (2 + string_length(&self.text[2..]), Piece::Sequence)
            }
            c if c.is_control() => (c.len_utf8(), Piece::Sequence),
            _ => {
                let grapheme = self.text.graphemes(true).next().unwrap_or_default();
                (grapheme.len(), Piece::Grapheme(grapheme))
            }
        };
        self.text = &self.text[length..];
        Some(piece)
    }
}

/// The length in bytes of the escape sequence at the start of `text`, which begins with ESC (ECMA-48).
fn escape_length(text: &str) -> usize {
    let after = &text[1..];
    match after.chars().next() {
        None => 1,
        Some('[') => 2 + csi_length(&after[1..]),
        Some(']' | 'P' | 'X' | '^' | '_') => 2 + string_length(&after[1..]),
        // ESC, intermediate bytes, one final byte.
        Some(' '..='/') => {
            let intermediate = after.bytes().take_while(|b| (0x20..=0x2f).contains(b)).count();
            let last = after[intermediate..]
                .bytes()
                .next()
                .is_some_and(|b| (0x30..=0x7e).contains(&b));
            1 + intermediate + usize::from(last)
        }
        Some('0'..='~') => 2,
        // Not a sequence: only the ESC is dropped.
        Some(_) => 1,
    }
}

/// Parameters, intermediates and the final byte of a control sequence.
fn csi_length(text: &str) -> usize {
    let body = text.bytes().take_while(|b| (0x20..=0x3f).contains(b)).count();
    let last = text[body..]
        .bytes()
        .next()
        .is_some_and(|b| (0x40..=0x7e).contains(&b));
    body + usize::from(last)
}

/// The length of a control string with its terminator (BEL or ST). Without one it ends with its line, so that
/// one stray ESC cannot swallow a whole message.
fn string_length(text: &str) -> usize {
    for (at, c) in text.char_indices() {
        match c {
            '\u{7}' => return at + 1,
            '\u{9c}' => return at + 2,
            '\u{1b}' if text[at + 1..].starts_with('\\') => return at + 2,
            '\u{1b}' | '\n' | '\r' => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_text_table() {
        let table = [
            ("plain", "plain"),
            ("a\x1b[2Jb", "ab"),
            ("a\x1b[38;5;1mred\x1b[0m", "ared"),
            ("\x1b]0;title\x07x", "x"),
            ("\x1b]52;c;aGk=\x1b\\x", "x"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1bPq#0\x1b\\after", "after"),
            ("\u{9b}31mred", "red"),
            ("\u{9d}0;t\u{9c}x", "x"),
            ("\x1b]0;never ended\nnext line", "\nnext line"),
            ("\x1bc reset", " reset"),
            ("\x1b(B charset", " charset"),
            ("a\x1b", "a"),
            ("bell\x07 back\x08 nul\0 del\x7f", "bell back nul del"),
            ("one\r\ntwo\rthree\u{2028}four", "one\ntwo\nthree\nfour"),
            ("a\tb", "a   b"),
            ("abc\td", "abc d"),
            ("\u{202e}gnp.exe", "gnp.exe"),
            ("a\u{200b}b\u{feff}c\u{2066}d", "abcd"),
            ("tag\u{e0041}\u{e0042}", "tag"),
            ("👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"),
            ("x\u{200d}y", "xy"),
            ("❤️ 👍🏽 🇩🇪", "❤️ 👍🏽 🇩🇪"),
            ("日本語 עברית العربية", "日本語 עברית العربية"),
            ("e\u{301}", "e\u{301}"),
            ("\u{301}x", "\u{25cc}\u{301}x"),
        ];
        for (given, expected) in table {
            assert_eq!(clean(given).text, expected, "{given:?}");
        }
    }

    #[test]
    fn hidden_marks_are_counted() {
        assert_eq!(clean("a\u{200b}b\u{202e}c").hidden, 2);
        assert_eq!(clean("👨‍👩‍👧‍👦 plain").hidden, 0);
        assert_eq!(clean_with_tabs("a\tb\x1b[1m"), "a\tb");
    }

    #[test]
    fn stacked_accents_are_bounded() {
        let zalgo = format!("a{}", "\u{301}".repeat(10_000));
        assert!(clean(&zalgo).text.chars().count() <= GRAPHEME_MAX);
    }

    #[test]
    fn one_line_is_one_line_and_short() {
        assert_eq!(clean_line("a\nb\x1b[1mc", 10), "a bc");
        assert_eq!(clean_line("abcdef", 4), "abc…");
        assert_eq!(clean_line("", 4), "");
    }

    proptest! {
        #[test]
        fn nothing_dangerous_is_left(text in "(\\PC|[\\x00-\\x1f\\x7f-\\x9f]|\u{202e}|\u{200d}|\u{1b}\\[){0,64}") {
            let cleaned = clean(&text).text;
            for c in cleaned.chars() {
                prop_assert!(c == '\n' || !c.is_control(), "{c:?}");
                prop_assert!(c == '\u{200d}' || !is_hidden(c), "{c:?}");
            }
        }

        #[test]
        fn cleaning_twice_changes_nothing(text in "(\\PC|[\\x00-\\x1f]){0,64}") {
            let once = clean(&text).text;
            prop_assert_eq!(clean(&once).text, once);
        }
    }
}
