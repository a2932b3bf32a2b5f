//! Wraps and cuts text to a width in terminal columns.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The width of text in columns. The text must be clean, without control characters.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Wraps text into lines of at most `columns`, at spaces where possible; a word that is too long is broken.
/// Existing line breaks stay. Always returns at least one line.
pub fn wrap(text: &str, columns: usize) -> Vec<&str> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for line in text.split('\n') {
        wrap_line(line, columns, &mut lines);
    }
    lines
}

fn wrap_line<'a>(line: &'a str, columns: usize, lines: &mut Vec<&'a str>) {
    if line.len() <= columns && line.is_ascii() {
        lines.push(line);
        return;
    }
    // The start of the current line, its width, and where it could be broken: after a space.
    let (mut start, mut used) = (0, 0);
    let mut space: Option<(usize, usize)> = None;
    for (at, grapheme) in line.grapheme_indices(true) {
        let wide = grapheme.width();
        if used + wide > columns && at > start && grapheme == " " {
            // A space at the very end of a full line is dropped.
            lines.push(&line[start..at]);
            (start, used, space) = (at + 1, 0, None);
            continue;
        }
        // The text carried over from behind the space may be too wide itself.
        while used + wide > columns && at > start {
            match space.take() {
                Some((break_at, width_there)) if break_at > start => {
                    lines.push(line[start..break_at].trim_end_matches(' '));
                    (start, used) = (break_at, used - width_there);
                }
                _ => {
                    lines.push(&line[start..at]);
                    (start, used) = (at, 0);
                }
            }
        }
        used += wide;
        if grapheme == " " {
            space = Some((at + 1, used));
        }
    }
    lines.push(&line[start..]);
}

/// Wraps to at most `most` lines: if there is more, the last one ends with `…`.
pub fn wrap_at_most(text: &str, columns: usize, most: usize) -> Vec<String> {
    let lines = wrap(text, columns);
    let more = lines.len() > most;
    let whole = lines
        .iter()
        .take(if more { most.saturating_sub(1) } else { most });
    let mut kept: Vec<String> = whole.map(|line| (*line).to_owned()).collect();
    if let Some(line) = lines.get(kept.len()).filter(|_| more && most > 0) {
        // Each line is a slice of the whole text.
        let rest = &text[line.as_ptr() as usize - text.as_ptr() as usize..];
        kept.push(cut(&rest.replace('\n', " "), columns));
    }
    kept
}

/// Splits text into the longest prefix that fits into `columns`, and the rest.
pub fn split_at_width(text: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        used += grapheme.width();
        if used > columns {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// Cuts text to `columns`, with an ellipsis if something was cut off.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut used = 0;
    let mut out = String::new();
    for grapheme in text.graphemes(true) {
        let wide = grapheme.width();
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push_str(grapheme);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_reported() {
        let table: [(&str, usize, &[&str]); 6] = [
            ("one two", 2, &["one two"]),
            ("one two three", 2, &["one two", "three"]),
            ("one two three", 1, &["one two…"]),
            ("one two three four", 2, &["one two", "three f…"]),
            ("a\nb\nc", 2, &["a", "b c"]),
            ("a", 0, &[]),
        ];
        for (text, most, expected) in table {
            assert_eq!(wrap_at_most(text, 8, most), expected, "{text:?} in {most}");
        }
    }
    use proptest::prelude::*;

    #[test]
    fn wrap_table() {
        let table: &[(&str, usize, &[&str])] = &[
            ("", 5, &[""]),
            ("hello", 5, &["hello"]),
            ("hello world", 5, &["hello", "world"]),
            ("hello world", 7, &["hello", "world"]),
            ("a b c d", 3, &["a b", "c d"]),
            ("abcdefgh", 3, &["abc", "def", "gh"]),
            ("one\n\ntwo", 10, &["one", "", "two"]),
            ("日本語です", 4, &["日本", "語で", "す"]),
            ("ab 日本", 4, &["ab", "日本"]),
            ("  indented text", 10, &["  indented", "text"]),
            ("x", 0, &["x"]),
        ];
        for (text, columns, expected) in table {
            assert_eq!(wrap(text, *columns), *expected, "{text:?} at {columns}");
        }
    }

    #[test]
    fn cut_table() {
        let table = [
            ("hello", 5, "hello"),
            ("hello!", 5, "hell…"),
            ("日本語", 4, "日…"),
            ("ab", 1, "…"),
            ("ab", 0, ""),
        ];
        for (text, columns, expected) in table {
            assert_eq!(cut(text, columns), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_wider_and_nothing_but_spaces_is_lost(text in "([a-z日é ]|👍){0,80}", columns in 2_usize..20) {
            let lines = wrap(&text, columns);
            for line in &lines {
                prop_assert!(width(line) <= columns, "{line:?}");
            }
            let kept: String = lines.concat().chars().filter(|c| *c != ' ').collect();
            let given: String = text.chars().filter(|c| *c != ' ').collect();
            prop_assert_eq!(kept, given);
        }
    }
}
