//! What each layer may set, and what wins.

use super::*;

struct World {
    _dir: tempfile::TempDir,
    paths: Paths,
}

fn world(user: &str, project: &str) -> World {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths {
        config: dir.path().join("config"),
        state: dir.path().join("state"),
        here: dir.path().join("here"),
        runtime: None,
    };
    for (path, text) in [(paths.user_file(), user), (paths.project_file(), project)] {
        if !text.is_empty() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
    }
    World { _dir: dir, paths }
}

fn loaded(
    user: &str,
    project: &str,
    variables: &[(&str, &str)],
    flags: Flags,
) -> Result<Config, ConfigError> {
    let world = world(user, project);
    let variable = |name: &str| {
        variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    };
    load(&world.paths, variable, &flags)
}

#[test]
fn later_layers_win() {
    let flags = Flags {
        name: Some("dan".into()),
        ..Flags::default()
    };
    let user = "name = \"alice\"\nroom = \"a\"\nhop_limit = 5";
    let config = loaded(
        user,
        "name = \"bob\"\nroom = \"b\"",
        &[("NEXSCOPE_DEFAULT_NAME", "carol")],
        flags,
    )
    .unwrap();
    assert_eq!(
        (config.name.as_deref(), config.room.as_str(), config.hop_limit),
        (Some("dan"), "b", 5)
    );
}

#[test]
fn a_project_may_only_tighten() {
    let project = "mode = \"auto\"\nhop_limit = 9\nrelay = \"ws://evil/ws\"\ntoken = \"x\"\n[agents.x]\nkind = \"claude\"";
    let config = loaded(
        "hop_limit = 2\nrelay = \"ws://good/ws\"\ntoken = \"secret\"",
        project,
        &[],
        Flags::default(),
    )
    .unwrap();
    assert_eq!((config.mode, config.hop_limit), (Mode::Manual, 2));
    assert_eq!(config.relay.unwrap().host, "good");
    assert_eq!(config.token, Some(Token("secret".into())));
    assert!(config.agents.is_empty());
    assert!(
        config
            .warnings
            .iter()
            .any(|warning| warning.contains("relay, token, mode, agents")),
        "{:?}",
        config.warnings
    );
}

#[test]
fn a_token_stays_with_its_relay() {
    let user = "relay = \"ws://good/ws\"\ntoken = \"secret\"";
    let elsewhere = Flags {
        relay: Some("ws://other/ws".into()),
        ..Flags::default()
    };
    assert_eq!(loaded(user, "", &[], elsewhere).unwrap().token, None);
    let same = Flags {
        relay: Some("ws://good/ws".into()),
        ..Flags::default()
    };
    assert!(loaded(user, "", &[], same).unwrap().token.is_some());
    let elsewhere = Flags {
        relay: Some("ws://other/ws".into()),
        ..Flags::default()
    };
    let alone = [("NEXSCOPE_TOKEN", "t2")];
    let config = loaded(user, "", &alone, elsewhere.clone()).unwrap();
    assert_eq!(config.token, Some(Token("t2".into())));
    let bound = [("NEXSCOPE_TOKEN", "t2"), ("NEXSCOPE_RELAY_URL", "ws://third/ws")];
    assert_eq!(loaded(user, "", &bound, elsewhere).unwrap().token, None);
    let variables = [("NEXSCOPE_RELAY_URL", "ws://third/ws"), ("NEXSCOPE_TOKEN", "t3")];
    assert_eq!(
        loaded(user, "", &variables, Flags::default()).unwrap().token,
        Some(Token("t3".into()))
    );
}

#[test]
fn wrong_values_are_named() {
    let table = [
        ("name = \"a b\"", "\"a b\" cannot be used"),
        ("room = \"all\"", "\"all\" cannot be used"),
        ("agent = \"x\"", "names no [agents.NAME]"),
        ("relay = \"http://x\"", "ws://HOST:PORT/ws"),
        ("token = \"a\"\ntoken_file = \"b\"", "one of token"),
    ];
    for (user, expected) in table {
        let error = loaded(user, "", &[], Flags::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_file_with_a_token_that_others_can_read_is_a_warning() {
    let config = loaded(
        "relay = \"ws://h/ws\"\ntoken = \"secret\"",
        "",
        &[],
        Flags::default(),
    )
    .unwrap();
    assert!(config.warnings[0].contains("chmod 600"));
    assert!(!format!("{config:?}").contains("secret"));
}
