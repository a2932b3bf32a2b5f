//! Properties of every row of the table.

use std::{collections::BTreeSet, path::PathBuf};

use super::{Kind::*, *};
use crate::config::{ConfigDiff, Flags, Paths, load};

/// Values of a kind, in TOML.
fn values(kind: &Kind) -> Vec<String> {
    let quoted = |values: &[&str]| values.iter().map(|value| format!("{value:?}")).collect();
    match kind {
        Text => quoted(&["a", "b"]),
        Name => quoted(&["ann", "bo-b"]),
        Relay => quoted(&["ws://h:1/ws", "wss://other:443/ws"]),
        Address => quoted(&["127.0.0.1:1", "[::1]:2"]),
        Flag => vec!["true".into(), "false".into()],
        Number(most) => vec!["0".into(), "7".into(), most.to_string()],
        Amount => vec!["0.0".into(), "2.5".into(), "7".into()],
        Size => quoted(&["0", "3 MB", "8 GiB"]),
        Time => quoted(&["5s", "2d"]),
        TimeOrNone => quoted(&["0s", "2d"]),
        Word(words) => quoted(words),
        List(kind) => {
            let items = values(kind);
            vec![
                "[]".into(),
                format!("[{}]", items[0]),
                format!("[{}]", items.join(", ")),
            ]
        }
        Agents => vec![
            "{ a = { kind = \"claude\" }, b = { kind = \"codex\" } }".into(),
            "{ a = { kind = \"command\", command = [\"x\"] }, c = { kind = \"acp\" } }".into(),
        ],
    }
}

/// A file with one setting, and agents that it can name.
fn file(key: &str, value: &str) -> String {
    match key {
        "agents" => format!("{key} = {value}\n"),
        _ => format!("{key} = {value}\n[agents.a]\nkind = \"claude\"\n[agents.b]\nkind = \"codex\"\n"),
    }
}

fn loaded(user: &str, project: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths {
        config: dir.path().join("config"),
        state: dir.path().join("state"),
        here: dir.path().join("here"),
        runtime: None,
    };
    for (path, text) in [(paths.user_file(), user), (paths.project_file(), project)] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    load(&paths, |_| None, &Flags::default()).unwrap_or_else(|error| panic!("{error}: {user} / {project}"))
}

/// Every setting with each of its values, in TOML. A token's file would have to be there.
fn all() -> impl Iterator<Item = (&'static Setting<Config>, String)> {
    let settings = SETTINGS.iter().filter(|setting| setting.key != "token_file");
    settings.flat_map(|setting| {
        values(&setting.kind)
            .into_iter()
            .map(move |value| (setting, value))
    })
}

/// A setting with a value, and with the same or another one, each with the user's file that has it.
type Pair<'a> = (&'static Setting<Config>, [&'a (String, Config); 2]);

/// Every setting with each pair of its values.
fn for_each_pair(check: impl Fn(Pair)) {
    for setting in SETTINGS.iter().filter(|setting| setting.key != "token_file") {
        let values = values(&setting.kind).into_iter();
        let files = values.map(|value| (value.clone(), loaded(&file(setting.key, &value), "")));
        let files: Vec<_> = files.collect();
        for (one, other) in files
            .iter()
            .flat_map(|one| files.iter().map(move |other| (one, other)))
        {
            check((setting, [one, other]));
        }
    }
}

#[test]
fn rows_are_sound() {
    fn sound<T: Default>(settings: &[Setting<T>]) {
        let mut keys = BTreeSet::new();
        for setting in settings {
            let key = setting.key;
            assert!(keys.insert(key), "{key} is there twice");
            assert!(setting.help.ends_with('.'), "{key}");
            let written = setting.default.unwrap_or(setting.sample);
            assert!(
                key == "agents" || !written.is_empty(),
                "{key} has neither a default nor a sample"
            );
            if let Some(default) = setting.default {
                let value = DeValue::parse(default).unwrap();
                let value = setting.kind.read(key, &value).unwrap();
                (setting.put)(&mut T::default(), &value).unwrap();
            }
            // The rule needs an order of values.
            let ranked =
                setting.in_project == InProject::Tightens || setting.on_reload == OnReload::Confirmed;
            assert!(
                key == "agents" || !ranked || setting.looser != Looser::Never,
                "{key}"
            );
        }
    }
    sound(SETTINGS);
    sound(AGENT);
    let tables: Vec<bool> = SETTINGS.iter().map(|setting| setting.key.contains('.')).collect();
    assert!(
        tables.is_sorted(),
        "in TOML, tables stand behind all other settings"
    );
}

#[test]
fn every_value_comes_out_of_a_file_as_it_was_written() {
    for (setting, written) in all() {
        let config = loaded(&file(setting.key, &written), "");
        let parsed = DeValue::parse(&written).unwrap();
        let value = setting.kind.read(setting.key, &parsed).unwrap();
        match setting.key {
            "agents" => assert!(config.agents.keys().eq(value.as_table().unwrap().keys())),
            "files.dir" => assert_eq!(config.files.dir, PathBuf::from(value.as_str().unwrap())),
            key => assert_eq!((setting.get)(&config), Some(value), "{key} = {written}"),
        }
    }
    for setting in AGENT {
        for written in values(&setting.kind) {
            let kind = if setting.key == "kind" {
                ""
            } else {
                "kind = \"acp\"\n"
            };
            let agent = Agent::from_toml(&format!("{kind}{} = {written}", setting.key));
            let parsed = DeValue::parse(&written).unwrap();
            let value = setting.kind.read(setting.key, &parsed).unwrap();
            assert_eq!((setting.get)(&agent), Some(value), "{} = {written}", setting.key);
        }
    }
}

#[test]
fn a_project_never_loosens() {
    for_each_pair(|(setting, [(mine, user), (theirs, wanted)])| {
        let key = setting.key;
        let both = loaded(&file(key, mine), &format!("{key} = {theirs}"));
        let case = format!("{key} = {theirs} over {mine}");
        for other in SETTINGS {
            let (before, after) = ((other.get)(user), (other.get)(&both));
            match other.in_project {
                InProject::Ignored => assert_eq!(after, before, "{}: {case}", other.key),
                InProject::Tightens => assert!(!other.is_looser(&both, user), "{}: {case}", other.key),
                InProject::Allowed => assert!(other.key == key || after == before, "{}: {case}", other.key),
            }
        }
        assert_eq!(both.agents, user.agents, "{case}");
        let named = both
            .untrusted
            .as_ref()
            .is_some_and(|untrusted| untrusted.keys == [key]);
        assert_eq!(named, both.untrusted.is_some(), "{case}");
        let holds = (setting.get)(&both) == (setting.get)(wanted);
        match setting.in_project {
            InProject::Ignored => assert!(named, "{case}"),
            InProject::Tightens => assert_eq!(named, !holds, "{case}"),
            InProject::Allowed => assert!(!named && holds, "{case}"),
        }
    });
}

#[test]
fn a_reload_never_loosens_by_itself() {
    for_each_pair(|(setting, [(before, now), (after, new)])| {
        let case = format!("{} = {before}, then {after}", setting.key);
        let change = ConfigDiff::between(now, new);
        let again = ConfigDiff::between(now, &change.safe);
        assert_eq!((again.looser, again.later), (Vec::new(), Vec::new()), "{case}");
        let holds = (setting.get)(&change.safe) == (setting.get)(new);
        let waits = change.looser.iter().any(|words| words.starts_with(setting.key));
        match setting.on_reload {
            OnReload::Live => assert!(holds && !waits, "{case}"),
            OnReload::Confirmed => assert!(setting.key == "agents" || holds != waits, "{case}"),
            OnReload::Restart => assert_eq!(change.later.contains(&setting.key), !holds, "{case}"),
        }
    });
}

#[test]
fn variables_and_flags_are_read_like_files() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths {
        config: dir.path().to_owned(),
        state: dir.path().to_owned(),
        here: dir.path().to_owned(),
        runtime: None,
    };
    let mut names = BTreeSet::new();
    for (setting, written) in all() {
        let Some(variable) = setting.variable else {
            continue;
        };
        names.insert(variable);
        let text = written.trim_matches('"').to_owned();
        let only = |name: &str| (name == variable).then(|| text.clone());
        let config = load(&paths, only, &Flags::default()).unwrap();
        assert_eq!(
            (setting.get)(&config),
            (setting.get)(&loaded(&file(setting.key, &written), "")),
            "{variable}"
        );
    }
    let expected = ["DEFAULT_NAME", "HOP_LIMIT", "MODE", "RELAY_URL", "ROOM", "TOKEN"];
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        expected.map(|name| format!("NEXSCOPE_{name}"))
    );
    for (key, wrong) in [
        ("MODE", "automatic"),
        ("HOP_LIMIT", "-1"),
        ("HOP_LIMIT", "many"),
        ("DEFAULT_NAME", "a b"),
    ] {
        let key = format!("NEXSCOPE_{key}");
        let only = |name: &str| (name == key).then(|| wrong.to_owned());
        let error = load(&paths, only, &Flags::default()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{key} must be ")) && error.contains(wrong),
            "{error}"
        );
    }
}
