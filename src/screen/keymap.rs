//! Which keys do what, and where: read from a file of `keymaps/`.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{action::Action, key::Key};

/// Where a key is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// In all of the others, unless they bind the key themselves.
    Anywhere,
    /// Writing a message.
    Composer,
    /// Among the messages.
    Timeline,
    /// In the list of what waits.
    Inbox,
    /// Among the people.
    People,
    /// An item, whole.
    Item,
    /// Writing a reason.
    Reason,
    /// The help.
    Help,
    /// The first screen.
    Setup,
}

impl Context {
    /// Its heading in help.
    pub fn heading(self) -> &'static str {
        match self {
            Context::Anywhere => "Anywhere",
            Context::Composer => "Writing",
            Context::Timeline => "Messages",
            Context::Inbox => "Inbox",
            Context::People => "People",
            Context::Item => "An item, whole",
            Context::Reason => "A reason",
            Context::Help => "Help",
            Context::Setup => "First screen",
        }
    }
}

/// Keys, one after the other, that do something somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Binding {
    context: Context,
    keys: Vec<Key>,
    action: Action,
}

/// All bindings.
#[derive(Debug, Clone, Default)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

/// What keys that were pressed mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// They do this.
    Action(Action),
    /// More keys must follow.
    Begins,
    /// Nothing.
    Nothing,
}

/// Keymaps that are built in.
const BUILT_IN: &[(&str, &str)] = &[("default", include_str!("../../keymaps/default.toml"))];

/// A keymap as it is written: contexts, and in each the keys with what they do, in the order of the lines.
type File = BTreeMap<Context, toml::Table>;

impl Keymap {
    /// The keymap of that name: the user's own in `dir`, else one that is built in. Fails with a sentence
    /// that names the file and what is wrong.
    pub fn load(name: &str, dir: &Path) -> Result<Self, String> {
        let (place, text) = super::bundled(name, dir, BUILT_IN, "keymap")?;
        Self::parse(&text).map_err(|what| format!("{place}: {what}"))
    }

    /// The built-in default.
    pub fn built_in() -> Self {
        // A test reads every bundled file.
        Self::parse(BUILT_IN[0].1).unwrap_or_default()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let contexts: File = toml::from_str(text).map_err(|error| super::toml_error(&error, text))?;
        let mut keymap = Self::default();
        for (context, bindings) in contexts {
            for (written, name) in bindings {
                let Some(name) = name.as_str().map(str::to_owned) else {
                    return Err(format!("\"{written}\" is bound to no name of an action"));
                };
                let keys = written
                    .split_whitespace()
                    .map(str::parse)
                    .collect::<Result<Vec<Key>, String>>()?;
                if keys.is_empty() {
                    return Err("an empty key is bound".into());
                }
                let action = Action::ALL.iter().find(|action| action.name() == name).ok_or_else(|| {
                    let nearest = Action::ALL.iter().map(|a| (strsim::damerau_levenshtein(a.name(), &name), a.name()));
                    let nearest = nearest.min().map_or("", |(_, nearest)| nearest);
                    format!("\"{written}\" is bound to \"{name}\", which is no action; did you mean \"{nearest}\"?")
                })?;
                keymap.add(Binding {
                    context,
                    keys,
                    action: *action,
                })?;
            }
        }
        Ok(keymap)
    }

    /// Adds a binding. Two collide where one's keys are the beginning of the other's.
    fn add(&mut self, new: Binding) -> Result<(), String> {
        let clash = self.bindings.iter().find(|old| {
            old.context == new.context && (old.keys.starts_with(&new.keys) || new.keys.starts_with(&old.keys))
        });
        if let Some(old) = clash {
            return Err(format!(
                "in [{}], {} ({}) and {} ({}) collide",
                new.context.heading().to_lowercase(),
                shown(&old.keys),
                old.action.name(),
                shown(&new.keys),
                new.action.name()
            ));
        }
        self.bindings.push(new);
        Ok(())
    }

    /// What keys that were pressed in a context mean there.
    pub fn find(&self, context: Context, pressed: &[Key]) -> Found {
        for context in [context, Context::Anywhere] {
            let here = || self.bindings.iter().filter(|binding| binding.context == context);
            if let Some(binding) = here().find(|binding| binding.keys == pressed) {
                return Found::Action(binding.action);
            }
            if here().any(|binding| binding.keys.starts_with(pressed)) {
                return Found::Begins;
            }
        }
        Found::Nothing
    }

    /// The keys for an action in a context, as a person reads them; none where it has none.
    pub fn hint(&self, context: Context, action: Action) -> Option<String> {
        let of = |context| {
            self.bindings
                .iter()
                .filter(move |b| b.context == context && b.action == action)
        };
        // The shortest way to say it, and letters before function keys.
        let best = of(context).chain(of(Context::Anywhere)).min_by_key(|binding| {
            (
                binding.context == Context::Anywhere && context != Context::Anywhere,
                binding.keys.len(),
            )
        });
        best.map(|binding| shown(&binding.keys))
    }

    /// All bindings of a context: the keys of each action together, in the order of the actions.
    pub fn list(&self, context: Context) -> Vec<(String, Action)> {
        let mut list: Vec<(String, Action)> = Vec::new();
        for action in Action::ALL {
            let keys: Vec<String> = self
                .bindings
                .iter()
                .filter(|binding| binding.context == context && binding.action == *action)
                .map(|binding| shown(&binding.keys))
                .collect();
            if !keys.is_empty() {
                list.push((keys.join(" "), *action));
            }
        }
        list
    }
}

fn shown(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(written: &str) -> Vec<Key> {
        written
            .split_whitespace()
            .map(|key| key.parse().unwrap())
            .collect()
    }

    #[test]
    fn bundled_keymaps_are_sound() {
        for (name, text) in BUILT_IN {
            Keymap::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
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
        let keymap = Keymap::built_in();
        for byte in b' '..=b'~' {
            let key = keys(
                if byte == b' ' {
                    "space".into()
                } else {
                    char::from(byte).to_string()
                }
                .as_str(),
            );
            for context in [Context::Composer, Context::Reason] {
                assert_eq!(
                    keymap.find(context, &key),
                    Found::Nothing,
                    "{context:?} {}",
                    char::from(byte)
                );
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        let table = [
            ("[composer]\n\"hyper-a\" = \"accept\"", "is no key"),
            ("[composer]\n\"alt-a\" = \"acept\"", "did you mean \"accept\"?"),
            ("[compser]\n\"alt-a\" = \"accept\"", "line 1"),
            (
                "[composer]\n\"ctrl-x\" = \"send\"\n\"ctrl-x ctrl-x\" = \"end-run\"",
                "collide",
            ),
            ("[composer]\n\"f2\" = \"send\"\n\"F2\" = \"accept\"", "collide"),
        ];
        for (text, expected) in table {
            let error = Keymap::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
