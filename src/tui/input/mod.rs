//! From keys to what is done: keys become actions by the keymap, actions change the screen's state or
//! become commands and decisions.

pub(crate) mod action;
pub(crate) mod gate;
pub(crate) mod key;
pub(crate) mod keymap;
pub(crate) mod mouse;
pub(crate) mod pressed;
pub(crate) mod selection;
pub(crate) mod stray;
use std::time::Instant;

use crossterm::event::{Event, KeyEvent, KeyEventKind};

use super::{
    Screen,
    composer::Composer,
    modal::Modal,
    palette::{Choice, Palette},
    popup::{self, Popup},
    state::{Pane, Tone},
};
use crate::{
    command::COMMANDS,
    control::ExternalProgram,
    core::Command,
    tui::{
        actions::{clipboard, lists, navigation, review, submit, unknown_name},
        input::{
            action::Action,
            key::Key,
            keymap::{Context, Found},
            pressed::DecisionKey,
        },
    },
};

/// The step that follows an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Go,
    Leave,
}

impl Screen {
    /// Takes an event of the terminal's.
    pub fn event(&mut self, event: &Event, now: Instant) -> Next {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => return self.key(key, now),
            Event::Paste(text) => self.paste(text, now),
            Event::Mouse(mouse) => {
                review::settle_pressed(self, now);
                self.state.deciding.gate.input(false, now);
                review::undo_pressed(self, false, now);
                mouse::handle_event(self, *mouse, now);
            }
            Event::FocusGained => self.attention.focus(true),
            Event::FocusLost => self.attention.focus(false),
            // What was marked stands elsewhere now.
            Event::Resize(..) => self.state.pointer.drag = None,
            Event::Key(_) => {}
        }
        Next::Go
    }

    fn key(&mut self, event: &KeyEvent, now: Instant) -> Next {
        review::settle_pressed(self, now);
        let key = Key::of(event);
        let letter = key.typed();
        match self.state.pending.is_empty() {
            true => self.state.deciding.gate.input(letter.is_some(), now),
            false => self.state.deciding.gate.continues(now),
        }
        self.attention.key(now);
        self.state.pointer.drag = None;
        let undone = review::undo_pressed(self, letter.is_some(), now);
        let context = self.state.context();
        self.state.pending.push(key);
        let found = self.keymap.find(context, &self.state.pending);
        if found == Found::Begins {
            return Next::Go;
        }
        let sequence = std::mem::take(&mut self.state.pending);
        self.state.message = None;
        self.asked_before = self.state.deciding.unsure.take();
        match letter.filter(|_| context.is_a_list()) {
            Some(c) => {
                let decides = matches!(found, Found::Action(action) if action.decides());
                let useful = match found {
                    Found::Action(_) => !(decides && self.state.deciding.gate.is_typing(now)),
                    _ => sequence.len() > 1,
                };
                if let Some(text) = self.state.deciding.stray.letter(c, useful, undone, now) {
                    self.write_on(&text);
                    return Next::Go;
                }
            }
            None => self.state.deciding.stray.end(),
        }
        match found {
            Found::Action(action) => return self.act(action, context, Some(key), now),
            // A sequence that leads nowhere does nothing; a single key may type a character.
            _ if sequence.len() > 1 => {}
            _ => {
                if let Some((c, field)) = key.typed().zip(self.state.field()) {
                    field.insert(c);
                    self.written(context);
                }
            }
        }
        Next::Go
    }

    /// Somebody writes where nothing is written: it goes to the composer.
    fn write_on(&mut self, text: &str) {
        self.state.deciding.pressed = None;
        self.state.go(Pane::Composer);
        self.state.commands = false;
        text.chars().for_each(|c| self.state.composer.insert(c));
        self.written(Context::Composer);
    }

    fn paste(&mut self, text: &str, now: Instant) {
        review::settle_pressed(self, now);
        self.state.deciding.gate.input(false, now);
        self.state.deciding.gate.pasted(now);
        review::undo_pressed(self, false, now);
        self.state.deciding.stray.end();
        if self.state.context().is_a_list() {
            self.state.go(Pane::Composer);
            self.state.commands = false;
        }
        let context = self.state.context();
        if context == Context::Composer
            && let Some(offer) = popup::dropped(text, &self.state.composer.whole(), self.client.folder())
        {
            self.state.composer.set(&offer);
            let words = "Press Enter to offer the file; delete the command to send the path as text.";
            return self.state.say(words, Tone::Good);
        }
        if let Some(field) = self.state.field() {
            field.paste(text);
            self.written(context);
        }
    }

    /// Something was written: what follows from it is found again.
    fn written(&mut self, context: Context) {
        match context {
            Context::Search => navigation::search(self),
            Context::Palette => self
                .state
                .modals
                .palette_mut()
                .into_iter()
                .for_each(Palette::find),
            Context::Composer => {
                self.state.popup = Popup::while_writing(&self.state.composer, self.client.room());
            }
            _ => {}
        }
    }

    pub(super) fn act(&mut self, action: Action, context: Context, key: Option<Key>, now: Instant) -> Next {
        if action != Action::Leave {
            self.state.questions.leave = None;
        }
        // While something is written in another field, nothing is decided or opened by the way.
        let in_field = matches!(context, Context::Reason | Context::Search | Context::Palette);
        if in_field && !matches!(action, Action::Send | Action::Back | Action::Leave) && !action.edits() {
            return Next::Go;
        }
        if let Some(deed) = DecisionKey::of(action) {
            review::press(self, deed, key, now);
            return Next::Go;
        }
        match action {
            Action::Leave => return submit::leave(self, now),
            // A paste of several lines never sends anything.
            Action::Send if context == Context::Composer && self.state.deciding.gate.is_in_paste(now) => {
                self.edit(Action::NewLine, context);
            }
            Action::Send => return submit::send(self, now),
            Action::Up | Action::Down => self.step(action, context, now),
            _ if self.act_on_selected(action, context, key, now)
                || self.act_on_view(action, context, now) => {}
            editing => self.edit(editing, context),
        }
        Next::Go
    }

    /// Does something with what is selected. Returns whether the action is one that does.
    fn act_on_selected(&mut self, action: Action, context: Context, key: Option<Key>, now: Instant) -> bool {
        match action {
            Action::NextAgent => review::next_agent(self),
            Action::Open => navigation::open(self, context),
            Action::HandOver => navigation::hand_over(self),
            Action::Retry if context == Context::Files => lists::file_command(self, Command::Retry),
            Action::Retry => navigation::retry(self, key, now),
            Action::Fold => navigation::fold(self),
            Action::FirstNew => navigation::first_new(self, now),
            Action::KeepNew => navigation::keep_new(self),
            Action::Copy if context == Context::Files => lists::copy_place(self),
            Action::Copy => clipboard::copy(self),
            Action::CopyCode => clipboard::copy_code(self),
            Action::Mark => clipboard::mark(self),
            Action::EndRun if context == Context::Files => {
                lists::file_command(self, |id| Command::Cancel(Some(id)));
            }
            Action::EndRun => {
                let result = self.client.perform(Command::Cancel(None));
                submit::show(self, result);
            }
            Action::NextFound => navigation::go_to_found(self, true, now),
            Action::PreviousFound => navigation::go_to_found(self, false, now),
            _ => return false,
        }
        true
    }

    /// Changes what is on the screen, or which part of it has the keys. Returns whether the action is one that does.
    fn act_on_view(&mut self, action: Action, context: Context, now: Instant) -> bool {
        match action {
            Action::Inbox => self.go_to_inbox(),
            Action::Filter => lists::filter(self),
            Action::Decided => lists::decided(self),
            Action::NextPane if context == Context::Composer && self.complete() => {}
            // What covers the screen is left by going back.
            Action::NextPane | Action::PreviousPane if context == Context::Item => {}
            Action::NextPane => self.state.turn(1),
            Action::PreviousPane => self.state.turn(-1),
            Action::Back => self.state.back(),
            Action::Help => submit::help(self),
            Action::Palette => {
                let palette = Palette::new(context, &self.keymap);
                self.state.modals.open(Modal::Palette(palette));
            }
            Action::Search => {
                self.state.modals.uncover();
                self.state.modals.open(Modal::Search(Composer::default()));
            }
            Action::Write => self.state.commands = false,
            Action::WriteBehind => {
                self.state.composer.edit(Action::Right);
                self.state.commands = false;
            }
            Action::StopWriting => self.state.commands = self.keymap.is_modal(),
            Action::Mouse => self.toggle_mouse(),
            Action::TakeSettings => self.take_settings(now),
            Action::Redraw => self.redraw = true,
            Action::Editor => self.errand = Some(ExternalProgram::Write(self.state.composer.whole())),
            Action::PageUp => navigation::page_by(self, -1),
            Action::PageDown => navigation::page_by(self, 1),
            Action::Top => navigation::go_to_start(self),
            Action::Bottom => navigation::go_to_end(self),
            _ => return false,
        }
        true
    }

    /// One line or one entry up or down.
    fn step(&mut self, action: Action, context: Context, now: Instant) {
        let up = if action == Action::Up { -1 } else { 1 };
        match context {
            Context::Timeline => navigation::select_post(self, up, now),
            Context::Inbox => lists::select_item(self, up),
            // The newest stands at the top.
            Context::Files => lists::select_file(self, -up),
            Context::Help | Context::Item => navigation::scroll(self, up),
            Context::Search => navigation::go_to_found(self, action == Action::Up, now),
            Context::Palette => {
                let palette = self.state.modals.palette_mut();
                palette.into_iter().for_each(|palette| palette.turn(up));
            }
            _ => match &mut self.state.popup {
                Some(popup) => popup.turn(up),
                None => self.edit(action, context),
            },
        }
    }

    fn edit(&mut self, action: Action, context: Context) {
        let field = match context {
            Context::Normal => Some(&mut self.state.composer),
            _ => self.state.field(),
        };
        if field.is_some_and(|field| field.edit(action)) {
            self.written(context);
        }
    }

    /// Completes the word at the cursor, or shows what it could become. Returns whether there was anything.
    fn complete(&mut self) -> bool {
        if unknown_name::correct_name(self) {
            return true;
        }
        let popup = self.state.popup.take();
        let asked = popup.is_some();
        let Some(popup) = popup.or_else(|| Popup::of_files(&self.state.composer, self.client.folder()))
        else {
            return false;
        };
        if asked || popup.choices.len() == 1 {
            popup.complete(&mut self.state.composer);
        } else {
            self.state.popup = Some(popup);
        }
        true
    }

    /// Does what was chosen in the palette, where it was opened. What decides only opens the item: who
    /// writes a word and Enter has not pressed a key that decides.
    pub(super) fn do_chosen(&mut self, palette: &Palette, now: Instant) -> Next {
        match palette.chosen() {
            Some(Choice::Action(action)) if action.decides() => {
                let ids = self.state.target(self.client.room());
                match ids.is_empty() {
                    true => self.state.say("No requests.", Tone::Good),
                    false => self.state.open(&ids),
                }
                Next::Go
            }
            Some(Choice::Action(action)) => self.act(action, palette.context, None, now),
            Some(Choice::Command(at)) => {
                self.state.go(Pane::Composer);
                self.state.commands = false;
                self.state.composer.set(&format!("/{} ", COMMANDS[at].name));
                Next::Go
            }
            None => Next::Go,
        }
    }

    /// To the inbox, where there is something to decide.
    fn go_to_inbox(&mut self) {
        self.state.go(Pane::Inbox);
        if self.client.room().review.inbox().is_empty() {
            self.state.say("No requests.", Tone::Good);
        }
        self.state.tidy(self.client.room());
    }

    fn toggle_mouse(&mut self) {
        self.state.pointer.is_on = !self.state.pointer.is_on;
        let mouse = if self.state.pointer.is_on {
            "on: Shift-drag selects text"
        } else {
            "off"
        };
        self.state.say(format!("Mouse {mouse}."), Tone::Good);
    }
}
