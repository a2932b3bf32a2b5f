//! The state of the screen: the focus, the open modals, the text that is being written.

use std::{fmt::Display, time::Instant};

use ratatui::text::Line;

use super::{
    composer::Composer,
    modal::{InputPrompt, ItemView, Modal, Modals, TextView},
    popup::Popup,
    timeline_state::TimelineState,
    view::{Adjustments, CoverAdjustment},
};
use crate::{
    config::{Config, Untrusted},
    core::{Decision, Item, ItemId, Room},
    tui::{
        actions::unknown_name::AskedName,
        input::{
            gate::Gate,
            key::Key,
            keymap::{Context, Keymap},
            pressed::Pressed,
            selection::Selection,
            stray::Stray,
        },
    },
};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    Composer,
    Timeline,
    /// In the list of what waits.
    Inbox,
    Files,
    People,
}

/// The order in which a key goes through the panes.
const PANES: [Pane; 5] = [
    Pane::Composer,
    Pane::Timeline,
    Pane::Inbox,
    Pane::Files,
    Pane::People,
];

/// Which kinds of items a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Filter {
    #[default]
    All,
    Mentions,
    /// Answers of agents.
    Drafts,
    /// Requests to use tools.
    Permissions,
    Files,
}

impl Filter {
    /// The next one, in a circle.
    pub fn next(self) -> Self {
        match self {
            Filter::All => Filter::Mentions,
            Filter::Mentions => Filter::Drafts,
            Filter::Drafts => Filter::Permissions,
            Filter::Permissions => Filter::Files,
            Filter::Files => Filter::All,
        }
    }

    /// The kind that it shows, in a word; none where it shows all.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Filter::All => None,
            Filter::Mentions => Some("mentions"),
            Filter::Drafts => Some("drafts"),
            Filter::Permissions => Some("permissions"),
            Filter::Files => Some("files"),
        }
    }

    /// Whether it shows an item.
    pub fn shows(self, item: &Item) -> bool {
        match self {
            Filter::All => true,
            Filter::Mentions => matches!(item.id, ItemId::Mention(_)),
            Filter::Drafts => matches!(item.id, ItemId::Draft(_)),
            Filter::Permissions => matches!(item.id, ItemId::Permission(_)),
            Filter::Files => matches!(item.id, ItemId::File(_)),
        }
    }
}

/// The step that follows when pending settings are taken.
pub enum AfterConsent {
    /// All that was saved holds.
    Saved(Box<Config>),
    /// The project's file is trusted, and read again.
    Trust(Untrusted),
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Lists {
    /// The kinds of items that the inbox shows.
    pub filter: Filter,
    /// Lines above the part of the side that is shown.
    pub side: usize,
    /// Lines above what is shown of the list in the messages' place.
    pub main: usize,
    /// They were moved by the wheel: they stay there until something else is selected.
    pub held: bool,
}

/// Settings that wait for the person.
pub struct PendingSettings {
    pub wants: AfterConsent,
    /// The looser settings, in a few words each.
    pub words: Vec<String>,
    /// All that changes: what a person reads before they take it.
    pub details: Vec<String>,
    /// The keys that come with it, where it changes which key decides.
    pub keymap: Option<Box<Keymap>>,
    /// Since when all of it has been on the screen.
    pub shown: Option<Instant>,
}

/// How a message for the person is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
}

/// The person's selections, in each of the panes.
#[derive(Debug, Default)]
pub struct Selected {
    /// The message, by its number.
    pub post: Option<u32>,
    pub since: Option<Instant>,
    /// All messages from this one to the selected one are marked, to be copied.
    pub marked: Option<u32>,
    /// The item in the inbox.
    pub item: Option<ItemId>,
    /// The file, by its number.
    pub file: Option<u32>,
}

/// Where a decision is, from its key to its effect.
#[derive(Default)]
pub struct Deciding {
    /// When a key may decide.
    pub gate: Gate,
    /// A key that decides and has not taken effect yet.
    pub pressed: Option<Pressed>,
    /// A decision that needs a second yes, and since when.
    pub unsure: Option<(Decision, Instant)>,
    /// When a key that decides was ignored.
    pub flash: Option<Instant>,
    /// Letters that were typed where nothing takes them.
    pub stray: Stray,
}

/// The mouse.
#[derive(Debug, Default)]
pub struct Pointer {
    pub is_on: bool,
    /// The text that it has marked.
    pub drag: Option<Selection>,
    /// It holds the scrollbar.
    pub holds_bar: bool,
}

/// Questions that a second press of the same key answers.
#[derive(Debug, Default)]
pub struct Questions {
    /// When leaving was asked for first.
    pub leave: Option<Instant>,
    /// A message that names somebody unknown.
    pub name: Option<AskedName>,
}

#[derive(Default)]
pub struct State {
    pub pane: Pane,
    /// Keys are commands and do not write: modal keymaps only.
    pub commands: bool,
    pub composer: Composer,
    pub modals: Modals,
    /// Completions of the word at the cursor.
    pub popup: Option<Popup>,
    pub pointer: Pointer,
    /// How the messages are being read.
    pub reading: TimelineState,
    pub selected: Selected,
    pub lists: Lists,
    pub deciding: Deciding,
    /// A message for the person.
    pub message: Option<(String, Tone)>,
    /// Keys of a sequence that has begun.
    pub pending: Vec<Key>,
    pub questions: Questions,
    /// Leaving ends this screen alone, not the session.
    pub attached: bool,
    /// Settings that were saved and are looser than those that hold.
    pub looser: Option<PendingSettings>,
}

impl State {
    /// Where a key that is pressed now belongs.
    pub fn context(&self) -> Context {
        if let Some(context) = self.modals.context() {
            return context;
        }
        match self.pane {
            Pane::Composer if self.commands => Context::Normal,
            Pane::Composer => Context::Composer,
            Pane::Timeline => Context::Timeline,
            Pane::Inbox => Context::Inbox,
            Pane::Files => Context::Files,
            Pane::People => Context::People,
        }
    }

    /// The field that a typed character goes into.
    pub fn field(&mut self) -> Option<&mut Composer> {
        match self.context() {
            Context::Composer => Some(&mut self.composer),
            _ => self.modals.field_mut(),
        }
    }

    /// The field that is on the screen: with the composer while keys are commands.
    pub fn shown_field(&self) -> Option<&Composer> {
        match self.context() {
            Context::Composer | Context::Normal => Some(&self.composer),
            _ => self.modals.field(),
        }
    }

    /// Takes over what a layout has found, once it is drawn.
    pub fn apply(&mut self, found: Adjustments) {
        self.reading.page = found.page;
        if let Some(selection) = found.selection {
            self.reading.selection = selection;
        }
        self.lists.side = found.side.unwrap_or(self.lists.side);
        self.lists.main = found.main.unwrap_or(self.lists.main);
        match found.cover {
            Some(CoverAdjustment::Item { scroll, seen }) => {
                if let Some(view) = self.modals.item_mut() {
                    view.scroll = scroll;
                    (view.seen, view.seen_at) = (seen.0, Some(seen.1));
                }
            }
            Some(CoverAdjustment::Text { scroll, seen }) => {
                if let Some(view) = self.modals.text_mut() {
                    view.scroll = scroll;
                    (view.seen, view.seen_at) = seen;
                }
            }
            None => {}
        }
    }

    /// The items that are open.
    pub fn opened(&self, room: &Room) -> Vec<Item> {
        let Some(view) = self.modals.item() else {
            return Vec::new();
        };
        view.ids.iter().filter_map(|id| view.item(*id, room)).collect()
    }

    /// The item that is selected in the list; the first one where none is.
    pub fn selected_item(&self, room: &Room) -> Option<ItemId> {
        let selected = self.selected.item.and_then(|id| room.review.inbox().get(id));
        let shown = selected.filter(|item| self.lists.filter.shows(item));
        let first = || {
            room.review
                .inbox()
                .waiting()
                .find(|item| self.lists.filter.shows(item))
        };
        shown.or_else(first).map(|item| item.id)
    }

    /// The items that a deciding key is about now: the open ones, the selected one, or the strip's.
    pub fn target(&self, room: &Room) -> Vec<ItemId> {
        if let Some(view) = self.modals.item() {
            return view.ids.clone();
        }
        let one = match self.pane {
            Pane::Inbox => self.selected_item(room),
            _ => room.review.inbox().next().map(|item| item.id),
        };
        one.into_iter().collect()
    }

    /// The file that is selected; the newest one where none is.
    pub fn selected_file(&self, room: &Room) -> Option<u32> {
        self.selected
            .file
            .or_else(|| room.files.all().next_back().map(|offer| offer.number))
    }

    /// Goes `steps` panes on, or back.
    pub fn turn(&mut self, steps: isize) {
        let at = PANES.iter().position(|pane| *pane == self.pane).unwrap_or(0);
        self.go(PANES[(at as isize + steps).rem_euclid(PANES.len() as isize) as usize]);
    }

    pub fn go(&mut self, pane: Pane) {
        self.modals.uncover();
        self.deciding.gate.focused();
        if self.pane != pane {
            (self.lists.main, self.lists.held) = (0, false);
        }
        self.pane = pane;
    }

    /// Opens items; they have the keys until they are closed.
    pub fn open(&mut self, ids: &[ItemId]) {
        self.deciding.gate.focused();
        if self.modals.item().is_none_or(|view| view.ids != ids) {
            self.modals.open(Modal::Item(ItemView::of(ids)));
        }
    }

    /// Opens a message as what it is when it is handed to the agent.
    pub fn open_to_hand_over(&mut self, number: u32) {
        self.deciding.gate.focused();
        self.modals.open(Modal::Item(ItemView {
            hand_over: true,
            ..ItemView::of(&[ItemId::Mention(number)])
        }));
    }

    /// Opens lines to read.
    pub fn read(&mut self, title: &'static str, lines: Vec<Line<'static>>) {
        self.modals.open(Modal::Text(TextView::new(title, lines)));
    }

    pub fn close_item(&mut self) {
        self.modals.uncover();
        self.deciding.gate.focused();
    }

    /// One step back: the top modal closes, or else the focus goes back to the composer.
    pub fn back(&mut self) {
        // The palette stands before what completes a word, which stands before all others.
        if self.modals.palette().is_none() && self.popup.take().is_some() {
            return;
        }
        match self.modals.top() {
            Some(Modal::Item(_) | Modal::Text(_)) => return self.close_item(),
            Some(modal) => {
                if matches!(modal, Modal::Search(_)) {
                    self.reading.search = None;
                }
                self.modals.close();
                return;
            }
            None => {}
        }
        if self.pane == Pane::Timeline
            && (self.selected.marked.take().is_some() || self.reading.search.take().is_some())
        {
            // Only what was marked or looked for goes.
        } else if self.pane != Pane::Composer {
            self.go(Pane::Composer);
        } else if self.reading.search.take().is_none() {
            self.reading.open(None);
        }
    }

    /// Something else is selected, so that one is at it from now on.
    pub fn select_item(&mut self, id: ItemId) {
        self.selected.item = Some(id);
        self.lists.held = false;
        self.deciding.gate.focused();
    }

    /// Takes note of what the person should read.
    pub fn say(&mut self, words: impl Display, tone: Tone) {
        self.message = Some((words.to_string(), tone));
    }

    /// Whether the person writes a message.
    pub fn is_written_in(&self) -> bool {
        self.modals.search().is_none() && self.pane == Pane::Composer && !self.composer.is_empty()
    }

    /// Closes the items that were decided.
    pub fn tidy(&mut self, room: &Room) {
        if let Some(view) = self.modals.item_mut() {
            let ids = std::mem::take(&mut view.ids);
            view.ids = ids
                .into_iter()
                .filter(|id| view.item(*id, room).is_some())
                .collect();
            if view.ids.is_empty() {
                self.modals.uncover();
            }
        }
        let gone = |asked: &InputPrompt| asked.ids.iter().any(|id| room.at_hand(*id).is_none());
        self.modals.close_prompt_if(gone);
        // An empty inbox has nothing for letters to decide, so they are written again.
        if self.pane == Pane::Inbox && self.selected_item(room).is_none() {
            self.lists.filter = Filter::All;
            if room.review.inbox().is_empty() {
                self.pane = Pane::Composer;
            }
        }
    }
}
