//! Checks of pattern matches: checksums, and whether a value is a secret or an example.

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// A check that a rule may have in addition to its pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Check {
    /// Looks random.
    Random,
    /// Could be a password, and is neither an example nor a reference to one.
    Password,
    /// Mixes lower and upper case letters irregularly.
    Mixed,
    /// Like [`Check::Mixed`], with digits, and no path or name: nothing around it marks it as secret.
    Bare,
    /// Base64 of `USER:PASSWORD`.
    BasicAuth,
    /// Bitcoin's wallet import format, by its checksum.
    Wif,
    /// A private key of Curve25519, as programs write it.
    Curve25519,
    /// Words of a seed phrase, by their checksum.
    Seed,
    /// The token of an invite.
    Invite,
}

impl Check {
    /// Whether it is a heuristic, which would often be wrong in joined lines.
    pub(super) fn is_guess(self) -> bool {
        matches!(self, Check::Random | Check::Password | Check::Mixed | Check::Bare)
    }

    /// Whether a value passes. A seed phrase is not a single value; `seed.rs` finds it.
    pub(super) fn holds(self, value: &str) -> bool {
        match self {
            Check::Random => is_random(value),
            Check::Password => is_password(value),
            Check::Mixed => is_mixed(value),
            Check::Bare => {
                let has_digits = value.bytes().any(|byte| byte.is_ascii_digit());
                has_digits && is_mixed(value) && !is_made_of_words(value)
            }
            Check::BasicAuth => is_basic_auth(value),
            Check::Wif => is_wif(value),
            Check::Curve25519 => is_curve25519(value),
            Check::Invite => !is_example(
                value
                    .to_ascii_lowercase()
                    .trim_end_matches(['.', ',', ';', ')', ']']),
            ),
            Check::Seed => true,
        }
    }
}

/// Decodes base64 with and without padding, ignoring trailing bits.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// Decodes base64 of either alphabet. Trailing bits are ignored.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let engine = match text.contains(['-', '_']) {
        true => &BASE64_URL,
        false => &BASE64,
    };
    let text = text.trim_end_matches('=');
    let whole = match text.len() % 4 {
        1 => text.len() - 1,
        _ => text.len(),
    };
    engine.decode(text.get(..whole)?).ok()
}

/// Placeholders for secrets in examples.
const EXAMPLES: &[&str] = &[
    "example",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "your_",
    "your-",
    "yourp",
    "yours",
    "yourt",
    "yourk",
    "xxxx",
    "****",
    "....",
    "dummy",
    "redacted",
    "todo",
    "replace",
    "insert",
    "undefined",
    "<",
    "…",
];

/// Expressions with which code reads a secret from elsewhere.
const REFERENCES: &[&str] = &[
    "process.env",
    "os.environ",
    "getenv",
    "env.",
    "env[",
    "secrets.",
    "config.",
    "settings.",
    "self.",
    "this.",
    "${",
    "{{",
    "$(",
    "%(",
    "%s",
    "{}",
    "()",
    "::",
];

/// Well-known values that appear in documentation.
const KNOWN: &[&str] = &[
    "pass",
    "passwd",
    "password",
    "password1",
    "password123",
    "pwd",
    "secret",
    "token",
    "root",
    "admin",
    "administrator",
    "user",
    "username",
    "guest",
    "test",
    "testing",
    "postgres",
    "mysql",
    "redis",
    "rabbitmq",
    "mongo",
    "default",
    "string",
    "null",
    "none",
    "true",
    "false",
    "required",
    "optional",
    "foo",
    "bar",
    "baz",
    "foobar",
    "hostname",
    "host",
    "port",
    "value",
    "123456",
    "12345678",
    "mypassword",
    "mypass",
    "my-password",
    "my_password",
    "mysecretpassword",
    "my-secret-pw",
    "db_password",
    "dbpassword",
    "secretpassword",
    "pa55word",
    "invite",
    "key",
    "letmein",
];

/// Whether a value in lower case is a placeholder.
fn is_example(lower: &str) -> bool {
    let refers = || REFERENCES.iter().any(|reference| lower.contains(reference));
    EXAMPLES.iter().any(|example| lower.contains(example)) || refers() || KNOWN.contains(&lower)
}

fn is_password(value: &str) -> bool {
    let value = value
        .trim_matches(['"', '\'', '`'])
        .trim_end_matches(['.', ',', ';', ')', '"', '\'']);
    let lower = value.to_ascii_lowercase();
    let mut bytes = value.bytes();
    let first = bytes.next();
    let same = bytes.all(|byte| Some(byte) == first);
    let refers = value.starts_with(['$', '%', '&', '{', '(', '[', '~', '*', '@', '.']);
    let path = value.starts_with('/') && value[1..].contains('/') && value == lower;
    value.len() >= 3 && !same && !refers && !path && !is_example(&lower)
}

/// Lowest entropy of a random value, in bits per character.
const LEAST_ENTROPY: f64 = 3.0;

/// Whether a value looks random, rather than like an example or a reference.
fn is_random(value: &str) -> bool {
    let value = value.trim_end_matches(['.', ',', '!', '=', '*']);
    let lower = value.to_ascii_lowercase();
    let told = [
        "your", "password", "12345678", "123456", "string", "required", "optional",
    ];
    if value.len() < 8 || is_example(&lower) || told.iter().any(|told| lower.contains(told)) {
        return false;
    }
    // A name or a path in code has no digit, or consists of words; a secret mixes.
    let has = |test: fn(&char) -> bool| value.chars().any(|c| test(&c));
    let digits = has(char::is_ascii_digit);
    let mixed = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase);
    let marks = value
        .chars()
        .filter(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.' | '/'))
        .count();
    let long_mixed = mixed && value.len() >= 20 && !value.contains('.') && !value.contains('_');
    (digits || marks >= 2 || long_mixed) && !is_call_or_path(value) && entropy(value) >= LEAST_ENTROPY
}

fn is_call_or_path(value: &str) -> bool {
    let words = value.split(['.', '/', '_', '-']).filter(|word| !word.is_empty());
    // `auth.token.v2`, `src/token/mod1.rs`: several short words.
    let (count, longest) = words.fold((0, 0), |(count, longest), word| {
        (count + 1, longest.max(word.len()))
    });
    count >= 2 && longest <= 9
}

fn is_mixed(value: &str) -> bool {
    let has = |test: fn(&u8) -> bool| value.bytes().any(|byte| test(&byte));
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && entropy(value) >= 4.0
}

/// Whether letters of the same kind follow each other as in words; in random text few do.
fn is_made_of_words(value: &str) -> bool {
    let bytes = value.as_bytes();
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let same = bytes
        .windows(2)
        .filter(|two| kind(two[0]) == kind(two[1]))
        .count();
    // In random text, slightly more than a third are of the same kind.
    let longest = bytes.chunk_by(|a, b| kind(*a) == kind(*b)).map(<[u8]>::len).max();
    same * 5 > bytes.len() * 3 || longest.unwrap_or_default() > 12
}

fn is_basic_auth(value: &str) -> bool {
    let Some(decoded) = decode_base64(value).and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return false;
    };
    let printable = !decoded.chars().any(char::is_control);
    let (user, password) = decoded.split_once(':').unwrap_or_default();
    printable && !user.is_empty() && is_password(password)
}

/// Base58 in Bitcoin's alphabet: without 0, O, I and l.
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

fn is_wif(value: &str) -> bool {
    let mut number = [0_u8; 40];
    for byte in value.bytes() {
        let Some(digit) = BASE58.iter().position(|known| *known == byte) else {
            return false;
        };
        let mut carry = digit;
        for place in number.iter_mut().rev() {
            carry += usize::from(*place) * 58;
            *place = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return false;
        }
    }
    // A version, 32 bytes, 1 if the public key is compressed, and 4 of checksum.
    [38, 37].into_iter().any(|length| {
        let (ahead, key) = number.split_at(number.len() - length);
        let (payload, sum) = key.split_at(length - 4);
        ahead.iter().all(|byte| *byte == 0)
            && matches!(payload[0], 0x80 | 0xef)
            && Sha256::digest(Sha256::digest(payload))[..4] == *sum
    })
}

fn is_curve25519(value: &str) -> bool {
    let Some(key) = decode_base64(value).filter(|key| key.len() == 32) else {
        return false;
    };
    key[0] & 7 == 0 && key[31] & 0xc0 == 0x40
}

/// Shannon entropy of a text by its own letters, in bits per character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = text.len() as f64;
    let share = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length);
    -share.map(|p| p * p.log2()).sum::<f64>()
}
