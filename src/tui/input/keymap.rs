//! Which keys do what, and where: read from a file of `keymaps/`.

use std::{fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use toml::Spanned;

use super::{action::Action, key::Key};
use crate::tui::actions::reload::Chain;

/// Where a key is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// In all of the others, unless they bind the key themselves.
    Anywhere,
    Composer,
    /// Where one would write, with keys that are commands; only in modal keymaps.
    Normal,
    Timeline,
    /// In the list of what waits.
    Inbox,
    Files,
    People,
    Item,
    Reason,
    /// Writing what is looked for.
    Search,
    /// Choosing among all that can be done.
    Palette,
    Help,
    Setup,
}

impl Context {
    /// Whether letters do something here instead of being written.
    pub fn is_a_list(self) -> bool {
        matches!(
            self,
            Context::Timeline
                | Context::Inbox
                | Context::Files
                | Context::People
                | Context::Item
                | Context::Help
        )
    }

    pub fn heading(self) -> &'static str {
        match self {
            Context::Anywhere => "Anywhere",
            Context::Composer => "Writing",
            Context::Normal => "Not writing",
            Context::Timeline => "Messages",
            Context::Inbox => "Inbox",
            Context::Files => "Files",
            Context::People => "People",
            Context::Item => "Open item",
            Context::Reason => "A reason",
            Context::Search => "Searching",
            Context::Palette => "Command palette",
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

#[derive(Debug, Clone, Default)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

/// What keys that were pressed mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Action(Action),
    Begins,
    Nothing,
}

/// Keymaps that are built in.
const BUILT_IN: &[(&str, &str)] = &[
    ("default", include_str!("../../../keymaps/default.toml")),
    ("vim", include_str!("../../../keymaps/vim.toml")),
    ("emacs", include_str!("../../../keymaps/emacs.toml")),
];

/// The name that takes a binding away.
const NONE: &str = "none";

/// A keymap as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    /// The keymap that this one changes.
    inherits: Option<Spanned<String>>,
    anywhere: Lines,
    composer: Lines,
    normal: Lines,
    timeline: Lines,
    inbox: Lines,
    files: Lines,
    people: Lines,
    item: Lines,
    reason: Lines,
    search: Lines,
    palette: Lines,
    help: Lines,
    setup: Lines,
}

/// Keys and what they do, in the order of the lines, with their places in the file.
#[derive(Default)]
struct Lines(Vec<(Spanned<String>, Spanned<String>)>);

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Lines;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("keys and what they do")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Lines, M::Error> {
                let mut lines = Vec::new();
                while let Some(line) = map.next_entry()? {
                    lines.push(line);
                }
                Ok(Lines(lines))
            }
        }
        from.deserialize_map(InOrder)
    }
}

impl File {
    fn contexts(self) -> [(Context, Lines); 13] {
        [
            (Context::Anywhere, self.anywhere),
            (Context::Composer, self.composer),
            (Context::Normal, self.normal),
            (Context::Timeline, self.timeline),
            (Context::Inbox, self.inbox),
            (Context::Files, self.files),
            (Context::People, self.people),
            (Context::Item, self.item),
            (Context::Reason, self.reason),
            (Context::Search, self.search),
            (Context::Palette, self.palette),
            (Context::Help, self.help),
            (Context::Setup, self.setup),
        ]
    }
}

impl Keymap {
    /// The keymap of that name: the user's own in `dir`, else one that is built in. Fails with a sentence
    /// that names file and line, and what is wrong.
    pub fn load(name: &str, dir: &Path) -> Result<Self, String> {
        Self::layered(name, &mut Chain::new("keymap", dir, BUILT_IN))
    }

    pub fn built_in() -> Self {
        Self::load(BUILT_IN[0].0, Path::new("")).expect("a test reads every bundled file")
    }

    /// Whether one writes only after a key that begins it, as in vi.
    pub fn is_modal(&self) -> bool {
        self.bindings
            .iter()
            .any(|binding| binding.context == Context::Normal)
    }

    /// Reads a file, and first the one that it inherits.
    fn layered(name: &str, chain: &mut Chain) -> Result<Self, String> {
        let (place, text) = chain.read(name)?;
        let wrong = |what: String| format!("{place}, {what}");
        let file: File = toml::from_str(&text)
            .map_err(|error| wrong(crate::tui::actions::reload::toml_error(&error, &text)))?;
        let mut keymap = match &file.inherits {
            Some(parent) => {
                chain.inherits(&place, &text, parent);
                Self::layered(parent.get_ref(), chain)?
            }
            None => Self::default(),
        };
        keymap.add_file(file, &text).map_err(wrong)?;
        Ok(keymap)
    }

    fn add_file(&mut self, file: File, text: &str) -> Result<(), String> {
        let mut own = Self::default();
        for (context, lines) in file.contexts() {
            for (written, name) in lines.0 {
                let line = crate::tui::actions::reload::line_at(text, name.span().start);
                let wrong = |what: String| format!("line {line}: {what}");
                let keys = written.get_ref().split_whitespace().map(str::parse);
                let keys: Vec<Key> = keys.collect::<Result<_, String>>().map_err(wrong)?;
                if keys.is_empty() {
                    return Err(wrong("an empty key is bound".into()));
                }
                // What is inherited gives way.
                self.bindings
                    .retain(|old| old.context != context || !collide(&old.keys, &keys));
                if name.get_ref() != NONE {
                    let action = action(written.get_ref(), name.get_ref()).map_err(wrong)?;
                    own.add(Binding {
                        context,
                        keys,
                        action,
                    })
                    .map_err(wrong)?;
                }
            }
        }
        self.bindings.extend(own.bindings);
        Ok(())
    }

    /// The bindings that decide, as a file would have them: which key does what, and where.
    pub fn deciding(&self) -> Vec<String> {
        let decides = |action: Action| {
            action.decides() || matches!(action, Action::Send | Action::HandOver | Action::TakeSettings)
        };
        let deciding = self.bindings.iter().filter(|binding| decides(binding.action));
        let mut lines: Vec<String> = deciding
            .map(|binding| {
                let place = format!("{:?}", binding.context).to_lowercase();
                format!("[{place}] {} = {}", shown(&binding.keys), binding.action.name())
            })
            .collect();
        lines.sort();
        lines
    }

    /// Adds a binding. Two collide where one's keys are the beginning of the other's.
    fn add(&mut self, new: Binding) -> Result<(), String> {
        let types = new.keys.first().is_some_and(|key| key.typed().is_some());
        if types && new.action.decides() && !new.context.is_a_list() {
            return Err(format!(
                "{} ({}): a key that types a character cannot decide while you write",
                shown(&new.keys),
                new.action.name()
            ));
        }
        let here = |old: &&Binding| old.context == new.context && collide(&old.keys, &new.keys);
        if let Some(old) = self.bindings.iter().find(here) {
            return Err(format!(
                "{} ({}) and {} ({}) collide",
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

    /// The keys that go on from those that were pressed, and what each leads to.
    pub fn continuations(&self, context: Context, pressed: &[Key]) -> Vec<(String, Action)> {
        let begun = |context| {
            self.bindings.iter().filter(move |binding| {
                binding.context == context
                    && binding.keys.len() > pressed.len()
                    && binding.keys.starts_with(pressed)
            })
        };
        let rest = |binding: &Binding| (shown(&binding.keys[pressed.len()..]), binding.action);
        begun(context).chain(begun(Context::Anywhere)).map(rest).collect()
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

/// Two bindings of one context cannot both hold.
fn collide(some: &[Key], others: &[Key]) -> bool {
    some.starts_with(others) || others.starts_with(some)
}

fn action(written: &str, name: &str) -> Result<Action, String> {
    Action::ALL
        .iter()
        .find(|action| action.name() == name)
        .copied()
        .ok_or_else(|| {
            let known = Action::ALL.iter().map(|action| action.name());
            let nearest = crate::text::nearest(name, known).unwrap_or_default();
            format!("\"{written}\" is bound to \"{name}\", which is no action; did you mean \"{nearest}\"?")
        })
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

    fn parse(text: &str) -> Result<Keymap, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("own.toml"), text).unwrap();
        Keymap::load("own", dir.path())
            .map_err(|error| error.split(", ").skip(1).collect::<Vec<_>>().join(", "))
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
}
