//! From keys to what is done: keys become actions by the keymap, actions change the screen's state or
//! become commands and decisions.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyEvent, KeyEventKind, MouseEventKind};

use super::{
    Screen,
    action::Action,
    composer::Composer,
    gate::Gate,
    key::Key,
    keymap::{Context, Found},
    state::{Overlay, Pane, Paper, Reason, Tone},
    view,
};
use crate::{
    command::{self, Front, Line},
    room::{Decision, ItemId, MentionFate, Person, Reply, Target},
};

/// How long a first press of the leaving key counts.
const LEAVE_TWICE: Duration = Duration::from_secs(2);
/// Lines that the wheel moves.
const WHEEL: isize = 3;

/// What a front end does after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Go,
    /// Leave the room.
    Leave,
}

impl Screen {
    /// Takes an event of the terminal's.
    pub fn event(&mut self, event: Event, now: Instant) -> Next {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => return self.key(&key, now),
            Event::Paste(text) => self.paste(&text, now),
            Event::Mouse(mouse) => match mouse.kind {
                MouseEventKind::ScrollUp => self.scroll(-WHEEL),
                MouseEventKind::ScrollDown => self.scroll(WHEEL),
                _ => {}
            },
            Event::FocusGained => self.attention.focus(true),
            Event::FocusLost => self.attention.focus(false),
            Event::Key(_) | Event::Resize(..) => {}
        }
        Next::Go
    }

    fn key(&mut self, event: &KeyEvent, now: Instant) -> Next {
        self.state.gate.key(now);
        self.attention.key(now);
        let key = Key::of(event);
        let context = self.state.context();
        self.state.pending.push(key);
        let found = self.keymap.find(context, &self.state.pending);
        if found == Found::Begins {
            return Next::Go;
        }
        let sequence = std::mem::take(&mut self.state.pending);
        self.state.message = None;
        match found {
            Found::Action(action) => return self.act(action, context, key.has_alt(), now),
            // A sequence that leads nowhere does nothing; a single key may type a character.
            _ if sequence.len() > 1 => {}
            _ => {
                if let Some(c) = key.typed() {
                    match (&mut self.state.reason, context) {
                        (Some(reason), _) => reason.field.insert(c),
                        (None, Context::Composer) => self.state.composer.insert(c),
                        _ => {}
                    }
                }
            }
        }
        Next::Go
    }

    fn paste(&mut self, text: &str, now: Instant) {
        self.state.gate.key(now);
        let context = self.state.context();
        match (&mut self.state.reason, context) {
            (Some(reason), _) => reason.field.paste(text),
            (None, Context::Composer) => self.state.composer.paste(text),
            _ => {}
        }
    }

    fn act(&mut self, action: Action, context: Context, alt: bool, now: Instant) -> Next {
        if action != Action::Leave {
            self.state.leave_asked = None;
        }
        match action {
            Action::Accept => self.accept(alt, now),
            Action::Reject => self.ask_reason(alt, now),
            Action::Later => self.later(),
            Action::Open => self.open(context),
            Action::Inbox => self.state.go(Pane::Inbox),
            Action::HandOver => self.hand_over(now),
            Action::Retry => self.retry(now),
            Action::EndRun => {
                let result = self.session.perform(crate::room::Command::Cancel(None));
                self.show(result);
            }
            Action::NextPane => self.state.turn(1),
            Action::PreviousPane => self.state.turn(3),
            Action::Back => self.back(),
            Action::Help => self.help(),
            Action::Mouse => {
                self.state.mouse = !self.state.mouse;
                let mouse = if self.state.mouse {
                    "on: Shift-drag selects text"
                } else {
                    "off"
                };
                self.state.say(format!("Mouse {mouse}."), Tone::Good);
            }
            Action::Redraw => self.redraw = true,
            Action::Leave => return self.leave(now),
            Action::Send => return self.send(now),
            Action::PageUp => self.scroll(-(self.page() - 1)),
            Action::PageDown => self.scroll(self.page() - 1),
            Action::Top => self.go_to_start(),
            Action::Bottom => self.go_to_end(),
            Action::Up | Action::Down if context == Context::Timeline => {
                self.select_post(if action == Action::Up { -1 } else { 1 }, now);
            }
            Action::Up | Action::Down if context == Context::Inbox => {
                self.select_item(if action == Action::Up { -1 } else { 1 });
            }
            Action::Up | Action::Down if matches!(context, Context::Help | Context::Item) => {
                self.scroll(if action == Action::Up { -1 } else { 1 });
            }
            editing => match (&mut self.state.reason, context) {
                (Some(reason), _) => _ = reason.field.edit(editing),
                (None, Context::Composer) => _ = self.state.composer.edit(editing),
                _ => {}
            },
        }
        Next::Go
    }

    /// Accepts the item at hand, if all of it has been seen; else opens it.
    fn accept(&mut self, alt: bool, now: Instant) {
        let Some(item) = self.state.target(&self.session.room) else {
            return self.state.say("Nothing waits for you.", Tone::Good);
        };
        if !self.state.gate.permits(item, alt, now) {
            return self.state.open(item);
        }
        let decision = Decision::Accept {
            target: Target::Item(item),
            instructions: None,
            agent: None,
        };
        self.decide(decision);
    }

    /// Asks why the item at hand is rejected, if all of it has been seen; else opens it.
    fn ask_reason(&mut self, alt: bool, now: Instant) {
        let Some(item) = self.state.target(&self.session.room) else {
            return self.state.say("Nothing waits for you.", Tone::Good);
        };
        if !self.state.gate.permits(item, alt, now) {
            return self.state.open(item);
        }
        self.state.reason = Some(Reason {
            item,
            field: Composer::default(),
            since: now,
        });
    }

    fn later(&mut self) {
        if let Some(item) = self.state.target(&self.session.room) {
            self.decide(Decision::Later(item));
            self.state.overlay = Overlay::None;
        }
    }

    fn decide(&mut self, decision: Decision) {
        let result = self.session.decide(decision, Person::at_keyboard());
        self.show(result);
        self.state.tidy(&self.session.room);
    }

    fn open(&mut self, context: Context) {
        match context {
            Context::Inbox => {
                if let Some(item) = self.state.selected_item(&self.session.room) {
                    self.state.open(item);
                }
            }
            Context::Timeline => {
                // A message that waits is opened; of another one, its thread is shown.
                let Some(number) = self.state.selected_post else {
                    return;
                };
                if self.session.room.inbox.get(number).is_some() {
                    return self.state.open(number);
                }
                let post = self.session.room.timeline.post_numbered(number);
                let thread = post.and_then(|post| self.session.room.threads.get(&post.thread));
                if let Some(thread) = thread.map(|thread| thread.number) {
                    let history = crate::room::Command::History {
                        limit: 500,
                        thread: Some(thread),
                    };
                    let result = self.session.perform(history);
                    self.show(result);
                }
            }
            _ => {}
        }
    }

    /// Gives the selected message to the agent, once it has been selected for a moment.
    fn hand_over(&mut self, now: Instant) {
        match self.settled_selection(now) {
            Some(number) => self.decide(Decision::HandOver(number)),
            None => self.state.say("Select a message first.", Tone::Good),
        }
    }

    fn retry(&mut self, now: Instant) {
        let Some(number) = self.settled_selection(now) else {
            return self.state.say("Select a message first.", Tone::Good);
        };
        self.retry_number(number);
    }

    /// Sends a message of ours again that failed, or lets an agent try again that failed.
    fn retry_number(&mut self, number: ItemId) {
        let room = &self.session.room;
        let post = room.timeline.post_numbered(number);
        let failed = post.and_then(|post| room.inbox.fate(post));
        if matches!(failed, Some(MentionFate::Failed(_))) {
            return self.decide(Decision::HandOver(number));
        }
        let result = self.session.perform(crate::room::Command::Retry(number));
        self.show(result);
    }

    fn settled_selection(&self, now: Instant) -> Option<u32> {
        let since = self
            .state
            .selected_since
            .filter(|since| Gate::settled(*since, now));
        self.state.selected_post.filter(|_| since.is_some())
    }

    fn back(&mut self) {
        if self.state.reason.take().is_some() {
            return;
        }
        if matches!(self.state.overlay, Overlay::None) {
            self.state.pane = Pane::Composer;
        }
        self.state.overlay = Overlay::None;
    }

    fn leave(&mut self, now: Instant) -> Next {
        let asked = self
            .state
            .leave_asked
            .is_some_and(|asked| now.duration_since(asked) < LEAVE_TWICE);
        if asked {
            return Next::Leave;
        }
        self.state.leave_asked = Some(now);
        let runs = if self.session.room.runs.is_empty() {
            ""
        } else {
            " and ends the running agent"
        };
        self.state.say(
            format!("Again to leave the room; it closes the program{runs}."),
            Tone::Good,
        );
        Next::Go
    }

    fn send(&mut self, now: Instant) -> Next {
        if let Some(reason) = &self.state.reason {
            // A key that was on its way when the question appeared does not answer it.
            if Gate::settled(reason.since, now)
                && let Some(reason) = self.state.reason.take()
            {
                let target = Target::Item(reason.item);
                self.decide(Decision::Reject {
                    target,
                    reason: reason.field.text(),
                });
            }
            return Next::Go;
        }
        if self.state.composer.continues() || self.state.composer.text().trim().is_empty() {
            return Next::Go;
        }
        let text = self.state.composer.text();
        let line = match command::parse(text.trim_end()) {
            Ok(line) => line,
            Err(error) => {
                self.state.say(error, Tone::Bad);
                return Next::Go;
            }
        };
        let result = match line {
            Line::Command(crate::room::Command::Retry(number)) => {
                self.state.composer.take();
                self.retry_number(number);
                return Next::Go;
            }
            Line::Command(command) => self.session.perform(command),
            Line::Decision(decision) => self.session.decide(decision, Person::at_keyboard()),
            Line::Front(front) => {
                self.state.composer.take();
                return self.front(front);
            }
        };
        // What did not work stays, to be mended.
        if result.is_ok() {
            self.state.composer.take();
            self.state.scroll.go_to_end();
        }
        self.show(result);
        self.state.tidy(&self.session.room);
        Next::Go
    }

    fn front(&mut self, front: Front) -> Next {
        match front {
            Front::Help => self.help(),
            Front::Start => self.session.dial_now(),
            Front::Quit if self.session.room.runs.is_empty() || self.state.leave_asked.is_some() => {
                return Next::Leave;
            }
            Front::Quit => {
                self.state.leave_asked = Some(Instant::now());
                self.state
                    .say("An agent is running: /quit again ends it and leaves.", Tone::Good);
            }
        }
        Next::Go
    }

    fn help(&mut self) {
        let lines = view::help_lines(&self.look());
        self.state.overlay = Overlay::Paper(Paper {
            title: "Help",
            lines,
            scroll: 0,
        });
    }

    /// Shows what a command answered.
    fn show(&mut self, result: Result<Reply, String>) {
        match result {
            Ok(Reply::Text(words)) => self.state.say(words, Tone::Good),
            Ok(reply) => {
                let invite = self.session.invite.to_string();
                if let Some((title, lines)) = view::reply_lines(&self.look(), &reply, Some(invite)) {
                    self.state.overlay = Overlay::Paper(Paper {
                        title,
                        lines,
                        scroll: 0,
                    });
                }
            }
            Err(error) => self.state.say(error, Tone::Bad),
        }
    }

    fn page(&self) -> isize {
        self.state.page.1.max(2) as isize
    }

    /// Moves what is on the screen: the sheet, the item, or else the messages, wherever the focus is.
    fn scroll(&mut self, lines: isize) {
        match &mut self.state.overlay {
            Overlay::Paper(paper) => {
                let most = paper.lines.len().saturating_sub(1);
                paper.scroll = paper.scroll.saturating_add_signed(lines).min(most);
            }
            // Its plan keeps it within the text.
            Overlay::Item(view) => view.scroll = view.scroll.saturating_add_signed(lines),
            Overlay::None => {
                let (width, height) = self.state.page;
                let mut scroll = self.state.scroll;
                scroll.by(lines, &self.look(), width, height);
                self.state.scroll = scroll;
            }
        }
    }

    fn go_to_start(&mut self) {
        match &mut self.state.overlay {
            Overlay::Paper(paper) => paper.scroll = 0,
            Overlay::Item(view) => view.scroll = 0,
            Overlay::None => {
                let (width, height) = self.state.page;
                let mut scroll = self.state.scroll;
                scroll.go_to_start(&self.look(), width, height);
                self.state.scroll = scroll;
            }
        }
    }

    fn go_to_end(&mut self) {
        match &mut self.state.overlay {
            Overlay::None => self.state.scroll.go_to_end(),
            _ => self.scroll(isize::MAX / 2),
        }
    }

    fn select_post(&mut self, by: isize, now: Instant) {
        let numbers: Vec<u32> = self
            .session
            .room
            .timeline
            .posts()
            .map(|(_, post)| post.number)
            .collect();
        let Some(last) = numbers.len().checked_sub(1) else {
            return;
        };
        let at = self
            .state
            .selected_post
            .and_then(|number| numbers.iter().position(|one| *one == number));
        let at = at.map_or(last, |at| at.saturating_add_signed(by).min(last));
        self.state.selected_post = Some(numbers[at]);
        self.state.selected_since = Some(now);
        let (width, height) = self.state.page;
        let mut scroll = self.state.scroll;
        scroll.show(numbers[at], &self.look(), width, height);
        self.state.scroll = scroll;
    }

    fn select_item(&mut self, by: isize) {
        let ids: Vec<ItemId> = self.session.room.inbox.waiting().map(|item| item.id).collect();
        let Some(last) = ids.len().checked_sub(1) else {
            return;
        };
        let selected = self.state.selected_item(&self.session.room);
        let at = selected
            .and_then(|id| ids.iter().position(|one| *one == id))
            .unwrap_or(0);
        self.state.selected = Some(ids[at.saturating_add_signed(by).min(last)]);
    }
}
