//! Words of several styles, wrapped together.

use std::rc::Rc;

use ratatui::style::Style;

use crate::{
    text,
    tui::view::timeline::row::{Row, safe_url},
};

/// Words with their styles, before they are wrapped.
#[derive(Default)]
pub(super) struct Inline {
    text: String,
    /// Where each style ends, in bytes, and where it leads.
    runs: Vec<(usize, Style, Option<Rc<str>>)>,
}

impl Inline {
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn push(&mut self, words: &str, style: Style, url: Option<Rc<str>>) {
        self.text.push_str(words);
        self.runs.push((self.text.len(), style, url));
    }

    /// As [`Inline::push`], but addresses with the text become links.
    pub fn push_words(&mut self, words: &str, style: Style, link: Style) {
        let mut rest = words;
        while let Some((start, length)) = find_url(rest) {
            let url = &rest[start..start + length];
            self.push(&rest[..start], style, None);
            self.push(url, link, safe_url(url));
            rest = &rest[start + length..];
        }
        self.push(rest, style, None);
    }

    /// Columns of the widest line, were it not wrapped.
    pub fn width(&self) -> usize {
        self.text.split('\n').map(text::width).max().unwrap_or(0)
    }

    /// The rows at a width.
    pub fn rows(&self, columns: usize) -> Vec<Row> {
        let lines = text::wrap(&self.text, columns);
        lines.into_iter().map(|line| self.row(line)).collect()
    }

    /// The row of one line, which is a part of the text.
    fn row(&self, line: &str) -> Row {
        let from = line.as_ptr() as usize - self.text.as_ptr() as usize;
        let to = from + line.len();
        let mut row = Row::default();
        let mut at = from;
        let first = self.runs.partition_point(|(end, ..)| *end <= from);
        for (end, style, url) in &self.runs[first..] {
            if at >= to {
                break;
            }
            let end = (*end).min(to);
            row.push(&self.text[at..end], *style, url.as_ref());
            at = end;
        }
        row
    }
}

/// The first web address in some words: its start and length in bytes.
fn find_url(words: &str) -> Option<(usize, usize)> {
    let scheme = |at: &usize| {
        ["https://", "http://"]
            .iter()
            .any(|one| words[*at..].starts_with(one))
    };
    let start = words.match_indices("http").map(|(at, _)| at).find(scheme)?;
    let behind = &words[start..];
    let end = behind
        .find(|c: char| c.is_whitespace() || "<>\"`|".contains(c))
        .unwrap_or(behind.len());
    // What ends a sentence is not part of the address; a bracket is where it was opened in it.
    let mut url = &behind[..end];
    let unopened = |open, close| {
        let count = |bracket| url.matches(bracket).count();
        count(close).saturating_sub(count(open))
    };
    let (mut round, mut square) = (unopened('(', ')'), unopened('[', ']'));
    while let Some(last) = url.chars().next_back() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' => {}
            ')' if round > 0 => round -= 1,
            ']' if square > 0 => square -= 1,
            _ => break,
        }
        url = &url[..url.len() - 1];
    }
    Some((start, url.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_without_what_ends_the_sentence() {
        let table = [
            ("see https://a.b/c.", Some("https://a.b/c")),
            ("(http://a.b/c_(d)), and", Some("http://a.b/c_(d)")),
            ("(http://a.b)", Some("http://a.b")),
            ("<https://a.b>", Some("https://a.b")),
            ("no address", None),
        ];
        for (words, expected) in table {
            let found = find_url(words).map(|(start, length)| &words[start..start + length]);
            assert_eq!(found, expected, "{words}");
        }
    }
}
