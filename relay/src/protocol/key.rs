//! The public key of a member, which tells two holders of a name apart.

use std::{fmt, str::FromStr};

/// The first 8 bytes of SHA-256(SHA-256(owner)), displayed as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberKey([u8; 8]);

impl MemberKey {
    /// The key with these bytes.
    pub fn new(bytes: [u8; 8]) -> MemberKey {
        MemberKey(bytes)
    }
}

impl fmt::Display for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key must be 16 hex digits")]
pub struct KeyError;

impl FromStr for MemberKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<MemberKey, KeyError> {
        // `from_str_radix` would accept a sign.
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(KeyError);
        }
        let bits = u64::from_str_radix(text, 16).map_err(|_| KeyError)?;
        Ok(MemberKey(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_hex_digits() {
        let key: MemberKey = "00db32D6c2c0a62f".parse().expect("a key");
        assert_eq!(key.to_string(), "00db32d6c2c0a62f");
        for bad in [
            "",
            "+0db32d6c2c0a62f",
            "2b32db6c2c0a623",
            "2b32db6c2c0a62355",
            "2b32db6c2c0a623g",
        ] {
            assert_eq!(bad.parse::<MemberKey>(), Err(KeyError), "{bad}");
        }
    }
}
