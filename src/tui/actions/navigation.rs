//! Keys among the messages and in lists: moving, opening, trying again.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{
    control::ExternalProgram,
    core::{Decision, Intent, ItemId, MentionOutcome, Shown},
    tui::{
        Screen,
        input::{gate::Gate, key::Key, keymap::Context, pressed::DecisionKey},
        state::{Pane, Tone},
        timeline_state::{OpenThread, Search},
        view::{self, Pages},
    },
};

impl Screen {
    pub(crate) fn open(&mut self, context: Context) {
        match context {
            Context::Inbox => {
                if let Some(item) = self.state.selected_item(&self.client.room) {
                    self.state.open(&[item]);
                }
            }
            Context::Timeline => {
                // A message that waits is opened; of another one its thread, and what one writes goes there.
                let Some(number) = self.state.selected.post else {
                    return;
                };
                if self.client.room.review.inbox().has_mention(number) {
                    return self.state.open(&[ItemId::Mention(number)]);
                }
                if let Some(post) = self.client.room.chat.timeline().post_numbered(number) {
                    let thread = OpenThread::new(&post.thread, &self.client.room);
                    self.state.reading.open(Some(thread));
                    self.state.go(Pane::Composer);
                }
            }
            Context::Files => match self.selected_place() {
                Some(path) => self.errand = Some(ExternalProgram::Look(path)),
                None => self.state.say(
                    "The file is not on this computer yet, so it cannot be opened.",
                    Tone::Good,
                ),
            },
            _ => {}
        }
    }

    /// Where the selected file lies, once it is here.
    fn selected_place(&self) -> Option<PathBuf> {
        let number = self.state.selected_file(&self.client.room)?;
        self.client.room.files.get(number)?.place().map(Path::to_owned)
    }

    /// Copies where the selected file lies.
    pub(crate) fn copy_place(&mut self) {
        match self.selected_place() {
            Some(path) => self.put_on_clipboard(path.display().to_string()),
            None => self.state.say(
                "The file is not on this computer yet, so there is no path to copy.",
                Tone::Good,
            ),
        }
    }

    /// Opens the selected message as what an agent would be given; accepting it there hands it over.
    pub(crate) fn hand_over(&mut self) {
        let room = &self.client.room;
        let Some(number) = self.state.selected.post else {
            return self.state.say("Select a message first.", Tone::Good);
        };
        if room.review.inbox().has_mention(number) {
            return self.state.open(&[ItemId::Mention(number)]);
        }
        match room.may_hand_over(number) {
            Ok(()) => self.state.open_to_hand_over(number),
            Err(why) => self.state.say(why, Tone::Good),
        }
    }

    pub(crate) fn retry(&mut self, key: Option<Key>, now: Instant) {
        let Some(number) = self.settled_selection(now) else {
            return self.state.say("Select a message first.", Tone::Good);
        };
        if !self.is_on_screen(number) {
            self.select(number, now);
            return self.state.say(
                "That message had scrolled away. Press again to retry it.",
                Tone::Good,
            );
        }
        self.press(DecisionKey::Retry(number), key, now);
    }

    /// Whether the message was on the screen when it was drawn last.
    fn is_on_screen(&self, number: u32) -> bool {
        let shown = self.shown.as_ref().filter(|shown| shown.messages.is_some());
        shown.is_some_and(|shown| shown.rows.iter().any(|(_, one)| *one == Some(number)))
    }

    /// Sends a message of ours again that failed, or lets an agent try again that failed.
    pub(crate) fn retry_number(&mut self, number: u32, shown: Shown) {
        let room = &self.client.room;
        let post = room.chat.timeline().post_numbered(number);
        let failed = post.and_then(|post| room.review.inbox().fate(post));
        let done = if matches!(failed, Some(MentionOutcome::Failed(_))) {
            self.decide(Decision::new(Intent::RunAgain(number), shown))
        } else {
            let result = self
                .client
                .perform(crate::core::Command::Retry(ItemId::Mention(number)));
            let done = result.is_ok();
            self.show(result);
            done
        };
        // Where it was written, it is done.
        if done && self.state.pane == Pane::Composer && self.state.composer.text().starts_with("/retry") {
            self.state.composer.take();
        }
    }

    pub(crate) fn settled_selection(&self, now: Instant) -> Option<u32> {
        let since = self
            .state
            .selected
            .since
            .filter(|since| Gate::settled(*since, now));
        self.state.selected.post.filter(|_| since.is_some())
    }

    /// Does something with the messages as they are on the screen.
    pub(in crate::tui) fn pages<T>(&mut self, then: impl FnOnce(&mut Pages) -> T) -> T {
        let look = self.look();
        let reading = &self.state.reading;
        let mut pages = Pages::new(&look, reading, reading.page);
        let done = then(&mut pages);
        let scroll = pages.scroll;
        self.state.reading.scroll = scroll;
        done
    }

    pub(crate) fn page(&self) -> isize {
        self.state.reading.page.1.max(2) as isize
    }

    /// Moves what is on the screen: the sheet, the item, or else the messages, wherever the focus is.
    pub(crate) fn scroll(&mut self, lines: isize) {
        match self.state.modals.scroll_mut() {
            // The layout keeps it within the text.
            Some(scroll) => *scroll = scroll.saturating_add_signed(lines),
            None => {
                self.pages(|pages| pages.by(lines));
            }
        }
    }

    pub(crate) fn go_to_start(&mut self) {
        match self.state.modals.scroll_mut() {
            Some(scroll) => *scroll = 0,
            None => {
                self.pages(|pages| pages.go_to_start());
            }
        }
    }

    pub(crate) fn go_to_end(&mut self) {
        if self.state.modals.is_covered() {
            self.scroll(isize::MAX / 2);
        } else {
            self.state.reading.scroll.go_to_end();
        }
    }

    pub(crate) fn select_post(&mut self, by: isize, now: Instant) {
        if let Some(number) = self.pages(|pages| pages.next_post(by)) {
            self.select(number, now);
        }
    }

    /// Selects a message, and shows it.
    pub(crate) fn select(&mut self, number: u32, now: Instant) {
        self.state.selected.post = Some(number);
        self.state.selected.since = Some(now);
        // The next key may come before the next frame, and goes on from here.
        self.state.reading.selection.post = Some(number);
        self.pages(|pages| pages.show(number));
    }

    /// Folds the thread of the selected message, or opens it again.
    pub(crate) fn fold(&mut self) {
        let number = self.state.selected.post.unwrap_or_default();
        let Some(post) = self.client.room.chat.timeline().post_numbered(number) else {
            return self.state.say("Select a message first.", Tone::Good);
        };
        let thread = self.client.room.chat.threads().get(&post.thread);
        let Some(thread) = thread.filter(|thread| thread.posts > 1) else {
            return self.state.say("This message is all of its thread.", Tone::Good);
        };
        self.state.reading.fold(&thread.id);
        self.state.selected.post = Some(thread.first);
    }

    /// To the first message that was not seen.
    pub(crate) fn first_new(&mut self, now: Instant) {
        let unread = self.state.reading.unread;
        let first = unread.line().unwrap_or(unread.read) + 1;
        if first > self.client.room.chat.timeline().newest() {
            return self.state.say("No new messages.", Tone::Good);
        }
        self.state.reading.unread.came_back();
        self.state.go(Pane::Timeline);
        self.select(first, now);
    }

    /// The selected message and all behind it stay new, to be come back to, also after a restart.
    pub(crate) fn keep_new(&mut self) {
        let Some(number) = self.state.selected.post else {
            return self.state.say("Select a message first.", Tone::Good);
        };
        self.state.reading.unread.keep_from(number);
        self.state.say("Marked as new from here on.", Tone::Good);
    }

    /// Looks for what is written, and shows the newest message that has it.
    pub(crate) fn search(&mut self) {
        let Some(field) = self.state.modals.search() else {
            return;
        };
        let thread = self
            .state
            .reading
            .thread
            .as_ref()
            .map(|thread| thread.id.as_str());
        let before = self.state.reading.search.take();
        let search = Search::new(&field.text(), before, &self.client.room, thread);
        let newest = search.next(None, true);
        self.state.reading.search = Some(search);
        self.state.selected.post = newest;
        if let Some(number) = newest {
            self.select(number, Instant::now());
        }
    }

    /// To the next message that has what is looked for.
    pub(crate) fn go_to_found(&mut self, older: bool, now: Instant) {
        let from = self.state.selected.post;
        let Some(search) = &self.state.reading.search else {
            return self.state.say("Nothing to search for.", Tone::Good);
        };
        if let Some(number) = search.next(from, older) {
            self.select(number, now);
        }
    }

    /// Shows one kind of items only, or all again.
    pub(crate) fn filter(&mut self) {
        self.state.lists.filter = self.state.lists.filter.next();
        self.state.go(Pane::Inbox);
        self.state.tidy(&self.client.room);
    }

    /// Shows what was decided today.
    pub(crate) fn decided(&mut self) {
        let lines = view::decided_lines(&self.look());
        self.state.read("Decided today", lines);
    }

    /// Something with the selected file.
    pub(crate) fn file_command(&mut self, command: impl Fn(ItemId) -> crate::core::Command) {
        match self.state.selected_file(&self.client.room) {
            Some(number) => {
                let result = self.client.perform(command(ItemId::File(number)));
                self.show(result);
            }
            None => self.state.say("No files yet.", Tone::Good),
        }
    }

    /// Selects another file; to newer ones where `by` is positive.
    pub(crate) fn select_file(&mut self, by: isize) {
        let last = self.client.room.files.all().count() as u32;
        if let Some(now) = self.state.selected_file(&self.client.room) {
            self.state.selected.file = Some(now.saturating_add_signed(by as i32).clamp(1, last.max(1)));
            self.state.lists.held = false;
        }
    }

    pub(crate) fn select_item(&mut self, by: isize) {
        let waiting = self.client.room.review.inbox().waiting();
        let shown = waiting.filter(|item| self.state.lists.filter.shows(item));
        let ids: Vec<ItemId> = shown.map(|item| item.id).collect();
        let Some(last) = ids.len().checked_sub(1) else {
            return;
        };
        let selected = self.state.selected_item(&self.client.room);
        let at = selected
            .and_then(|id| ids.iter().position(|one| *one == id))
            .unwrap_or(0);
        self.state
            .select_item(ids[at.saturating_add_signed(by).min(last)]);
    }
}
