//! Loads settings from flags, environment variables, a `.env` file and `relay.toml`, in this order of precedence.
//!
//! The values of the two files become the defaults of the flags that they name, so that one rule parses and checks each
//! setting, wherever it was written.

use std::{collections::HashMap, env, fs, path::Path};

use crate::{RoomToken, Token, protocol::is_token};
use anyhow::{Context, anyhow, bail, ensure};
use clap::{ArgAction, CommandFactory, FromArgMatches};
use serde::Deserialize;
use toml::Value;

use super::flags::{Flags, TOKEN_RULE};

/// Read from the working directory, if it exists.
const DOTENV: &str = ".env";

/// Loads the settings. Exits the program if the command line is wrong, as clap does.
pub fn load(name: &'static str, given: Vec<String>) -> anyhow::Result<(Flags, Vec<RoomToken>)> {
    let dotenv = match fs::read_to_string(DOTENV) {
        Ok(text) => dotenv(&text).context("cannot read .env")?,
        Err(_) => HashMap::new(),
    };
    let path = config_path(given.iter().skip(1).cloned())
        .or_else(|| env::var("NEXSCOPE_CONFIG").ok())
        .or_else(|| dotenv.get("NEXSCOPE_CONFIG").cloned())
        .filter(|path| !path.is_empty());
    let (file, tokens) = match path {
        Some(path) => load_file(Path::new(&path))?,
        None => Default::default(),
    };
    let mut command = Flags::command().name(name).bin_name(name);
    let arguments: Vec<_> = command
        .get_arguments()
        .map(|argument| {
            let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
            (
                argument.get_id().clone(),
                argument.get_long().unwrap_or_default().to_owned(),
                variable,
            )
        })
        .collect();
    for (id, long, variable) in arguments {
        let from_dotenv = variable
            .and_then(|name| dotenv.get(&name))
            .map(|value| vec![value.clone()]);
        if let Some(values) = from_dotenv.or_else(|| file.get(&long).cloned()) {
            // A few words that are kept until the program ends.
            let values = values.into_iter().map(|value| &*value.leak());
            command = command.mut_arg(id, |argument| argument.default_values(values));
        }
    }
    let flags =
        Flags::from_arg_matches(&command.get_matches_from(given)).unwrap_or_else(|error| error.exit());
    Ok((flags, tokens))
}

/// The value of `--config`, which is needed before clap parses the rest.
fn config_path(mut arguments: impl Iterator<Item = String>) -> Option<String> {
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next();
        }
        if let Some(path) = argument.strip_prefix("--config=") {
            return Some(path.to_owned());
        }
    }
    None
}

/// Parses lines of the form `NAME=value`, with optional `export`, quotes and comments.
fn dotenv(text: &str) -> anyhow::Result<HashMap<String, String>> {
    let mut variables = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| anyhow!("line {} is not NAME=value", number + 1))?;
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
        let value = match quoted('"').or_else(|| quoted('\'')) {
            Some((inside, _)) => inside,
            None => value.split(" #").next().unwrap_or_default().trim_end(),
        };
        variables.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok(variables)
}

/// Values by the name of their flag.
type FileSettings = HashMap<String, Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    token: String,
    #[serde(default)]
    rooms: Vec<String>,
}

fn load_file(path: &Path) -> anyhow::Result<(FileSettings, Vec<RoomToken>)> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("cannot parse {}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<(FileSettings, Vec<RoomToken>)> {
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| anyhow!("{}", error.to_string().trim_end()))?;
    let command = Flags::command();
    let known: Vec<(&str, bool)> = command
        .get_arguments()
        .filter(|argument| argument.get_env().is_some() && argument.get_long() != Some("config"))
        .filter_map(|argument| {
            Some((
                argument.get_long()?,
                matches!(argument.get_action(), ArgAction::Append),
            ))
        })
        .collect();
    let (mut file, mut tokens) = (FileSettings::new(), Vec::new());
    for (key, value) in table {
        let name = key.replace('_', "-");
        let Some((_, list)) = known.iter().find(|(long, _)| *long == name) else {
            let nearest = nearest(&name, known.iter().map(|(long, _)| *long));
            bail!("unknown setting `{key}`; did you mean `{nearest}`?");
        };
        match value {
            Value::Array(entries) if name == "token" => {
                for entry in entries {
                    let TokenEntry { token, rooms } = entry
                        .try_into()
                        .context("a [[token]] needs `token` and may have `rooms`, a list of rooms")?;
                    ensure!(is_token(&token), TOKEN_RULE);
                    tokens.push(RoomToken {
                        token: Token(token),
                        rooms,
                    });
                }
            }
            Value::Array(values) if *list => {
                let values: Option<_> = values
                    .iter()
                    .map(|value| Some(value.as_str()?.to_owned()))
                    .collect();
                file.insert(
                    name,
                    values.ok_or_else(|| anyhow!("`{key}` must be a list of strings"))?,
                );
            }
            value => {
                let text = match value {
                    Value::String(text) => text,
                    Value::Integer(number) => number.to_string(),
                    Value::Float(number) => number.to_string(),
                    Value::Boolean(truth) => truth.to_string(),
                    _ => bail!("`{key}` must be a string, a number, true or false"),
                };
                file.insert(name, vec![text]);
            }
        }
    }
    Ok((file, tokens))
}

/// The known name that is most similar to `name`.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    let similarity = |long: &str| strsim::jaro_winkler(name, long);
    let nearest = known.max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    nearest.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotenv_files() {
        let text = "# a comment\n\nA=1\nexport B = \"two # words\"\nC='x' # y\nD=plain # comment\nE=a=b\n";
        let read = dotenv(text).expect("variables");
        let expected = [
            ("A", "1"),
            ("B", "two # words"),
            ("C", "x"),
            ("D", "plain"),
            ("E", "a=b"),
        ];
        assert_eq!(
            read,
            expected
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        );
        assert!(dotenv("nonsense").is_err());
    }

    #[test]
    fn config_files() {
        let (file, tokens) = parse(
            "listen = '0.0.0.0:1'\nrate = 7\nseat = 0.5\nmetrics-public = true\nmessage_bytes = '1MiB'\nallow-origin = ['a', 'b']\n\
             [[token]]\ntoken = 'x'\nrooms = ['den']\n[[token]]\ntoken = 'y'",
        )
        .expect("settings");
        assert_eq!(file["rate"], ["7"]);
        assert_eq!(
            (&file["metrics-public"][..], &file["message-bytes"][..]),
            (&["true".to_owned()][..], &["1MiB".to_owned()][..])
        );
        assert_eq!(file["allow-origin"], ["a", "b"]);
        assert_eq!(
            (tokens.len(), &tokens[0].rooms[..], tokens[1].rooms.len()),
            (2, &["den".to_owned()][..], 0)
        );
        for (text, fault) in [
            ("rat = 7", "did you mean `rate`?"),
            ("mesage-bytes = 7", "did you mean `message-bytes`?"),
            ("config = 'x'", "unknown setting `config`"),
            ("rate = [7]", "`rate` must be"),
            ("[[token]]\nrooms = []", "a [[token]] needs"),
            ("[[token]]\ntoken = 'two words'", "without spaces"),
            ("rate = ", "line 1"),
        ] {
            let error = parse(text)
                .err()
                .map(|error| format!("{error:#}"))
                .unwrap_or_default();
            assert!(error.contains(fault), "{text}: {error}");
        }
    }

    #[test]
    fn the_config_s_path() {
        let find = |arguments: &[&str]| config_path(arguments.iter().map(|a| (*a).to_owned()));
        assert_eq!(find(&["--rate", "1", "--config", "a"]).as_deref(), Some("a"));
        assert_eq!(find(&["--config=b"]).as_deref(), Some("b"));
        assert_eq!(find(&["--listen", "x"]), None);
    }
}
