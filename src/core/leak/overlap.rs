//! Overlap of an answer with another text: 80 characters in a row, white space folded.

use std::{collections::HashSet, ops::Range};

/// Shortest overlap that is not a coincidence, in characters.
const IN_A_ROW: usize = 80;
/// Base of the rolling hash: any large odd number.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// The byte ranges of `answer` that are in `other` too.
pub(in crate::core) fn with(answer: &str, other: &str) -> Vec<Range<usize>> {
    let known: HashSet<u64> = windows(&folded(other)).collect();
    let answer = folded(answer);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (at, _) in windows(&answer)
        .enumerate()
        .filter(|(_, sum)| known.contains(sum))
    {
        let last = &answer[at + IN_A_ROW - 1];
        let (start, end) = (answer[at].0, last.0 + last.1.len_utf8());
        match ranges.last_mut() {
            Some(before) if start <= before.end => before.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges
}

/// The characters with their byte offsets, every run of white space as one space.
fn folded(text: &str) -> Vec<(usize, char)> {
    let mut out: Vec<(usize, char)> = Vec::new();
    for (at, c) in text.char_indices() {
        match c.is_whitespace() {
            true if out.last().is_none_or(|(_, last)| *last == ' ') => {}
            true => out.push((at, ' ')),
            false => out.push((at, c)),
        }
    }
    out
}

/// The hash of each window, in order. Collisions are so rare that a person may be asked about one.
fn windows(text: &[(usize, char)]) -> impl Iterator<Item = u64> {
    let oldest = (1..IN_A_ROW).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut sum = 0_u64;
    text.iter().enumerate().filter_map(move |(at, (_, c))| {
        if at >= IN_A_ROW {
            let gone = u64::from(u32::from(text[at - IN_A_ROW].1));
            sum = sum.wrapping_sub(gone.wrapping_mul(oldest));
        }
        sum = sum.wrapping_mul(BASE).wrapping_add(u64::from(u32::from(*c)));
        (at + 1 >= IN_A_ROW).then_some(sum)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared() {
        let eighty: String = (0..80).map(|n| char::from(b'a' + (n * 7 % 26) as u8)).collect();
        let words =
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
        let table = [
            (eighty.clone(), format!("x{eighty}y"), Some(0..80)),
            (format!("see: {eighty}!"), eighty.clone(), Some(5..85)),
            (eighty[1..].to_owned(), eighty.clone(), None),
            (eighty.replace('v', "V"), eighty.clone(), None),
            (
                words.replace(' ', "\n  "),
                words.to_owned(),
                Some(0..words.len() + 2 * 14),
            ),
            ("é".repeat(100), "é".repeat(80), Some(0..200)),
            (String::new(), eighty, None),
        ];
        for (answer, other, expected) in table {
            let found = with(&answer, &other);
            assert_eq!(found.first().cloned(), expected, "{answer} in {other}");
            assert!(found.len() <= 1);
        }
    }
}
