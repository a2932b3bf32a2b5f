//! All that can be done, found by a few letters of it.

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};

use super::composer::Composer;
use crate::{
    command::COMMANDS,
    tui::input::{
        action::Action,
        keymap::{Context, Keymap},
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Action(Action),
    /// A word, by its place among them.
    Command(usize),
}

/// One line of the palette.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its effect, in words.
    pub does: String,
    /// Its keys as they are bound now; none where it has none.
    pub key: Option<String>,
    pub choice: Choice,
}

pub struct Palette {
    pub field: Composer,
    /// Where one was when it was opened: what is chosen is done there.
    pub context: Context,
    entries: Vec<Entry>,
    /// Those that match, best first.
    shown: Vec<usize>,
    at: usize,
}

impl Palette {
    /// Opens it on everything that makes sense where one is.
    pub fn new(context: Context, keymap: &Keymap) -> Self {
        let key = |action| {
            let contexts = [context, Context::Timeline, Context::Inbox, Context::Composer];
            contexts
                .into_iter()
                .find_map(|context| keymap.hint(context, action))
        };
        let actions = Action::ALL.iter().filter(|action| action.is_for_the_palette());
        let actions = actions.map(|action| Entry {
            does: action.does().to_owned(),
            key: key(*action),
            choice: Choice::Action(*action),
        });
        let words = COMMANDS.iter().enumerate().map(|(at, command)| Entry {
            does: format!("/{} {} · {}", command.name, command.arguments, command.summary),
            key: None,
            choice: Choice::Command(at),
        });
        let entries: Vec<Entry> = actions.chain(words).collect();
        let mut palette = Self {
            field: Composer::default(),
            context,
            entries,
            shown: Vec::new(),
            at: 0,
        };
        palette.find();
        palette
    }

    /// Finds what matches what is written now.
    pub fn find(&mut self) {
        let pattern = Pattern::parse(&self.field.text(), CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut letters = Vec::new();
        let mut scored: Vec<(u32, usize)> = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| {
                let text = Utf32Str::new(&entry.does, &mut letters);
                Some((pattern.score(text, &mut matcher)?, at))
            })
            .collect();
        scored.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
        self.shown = scored.into_iter().map(|(_, at)| at).collect();
        self.at = 0;
    }

    pub fn shown(&self) -> impl Iterator<Item = &Entry> {
        self.shown.iter().map(|at| &self.entries[*at])
    }

    /// Which of them is at hand.
    pub fn at(&self) -> usize {
        self.at
    }

    pub fn turn(&mut self, by: isize) {
        let last = self.shown.len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(by).min(last);
    }

    pub fn chosen(&self) -> Option<Choice> {
        self.shown().nth(self.at).map(|entry| entry.choice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_letters_find_it_with_its_key() {
        let mut palette = Palette::new(Context::Composer, &Keymap::built_in());
        let all = palette.shown().count();
        for (written, expected) in [
            ("mouse", Choice::Action(Action::Mouse)),
            ("hlp", Choice::Action(Action::Help)),
        ] {
            palette.field.set(written);
            palette.find();
            assert_eq!(palette.chosen(), Some(expected), "{written}");
            assert!(palette.shown().count() < all);
        }
        assert!(palette.shown().next().unwrap().key.is_some());
        palette.field.set("/who");
        palette.find();
        let Some(Choice::Command(at)) = palette.chosen() else {
            panic!()
        };
        assert_eq!(COMMANDS[at].name, "who");
        palette.field.set("qqqqqq");
        palette.find();
        assert_eq!(palette.chosen(), None);
    }
}
