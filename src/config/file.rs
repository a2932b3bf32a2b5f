//! `config.toml` as it is written, and errors that name file, line and the nearest known key.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};
use toml::Spanned;

use super::ConfigError;
use crate::{
    config::Colors,
    core::{Attention, Mentions, Review, runs::settings::Agent},
    link::Target,
    text,
};
use nexscope_relay::protocol::{Mode, is_name};

/// What may be a name: of a member, a room, an agent.
pub(super) const NAMES: &str =
    "1 to 32 of a-z, A-Z, 0-9, _ and -, and not all, here, everyone, me, you or system";

/// One layer's settings; what is absent is left to the layers below.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The member's name.
    #[serde(default, deserialize_with = "name")]
    pub name: Option<String>,
    /// The relay, `ws://HOST:PORT/ws`.
    #[serde(default, deserialize_with = "relay")]
    pub relay: Option<Target>,
    /// The room.
    #[serde(default, deserialize_with = "name")]
    pub room: Option<String>,
    /// The relay's secret.
    pub token: Option<String>,
    /// A file that holds it.
    pub token_file: Option<String>,
    /// A command that prints it.
    pub token_command: Option<Vec<String>>,
    /// The room is hosted here: the relay inside this program listens on this address.
    #[serde(default, deserialize_with = "address")]
    pub host: Option<SocketAddr>,
    /// Whether mentions wait.
    pub mode: Option<Mode>,
    /// Auto mode's limit on answers in a row.
    pub hop_limit: Option<u32>,
    /// Who sees a message that begins with `@name`.
    pub mentions: Option<Mentions>,
    /// Which answers wait as drafts.
    pub review: Option<Review>,
    /// Whether others see an answer while it is written.
    pub share_partial: Option<bool>,
    /// Whether an agent with `permissions = "allow"` may do so unasked in auto mode too.
    pub auto_tools: Option<bool>,
    /// After how long a mention, or a file that is kept aside, expires that nobody decided.
    #[serde(default, deserialize_with = "crate::core::runs::settings::some_duration")]
    pub expire: Option<Duration>,
    /// After how long a permission is refused that nobody answered.
    #[serde(default, deserialize_with = "crate::core::runs::settings::some_duration")]
    pub permission_expire: Option<Duration>,
    /// After how long a message counts as failed that an addressee never received.
    #[serde(default, deserialize_with = "crate::core::runs::settings::some_duration")]
    pub give_up: Option<Duration>,
    /// The agent that answers where none is named.
    pub agent: Option<Spanned<String>>,
    /// The agents.
    #[serde(default, deserialize_with = "named_agents")]
    pub agents: BTreeMap<String, Agent>,
    /// Files.
    #[serde(default)]
    pub files: FilesTable,
    /// The look.
    #[serde(default)]
    pub ui: Ui,
}

/// What is taken of files that others offer, and where it goes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesTable {
    /// The folder.
    pub dir: Option<String>,
    /// Files below this size come without asking.
    #[serde(default, deserialize_with = "size")]
    pub auto_accept_below: Option<u64>,
    /// The largest file that is taken.
    #[serde(default, deserialize_with = "size")]
    pub max: Option<u64>,
}

/// The look and the keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ui {
    /// The keymap's name.
    pub keymap: Option<String>,
    /// The theme's name.
    pub theme: Option<String>,
    /// How the person is called.
    pub notify: Option<Vec<Notify>>,
    /// What they are called for.
    pub notify_for: Option<Vec<Attention>>,
    /// A program that calls them, and what it is given before the words.
    pub notify_command: Option<Vec<String>>,
    /// Whether the mouse is the screen's from the start.
    pub mouse: Option<bool>,
    /// How many colours the terminal has.
    pub colors: Option<Colors>,
    /// Whether the terminal opens links.
    pub links: Option<bool>,
    /// Whether the terminal speaks the kitty keyboard protocol.
    pub keyboard: Option<bool>,
}

/// A way to call the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// The terminal's bell.
    Bell,
    /// A count in the terminal's title.
    Title,
    /// A notification by the terminal (OSC 9).
    Osc9,
}

/// Reads a file's text. Fails with file, line, and what is wrong.
pub(super) fn parse(text: &str, path: &Path) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        wrong(text, path, at, with_nearest(error.message()))
    })
}

/// What is wrong at a byte of a file's text.
pub(super) fn wrong(text: &str, path: &Path, at: usize, what: String) -> ConfigError {
    ConfigError::Wrong {
        path: path.to_owned(),
        line: text.as_bytes()[..at.min(text.len())]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1,
        what,
    }
}

/// Checks a name. Fails with what may be one.
pub(super) fn valid_name(what: &str, name: &str) -> Result<(), String> {
    match is_name(name) {
        true => Ok(()),
        false => Err(format!(
            "{what} \"{}\" cannot be used: {NAMES}",
            text::clean_line(name, 40)
        )),
    }
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(from)?;
    valid_name("the name", &name).map_err(Error::custom)?;
    Ok(Some(name))
}

fn named_agents<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Agent>, D::Error> {
    let agents = BTreeMap::<String, Agent>::deserialize(from)?;
    for name in agents.keys() {
        valid_name("the agent's name", name).map_err(Error::custom)?;
    }
    Ok(agents)
}

fn relay<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Target>, D::Error> {
    let text = String::deserialize(from)?;
    target(&text).map(Some).map_err(Error::custom)
}

/// Reads a relay's address. Fails with what was written, and how it is.
pub(super) fn target(relay: &str) -> Result<Target, String> {
    relay
        .parse()
        .map_err(|error| format!("relay \"{}\": {error}", text::clean_line(relay, 100)))
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    let wrong = || format!("host = {text:?} is no address; write for example \"127.0.0.1:8080\"");
    text.parse().map(Some).map_err(|_| Error::custom(wrong()))
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(from)?;
    text::parse_bytes(&text).map(Some).map_err(Error::custom)
}

/// An unknown key is named together with the nearest known one.
pub(crate) fn with_nearest(message: &str) -> String {
    let message = crate::text::clean_line(message, 400);
    let Some((unknown, known)) = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once("`, expected "))
    else {
        return message;
    };
    let known = known.split('`').skip(1).step_by(2);
    match known
        .map(|name| (strsim::damerau_levenshtein(name, unknown), name))
        .min()
    {
        Some((_, nearest)) => format!("there is no setting `{unknown}`; did you mean `{nearest}`?"),
        None => format!("there is no setting `{unknown}` here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_file_is_read() {
        let text = r#"
            name = "alice"
            relay = "ws://localhost:8080/ws"
            room = "lobby"
            token = "secret"
            mode = "manual"
            hop_limit = 3
            mentions = "direct"
            review = "flagged"
            share_partial = false
            agent = "claude"
            [agents.claude]
            kind = "claude"
            command = ["claude"]
            dir = "~/src/app"
            project = "memory"
            timeout = "10m"
            stall = "60s"
            permissions = "ask"
            budget_usd_per_day = 5.0
            [files]
            dir = "~/Downloads/nexscope"
            auto_accept_below = "0"
            max = "4 GiB"
            [ui]
            keymap = "default"
            theme = "terminal"
            notify = ["bell", "title"]
        "#;
        let file = parse(text, Path::new("config.toml")).unwrap();
        assert_eq!(file.name.as_deref(), Some("alice"));
        assert_eq!(file.agents["claude"].timeout.as_secs(), 600);
    }

    #[test]
    fn mistakes_name_line_and_nearest_key() {
        let table = [
            ("name = \"a\"\nrelya = \"x\"\n", 2, "did you mean `relay`?"),
            ("\n\n[agents.x]\nkind = \"claud\"\n", 4, "claud"),
            (
                "[agents.x]\nkind = \"codex\"\ntimeout = \"soon\"\n",
                3,
                "not a duration",
            ),
            ("name = [\n", 1, ""),
        ];
        for (text, line, what) in table {
            let ConfigError::Wrong {
                line: found,
                what: said,
                ..
            } = parse(text, Path::new("c.toml")).unwrap_err()
            else {
                panic!("{text}")
            };
            assert!(said.contains(what), "{said}");
            assert!(found == line || what.is_empty(), "{text}: {found}");
        }
    }
}
