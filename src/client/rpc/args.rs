//! Checks arguments beyond their types.

use nexscope_relay::protocol::{is_id, is_name};

use crate::{
    control::{RpcError, protocol::LONGEST_WAIT},
    core::Steady,
};

pub(super) fn names(names: Vec<String>) -> Result<Vec<String>, RpcError> {
    let each = names.into_iter().map(|name| {
        let plain = name.trim_start_matches('@');
        if is_name(plain) {
            return Ok(plain.to_owned());
        }
        let name = crate::text::clean_line(&name, 40);
        Err(RpcError::usage(format!(
            "{name} is not a name: 1 to 32 of a-z, 0-9, _ and -."
        )))
    });
    each.collect()
}

pub(super) fn client_name(given: Option<String>) -> Result<String, RpcError> {
    let client = given.unwrap_or_else(|| "shell".to_owned());
    if !is_id(&client) {
        return Err(RpcError::usage("client is 1 to 64 of a-z, 0-9, _ and -."));
    }
    Ok(client)
}

pub(super) fn until(seconds: u64, now: Steady) -> Result<Steady, RpcError> {
    if !(1..=LONGEST_WAIT).contains(&seconds) {
        return Err(RpcError::usage(format!(
            "The timeout is 1 to {LONGEST_WAIT} seconds."
        )));
    }
    Ok(now.plus(seconds * 1000))
}
