//! Writes the choices of the first screen and of `/join` to `config.toml`.

use std::{fmt::Write, fs, io, net::SocketAddr, path::PathBuf};

use toml_edit::{DocumentMut, value};

use super::Paths;
use crate::{
    core::runs::settings::Kind,
    link::{Invite, Target},
};

/// The choices of the first screen.
#[derive(Debug, Clone)]
pub struct Choice {
    pub(crate) name: String,
    pub(crate) room: String,
    pub(crate) relay: Option<Target>,
    pub(crate) host: Option<SocketAddr>,
    pub(crate) token: String,
    pub(crate) hop_limit: Option<u32>,
    pub(crate) agents: Vec<(String, Kind)>,
}

/// Writes the user's `config.toml`, 0600. An existing one is kept as `config.toml.old`.
pub(crate) fn save(choice: &Choice, paths: &Paths) -> io::Result<PathBuf> {
    let path = paths.user_file();
    if path.exists() {
        std::fs::rename(&path, path.with_extension("toml.old"))?;
    }
    crate::store::write_private(&path, toml(choice).as_bytes())?;
    Ok(path)
}

/// Makes the user's `config.toml`, 0600, join an invite's room. Everything else in it stays; the old file is kept as
/// `config.toml.old`. A link to it stays a link. Fails where the file is not TOML, or cannot be read or written.
pub(crate) fn keep_invite(invite: &Invite, paths: &Paths) -> io::Result<()> {
    let path = paths.user_file();
    let path = fs::canonicalize(&path).unwrap_or(path);
    let old = match super::read_plain(&path, super::Links::Refused) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        old => old?,
    };
    let mut document = old.parse::<DocumentMut>().map_err(io::Error::other)?;
    for key in ["host", "token_file", "token_command"] {
        document.remove(key);
    }
    document["relay"] = value(invite.target.to_string());
    document["room"] = value(&invite.room);
    document["token"] = value(&invite.token);
    if !old.is_empty() {
        crate::store::write_private(&path.with_extension("toml.old"), old.as_bytes())?;
    }
    crate::store::write_private(&path, document.to_string().as_bytes())
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
    use crate::{
        config::{Flags, load},
        core::Token,
    };
    use std::os::unix::fs::PermissionsExt;

    fn paths(dir: &tempfile::TempDir) -> Paths {
        Paths {
            config: dir.path().join("c"),
            state: dir.path().join("s"),
            here: dir.path().to_owned(),
            runtime: None,
        }
    }

    #[test]
    fn an_invite_takes_the_place_of_the_room_and_of_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(&dir);
        let invite: Invite = "nexscope://127.0.0.1:9/dev?tls=0#s\"cret".parse().unwrap();
        // Without a file, too.
        keep_invite(&invite, &paths).unwrap();
        let old = "# mine\nhost = \"127.0.0.1:8080\"\nname = \"alice\" # me\ntoken_command = [\"pass\"]\n\n[ui]\ntheme = \"dark\"\n";
        fs::write(paths.user_file(), old).unwrap();
        keep_invite(&invite, &paths).unwrap();
        let text = fs::read_to_string(paths.user_file()).unwrap();
        assert!(text.starts_with("name = \"alice\" # me\n"), "{text}");
        assert!(text.ends_with("[ui]\ntheme = \"dark\"\n"), "{text}");
        let mode = paths.user_file().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let config = load(&paths, |_| None, &Flags::default()).unwrap();
        assert_eq!((config.host, &config.relay), (None, &Some(invite.target.clone())));
        assert_eq!(config.token, Some(Token("s\"cret".into()).into()));
        assert_eq!(
            (config.room.as_str(), config.name.as_deref()),
            ("dev", Some("alice"))
        );
        let kept = paths.user_file().with_extension("toml.old");
        assert_eq!(fs::read_to_string(kept).unwrap(), old);
        // A file that is not TOML stays as it is.
        fs::write(paths.user_file(), "name = ").unwrap();
        assert!(keep_invite(&invite, &paths).is_err());
        assert_eq!(fs::read_to_string(paths.user_file()).unwrap(), "name = ");
    }

    #[test]
    fn what_is_saved_is_loaded_again() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(&dir);
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
        assert_eq!(config.limits.hop_limit, 2);
        assert!(config.warnings.is_empty());
    }
}
