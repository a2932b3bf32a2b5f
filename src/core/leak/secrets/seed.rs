//! Seed phrases of wallets (BIP-39): 12 to 24 words of a list, the last bits of which are a checksum of the others.

use std::{collections::HashMap, ops::Range, sync::LazyLock};

use sha2::{Digest, Sha256};

/// The English word list, in its order: <https://github.com/bitcoin/bips/blob/master/bip-0039/english.txt>, MIT
/// License.
const ENGLISH: &str = include_str!("bip39-english.txt");
static WORDS: LazyLock<HashMap<&str, u16>> = LazyLock::new(|| ENGLISH.lines().zip(0..).collect());

/// Lengths of a phrase, in words.
const LENGTHS: [usize; 5] = [12, 15, 18, 21, 24];
/// Bits per word.
const BITS: usize = 11;

/// Finds the byte ranges of phrases, including adjacent words of the list: the first word of the phrase is unknown.
pub(super) fn phrases(text: &str) -> Vec<Range<usize>> {
    let words = words(text);
    let runs = words.split(|(_, number)| number.is_none());
    let phrases = runs.filter(|run| {
        let numbers: Vec<u16> = run.iter().filter_map(|(_, number)| *number).collect();
        LENGTHS
            .iter()
            .any(|length| numbers.windows(*length).any(has_check_sum))
    });
    phrases
        .filter_map(|run| Some(run.first()?.0.start..run.last()?.0.end))
        .collect()
}

/// The words with their byte ranges, and their numbers if they are in the list.
fn words(text: &str) -> Vec<(Range<usize>, Option<u16>)> {
    let mut words = Vec::new();
    let mut rest = 0;
    for word in text.split(|c: char| !c.is_ascii_alphabetic()) {
        let start = rest;
        // The separator is one character, of any length.
        let end = start + word.len();
        rest = end + text[end..].chars().next().map_or(0, char::len_utf8);
        if !word.is_empty() {
            words.push((start..end, WORDS.get(word.to_ascii_lowercase().as_str()).copied()));
        }
    }
    words
}

fn has_check_sum(words: &[u16]) -> bool {
    let bits: Vec<bool> = words
        .iter()
        .flat_map(|word| (0..BITS).rev().map(move |bit| word >> bit & 1 == 1))
        .collect();
    let (entropy, sum) = bits.split_at(bits.len() / 33 * 32);
    let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
    let bytes: Vec<u8> = entropy.chunks(8).map(byte).collect();
    let digest = Sha256::digest(&bytes);
    sum.iter()
        .enumerate()
        .all(|(at, bit)| (digest[at / 8] >> (7 - at % 8) & 1 == 1) == *bit)
}
