//! The reason of a failed run, in what its program has printed.

use crate::text;

/// The longest reason, in characters: it is part of a sentence.
const CHARS: usize = 400;

/// The reason that a program's output gives: its last lines, or of a usage text the line that says what is wrong.
pub(super) fn reason(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if let Some(line) = of_usage(&lines) {
        return text::one_line(line, CHARS);
    }
    const LINES: usize = 4;
    let last = lines[lines.len().saturating_sub(LINES)..].join(" ");
    text::one_line(text::last_bytes(&last, 4 * CHARS), CHARS)
}

/// The line of a usage text that says what is wrong: the one before the usage, or the last one, where some programs
/// put it; otherwise the first. `None` if there is no usage text.
fn of_usage<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let is_usage = |line: &&str| {
        let line = line.trim_start().to_ascii_lowercase();
        line.starts_with("usage:") || line.trim_end() == "usage"
    };
    let usage = lines.iter().position(is_usage)?;
    let (first, last) = (lines.first()?, lines.last()?);
    // Options are indented, or begin with a dash.
    let is_sentence = !last.starts_with([' ', '\t', '-']);
    let complains = [
        "error",
        "unknown",
        "unrecogni",
        "unexpected",
        "invalid",
        "missing",
        "not ",
    ];
    let last_is_it = is_sentence
        && complains
            .iter()
            .any(|word| last.to_ascii_lowercase().contains(word));
    Some(if usage == 0 && last_is_it { last } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        let options = "  -h, --help  Show help\n  --error     Not an error\n".repeat(100);
        let long = "word ".repeat(200);
        for (text, expected) in [
            ("one\n\ntwo\n".to_owned(), "one two"),
            ("1\n2\n3\n4\n5".to_owned(), "2 3 4 5"),
            (
                format!("error: no --x\n\nUsage: ag [OPTIONS]\n{options}"),
                "error: no --x",
            ),
            (
                format!("Usage: ag [options]\n\n{options}\nUnknown argument: x\n"),
                "Unknown argument: x",
            ),
            (format!("Usage: ag [options]\n\n{options}"), "Usage: ag [options]"),
            (format!("  USAGE\n\n{options}\nSee the manual.\n"), "USAGE"),
            (format!("Ag 1.0\n\nUsage:\n{options}\n"), "Ag 1.0"),
            (
                format!("the usage: {long}"),
                &*format!("the usage: {}…", &"word ".repeat(78)[..388]),
            ),
        ] {
            assert_eq!(reason(&text), expected, "{text}");
        }
    }
}
