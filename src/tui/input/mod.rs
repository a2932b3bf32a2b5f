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
    tui::input::{
        action::Action,
        key::Key,
        keymap::{Context, Found},
        pressed::DecisionKey,
    },
};

/// What a front end does after an event.
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
                self.settle_pressed(now);
                self.state.deciding.gate.input(false, now);
                self.undo_pressed(false, now);
                self.mouse(*mouse, now);
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
        self.settle_pressed(now);
        let key = Key::of(event);
        let letter = key.typed();
        match self.state.pending.is_empty() {
            true => self.state.deciding.gate.input(letter.is_some(), now),
            false => self.state.deciding.gate.continues(now),
        }
        self.attention.key(now);
        self.state.pointer.drag = None;
        let undone = self.undo_pressed(letter.is_some(), now);
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
        self.settle_pressed(now);
        self.state.deciding.gate.input(false, now);
        self.state.deciding.gate.pasted(now);
        self.undo_pressed(false, now);
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
            Context::Search => self.search(),
            Context::Palette => self
                .state
                .modals
                .palette_mut()
                .into_iter()
                .for_each(Palette::find),
            Context::Composer => {
                self.state.popup = Popup::while_writing(&self.state.composer, &self.client.room);
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
        let up = if action == Action::Up { -1 } else { 1 };
        match action {
            Action::Accept => self.press(DecisionKey::Accept { review: false }, key, now),
            Action::AcceptReview => self.press(DecisionKey::Accept { review: true }, key, now),
            Action::Reject => self.press(DecisionKey::Reject, key, now),
            Action::Edit => self.press(DecisionKey::Edit, key, now),
            Action::Instruct => self.press(DecisionKey::Instruct, key, now),
            Action::Grant => self.press(DecisionKey::Grant, key, now),
            Action::Later => self.press(DecisionKey::Later, key, now),
            Action::NextAgent => self.next_agent(),
            Action::Open => self.open(context),
            Action::Inbox => self.go_to_inbox(),
            Action::Filter => self.filter(),
            Action::Decided => self.decided(),
            Action::HandOver => self.hand_over(),
            Action::Retry if context == Context::Files => self.file_command(Command::Retry),
            Action::Retry => self.retry(key, now),
            Action::Fold => self.fold(),
            Action::FirstNew => self.first_new(now),
            Action::KeepNew => self.keep_new(),
            Action::Copy if context == Context::Files => self.copy_place(),
            Action::Copy => self.copy(),
            Action::CopyCode => self.copy_code(),
            Action::Mark => self.mark(),
            Action::EndRun if context == Context::Files => self.file_command(|id| Command::Cancel(Some(id))),
            Action::EndRun => {
                let result = self.client.perform(Command::Cancel(None));
                self.show(result);
            }
            Action::NextPane if context == Context::Composer && self.complete() => {}
            // What covers the screen is left by going back.
            Action::NextPane | Action::PreviousPane if context == Context::Item => {}
            Action::NextPane => self.state.turn(1),
            Action::PreviousPane => self.state.turn(-1),
            Action::Back => self.state.back(),
            Action::Help => self.help(),
            Action::Palette => {
                let palette = Palette::new(context, &self.keymap);
                self.state.modals.open(Modal::Palette(palette));
            }
            Action::Search => {
                self.state.modals.uncover();
                self.state.modals.open(Modal::Search(Composer::default()));
            }
            Action::NextFound => self.go_to_found(true, now),
            Action::PreviousFound => self.go_to_found(false, now),
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
            Action::Leave => return self.leave(now),
            // A paste of several lines never sends anything.
            Action::Send if context == Context::Composer && self.state.deciding.gate.is_in_paste(now) => {
                self.edit(Action::NewLine, context);
            }
            Action::Send => return self.send(now),
            Action::PageUp => self.scroll(-(self.page() - 1)),
            Action::PageDown => self.scroll(self.page() - 1),
            Action::Top => self.go_to_start(),
            Action::Bottom => self.go_to_end(),
            Action::Up | Action::Down => match context {
                Context::Timeline => self.select_post(up, now),
                Context::Inbox => self.select_item(up),
                // The newest stands at the top.
                Context::Files => self.select_file(-up),
                Context::Help | Context::Item => self.scroll(up),
                Context::Search => self.go_to_found(action == Action::Up, now),
                Context::Palette => {
                    let palette = self.state.modals.palette_mut();
                    palette.into_iter().for_each(|palette| palette.turn(up));
                }
                _ => match &mut self.state.popup {
                    Some(popup) => popup.turn(up),
                    None => self.edit(action, context),
                },
            },
            editing => self.edit(editing, context),
        }
        Next::Go
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
        if self.correct_name() {
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
                let ids = self.state.target(&self.client.room);
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
        if self.client.room.review.inbox().is_empty() {
            self.state.say("No requests.", Tone::Good);
        }
        self.state.tidy(&self.client.room);
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
