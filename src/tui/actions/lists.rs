//! Keys in lists: the inbox and the files.

use std::path::{Path, PathBuf};

use crate::{
    core::{Command, ItemId},
    tui::{
        Screen,
        actions::{clipboard, submit},
        state::{Pane, Tone},
        view,
    },
};

/// Where the selected file lies, once it is here.
pub(crate) fn selected_place(screen: &Screen) -> Option<PathBuf> {
    let number = screen.state.selected_file(screen.client.room())?;
    screen
        .client
        .room()
        .files
        .get(number)?
        .place()
        .map(Path::to_owned)
}

/// Copies where the selected file lies.
pub(crate) fn copy_place(screen: &mut Screen) {
    match selected_place(screen) {
        Some(path) => clipboard::set(screen, path.display().to_string()),
        None => screen.state.say(
            "The file is not on this computer yet, so there is no path to copy.",
            Tone::Good,
        ),
    }
}

/// Shows one kind of items only, or all again.
pub(crate) fn filter(screen: &mut Screen) {
    screen.state.lists.filter = screen.state.lists.filter.next();
    screen.state.go(Pane::Inbox);
    screen.state.tidy(screen.client.room());
}

/// Shows what was decided today.
pub(crate) fn decided(screen: &mut Screen) {
    let lines = view::decided_lines(&screen.look());
    screen.state.read("Decided today", lines);
}

/// Something with the selected file.
pub(crate) fn file_command(screen: &mut Screen, command: impl Fn(ItemId) -> Command) {
    match screen.state.selected_file(screen.client.room()) {
        Some(number) => {
            let result = screen.client.perform(command(ItemId::File(number)));
            submit::show(screen, result);
        }
        None => screen.state.say("No files yet.", Tone::Good),
    }
}

/// Selects another file; to newer ones where `by` is positive.
pub(crate) fn select_file(screen: &mut Screen, by: isize) {
    let last = screen.client.room().files.all().count() as u32;
    if let Some(now) = screen.state.selected_file(screen.client.room()) {
        screen.state.selected.file = Some(now.saturating_add_signed(by as i32).clamp(1, last.max(1)));
        screen.state.lists.held = false;
    }
}

pub(crate) fn select_item(screen: &mut Screen, by: isize) {
    let waiting = screen.client.room().review.inbox().waiting();
    let shown = waiting.filter(|item| screen.state.lists.filter.shows(item));
    let ids: Vec<ItemId> = shown.map(|item| item.id).collect();
    let Some(last) = ids.len().checked_sub(1) else {
        return;
    };
    let selected = screen.state.selected_item(screen.client.room());
    let at = selected
        .and_then(|id| ids.iter().position(|one| *one == id))
        .unwrap_or(0);
    screen
        .state
        .select_item(ids[at.saturating_add_signed(by).min(last)]);
}
