//! Samples of the rules, generated as `rules.toml` describes them: the same in every run.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::{Engine, prelude::*};
use sha2::{Digest, Sha256};

use crate::core::leak::secrets::rules::BUILT_IN;

/// All samples with the id of their rule.
pub(crate) fn all() -> Vec<(String, String)> {
    let rules = BUILT_IN.as_ref().expect("rules.toml is whole");
    let of_rule = |id: &str, samples: &[String]| -> Vec<(String, String)> {
        let samples = samples.iter().enumerate();
        samples
            .map(|(nth, sample)| (id.to_owned(), made_up(sample, &format!("{id} {nth}"))))
            .collect()
    };
    rules
        .all()
        .flat_map(|(_, rule)| of_rule(&rule.id, &rule.samples))
        .collect()
}

/// A sample with its placeholders filled in.
pub(crate) fn made_up(sample: &str, seed: &str) -> String {
    let (mut out, mut rest) = (String::new(), sample);
    while let Some(start) = rest.find('{') {
        out.push_str(&rest[..start]);
        let end = rest[start..].find('}').map_or(rest.len(), |end| start + end + 1);
        let place = &rest[start..end];
        let seed = format!("{seed} {} {place}", out.len());
        match filled(place.trim_matches(['{', '}']), &seed) {
            Some(filled) => {
                out.push_str(&filled);
                rest = &rest[end..];
            }
            None => {
                out.push('{');
                rest = &rest[start + 1..];
            }
        }
    }
    out + rest
}

fn filled(place: &str, seed: &str) -> Option<String> {
    match place {
        "basic" => return Some(BASE64_STANDARD.encode(format!("bob:{}", letters(seed, 12, ALNUM)))),
        "wif" => return Some(wif(&bytes(seed, 32))),
        "wireguard" => return Some(curve25519(bytes(seed, 32))),
        "seed12" => return Some(seed_phrase(&bytes(seed, 16))),
        "seed24" => return Some(seed_phrase(&bytes(seed, 32))),
        _ => {}
    }
    let (kind, length) = place.split_once(':')?;
    let alphabet = match kind {
        "a" => ALNUM,
        "l" => "abcdefghijklmnopqrstuvwxyz0123456789",
        "u" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "h" => "0123456789abcdef",
        "c" => "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
        "d" => "0123456789",
        "b" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "w" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        _ => return None,
    };
    Some(letters(seed, length.parse().ok()?, alphabet))
}

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A pseudo-random number.
fn chance(seed: &str, nth: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, nth).hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn letters(seed: &str, length: usize, alphabet: &str) -> String {
    let alphabet = alphabet.as_bytes();
    let letter = |nth| char::from(alphabet[chance(seed, nth) as usize % alphabet.len()]);
    (0..length).map(letter).collect()
}

fn bytes(seed: &str, length: usize) -> Vec<u8> {
    (0..length).map(|nth| chance(seed, nth) as u8).collect()
}

fn curve25519(mut key: Vec<u8>) -> String {
    key[0] &= 248;
    key[31] = key[31] & 127 | 64;
    BASE64_STANDARD.encode(key)
}

fn wif(key: &[u8]) -> String {
    let mut payload = [&[0x80], key, &[1]].concat();
    let sum = Sha256::digest(Sha256::digest(&payload));
    payload.extend(&sum[..4]);
    let alphabet = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut out = Vec::new();
    while payload.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u32;
        for byte in &mut payload {
            let value = rest << 8 | u32::from(*byte);
            *byte = (value / 58) as u8;
            rest = value % 58;
        }
        out.push(alphabet[rest as usize]);
    }
    out.iter().rev().map(|byte| char::from(*byte)).collect()
}

fn seed_phrase(entropy: &[u8]) -> String {
    let words: Vec<&str> = include_str!("../bip39-english.txt").lines().collect();
    let sum = Sha256::digest(entropy);
    let bits: Vec<u8> = entropy
        .iter()
        .chain(sum.iter())
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .take(entropy.len() * 8 / 32 * 33)
        .collect();
    let number = |bits: &[u8]| {
        bits.iter()
            .fold(0_usize, |number, bit| number << 1 | usize::from(*bit))
    };
    let chosen: Vec<&str> = bits.chunks(11).map(|bits| words[number(bits)]).collect();
    chosen.join(" ")
}
