//! Writes what was chosen on the first screen.

use std::{fmt::Write, io, net::SocketAddr, path::PathBuf};

use super::{Paths, agents::Kind};
use crate::link::Target;

/// What a person chose on the first screen.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The member's name.
    pub name: String,
    /// The room.
    pub room: String,
    /// The relay to join; none hosts.
    pub relay: Option<Target>,
    /// The address to host on; none joins.
    pub host: Option<SocketAddr>,
    /// The relay's secret.
    pub token: String,
    /// Auto mode's limit on answers in a row, where it is not the usual one.
    pub hop_limit: Option<u32>,
    /// The agents that were found and taken: names and kinds.
    pub agents: Vec<(String, Kind)>,
}

/// Writes the user's `config.toml`, 0600. What stands there already is kept as `config.toml.old`.
pub fn save(choice: &Choice, paths: &Paths) -> io::Result<PathBuf> {
    let path = paths.user_file();
    if path.exists() {
        std::fs::rename(&path, path.with_extension("toml.old"))?;
    }
    crate::store::write_private(&path, toml(choice).as_bytes())?;
    Ok(path)
}

fn toml(choice: &Choice) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut text = String::from("# Written by nexscope-tui's first screen; yours to change.\n");
    // Writing into a string does not fail.
    let _ = writeln!(text, "name = {}", quoted(&choice.name));
    let _ = writeln!(text, "room = {}", quoted(&choice.room));
    if let Some(relay) = &choice.relay {
        let _ = writeln!(text, "relay = {}", quoted(&relay.to_string()));
    }
    if let Some(host) = choice.host {
        let _ = writeln!(text, "host = {}", quoted(&host.to_string()));
    }
    let _ = writeln!(text, "token = {}", quoted(&choice.token));
    if let Some(limit) = choice.hop_limit {
        let _ = writeln!(text, "hop_limit = {limit}");
    }
    if let Some((first, _)) = choice.agents.first() {
        let _ = writeln!(text, "agent = {}", quoted(first));
    }
    for (name, kind) in &choice.agents {
        let _ = writeln!(text, "\n[agents.{name}]\nkind = \"{}\"", kind.word());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Token, load};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_saved_is_loaded_again() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths {
            config: dir.path().join("c"),
            state: dir.path().join("s"),
            here: dir.path().to_owned(),
            runtime: None,
        };
        let choice = Choice {
            name: "alice".into(),
            room: "lobby".into(),
            relay: None,
            host: Some("127.0.0.1:8080".parse().unwrap()),
            token: "with\"quote".into(),
            hop_limit: Some(2),
            agents: vec![("claude".into(), Kind::Claude)],
        };
        let path = save(&choice, &paths).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let config = load(&paths, |_| None, &Flags::default()).unwrap();
        assert_eq!(config.host, choice.host);
        assert_eq!(config.token, Some(Token("with\"quote".into()).into()));
        assert_eq!(config.agent.as_deref(), Some("claude"));
        assert_eq!(config.hop_limit, 2);
        assert!(config.warnings.is_empty());
    }
}
