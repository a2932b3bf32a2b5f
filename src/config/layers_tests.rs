//! Layers: later ones win, within what each may set.

use std::time::Duration;

use super::*;
use crate::{
    config::{Agent, schema::table::Times},
    core::Review,
};

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
        (
            config.name.as_deref(),
            config.room.as_str(),
            config.limits.hop_limit
        ),
        (Some("dan"), "b", 5)
    );
}

#[test]
fn a_project_may_only_tighten() {
    let project = "mode = \"auto\"\nshare_partial = true\nhop_limit = 9\nrelay = \"ws://evil/ws\"\ntoken = \"x\"\n[agents.x]\nkind = \"claude\"";
    let config = loaded(
        "hop_limit = 2\nrelay = \"ws://good/ws\"\ntoken = \"secret\"",
        project,
        &[],
        Flags::default(),
    )
    .unwrap();
    assert_eq!((config.mode, config.limits.hop_limit), (Mode::Manual, 2));
    assert_eq!(config.relay.unwrap().host, "good");
    assert_eq!(config.token, Some(Token("secret".into()).into()));
    assert!(config.agents.is_empty() && !config.share_partial);
    let own = loaded("share_partial = true", "", &[], Flags::default()).unwrap();
    let tighter = loaded(
        "share_partial = true",
        "share_partial = false",
        &[],
        Flags::default(),
    );
    assert!(own.share_partial && !tighter.unwrap().share_partial);
    assert!(
        config
            .warnings
            .iter()
            .any(|warning| warning.contains("relay, token, mode, hop_limit, share_partial, agents")),
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
    assert_eq!(config.token, Some(Token("t2".into()).into()));
    let bound = [("NEXSCOPE_TOKEN", "t2"), ("NEXSCOPE_RELAY_URL", "ws://third/ws")];
    assert_eq!(loaded(user, "", &bound, elsewhere).unwrap().token, None);
    let variables = [("NEXSCOPE_RELAY_URL", "ws://third/ws"), ("NEXSCOPE_TOKEN", "t3")];
    assert_eq!(
        loaded(user, "", &variables, Flags::default()).unwrap().token,
        Some(Token("t3".into()).into())
    );
}

#[test]
fn wrong_values_are_named() {
    let table = [
        ("\nname = \"a b\"", ", line 2: ", "not \"a b\""),
        ("room = \"all\"", ", line 1: ", "not \"all\""),
        ("\n\nagent = \"x\"", ", line 3: ", "names no [agents.NAME]"),
        (
            "name = \"a\"\nrelay = \"http://x\"",
            ", line 2: ",
            "ws://HOST:PORT/ws",
        ),
        (
            "name = \"a\"\nhost = \"here\"",
            ", line 2: ",
            "must be an address",
        ),
        ("[files]\n\nmax = \"much\"", ", line 3: ", "must be a size"),
        (
            "[agents.\"a b\"]\nkind = \"codex\"",
            ", line 1: ",
            "the agent's name",
        ),
        (
            "[agents.x]\nkind = \"claude\"\nbudget_usd_per_day = nan",
            ", line 3: ",
            "must be an amount",
        ),
        ("token = \"a\"\ntoken_file = \"b\"", ": ", "one of token"),
    ];
    for (user, line, expected) in table {
        let error = loaded(user, "", &[], Flags::default()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("config.toml{line}")) && error.contains(expected),
            "{error}"
        );
    }
    for (name, value) in [("NEXSCOPE_ROOM", "a b"), ("NEXSCOPE_RELAY_URL", "http://x")] {
        let error = loaded("", "", &[(name, value)], Flags::default()).unwrap_err();
        assert!(error.to_string().contains(value), "{error}");
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

#[test]
fn a_trusted_project_sets_all_until_it_changes() {
    let project = "relay = \"ws://team/ws\"\ntoken = \"theirs\"\n[agents.x]\nkind = \"claude\"\n";
    let world = world(
        "relay = \"ws://good/ws\"\ntoken = \"secret\"\n[agents.mine]\nkind = \"codex\"",
        project,
    );
    let load = || load(&world.paths, |_| None, &Flags::default()).unwrap();
    let untrusted = load().untrusted.unwrap();
    assert_eq!(untrusted.keys, ["relay", "token", "agents"]);
    // All of the file is read before it is trusted: what is left out could hide something else.
    assert_eq!(untrusted.text.join("\n"), project);

    untrusted.trust().unwrap();
    let config = load();
    assert!(config.untrusted.is_none());
    assert!(!config.warnings.iter().any(|warning| warning.contains("ignored")));
    assert_eq!(config.relay.unwrap().host, "team");
    assert_eq!(config.token, Some(Token("theirs".into()).into()));
    assert_eq!(config.agents.keys().collect::<Vec<_>>(), ["mine", "x"]);

    fs::write(world.paths.project_file(), project.replace("claude", "command")).unwrap();
    let config = load();
    assert_eq!(
        config.relay.unwrap().host,
        "good",
        "what has changed is asked for again"
    );
    config.untrusted.unwrap().trust().unwrap();
    assert_eq!(load().relay.unwrap().host, "team");
    // An earlier content must be trusted again, too.
    fs::write(world.paths.project_file(), project).unwrap();
    assert!(load().untrusted.is_some());
}

#[test]
fn the_plugins_settings_are_found_where_they_are_whole() {
    let world = world("", "");
    let file = world.paths.here.join(".claude/plugin-data/nexscope/config.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let table = [
        (
            r#"{"relayUrl":"ws://relay.example:8080/ws","token":"t","defaultName":"ann","mode":"auto","hopLimit":2,"peerIndexMap":{}}"#,
            Some((Some("ann"), Some(2), true)),
        ),
        (
            r#"{"relayUrl":"wss://relay.example/ws","token":"t","mode":"manual"}"#,
            Some((None, None, false)),
        ),
        (
            r#"{"relayUrl":"ws://h/ws","token":"t","defaultName":"../x","mode":7}"#,
            Some((None, None, false)),
        ),
        (r#"{"relayUrl":"REPLACE_ME","token":"REPLACE_ME"}"#, None),
        (r#"{"relayUrl":"ftp://h","token":"t"}"#, None),
        (r#"{"relayUrl":"ws://h/ws","token":""}"#, None),
        ("[]", None),
        ("no json", None),
    ];
    for (text, expected) in table {
        fs::write(&file, text).unwrap();
        let found = crate::config::plugin(&world.paths);
        let found = found
            .as_ref()
            .map(|plugin| (plugin.name.as_deref(), plugin.hop_limit, plugin.is_auto));
        assert_eq!(found, expected, "{text}");
    }
}

/// Issue 16, 38: the placeholder was sent to the relay, which called it a wrong token.
#[test]
fn a_placeholder_is_no_token_and_no_relay() {
    let user = "relay = \"ws://relay.example/ws\"\ntoken = \"mine\"";
    let unset = "token = \"REPLACE_ME\"\nrelay = \"ws://relay.example/ws\"";
    let relay = Flags {
        relay: Some("ws://other.example/ws".into()),
        ..Flags::default()
    };
    let of_variables: &[(&str, &str)] = &[
        ("NEXSCOPE_RELAY_URL", "REPLACE_ME"),
        ("NEXSCOPE_TOKEN", "REPLACE_ME"),
    ];
    for (user, variables, flags, token, warnings) in [
        (user, of_variables, Flags::default(), Some("mine"), 2),
        (unset, &[], Flags::default(), None, 1),
        ("", &of_variables[1..], relay, None, 1),
    ] {
        let config = loaded(user, "", variables, flags).unwrap();
        let found = config.token.map(|token| token.get().unwrap().0);
        assert_eq!(found.as_deref(), token, "{user}");
        let told = config
            .warnings
            .iter()
            .filter(|told| told.contains("is REPLACE_ME"));
        assert_eq!(told.count(), warnings, "{:?}", config.warnings);
    }
}

#[test]
fn tools_in_auto_mode_and_times_are_the_users_own_to_set() {
    let user = "auto_tools = true\nexpire = \"2h\"\npermission_expire = \"5m\"\ngive_up = \"1d\"";
    let config = loaded(user, "", &[], Flags::default()).unwrap();
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let times = Times {
        expire: minutes(120),
        permission_expire: minutes(5),
        give_up: minutes(1440),
    };
    assert_eq!((config.auto_tools, config.times), (true, times));
    let agent = Agent::from_toml("kind = \"claude\"\npermissions = \"allow\"");
    let may = |tools| agent.clone().unattended(tools).may_do();
    assert_eq!(
        (may(false), may(true)),
        ("asks you first", "may change files and run commands")
    );
    // A project's file may take tools away, and neither give them nor change a time.
    let config = loaded(user, "auto_tools = false", &[], Flags::default()).unwrap();
    assert!(!config.auto_tools);
    let project = "auto_tools = true\nexpire = \"9d\"";
    let config = loaded("", project, &[], Flags::default()).unwrap();
    assert_eq!((config.auto_tools, config.times), (false, Config::new().times));
    assert_eq!(config.untrusted.unwrap().keys, ["auto_tools", "expire"]);
}

#[test]
fn what_is_looser_in_a_project_is_named_in_the_warning() {
    let user = "hop_limit = 3\nreview = \"always\"\n[files]\nmax = \"1 MB\"\nauto_accept_below = \"1 KB\"";
    let looser = "hop_limit = 9\nreview = \"flagged\"\n[files]\nmax = \"2 MB\"\nauto_accept_below = \"2 KB\"";
    let config = loaded(user, looser, &[], Flags::default()).unwrap();
    let ignored = config.untrusted.unwrap().keys;
    assert_eq!(
        ignored,
        ["hop_limit", "review", "files.auto_accept_below", "files.max"]
    );
    assert_eq!((config.limits.hop_limit, config.review), (3, Review::Always));
    let same = loaded(user, user, &[], Flags::default()).unwrap();
    assert!(same.untrusted.is_none() && same.warnings.is_empty());
}

#[test]
fn a_token_file_that_others_can_read_is_a_warning_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    fs::write(&file, "secret\n").unwrap();
    let user = format!("token_file = {file:?}");
    for (mode, warns) in [(0o644, true), (0o600, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let config = loaded(&user, "", &[], Flags::default()).unwrap();
        assert_eq!(config.token, Some(Token("secret".into()).into()));
        let warned = config
            .warnings
            .iter()
            .any(|warning| warning.contains("chmod 600"));
        assert_eq!(warned, warns, "{mode:o}");
    }
}

#[test]
fn reading_settings_runs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ran = dir.path().join("ran");
    let user = format!("token_command = [\"touch\", {ran:?}]");
    let config = loaded(&user, "", &[], Flags::default()).unwrap();
    assert!(!ran.exists());
    assert!(config.token.unwrap().get().is_err(), "it prints no token");
    assert!(ran.exists());
    let failing = TokenSource::Command(vec!["false".into()]);
    assert!(
        failing
            .get()
            .unwrap_err()
            .to_string()
            .contains("token_command failed")
    );
}

#[test]
fn a_folder_does_not_say_which_key_decides() {
    let project = "[ui]\nkeyboard = true\nkeymap = \"emacs\"\ntheme = \"light\"\n";
    let config = loaded("", project, &[], Flags::default()).unwrap();
    assert_eq!(
        (config.terminal.keyboard, config.keymap.as_str()),
        (None, "default")
    );
    assert_eq!(config.theme, "light");
    assert_eq!(config.untrusted.unwrap().keys, ["ui.keymap", "ui.keyboard"]);
    // A safer value holds.
    let config = loaded("", "[ui]\nkeyboard = false\n", &[], Flags::default()).unwrap();
    assert_eq!(config.terminal.keyboard, Some(false));
    assert!(config.untrusted.is_none());
}
