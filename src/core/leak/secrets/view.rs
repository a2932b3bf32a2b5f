//! Other readings of a text: without invisible markup, with its lines joined, and decoded. Matches in them are
//! mapped back to their place in the text itself.

use std::ops::Range;

use crate::{core::leak::secrets::check::decode_base64, text::is_hidden};

/// A text derived from another one.
pub(super) struct View {
    pub text: String,
    /// Whether lines were joined.
    pub joined: bool,
    /// Whether it was decoded from joined lines: it may begin with remains of another line.
    pub from_joined: bool,
    pieces: Vec<Piece>,
    /// The pieces of the view that this one was derived from; `None` if it was derived from the text itself.
    under: Option<Vec<Piece>>,
}

/// A part of a view, with its origin.
#[derive(Clone)]
struct Piece {
    at: Range<usize>,
    from: Range<usize>,
    /// Whether it was copied byte for byte, instead of decoded as a whole.
    copied: bool,
}

/// The views of a text that read differently from the text itself.
pub(super) fn views(text: &str) -> Vec<View> {
    let mut views = Vec::new();
    let plain = View::unmarked(text, false);
    let joined = View::unmarked(text, true);
    let decoded_from = [View::copy(text)].into_iter().chain(plain).chain(joined);
    for view in decoded_from {
        views.extend(View::from_base64(&view));
        if !view.joined {
            views.extend(View::from_url(&view));
        }
        views.push(view);
    }
    // The text itself is scanned anyway.
    views.retain(|view| view.text != text);
    views
}

/// Shortest base64 that could hold a recognizable secret, in characters.
const LEAST_BASE64: usize = 16;
/// Share of decoded bytes that must be text, in percent.
const TEXT: usize = 90;
/// Longest HTML comment that is treated as a comment, in bytes.
const COMMENT: usize = 2_000;

impl View {
    fn new(joined: bool) -> Self {
        Self {
            text: String::new(),
            joined,
            from_joined: false,
            pieces: Vec::new(),
            under: None,
        }
    }

    fn over(view: &View) -> Self {
        Self {
            under: Some(view.pieces.clone()),
            from_joined: view.joined,
            ..Self::new(false)
        }
    }

    /// Appends text that is at `from` in the original.
    fn push(&mut self, text: &str, from: Range<usize>, copied: bool) {
        let at = self.text.len()..self.text.len() + text.len();
        self.text.push_str(text);
        match self.pieces.last_mut() {
            Some(last) if copied && last.copied && last.from.end == from.start && last.at.end == at.start => {
                last.at.end = at.end;
                last.from.end = from.end;
            }
            _ if at.is_empty() => {}
            _ => self.pieces.push(Piece { at, from, copied }),
        }
    }

    fn copy(text: &str) -> Self {
        let mut view = Self::new(false);
        view.push(text, 0..text.len(), true);
        view
    }

    /// Maps a place of this view to the original.
    pub(super) fn original(&self, at: Range<usize>) -> Option<Range<usize>> {
        let at = original(&self.pieces, at)?;
        match &self.under {
            Some(under) => original(under, at),
            None => Some(at),
        }
    }

    /// Removes Markdown and HTML markup and invisible characters. With `join`, lines are joined, whatever is
    /// between them. `None` if nothing changes.
    fn unmarked(text: &str, join: bool) -> Option<Self> {
        let mut view = Self::new(join);
        let (mut kept, mut at) = (0, 0);
        let mut comments = CommentEnds::default();
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            let (skip, instead) = match c {
                '*' | '`' => (1, None),
                '~' if rest.starts_with("~~") => (2, None),
                // An escaped mark.
                '\\' if rest[1..].starts_with(is_mark) => (1, None),
                '\\' if join && rest[1..].starts_with(['\n', '\r']) => (1, None),
                '<' if rest.starts_with("<!--") => (comments.length(text, at), None),
                '<' => (tag(rest), None),
                '&' => entity(rest),
                c if is_hidden(c) => (c.len_utf8(), None),
                '\n' | '\r' if join => (between_lines(rest), None),
                _ => (0, None),
            };
            if skip == 0 {
                at += c.len_utf8();
                continue;
            }
            // Spaces at the end of a line are removed with it.
            let end = match c {
                '\n' | '\r' => kept + text[kept..at].trim_end_matches([' ', '\t']).len(),
                _ => at,
            };
            view.push(&text[kept..end], kept..end, true);
            if let Some(instead) = instead {
                let mut bytes = [0; 4];
                view.push(char::encode_utf8(instead, &mut bytes), at..at + skip, false);
            }
            at += skip;
            // An escaped mark is copied as it is.
            kept = at;
            if c == '\\' {
                at += text[at..]
                    .chars()
                    .next()
                    .filter(|c| is_mark(*c))
                    .map_or(0, char::len_utf8);
            }
        }
        if kept == 0 {
            return None;
        }
        view.push(&text[kept..], kept..text.len(), true);
        Some(view)
    }

    /// Decodes base64 of text in `of`, each run on its own line.
    fn from_base64(of: &View) -> Option<Self> {
        let mut view = Self::over(of);
        for at in base64_runs(&of.text) {
            if let Some(decoded) = decoded_text(&of.text[at.clone()]) {
                view.push(&decoded, at, false);
                view.text.push('\n');
            }
        }
        (!view.text.is_empty()).then_some(view)
    }

    /// Decodes percent-encoding in `of`. `None` if there is none.
    fn from_url(of: &View) -> Option<Self> {
        let mut view = Self::over(of);
        let mut kept = 0;
        for (at, _) in of.text.match_indices('%') {
            let digits = of.text.get(at + 1..at + 3);
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            // Secrets contain only ASCII.
            if let Some(byte) = byte.filter(u8::is_ascii) {
                view.push(&of.text[kept..at], kept..at, true);
                view.push(char::from(byte).encode_utf8(&mut [0; 4]), at..at + 3, false);
                kept = at + 3;
            }
        }
        if kept == 0 {
            return None;
        }
        view.push(&of.text[kept..], kept..of.text.len(), true);
        Some(view)
    }
}

/// Maps a place of a view to the place that its pieces come from.
fn original(pieces: &[Piece], at: Range<usize>) -> Option<Range<usize>> {
    let first = pieces.partition_point(|piece| piece.at.end <= at.start);
    let after = pieces.partition_point(|piece| piece.at.start < at.end);
    let touched = pieces.get(first..after)?;
    let (first, last) = (touched.first()?, touched.last()?);
    let start = match first.copied {
        true => first.from.start + at.start.saturating_sub(first.at.start),
        false => first.from.start,
    };
    let end = match last.copied {
        true => last.from.start + (at.end.min(last.at.end) - last.at.start),
        false => last.from.end,
    };
    (start < end).then_some(start..end)
}

/// Byte ranges that could be base64 of either alphabet, with padding.
fn base64_runs(text: &str) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    for marks in [[b'+', b'/'], [b'-', b'_']] {
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || marks.contains(byte);
        let mut start = 0;
        for run in text.as_bytes().chunk_by(|a, b| is_base64(a) == is_base64(b)) {
            let end = start + run.len();
            // The second alphabet matters only if its marks are present.
            let differs = marks[0] == b'+' || run.iter().any(|byte| marks.contains(byte));
            if is_base64(&run[0]) && run.len() >= LEAST_BASE64 && differs {
                let padding = text[end..]
                    .bytes()
                    .take(2)
                    .take_while(|byte| *byte == b'=')
                    .count();
                runs.push(start..end + padding);
            }
            start = end;
        }
    }
    runs.sort_by_key(|run| run.start);
    runs
}

/// Whether Markdown lets this character be escaped with a backslash.
fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation()
}

/// The end of the next comment, searched for once for all comments that begin before it.
#[derive(Default)]
struct CommentEnds {
    /// The byte offset behind the next end; `usize::MAX` if there is none.
    next: usize,
}

impl CommentEnds {
    /// Length of the comment that begins at `at`; 0 if it does not end, or only far away.
    fn length(&mut self, text: &str, at: usize) -> usize {
        // The shortest one is `<!-->`.
        if self.next < at + 5 {
            let end = text[at + 2..].find("-->");
            self.next = end.map_or(usize::MAX, |end| at + 2 + end + 3);
        }
        match self.next.saturating_sub(at) {
            length if length <= COMMENT => length,
            _ => 0,
        }
    }
}

/// Length of the inline tag at the beginning of a text; 0 if there is none.
fn tag(text: &str) -> usize {
    const TAGS: &[&str] = &[
        "a", "b", "big", "br", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "s", "small", "span",
        "strong", "sub", "sup", "tt", "u", "var", "wbr",
    ];
    let inner = text[1..].strip_prefix('/').unwrap_or(&text[1..]);
    let name = inner
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(inner.len());
    let known = TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(&inner[..name]));
    let ends = inner[name..].starts_with(['>', ' ', '/']);
    let end = text.bytes().take(200).position(|byte| byte == b'>');
    match end {
        Some(end) if known && ends => end + 1,
        _ => 0,
    }
}

/// Length of the character reference at the beginning of a text, and its character.
fn entity(text: &str) -> (usize, Option<char>) {
    const NAMED: &[(&str, char)] = &[
        ("&amp;", '&'),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&quot;", '"'),
        ("&apos;", '\''),
        ("&lowbar;", '_'),
        ("&colon;", ':'),
        ("&equals;", '='),
    ];
    if let Some((name, c)) = NAMED.iter().find(|(name, _)| text.starts_with(name)) {
        return (name.len(), Some(*c));
    }
    let number = text.strip_prefix("&#").and_then(|rest| {
        let end = rest.bytes().take(9).position(|byte| byte == b';')?;
        let digits = &rest[..end];
        let number = match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        Some((end + 3, char::from_u32(number.ok()?)?))
    });
    number.map_or((0, None), |(length, c)| (length, Some(c)))
}

/// Length of the gap between the words of two lines, from the end of the first: empty lines, spaces, and quote
/// marks.
fn between_lines(text: &str) -> usize {
    text.len() - text.trim_start_matches(['\n', '\r', ' ', '\t', '>']).len()
}

/// Decodes base64 of text. It may begin in the middle of the run: in joined lines, the word before belongs to the
/// run as well.
fn decoded_text(run: &str) -> Option<String> {
    (0..4).find_map(|skip| {
        let bytes = decode_base64(run.get(skip..)?)?;
        let is_text = |byte: &&u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
        let is_letters = bytes.iter().filter(is_text).count() * 100 >= bytes.len() * TEXT;
        (!bytes.is_empty() && is_letters).then(|| String::from_utf8_lossy(&bytes).into_owned())
    })
}
