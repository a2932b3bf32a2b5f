//! `config.toml` as it is written: its settings by the table, and errors that name file, line and the nearest key.

use std::path::{Path, PathBuf};

use toml::{Value, de::DeTable};

use super::{
    Config, ConfigError,
    schema::{SETTINGS, Setting},
};
use crate::text;

/// Something at a byte of a file's text.
#[derive(Debug)]
pub(super) struct At<T>(pub(super) usize, pub(super) T);

/// The settings of one file. The layers below hold for those that are absent.
pub(super) struct File {
    path: PathBuf,
    pub(super) text: String,
    settings: Found<Config>,
}

type Found<T> = Vec<(&'static Setting<T>, At<Value>)>;

impl File {
    pub(super) fn parse(text: String, path: &Path) -> Result<Self, ConfigError> {
        let settings = match DeTable::parse(&text) {
            Ok(table) => read_table(SETTINGS, "", table.get_ref()),
            Err(error) => Err(At(
                error.span().map_or(0, |span| span.start),
                text::clean_line(error.message(), 400),
            )),
        };
        let settings = settings.map_err(|error| wrong(&text, path, error))?;
        #[cfg(test)]
        super::schema::assert_schema_accepts(&text);
        Ok(Self {
            path: path.to_owned(),
            text,
            settings,
        })
    }

    pub(super) fn get(&self, key: &str) -> Option<&At<Value>> {
        let found = self.settings.iter().find(|(setting, _)| setting.key == key);
        found.map(|(_, value)| value)
    }

    /// Puts the settings that `may` lets through into `config`, in the table's order. Returns the keys of the others.
    pub(super) fn put(
        &self,
        config: &mut Config,
        may: impl Fn(&Setting<Config>, &Config, &Value) -> bool,
    ) -> Result<Vec<String>, ConfigError> {
        let mut others = Vec::new();
        for setting in SETTINGS {
            let Some(At(at, value)) = self.get(setting.key) else {
                continue;
            };
            match may(setting, config, value) {
                true => (setting.put)(config, value)
                    .map_err(|what| wrong(&self.text, &self.path, At(*at, what)))?,
                false => others.push(setting.key.to_owned()),
            }
        }
        Ok(others)
    }
}

/// Reads a table's settings; `prefix` is its own key with a dot, or empty.
pub(super) fn read_table<T>(
    settings: &'static [Setting<T>],
    prefix: &str,
    table: &DeTable,
) -> Result<Found<T>, At<String>> {
    let mut all = Vec::new();
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        let inner = format!("{key}.");
        if let Some(setting) = settings.iter().find(|setting| setting.key == key) {
            all.push((setting, At(value.span().start, setting.kind.read(&key, value)?)));
        } else if !settings.iter().any(|setting| setting.key.starts_with(&inner)) {
            let known = settings
                .iter()
                .filter_map(|setting| setting.key.strip_prefix(prefix));
            let known = known.filter_map(|name| name.split('.').next());
            return Err(At(name.span().start, no_setting(name.get_ref(), known)));
        } else if let Some(table) = value.get_ref().as_table() {
            all.extend(read_table(settings, &inner, table)?);
        } else {
            return Err(At(value.span().start, format!("{key} must be a table")));
        }
    }
    Ok(all)
}

fn no_setting<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let shown = text::clean_line(name, 100);
    match text::nearest(name, known) {
        Some(nearest) => format!("there is no setting `{shown}`; did you mean `{nearest}`?"),
        None => format!("there is no setting `{shown}` here"),
    }
}

fn wrong(text: &str, path: &Path, At(at, what): At<String>) -> ConfigError {
    let before = &text.as_bytes()[..at.min(text.len())];
    ConfigError::Wrong {
        path: path.to_owned(),
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        what,
    }
}

/// A message of serde's; an unknown key is named together with the nearest known one.
pub(crate) fn with_nearest(message: &str) -> String {
    let message = text::clean_line(message, 400);
    let unknown = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once("`, expected "));
    match unknown {
        Some((unknown, known)) => no_setting(unknown, known.split('`').skip(1).step_by(2)),
        None => message,
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
        let file = File::parse(text.to_owned(), Path::new("config.toml")).unwrap();
        let mut config = Config::new();
        file.put(&mut config, |_, _, _| true).unwrap();
        assert_eq!(config.name.as_deref(), Some("alice"));
        assert_eq!(config.agents["claude"].timeout.as_secs(), 600);
    }

    #[test]
    fn mistakes_name_line_and_nearest_key() {
        let table = [
            ("name = \"a\"\nrelya = \"x\"\n", 2, "did you mean `relay`?"),
            ("\n\n[agents.x]\nkind = \"claud\"\n", 4, "claud"),
            (
                "[agents.x]\nkind = \"codex\"\ntimeout = \"soon\"\n",
                3,
                "must be a time",
            ),
            ("name = [\n", 1, ""),
        ];
        for (text, line, what) in table {
            let Err(ConfigError::Wrong {
                line: found,
                what: said,
                ..
            }) = File::parse(text.to_owned(), Path::new("c.toml"))
            else {
                panic!("{text}")
            };
            assert!(said.contains(what), "{said}");
            assert!(found == line || what.is_empty(), "{text}: {found}");
        }
    }
}
