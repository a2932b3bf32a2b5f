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
    state::{Asked, Overlay, Pane, Paper, Tone, What},
    view,
};
use crate::{
    command::{self, Front, Line},
    room::{Command, Decision, How, ItemId, Matter, MentionFate, Person, Reply, Target},
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
        self.asked_before = self.state.unsure.take();
        match found {
            Found::Action(action) => return self.act(action, context, key.has_alt(), now),
            // A sequence that leads nowhere does nothing; a single key may type a character.
            _ if sequence.len() > 1 => {}
            _ => {
                if let Some(c) = key.typed() {
                    match (&mut self.state.asked, context) {
                        (Some(asked), _) => asked.field.insert(c),
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
        match (&mut self.state.asked, context) {
            (Some(asked), _) => asked.field.paste(text),
            (None, Context::Composer) => self.state.composer.paste(text),
            _ => {}
        }
    }

    fn act(&mut self, action: Action, context: Context, alt: bool, now: Instant) -> Next {
        if action != Action::Leave {
            self.state.leave_asked = None;
        }
        // While something is written for a decision, no other one is made by the way.
        if context == Context::Reason
            && !matches!(action, Action::Send | Action::Back | Action::Leave)
            && !action.edits()
        {
            return Next::Go;
        }
        match action {
            Action::Accept => self.accept(false, alt, now),
            Action::AcceptReview => self.accept(true, alt, now),
            Action::Reject => self.ask(What::Reason, alt, now),
            Action::Edit => self.ask(What::Words, alt, now),
            Action::Grant => self.grant(alt, now),
            Action::Later => self.later(),
            Action::Open => self.open(context),
            Action::Inbox => self.state.go(Pane::Inbox),
            Action::HandOver => self.hand_over(now),
            Action::Retry if context == Context::Files => self.file_command(Command::Retry),
            Action::Retry => self.retry(now),
            Action::EndRun if context == Context::Files => self.file_command(|id| Command::Cancel(Some(id))),
            Action::EndRun => {
                let result = self.session.perform(Command::Cancel(None));
                self.show(result);
            }
            Action::NextPane => self.state.turn(1),
            Action::PreviousPane => self.state.turn(-1),
            Action::Back => self.back(),
            Action::Help => self.help(),
            Action::Write => self.state.commands = false,
            Action::WriteBehind => {
                self.state.composer.edit(Action::Right);
                self.state.commands = false;
            }
            Action::StopWriting => self.state.commands = self.keymap.is_modal(),
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
            Action::Up | Action::Down if context == Context::Files => {
                self.select_file(if action == Action::Up { 1 } else { -1 });
            }
            Action::Up | Action::Down if matches!(context, Context::Help | Context::Item) => {
                self.scroll(if action == Action::Up { -1 } else { 1 });
            }
            editing => match (&mut self.state.asked, context) {
                (Some(asked), _) => _ = asked.field.edit(editing),
                (None, Context::Composer | Context::Normal) => _ = self.state.composer.edit(editing),
                _ => {}
            },
        }
        Next::Go
    }

    /// The item at hand, if all of it has been seen; else it is opened.
    fn seen_item(&mut self, alt: bool, now: Instant) -> Option<ItemId> {
        let Some(item) = self.state.target(&self.session.room) else {
            self.state.say("Nothing waits for you.", Tone::Good);
            return None;
        };
        if self.state.gate.permits(item, alt, now) {
            return Some(item);
        }
        self.state.open(item);
        None
    }

    fn accept(&mut self, review: bool, alt: bool, now: Instant) {
        if let Some(item) = self.seen_item(alt, now)
            && self.is_sure(item, Action::Accept, now)
        {
            let how = How {
                review,
                ..How::default()
            };
            self.decide(Decision::Accept {
                target: Target::Item(item),
                how,
            });
        }
    }

    /// What cannot be undone asks once more. Returns whether it was asked, and answered by another press.
    fn is_sure(&mut self, id: ItemId, action: Action, now: Instant) -> bool {
        let Some(item) = self.session.room.inbox.get(id) else {
            return true;
        };
        let question = match action {
            Action::Grant => item
                .grant_in_words()
                .map(|rule| format!("Again allows {rule} for this thread.")),
            _ if item.wants_a_second_yes() => Some(format!(
                "{}: again posts it all the same.",
                item.warnings().join(", ")
            )),
            _ => None,
        };
        let Some(question) = question else { return true };
        let asked = self.asked_before.take();
        if asked.is_some_and(|(asked, what, at)| asked == id && what == action && Gate::settled(at, now)) {
            return true;
        }
        self.state.unsure = Some((id, action, now));
        self.state.say(question, Tone::Bad);
        false
    }

    fn grant(&mut self, alt: bool, now: Instant) {
        let Some(item) = self.seen_item(alt, now) else {
            return;
        };
        if self.is_sure(item, Action::Grant, now) {
            self.decide(Decision::Grant(item));
        }
    }

    /// Asks why the item at hand is rejected, or for other words to accept it with.
    fn ask(&mut self, what: What, alt: bool, now: Instant) {
        let Some(item) = self.seen_item(alt, now) else {
            return;
        };
        let mut field = Composer::default();
        if what == What::Words {
            let item = self.session.room.inbox.get(item);
            match item.filter(|item| matches!(item.matter, Matter::Mention(_) | Matter::Draft(_))) {
                Some(item) => field.set(&item.text),
                None => {
                    return self
                        .state
                        .say("Only words can be edited; reject it with a reason.", Tone::Bad);
                }
            }
        }
        self.state.asked = Some(Asked {
            item,
            what,
            field,
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
                if self.session.room.inbox.has_mention(number) {
                    return self.state.open(ItemId::Mention(number));
                }
                let post = self.session.room.timeline.post_numbered(number);
                let thread = post.and_then(|post| self.session.room.threads.get(&post.thread));
                if let Some(thread) = thread.map(|thread| thread.number) {
                    let history = Command::History {
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
    fn retry_number(&mut self, number: u32) {
        let room = &self.session.room;
        let post = room.timeline.post_numbered(number);
        let failed = post.and_then(|post| room.inbox.fate(post));
        if matches!(failed, Some(MentionFate::Failed(_))) {
            return self.decide(Decision::HandOver(number));
        }
        let result = self.session.perform(Command::Retry(ItemId::Mention(number)));
        self.show(result);
    }

    /// Something with the selected file.
    fn file_command(&mut self, command: impl Fn(ItemId) -> Command) {
        match self.state.selected_file(&self.session.room) {
            Some(number) => {
                let result = self.session.perform(command(ItemId::File(number)));
                self.show(result);
            }
            None => self.state.say("There is no file yet.", Tone::Good),
        }
    }

    fn settled_selection(&self, now: Instant) -> Option<u32> {
        let since = self
            .state
            .selected_since
            .filter(|since| Gate::settled(*since, now));
        self.state.selected_post.filter(|_| since.is_some())
    }

    fn back(&mut self) {
        if self.state.asked.take().is_some() {
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
        if self.state.asked.is_some() {
            self.send_asked(now);
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
            Line::Command(Command::Retry(ItemId::Mention(number))) => {
                self.state.composer.take();
                self.retry_number(number);
                return Next::Go;
            }
            Line::Command(command) => self.session.perform(command),
            Line::Decision(Decision::Accept {
                target: Target::Item(id),
                ..
            }) if !self.is_sure(id, Action::Accept, now) => {
                return Next::Go;
            }
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

    /// Carries out the decision that something was written for.
    fn send_asked(&mut self, now: Instant) {
        // A key that was on its way when the question appeared does not answer it.
        if !self
            .state
            .asked
            .as_ref()
            .is_some_and(|asked| Gate::settled(asked.since, now))
        {
            return;
        }
        let Some(asked) = self.state.asked.take() else {
            return;
        };
        let (target, text) = (Target::Item(asked.item), asked.field.text());
        self.decide(match asked.what {
            What::Reason => Decision::Reject { target, reason: text },
            What::Words => Decision::Accept {
                target,
                how: How {
                    text: Some(text),
                    ..How::default()
                },
            },
        });
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

    /// The newest stands at the top.
    fn select_file(&mut self, by: isize) {
        let last = self.session.room.offers.all().count() as u32;
        if let Some(now) = self.state.selected_file(&self.session.room) {
            self.state.selected_file = Some(now.saturating_add_signed(by as i32).clamp(1, last.max(1)));
        }
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
