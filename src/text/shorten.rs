//! Shortens text: to one line, or to its first or last bytes.

use super::{clean_with_tabs, escape_line};

/// Cleans `text` and cuts it to one line of at most `max` characters.
pub fn one_line(text: &str, max: usize) -> String {
    // Text beyond this cannot be part of the line, and untrusted text may be megabytes long.
    let text = clean_with_tabs(first_bytes(text, max.saturating_mul(16)));
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if line.chars().count() > max {
        line = line.chars().take(max.saturating_sub(1)).collect();
        line.push('…');
    }
    line
}

/// Escapes the control and invisible characters of `text` and cuts it to one line of at most `max`
/// characters.
pub fn escaped_line(text: &str, max: usize) -> String {
    let whole = escape_line(first_bytes(text, max.saturating_mul(16))).text;
    let mut line = whole.trim().to_owned();
    if line.chars().count() > max {
        line = line.chars().take(max.saturating_sub(1)).collect();
        line.push('…');
    }
    line
}

/// The longest prefix of `text` with at most `max` bytes.
pub fn first_bytes(text: &str, max: usize) -> &str {
    // `str::floor_char_boundary` is newer than our minimum supported Rust version.
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The longest suffix of `text` with at most `max` bytes.
pub fn last_bytes(text: &str, max: usize) -> &str {
    let mut start = text.len().saturating_sub(max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_cuts() {
        assert_eq!(one_line("  a\n b\t c ", 10), "a b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(escaped_line(" ls\x1b]0;x\x07\n", 20), "ls\\e]0;x\\x07\\n");
        assert_eq!(escaped_line("abcdef", 4), "abc…");
        assert_eq!(first_bytes("aé", 2), "a");
        assert_eq!(first_bytes("aé", 3), "aé");
        assert_eq!(last_bytes("éa", 2), "a");
        assert_eq!(last_bytes("éa", 9), "éa");
    }
}
