//! Splits incoming bytes into lines of bounded length.

/// The longest line read, in bytes. A tool's whole result is one line, so it is generous.
pub(super) const MAX_LINE: usize = 4 << 20;

/// Collects bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    /// The current line is too long already; the rest of it is discarded.
    skipping: bool,
}

impl Lines {
    /// Calls `line` with each line that `bytes` complete, without its line end; a line longer than
    /// [`MAX_LINE`] is skipped. Invalid UTF-8 is replaced.
    pub fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        // `split` yields one part more than there are line ends: the last one is incomplete.
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.take(part);
            self.end(&mut line);
        }
        self.take(last);
    }

    /// Calls `line` with the bytes after the last line end.
    pub fn finish(&mut self, mut line: impl FnMut(&str)) {
        self.end(&mut line);
    }

    fn take(&mut self, part: &[u8]) {
        if !self.skipping && self.begun.len() + part.len() <= MAX_LINE {
            self.begun.extend_from_slice(part);
        } else {
            self.skipping = true;
            self.begun = Vec::new();
        }
    }

    fn end(&mut self, line: &mut impl FnMut(&str)) {
        if !self.begun.is_empty() {
            line(&String::from_utf8_lossy(&self.begun));
        }
        self.begun.clear();
        self.skipping = false;
    }
}

/// Decodes incoming bytes, in which a character may be split, as UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8Decoder {
    /// The beginning of an incomplete character: at most 3 bytes.
    begun: Vec<u8>,
}

impl Utf8Decoder {
    /// Returns the text that `bytes` complete; invalid UTF-8 is replaced.
    pub fn feed(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let whole = all.len() - unfinished(&all);
        self.begun = all.split_off(whole);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Returns the rest at the end of the input.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned()
    }
}

/// The number of bytes at the end that begin an incomplete character.
fn unfinished(bytes: &[u8]) -> usize {
    (1..=3.min(bytes.len()))
        .find(|count| {
            let end = &bytes[bytes.len() - count..];
            let needs = match end[0] {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return false,
            };
            needs > *count && end[1..].iter().all(|byte| matches!(byte, 0x80..=0xbf))
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for part in parts {
            lines.feed(part, |line| out.push(line.to_owned()));
        }
        lines.finish(|line| out.push(line.to_owned()));
        out
    }

    #[test]
    fn cuts_lines_wherever_the_bytes_are_cut() {
        assert_eq!(lines(&[b"a\nb", b"c\n\n", b"d"]), ["a", "bc", "d"]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
        assert_eq!(lines(&[]), [""; 0]);
    }

    #[test]
    fn leaves_out_a_line_that_is_too_long() {
        let long = vec![b'x'; MAX_LINE];
        assert_eq!(lines(&[b"a\n", &long, b"x", b"y\nb\n"]), ["a", "b"]);
        assert_eq!(lines(&[&long, b"\nb"])[1], "b");
    }

    #[test]
    fn keeps_characters_whole() {
        let text = "aé€😀z".as_bytes();
        for at in 0..=text.len() {
            let mut utf8 = Utf8Decoder::default();
            let mut out = utf8.feed(&text[..at]);
            out += &utf8.feed(&text[at..]);
            out += &utf8.finish();
            assert_eq!(out, "aé€😀z", "{at}");
        }
        let mut utf8 = Utf8Decoder::default();
        assert_eq!(utf8.feed(b"\xffa\xe2\x82"), "\u{fffd}a");
        assert_eq!(utf8.finish(), "\u{fffd}");
    }
}
