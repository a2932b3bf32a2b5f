//! Which keys do what, and where: read from a file of `keymaps/`.

#[cfg(test)]
mod tests;

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

/// The meaning of pressed keys.
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
        Self::layered(name, &mut Chain::new("keymap", Some(dir), BUILT_IN))
    }

    pub fn built_in() -> Self {
        let mut chain = Chain::new("keymap", None, BUILT_IN);
        Self::layered(BUILT_IN[0].0, &mut chain).expect("it is part of the program, and a test reads it")
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

    /// The meaning of pressed keys in a context.
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
