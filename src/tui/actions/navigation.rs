//! Keys among the messages: moving, opening, trying again.

use std::time::Instant;

use crate::{
    control::ExternalProgram,
    core::{Decision, Intent, ItemId, MentionOutcome, Shown},
    tui::{
        Screen,
        actions::{lists, review, submit},
        input::{gate::Gate, key::Key, keymap::Context, pressed::DecisionKey},
        state::{Pane, Tone},
        timeline_state::{OpenThread, Search},
        view::Pages,
    },
};

pub(crate) fn open(screen: &mut Screen, context: Context) {
    match context {
        Context::Inbox => {
            if let Some(item) = screen.state.selected_item(screen.client.room()) {
                screen.state.open(&[item]);
            }
        }
        Context::Timeline => {
            // A message that waits is opened; of another one its thread, and what one writes goes there.
            let Some(number) = screen.state.selected.post else {
                return;
            };
            if screen.client.room().review.inbox().has_mention(number) {
                return screen.state.open(&[ItemId::Mention(number)]);
            }
            if let Some(post) = screen.client.room().chat.timeline().post_numbered(number) {
                let thread = OpenThread::new(&post.thread, screen.client.room());
                screen.state.reading.open(Some(thread));
                screen.state.go(Pane::Composer);
            }
        }
        Context::Files => match lists::selected_place(screen) {
            Some(path) => screen.errand = Some(ExternalProgram::Look(path)),
            None => screen.state.say(
                "The file is not on this computer yet, so it cannot be opened.",
                Tone::Good,
            ),
        },
        _ => {}
    }
}

/// Opens the selected message as what an agent would be given; accepting it there hands it over.
pub(crate) fn hand_over(screen: &mut Screen) {
    let room = screen.client.room();
    let Some(number) = screen.state.selected.post else {
        return screen.state.say("Select a message first.", Tone::Good);
    };
    if room.review.inbox().has_mention(number) {
        return screen.state.open(&[ItemId::Mention(number)]);
    }
    match screen.client.program().may_hand_over(room.id(), number) {
        Ok(()) => screen.state.open_to_hand_over(number),
        Err(why) => screen.state.say(why, Tone::Good),
    }
}

pub(crate) fn retry(screen: &mut Screen, key: Option<Key>, now: Instant) {
    let Some(number) = settled_selection(screen, now) else {
        return screen.state.say("Select a message first.", Tone::Good);
    };
    if !is_on_screen(screen, number) {
        select(screen, number, now);
        return screen.state.say(
            "That message had scrolled away. Press again to retry it.",
            Tone::Good,
        );
    }
    review::press(screen, DecisionKey::Retry(number), key, now);
}

/// Whether the message was on the screen when it was drawn last.
fn is_on_screen(screen: &Screen, number: u32) -> bool {
    let shown = screen.shown.as_ref().filter(|shown| shown.messages.is_some());
    shown.is_some_and(|shown| shown.rows.iter().any(|(_, one)| *one == Some(number)))
}

/// Sends a message of ours again that failed, or lets an agent try again that failed.
pub(crate) fn retry_message(screen: &mut Screen, number: u32, shown: Shown) {
    let room = screen.client.room();
    let post = room.chat.timeline().post_numbered(number);
    let failed = post.and_then(|post| room.review.inbox().fate(post));
    let done = if matches!(failed, Some(MentionOutcome::Failed(_))) {
        review::check_and_decide(screen, Decision::new(Intent::RunAgain(number), shown))
    } else {
        let result = screen
            .client
            .perform(crate::core::Command::Retry(ItemId::Mention(number)));
        let done = result.is_ok();
        submit::show(screen, result);
        done
    };
    // Where it was written, it is done.
    if done && screen.state.pane == Pane::Composer && screen.state.composer.text().starts_with("/retry") {
        screen.state.composer.take();
    }
}

pub(crate) fn settled_selection(screen: &Screen, now: Instant) -> Option<u32> {
    let since = screen
        .state
        .selected
        .since
        .filter(|since| Gate::settled(*since, now));
    screen.state.selected.post.filter(|_| since.is_some())
}

/// Does something with the messages as they are on the screen.
pub(in crate::tui) fn pages<T>(screen: &mut Screen, then: impl FnOnce(&mut Pages) -> T) -> T {
    let look = screen.look();
    let reading = &screen.state.reading;
    let mut pages = Pages::new(&look, reading, reading.page);
    let done = then(&mut pages);
    let scroll = pages.scroll;
    screen.state.reading.scroll = scroll;
    done
}

/// Goes some pages down, or up; a line of each page stays on the screen.
pub(crate) fn page_by(screen: &mut Screen, pages: isize) {
    let rows = screen.state.reading.page.1.max(2) as isize;
    scroll(screen, pages * (rows - 1));
}

/// Moves what is on the screen: the sheet, the item, or else the messages, wherever the focus is.
pub(crate) fn scroll(screen: &mut Screen, lines: isize) {
    match screen.state.modals.scroll_mut() {
        // The layout keeps it within the text.
        Some(scroll) => *scroll = scroll.saturating_add_signed(lines),
        None => {
            pages(screen, |pages| pages.by(lines));
        }
    }
}

pub(crate) fn go_to_start(screen: &mut Screen) {
    match screen.state.modals.scroll_mut() {
        Some(scroll) => *scroll = 0,
        None => {
            pages(screen, |pages| pages.go_to_start());
        }
    }
}

pub(crate) fn go_to_end(screen: &mut Screen) {
    if screen.state.modals.is_covered() {
        scroll(screen, isize::MAX / 2);
    } else {
        screen.state.reading.scroll.go_to_end();
    }
}

pub(crate) fn select_post(screen: &mut Screen, by: isize, now: Instant) {
    if let Some(number) = pages(screen, |pages| pages.next_post(by)) {
        select(screen, number, now);
    }
}

/// Selects a message, and shows it.
pub(crate) fn select(screen: &mut Screen, number: u32, now: Instant) {
    screen.state.selected.post = Some(number);
    screen.state.selected.since = Some(now);
    // The next key may come before the next frame, and goes on from here.
    screen.state.reading.selection.post = Some(number);
    pages(screen, |pages| pages.show(number));
}

/// Folds the thread of the selected message, or opens it again.
pub(crate) fn fold(screen: &mut Screen) {
    let number = screen.state.selected.post.unwrap_or_default();
    let Some(post) = screen.client.room().chat.timeline().post_numbered(number) else {
        return screen.state.say("Select a message first.", Tone::Good);
    };
    let thread = screen.client.room().chat.threads().get(&post.thread);
    let Some(thread) = thread.filter(|thread| thread.posts > 1) else {
        return screen.state.say("This message is all of its thread.", Tone::Good);
    };
    screen.state.reading.fold(&thread.id);
    screen.state.selected.post = Some(thread.first);
}

/// To the first message that was not seen.
pub(crate) fn first_new(screen: &mut Screen, now: Instant) {
    let unread = screen.state.reading.unread;
    let first = unread.line().unwrap_or(unread.read) + 1;
    if first > screen.client.room().chat.timeline().newest() {
        return screen.state.say("No new messages.", Tone::Good);
    }
    screen.state.reading.unread.came_back();
    screen.state.go(Pane::Timeline);
    select(screen, first, now);
}

/// The selected message and all behind it stay new, to be come back to, also after a restart.
pub(crate) fn keep_new(screen: &mut Screen) {
    let Some(number) = screen.state.selected.post else {
        return screen.state.say("Select a message first.", Tone::Good);
    };
    screen.state.reading.unread.keep_from(number);
    screen.state.say("Marked as new from here on.", Tone::Good);
}

/// Looks for what is written, and shows the newest message that has it.
pub(crate) fn search(screen: &mut Screen) {
    let Some(field) = screen.state.modals.search() else {
        return;
    };
    let thread = screen
        .state
        .reading
        .thread
        .as_ref()
        .map(|thread| thread.id.as_str());
    let before = screen.state.reading.search.take();
    let search = Search::new(&field.text(), before, screen.client.room(), thread);
    let newest = search.next(None, true);
    screen.state.reading.search = Some(search);
    screen.state.selected.post = newest;
    if let Some(number) = newest {
        select(screen, number, Instant::now());
    }
}

/// To the next message that has what is looked for.
pub(crate) fn go_to_found(screen: &mut Screen, older: bool, now: Instant) {
    let from = screen.state.selected.post;
    let Some(search) = &screen.state.reading.search else {
        return screen.state.say("Nothing to search for.", Tone::Good);
    };
    if let Some(number) = search.next(from, older) {
        select(screen, number, now);
    }
}
