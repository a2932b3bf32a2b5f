use super::*;

fn keys(written: &str) -> Vec<Key> {
    written
        .split_whitespace()
        .map(|key| key.parse().unwrap())
        .collect()
}

fn parse(text: &str) -> Result<Keymap, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("own.toml"), text).unwrap();
    Keymap::load("own", dir.path()).map_err(|error| error.split(", ").skip(1).collect::<Vec<_>>().join(", "))
}

fn bundled(name: &str) -> Keymap {
    Keymap::load(name, Path::new("")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn bundled_keymaps_are_sound_and_reach_what_matters() {
    use Action::*;
    let contexts = [
        Context::Anywhere,
        Context::Composer,
        Context::Normal,
        Context::Inbox,
        Context::Item,
        Context::Timeline,
    ];
    for (name, _) in BUILT_IN {
        let keymap = bundled(name);
        for action in [
            Accept, Reject, Grant, Edit, Later, Open, EndRun, Help, Leave, Send, NewLine, HandOver, Retry,
        ] {
            assert!(
                contexts
                    .iter()
                    .any(|context| keymap.hint(*context, action).is_some()),
                "{name}: {action:?}"
            );
        }
    }
}

#[test]
fn every_action_has_a_key_or_is_in_the_palette() {
    for (name, _) in BUILT_IN {
        let keymap = bundled(name);
        let bound = |action| keymap.bindings.iter().any(|binding| binding.action == action);
        assert!(bound(Action::Palette), "{name} has no key for the palette");
        for action in Action::ALL {
            // What only a modal keymap has stays with it.
            let modal = matches!(action, Action::Write | Action::WriteBehind | Action::StopWriting);
            assert!(
                bound(*action) || action.is_for_the_palette() || modal && !keymap.is_modal(),
                "{name}: {}",
                action.name()
            );
        }
    }
}

#[test]
fn no_alt_letter_decides_in_vim() {
    let vim = bundled("vim");
    assert!(vim.is_modal() && !bundled("emacs").is_modal());
    for binding in &vim.bindings {
        let decides = matches!(
            binding.action,
            Action::Accept | Action::Reject | Action::Grant | Action::AcceptReview
        );
        assert!(
            !(decides && binding.keys.iter().any(Key::has_alt)),
            "{}",
            shown(&binding.keys)
        );
    }
}

#[test]
fn a_file_inherits_changes_and_unbinds() {
    let own = parse("inherits = \"default\"\n[composer]\nenter = \"new-line\"\nalt-enter = \"send\"\nctrl-x = \"send\"\n[anywhere]\nF1 = \"none\"").unwrap();
    assert_eq!(
        own.find(Context::Composer, &keys("enter")),
        Found::Action(Action::NewLine)
    );
    assert_eq!(
        own.find(Context::Composer, &keys("ctrl-x")),
        Found::Action(Action::Send)
    );
    assert_eq!(own.find(Context::Composer, &keys("f1")), Found::Nothing);
    assert_eq!(
        own.find(Context::Composer, &keys("f2")),
        Found::Action(Action::Accept)
    );
}

#[test]
fn a_circle_ends_and_ones_own_default_may_change_the_built_in() {
    let dir = tempfile::tempdir().unwrap();
    for (name, parent) in [("a", "b"), ("b", "a"), ("default", "default")] {
        std::fs::write(
            dir.path().join(format!("{name}.toml")),
            format!("inherits = \"{parent}\""),
        )
        .unwrap();
    }
    assert!(Keymap::load("a", dir.path()).is_err());
    assert!(!Keymap::load("default", dir.path()).unwrap().bindings.is_empty());
}

#[test]
fn the_documented_keys() {
    use Action::*;
    use Context::{Composer, Timeline};
    let table = [
        (Composer, "alt-a", Accept),
        (Composer, "f2", Accept),
        (Context::Inbox, "f3", Reject),
        (Timeline, "alt-r", Reject),
        (Composer, "alt-i", Action::Inbox),
        (Composer, "f4", Action::Inbox),
        (Composer, "f1", Action::Help),
        (Composer, "pageup", PageUp),
        (Composer, "home", Top),
        (Composer, "end", Bottom),
        (Composer, "ctrl-c", Leave),
        (Composer, "enter", Send),
        (Composer, "alt-enter", NewLine),
        (Composer, "ctrl-j", NewLine),
        (Composer, "tab", NextPane),
        (Composer, "ctrl-x ctrl-x", EndRun),
        (Composer, "alt-m", Mouse),
        (Context::Inbox, "a", Accept),
        (Context::Inbox, "r", Reject),
        (Context::Inbox, "z", Later),
        (Context::Inbox, "R", Retry),
        (Context::Inbox, "enter", Open),
        (Timeline, "h", HandOver),
        (Timeline, "R", Retry),
    ];
    let keymap = Keymap::built_in();
    for (context, written, action) in table {
        assert_eq!(
            keymap.find(context, &keys(written)),
            Found::Action(action),
            "{context:?} {written}"
        );
    }
    assert_eq!(keymap.find(Composer, &keys("ctrl-x")), Found::Begins);
    assert_eq!(keymap.find(Composer, &keys("a")), Found::Nothing);
    assert_eq!(keymap.hint(Composer, Accept).as_deref(), Some("Alt-a"));
    assert_eq!(keymap.hint(Context::Inbox, Accept).as_deref(), Some("a"));
}

#[test]
fn no_character_decides_while_one_writes() {
    for (name, _) in BUILT_IN {
        let keymap = bundled(name);
        for byte in b' '..=b'~' {
            let written = if byte == b' ' {
                "space".into()
            } else {
                char::from(byte).to_string()
            };
            for context in [Context::Composer, Context::Reason] {
                let found = keymap.find(context, &keys(&written));
                assert_eq!(found, Found::Nothing, "{name} {context:?} {written}");
            }
            let found = keymap.find(Context::Normal, &keys(&written));
            let decides = matches!(
                found,
                Found::Action(Action::Accept | Action::Reject | Action::Grant)
            );
            assert!(!decides, "{name} {written}");
        }
    }
}

#[test]
fn mistakes_are_named() {
    let table = [
        ("[composer]\n\"hyper-a\" = \"accept\"", "is not a key"),
        ("[composer]\n\"alt-a\" = \"acept\"", "did you mean \"accept\"?"),
        (
            "[compser]\n\"alt-a\" = \"accept\"",
            "line 1: there is no setting `compser`; did you mean `composer`?",
        ),
        ("[composer]\n\n\"alt-a\" = \"acept\"", "line 3"),
        (
            "[composer]\n\"ctrl-x\" = \"send\"\n\"ctrl-x ctrl-x\" = \"end-run\"",
            "collide",
        ),
        ("[composer]\n\"f2\" = \"send\"\n\"F2\" = \"accept\"", "collide"),
        ("[composer]\ne = \"accept\"", "cannot decide while you write"),
        (
            "[anywhere]\n\"g a\" = \"accept\"",
            "cannot decide while you write",
        ),
    ];
    for (text, expected) in table {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
