//! The invite to the relay that is configured.

use std::io::Write;

use super::Failure;
use crate::{
    config::{self, Flags, Paths},
    link::{Invite, Target},
};

/// Prints it to standard output.
pub(super) fn print(paths: &Paths) -> Result<(), Failure> {
    let config = config::load(paths, |name| std::env::var(name).ok(), &Flags::default())?;
    let target = match (&config.relay, config.host) {
        (Some(relay), _) => relay.clone(),
        (None, Some(host)) => Target {
            tls: false,
            host: host.ip().to_string(),
            port: host.port(),
            path: "/ws".into(),
        },
        (None, None) => {
            return Err(Failure::Words(
                "no relay is configured: start nexscope-tui once, and host a room or join one".into(),
            ));
        }
    };
    let token = config.token.ok_or_else(|| {
        Failure::Words(format!(
            "there is no token for {target}: set token in config.toml"
        ))
    })?;
    let invite = Invite {
        target,
        room: config.room,
        token: token.0,
    };
    // Who reads no further has enough.
    let _ = writeln!(std::io::stdout(), "{invite}");
    Ok(())
}
