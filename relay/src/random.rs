//! Secrets and ids that nobody can guess.

use std::io;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// 32 random bytes in base64url: a token, a session.
pub fn secret() -> io::Result<String> {
    encode::<32>()
}

/// 12 random bytes in base64url: an id that is not secret, such as a room's epoch.
pub fn id() -> io::Result<String> {
    encode::<12>()
}

fn encode<const N: usize>() -> io::Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
