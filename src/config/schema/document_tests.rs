//! The example file and the JSON schema agree with the parser.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

use regex::Regex;

use super::*;
use crate::config::{Config, file::File};

fn matches(pattern: &str, text: &str) -> bool {
    static KNOWN: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap();
    let regex = known
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(pattern).unwrap());
    regex.is_match(text)
}

/// Validates `value` by the keywords that [`schema()`] uses. Fails with the place of the first mistake.
fn validate(schema: &Json, value: &Json, at: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("{at}: {why}: {value}"));
    for (keyword, rule) in schema.as_object().unwrap() {
        let ok = match keyword.as_str() {
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64(),
                "number" => value.is_number(),
                other => panic!("{other}"),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => matches(rule.as_str().unwrap(), value.as_str().unwrap_or_default()),
            "minimum" => value.as_f64() >= rule.as_f64(),
            "maximum" => value.as_f64() <= rule.as_f64(),
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|key| value.get(key.as_str().unwrap()).is_some()),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    validate(rule, item, at)?;
                }
                true
            }
            "properties" => {
                for (key, property) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        validate(property, value, &format!("{at}.{key}"))?;
                    }
                }
                true
            }
            "propertyNames" => {
                for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                    validate(rule, &json!(key), at)?;
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties");
                for (key, value) in value.as_object().into_iter().flatten() {
                    match known.and_then(|known| known.get(key)) {
                        Some(_) => {}
                        None if rule.is_object() => validate(rule, value, &format!("{at}.{key}"))?,
                        None => return wrong(&format!("unknown key {key}")),
                    }
                }
                true
            }
            "$schema" | "title" | "description" | "default" => true,
            other => panic!("the validator does not know {other}"),
        };
        if !ok {
            return wrong(keyword);
        }
    }
    Ok(())
}

fn accepts(text: &str) -> Result<(), String> {
    static SCHEMA: LazyLock<Json> = LazyLock::new(schema);
    let table: toml::Table = text.parse().unwrap();
    validate(&SCHEMA, &json!(table), "")
}

/// For every file that any test parses.
pub(crate) fn assert_schema_accepts(text: &str) {
    accepts(text).unwrap_or_else(|why| panic!("{why}\n{text}"));
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let table = [
        "relya = \"ws://h/ws\"",
        "name = \"a b\"",
        "name = 3",
        "mode = \"automatic\"",
        "hop_limit = -1",
        "hop_limit = 4294967296",
        "share_partial = \"yes\"",
        "expire = \"soon\"",
        "agents = 1",
        "[files]\nmaximum = \"1 MB\"",
        "[files]\nmax = \"much\"",
        "[ui]\nnotify = [\"smoke\"]",
        "[ui]\ncolors = \"8\"",
        "[agents.a]\ncommand = [\"x\"]",
        "[agents.a]\nkind = \"claude\"\ncomand = [\"x\"]",
        "[agents.\"a b\"]\nkind = \"claude\"",
        "[agents.a]\nkind = \"claude\"\nbudget_usd_per_day = -1.0",
        "[agents.a]\nkind = \"claude\"\nenv = [1]",
    ];
    for text in table {
        assert!(accepts(text).is_err(), "{text}");
        assert!(
            File::parse(text.into(), "config.toml".as_ref()).is_err(),
            "{text}"
        );
    }
}

#[test]
fn the_example_has_every_default() {
    let file = File::parse(example(), "config.example.toml".as_ref()).unwrap();
    let mut config = Config::default();
    file.put(&mut config, |_, _, _| true).unwrap();
    for setting in SETTINGS {
        assert_eq!(
            (setting.get)(&config),
            (setting.get)(&Config::new()),
            "{}",
            setting.key
        );
        let name = setting.key.rsplit('.').next().unwrap();
        assert!(setting.key == "agents" || example().contains(&format!("{name} = ")));
    }
}

#[test]
fn the_examples_agent_and_samples_can_be_used() {
    let begin = "# [agents.claude]\n";
    let (top, agent) = example()
        .split_once(begin)
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let uncommented = |text: &str| -> String {
        let line = |line: &str| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") && !setting.ends_with('.') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    };
    let text = format!("{}[agents.claude]\n{}", uncommented(&top), uncommented(&agent));
    let table: toml::Table = text.parse().unwrap();
    assert_eq!(table["agents"]["claude"].as_table().unwrap().len(), AGENT.len());
    File::parse(text, "config.toml".as_ref()).map(|_| ()).unwrap();
}

#[test]
fn the_committed_example_is_the_tables() {
    let committed = include_str!("../config.example.toml");
    assert!(
        committed == example(),
        "src/config/config.example.toml is out of date; regenerate it:\n\
         cargo run -- config example > src/config/config.example.toml"
    );
}

#[test]
fn the_settings_in_the_man_pages_can_be_used() {
    for (name, page) in [
        ("agents", include_str!("../../cli/man/nexscope-agents.7.md")),
        ("config", include_str!("../../cli/man/nexscope-config.5.md")),
        ("files", include_str!("../../cli/man/nexscope-files.7.md")),
    ] {
        let blocks = page.split("```toml\n").skip(1);
        let texts: Vec<&str> = blocks.map(|block| block.split("```").next().unwrap()).collect();
        assert!(!texts.is_empty(), "{name}");
        for text in texts {
            File::parse(text.to_owned(), name.as_ref()).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}
