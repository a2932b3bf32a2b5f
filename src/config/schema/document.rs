//! The table for people and editors: an example file, and a JSON schema.

use serde_json::{Map, Value as Json, json};
use toml::Value;

use super::{AGENT, InProject, SETTINGS, Setting};

const HEAD: &str = "\
# Settings of nexscope-tui, with their defaults; those without a default are commented out.
# `nexscope-tui config path` prints where your file is, usually ~/.config/nexscope/config.toml.
# In brackets: the environment variable and the flag that set the same.
";

/// A file with every setting at its default.
pub(crate) fn example() -> String {
    let (mut text, mut table) = (HEAD.to_owned(), "");
    for setting in SETTINGS.iter().filter(|setting| setting.key != "agents") {
        let its = setting.key.rsplit_once('.').map_or("", |(table, _)| table);
        if its != table {
            text += &format!("\n[{its}]\n");
            table = its;
        }
        text += &describe(setting, "");
    }
    text += "\n# Your agents, each in a table of its own.\n# [agents.claude]\n";
    text.extend(AGENT.iter().map(|setting| describe(setting, "# ")));
    text
}

fn describe<T>(setting: &Setting<T>, comment: &str) -> String {
    let name = setting.key.rsplit('.').next().unwrap_or_default();
    let names = setting.variable.into_iter().chain(setting.flag);
    let names: String = names.map(|name| format!(" [{name}]")).collect();
    let tightens = setting.in_project == InProject::Tightens;
    let rule = tightens.then_some("# A project's file can only set a safer value.\n");
    let line = match setting.default {
        Some(default) => format!("{comment}{name} = {default}"),
        None => format!("# {name} = {}", setting.sample),
    };
    format!(
        "\n# {}{names}\n{}{line}\n",
        setting.help,
        rule.unwrap_or_default()
    )
}

/// A JSON schema (draft 2020-12) of the file.
pub(crate) fn schema() -> Json {
    let mut schema = object(SETTINGS, "");
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Settings of nexscope-tui".into();
    schema
}

/// The schema of a table: of the settings whose key begins with `prefix`.
pub(crate) fn object<T>(settings: &[Setting<T>], prefix: &str) -> Json {
    let mut properties = Map::new();
    let inside = settings
        .iter()
        .filter_map(|setting| Some((setting, setting.key.strip_prefix(prefix)?)));
    for (setting, name) in inside {
        match name.split_once('.') {
            Some((table, _)) => {
                _ = properties.insert(table.into(), object(settings, &format!("{prefix}{table}.")))
            }
            None => {
                let mut schema = setting.kind.schema();
                schema["description"] = setting.help.into();
                if let Some(default) = setting.default.and_then(|text| text.parse::<Value>().ok()) {
                    schema["default"] = json!(default);
                }
                properties.insert(name.into(), schema);
            }
        }
    }
    let required: Vec<&str> = properties
        .contains_key("kind")
        .then_some("kind")
        .into_iter()
        .collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

#[cfg(test)]
#[path = "document_tests.rs"]
pub(crate) mod tests;
