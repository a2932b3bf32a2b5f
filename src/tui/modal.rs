//! The modals over the messages and the composer, as a stack: the top one has the keys, and Esc closes it.

use std::time::Instant;

use ratatui::text::Line;

use super::{composer::Composer, input::keymap::Context, palette::Palette};
use crate::core::{Intent, Item, ItemId, Room, Shown};

pub enum Modal {
    Item(ItemView),
    Text(TextView),
    Prompt(InputPrompt),
    /// The field with the words to search for.
    Search(Composer),
    Palette(Palette),
}

/// The places in the stack, from the bottom up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    /// Covers the messages: an item or a text, never both.
    Cover,
    Prompt,
    Search,
    Palette,
}

impl Modal {
    fn layer(&self) -> Layer {
        match self {
            Modal::Item(_) | Modal::Text(_) => Layer::Cover,
            Modal::Prompt(_) => Layer::Prompt,
            Modal::Search(_) => Layer::Search,
            Modal::Palette(_) => Layer::Palette,
        }
    }

    fn context(&self) -> Context {
        match self {
            Modal::Item(_) => Context::Item,
            Modal::Text(_) => Context::Help,
            Modal::Prompt(_) => Context::Reason,
            Modal::Search(_) => Context::Search,
            Modal::Palette(_) => Context::Palette,
        }
    }
}

/// The open modals, at most one in each layer, in the order of their layers.
///
/// The order does not depend on which was opened first: a decision takes effect a moment after its key, so its prompt
/// can open after the palette, and must not take letters from it.
#[derive(Default)]
pub struct Modals(Vec<Modal>);

impl Modals {
    /// The modal that has the keys.
    pub fn top(&self) -> Option<&Modal> {
        self.0.last()
    }

    /// The context of the keys; none where no modal is open.
    pub fn context(&self) -> Option<Context> {
        self.top().map(Modal::context)
    }

    /// The field that a typed character goes into.
    pub fn field(&self) -> Option<&Composer> {
        match self.top()? {
            Modal::Palette(palette) => Some(&palette.field),
            Modal::Search(field) => Some(field),
            Modal::Prompt(prompt) => Some(&prompt.field),
            Modal::Item(_) | Modal::Text(_) => None,
        }
    }

    pub fn field_mut(&mut self) -> Option<&mut Composer> {
        match self.0.last_mut()? {
            Modal::Palette(palette) => Some(&mut palette.field),
            Modal::Search(field) => Some(field),
            Modal::Prompt(prompt) => Some(&mut prompt.field),
            Modal::Item(_) | Modal::Text(_) => None,
        }
    }

    /// Opens a modal in its layer, in the place of the one that is there.
    pub fn open(&mut self, modal: Modal) {
        let layer = modal.layer();
        self.0.retain(|open| open.layer() != layer);
        let at = self.0.partition_point(|open| open.layer() < layer);
        self.0.insert(at, modal);
    }

    /// Closes the top modal.
    pub fn close(&mut self) -> Option<Modal> {
        self.0.pop()
    }

    /// Closes the item or the text.
    pub fn uncover(&mut self) {
        self.0.retain(|open| open.layer() != Layer::Cover);
    }

    /// Whether an item or a text covers the messages.
    pub fn is_covered(&self) -> bool {
        self.0.first().is_some_and(|open| open.layer() == Layer::Cover)
    }

    pub fn close_prompt(&mut self) -> Option<InputPrompt> {
        let at = self.0.iter().position(|open| open.layer() == Layer::Prompt)?;
        match self.0.remove(at) {
            Modal::Prompt(prompt) => Some(prompt),
            _ => None,
        }
    }

    /// Closes the prompt where `gone` says so.
    pub fn close_prompt_if(&mut self, gone: impl Fn(&InputPrompt) -> bool) {
        self.0
            .retain(|open| !matches!(open, Modal::Prompt(prompt) if gone(prompt)));
    }

    pub fn item(&self) -> Option<&ItemView> {
        self.0.iter().find_map(|open| match open {
            Modal::Item(view) => Some(view),
            _ => None,
        })
    }

    pub fn item_mut(&mut self) -> Option<&mut ItemView> {
        self.0.iter_mut().find_map(|open| match open {
            Modal::Item(view) => Some(view),
            _ => None,
        })
    }

    pub fn text(&self) -> Option<&TextView> {
        self.0.iter().find_map(|open| match open {
            Modal::Text(view) => Some(view),
            _ => None,
        })
    }

    pub fn text_mut(&mut self) -> Option<&mut TextView> {
        self.0.iter_mut().find_map(|open| match open {
            Modal::Text(view) => Some(view),
            _ => None,
        })
    }

    /// The lines above the screen of the item or the text.
    pub fn scroll_mut(&mut self) -> Option<&mut usize> {
        match self.0.first_mut()? {
            Modal::Item(view) => Some(&mut view.scroll),
            Modal::Text(view) => Some(&mut view.scroll),
            _ => None,
        }
    }

    pub fn prompt(&self) -> Option<&InputPrompt> {
        self.0.iter().find_map(|open| match open {
            Modal::Prompt(prompt) => Some(prompt),
            _ => None,
        })
    }

    pub fn search(&self) -> Option<&Composer> {
        self.0.iter().find_map(|open| match open {
            Modal::Search(field) => Some(field),
            _ => None,
        })
    }

    pub fn palette(&self) -> Option<&Palette> {
        self.0.iter().find_map(|open| match open {
            Modal::Palette(palette) => Some(palette),
            _ => None,
        })
    }

    pub fn palette_mut(&mut self) -> Option<&mut Palette> {
        self.0.iter_mut().find_map(|open| match open {
            Modal::Palette(palette) => Some(palette),
            _ => None,
        })
    }
}

/// Items that are open: one, or all that one key is about.
#[derive(Debug, Clone)]
pub struct ItemView {
    pub ids: Vec<ItemId>,
    /// It is a message that is handed to the agent when it is accepted; it does not wait.
    pub hand_over: bool,
    /// The intent that was written before it was opened.
    pub wish: Option<Intent>,
    /// Lines above the screen.
    pub scroll: usize,
    /// Lines that have been on the screen, from the first on.
    pub seen: usize,
    /// The columns in which they were laid out, and the version of the items.
    pub seen_at: Option<(u16, Shown)>,
}

impl ItemView {
    /// An item that is opened now.
    pub fn of(ids: &[ItemId]) -> Self {
        Self {
            ids: ids.to_vec(),
            hand_over: false,
            wish: None,
            scroll: 0,
            seen: 0,
            seen_at: None,
        }
    }

    /// One of its items, if it is still there.
    pub fn item(&self, id: ItemId, room: &Room) -> Option<Item> {
        match self.hand_over {
            true => room.at_hand(id),
            false => room.review.inbox().get(id).cloned(),
        }
    }
}

/// Lines to read: help, the answer to a command.
pub struct TextView {
    pub title: &'static str,
    /// The lines.
    pub lines: Vec<Line<'static>>,
    /// Rows above the screen.
    pub scroll: usize,
    /// Rows that have been on the screen, from the first on.
    pub seen: usize,
    /// The columns in which they were laid out.
    pub seen_at: u16,
}

impl TextView {
    /// Lines that are opened now.
    pub fn new(title: &'static str, lines: Vec<Line<'static>>) -> Self {
        Self {
            title,
            lines,
            scroll: 0,
            seen: 0,
            seen_at: 0,
        }
    }
}

/// Something that is being written for a decision, in the composer's place.
pub struct InputPrompt {
    pub ids: Vec<ItemId>,
    /// The version that the person saw.
    pub shown: Shown,
    pub what: PromptKind,
    pub field: Composer,
    /// Since when it is asked for.
    pub since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    Reason,
    /// Other words for it, with which it is accepted.
    Words,
    /// Words of one's own, which the agent is given with it.
    Instructions,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::Shown,
        tui::{input::keymap::Keymap, state::State},
    };

    fn modal(name: &str) -> Modal {
        let id = ItemId::Mention(1);
        match name {
            "item" => Modal::Item(ItemView::of(&[id])),
            "text" => Modal::Text(TextView::new("Help", Vec::new())),
            "prompt" => Modal::Prompt(InputPrompt {
                ids: vec![id],
                shown: Shown::written(&Intent::Later(id)),
                what: PromptKind::Reason,
                field: Composer::default(),
                since: Instant::now(),
            }),
            "search" => Modal::Search(Composer::default()),
            _ => Modal::Palette(Palette::new(Context::Composer, &Keymap::built_in())),
        }
    }

    /// The modals that are opened, in order; the context that has the keys, then the one after each Esc.
    #[test]
    fn the_top_has_the_keys_and_esc_closes_it() {
        use Context::{Composer, Help, Item, Palette, Reason, Search};
        let table: [(&[&str], &[Context]); 15] = [
            (&[], &[Composer]),
            (&["item"], &[Item, Composer]),
            (&["text"], &[Help, Composer]),
            (&["prompt"], &[Reason, Composer]),
            (&["search"], &[Search, Composer]),
            (&["palette"], &[Palette, Composer]),
            // One covers the messages at a time.
            (&["item", "text"], &[Help, Composer]),
            (&["text", "item"], &[Item, Composer]),
            (&["item", "prompt"], &[Reason, Item, Composer]),
            (&["item", "palette"], &[Palette, Item, Composer]),
            // What a decision opens a moment after its key goes below what takes letters by then.
            (&["search", "item"], &[Search, Item, Composer]),
            (&["search", "prompt"], &[Search, Reason, Composer]),
            (&["palette", "prompt"], &[Palette, Reason, Composer]),
            (&["item", "palette", "prompt"], &[Palette, Reason, Item, Composer]),
            (
                &["palette", "search", "prompt", "text"],
                &[Palette, Search, Reason, Help, Composer],
            ),
        ];
        for (opened, expected) in table {
            let mut state = State::default();
            opened.iter().for_each(|name| state.modals.open(modal(name)));
            for context in expected {
                assert_eq!(state.context(), *context, "{opened:?}");
                let writes = matches!(context, Composer | Palette | Reason | Search);
                assert_eq!(state.field().is_some(), writes, "{opened:?}");
                state.back();
            }
            assert!(state.modals.top().is_none(), "{opened:?}");
        }
    }
}
