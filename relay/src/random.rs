//! Random secrets and ids.

use std::io;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// A token, a session or the proof of a name's owner: 32 random bytes in base64url.
///
/// # Errors
///
/// If the system has no random numbers.
pub fn secret() -> io::Result<String> {
    encode::<32>()
}

/// An id that is not secret, such as a room's epoch: 12 random bytes in base64url.
pub(crate) fn id() -> io::Result<String> {
    encode::<12>()
}

fn encode<const N: usize>() -> io::Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
