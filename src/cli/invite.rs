//! Prints the invite to the configured relay.

use serde_json::json;

use super::Failure;
use crate::{
    client::reachable,
    config::{self, Flags, Paths},
    link::Invite,
};

/// Prints the invite to standard output. Fails if no relay or token is configured.
pub(super) fn run(json: bool, paths: &Paths) -> Result<(), Failure> {
    let config = config::load(paths, |name| std::env::var(name).ok(), &Flags::default())?;
    let target = match (&config.relay, config.host) {
        (Some(relay), _) => relay.clone(),
        (None, Some(host)) => reachable(host),
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
        token: token.get()?.0,
    };
    super::print(&match json {
        true => format!("{}\n", json!({ "invite": invite.to_string() })),
        false => format!("{invite}\n"),
    })
}
