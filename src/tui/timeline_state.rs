//! How the messages are being read: where one is, which thread is open, what is new, what is looked for.

use std::{collections::HashSet, ops::Range};

use regex::{Regex, RegexBuilder};

use super::view::{Bodies, Scroll};
use crate::core::{Post, Room, What};

/// How the messages are being read.
#[derive(Default)]
pub struct TimelineState {
    pub scroll: Scroll,
    /// The thread that is open, with nothing else shown.
    pub thread: Option<OpenThread>,
    /// Threads of which only the first message is shown.
    pub folded: HashSet<String>,
    pub unread: Unread,
    pub search: Option<Search>,
    /// The selected messages as they were drawn last; none while another pane has the focus.
    pub selection: PostSelection,
    /// Columns and rows of messages at the last draw.
    pub page: (u16, u16),
    /// The texts that were laid out before.
    pub(in crate::tui) bodies: Bodies,
}

/// Messages that are selected, by their numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PostSelection {
    pub post: Option<u32>,
    /// All from this one to the selected one are marked.
    pub marked: Option<u32>,
}

impl PostSelection {
    /// Whether a message is selected, or marked with it.
    pub fn contains(&self, number: u32) -> bool {
        self.post.is_some_and(|selected| {
            let marked = self.marked.unwrap_or(selected);
            (marked.min(selected)..=marked.max(selected)).contains(&number)
        })
    }
}

/// A thread that is open.
pub struct OpenThread {
    pub id: String,
    /// Where its messages stand among the entries.
    places: Vec<usize>,
    /// Entries that were looked at.
    looked_at: usize,
}

impl OpenThread {
    pub fn new(id: &str, room: &Room) -> Self {
        let mut thread = Self {
            id: id.to_owned(),
            places: Vec::new(),
            looked_at: 0,
        };
        thread.follow(room);
        thread
    }

    /// Takes in what has come since.
    fn follow(&mut self, room: &Room) {
        let entries = room.chat.timeline().entries();
        for (at, entry) in entries.iter().enumerate().skip(self.looked_at) {
            if matches!(&entry.what, What::Post(post) if post.thread == self.id) {
                self.places.push(at);
            }
        }
        self.looked_at = entries.len();
    }
}

impl TimelineState {
    /// Opens a thread, or goes back to all of them. What is new stays at the bottom.
    pub fn open(&mut self, thread: Option<OpenThread>) {
        self.thread = thread;
        self.scroll.go_to_end();
    }

    /// Takes in what has come since.
    pub fn follow(&mut self, room: &Room) {
        if let Some(thread) = &mut self.thread {
            thread.follow(room);
        }
    }

    /// How many entries are shown.
    pub fn len(&self, room: &Room) -> usize {
        match &self.thread {
            Some(thread) => thread.places.len(),
            None => room.chat.timeline().entries().len(),
        }
    }

    /// The place among all entries of the `nth` that is shown.
    pub fn place(&self, nth: usize) -> Option<usize> {
        match &self.thread {
            Some(thread) => thread.places.get(nth).copied(),
            None => Some(nth),
        }
    }

    /// Which of what is shown stands at a place, or the first one behind it.
    pub fn nth_at(&self, place: usize) -> usize {
        match &self.thread {
            Some(thread) => thread.places.partition_point(|at| *at < place),
            None => place,
        }
    }

    /// Whether a message is shown: not in a thread that is folded, unless it begins it.
    pub fn shows(&self, room: &Room, post: &Post) -> bool {
        if self.thread.is_some() || !self.folded.contains(&post.thread) {
            return true;
        }
        let thread = room.chat.threads().get(&post.thread);
        thread.is_none_or(|thread| thread.first == post.number)
    }

    /// Folds a thread, or opens it again.
    pub fn fold(&mut self, thread: &str) {
        if !self.folded.remove(thread) {
            self.folded.insert(thread.to_owned());
        }
    }
}

/// Which messages the person has seen. The line above the first new one stays where it is until they write,
/// or have seen all and look away again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread {
    /// The newest message that was seen, by its number.
    pub read: u32,
    /// The line stands behind this message.
    line: Option<u32>,
    /// The newest message that there was.
    known: u32,
    /// Messages below the line stay new, however often they are looked at.
    kept: bool,
}

impl Unread {
    /// The newest message that is there now; `others` tells whether one of those that have come is another's.
    pub fn arrived(&mut self, newest: u32, others: bool, looks: bool) {
        if newest > self.known && others && !looks && self.line.is_none_or(|line| line < self.read) {
            self.line = Some(self.read);
        }
        self.known = newest;
    }

    /// All messages up to this one were on the screen, and the person looked at it.
    pub fn seen(&mut self, newest: u32) {
        if !self.kept {
            self.read = self.read.max(newest);
        }
    }

    /// From this message on all is new, until the person comes back to it, or writes.
    pub fn keep_from(&mut self, number: u32) {
        self.read = number.saturating_sub(1);
        self.line = Some(self.read);
        self.kept = true;
    }

    /// How many messages are kept as new, where some are.
    pub fn kept(&self) -> Option<u32> {
        self.kept.then(|| self.known.saturating_sub(self.read))
    }

    /// The person came back to what they kept as new.
    pub fn came_back(&mut self) {
        self.kept = false;
    }

    /// The person wrote: they know what is there.
    pub fn wrote(&mut self) {
        self.kept = false;
        self.line = None;
        self.read = self.read.max(self.known);
    }

    /// The newest message that there was when this was told last.
    pub fn known(&self) -> u32 {
        self.known
    }

    /// Behind which message the line stands; not above the very first.
    pub fn line(&self) -> Option<u32> {
        self.line.filter(|line| *line > 0)
    }
}

/// A search in the messages.
pub struct Search {
    pub words: String,
    pattern: Option<Regex>,
    /// The messages in which it stands, by number, oldest first.
    found: Vec<u32>,
    /// Messages that were looked at.
    looked_at: u32,
}

impl Search {
    /// Looks for words in all that is shown. Upper and lower case are one. Where only letters were added to
    /// what was looked for `before`, it is found among what was found.
    pub fn new(words: &str, before: Option<Self>, room: &Room, thread: Option<&str>) -> Self {
        let words = words.trim();
        let pattern = RegexBuilder::new(&regex::escape(words))
            .case_insensitive(true)
            .build();
        let mut search = Self {
            words: words.to_owned(),
            // Words that are too many for a pattern are found nowhere.
            pattern: pattern.ok().filter(|_| !words.is_empty()),
            found: Vec::new(),
            looked_at: 0,
        };
        let longer = |before: &Self| before.pattern.is_some() && words.starts_with(&before.words);
        if let (Some(before), Some(pattern)) = (before.filter(longer), &search.pattern) {
            let posts = before
                .found
                .iter()
                .filter_map(|number| room.chat.timeline().post_numbered(*number));
            let found = posts.filter(|post| stands_in(pattern, post));
            search.found = found.map(|post| post.number).collect();
            search.looked_at = before.looked_at;
        }
        search.follow(room, thread);
        search
    }

    /// Takes in what has come since.
    pub fn follow(&mut self, room: &Room, thread: Option<&str>) {
        let Some(pattern) = &self.pattern else { return };
        for number in self.looked_at + 1..=room.chat.timeline().newest() {
            if let Some(post) = room.chat.timeline().post_numbered(number)
                && thread.is_none_or(|thread| post.thread == thread)
                && stands_in(pattern, post)
            {
                self.found.push(number);
            }
        }
        self.looked_at = room.chat.timeline().newest();
    }

    /// Where it stands in a text, in bytes.
    pub fn matches(&self, text: &str) -> Vec<Range<usize>> {
        let Some(pattern) = &self.pattern else {
            return Vec::new();
        };
        pattern.find_iter(text).map(|found| found.range()).collect()
    }

    /// How often it was found.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// Which of those found a message is, from 1.
    pub fn nth(&self, number: u32) -> Option<usize> {
        self.found.binary_search(&number).ok().map(|at| at + 1)
    }

    /// The next one from a message on, older or newer; from the end it goes round.
    pub fn next(&self, from: Option<u32>, older: bool) -> Option<u32> {
        let (first, last) = (*self.found.first()?, *self.found.last()?);
        let Some(from) = from else { return Some(last) };
        let at = self.found.partition_point(|number| *number < from);
        if older {
            return Some(at.checked_sub(1).map_or(last, |at| self.found[at]));
        }
        let behind = self.found[at..].iter().find(|number| **number > from);
        Some(behind.copied().unwrap_or(first))
    }
}

fn stands_in(pattern: &Regex, post: &Post) -> bool {
    pattern.is_match(&post.text) || pattern.is_match(&post.from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_among_what_was_found_is_the_same() {
        let mut world = super::super::tests::World::new();
        for text in ["Hay", "needle", "a NEEDLE too", "need", "hay"] {
            let chat = nexscope_relay::protocol::body::Chat {
                text: text.into(),
                ..Default::default()
            };
            world.says("bob", &[], chat);
        }
        let mut before = None;
        for (words, expected) in [
            ("n", &[2, 3, 4][..]),
            ("ne", &[2, 3, 4]),
            ("needl", &[2, 3]),
            ("need", &[2, 3, 4]),
            ("h", &[1, 5]),
            ("(", &[]),
            ("", &[]),
        ] {
            let search = Search::new(words, before.take(), world.room(), None);
            assert_eq!(search.found, expected, "{words}");
            before = Some(search);
        }
    }

    #[test]
    fn the_line_stays_until_one_writes_or_looks_away_again() {
        let mut unread = Unread::default();
        unread.arrived(3, true, true);
        unread.seen(3);
        assert_eq!(unread.line(), None);
        // Two come while nobody looks: the line stands behind what was seen, and stays while they are read.
        unread.arrived(4, true, false);
        unread.arrived(5, true, false);
        assert_eq!(unread.line(), Some(3));
        unread.seen(5);
        unread.arrived(6, true, true);
        assert_eq!(unread.line(), Some(3));
        unread.seen(6);
        // Away again.
        unread.arrived(7, true, false);
        assert_eq!(unread.line(), Some(6));
        unread.wrote();
        assert_eq!((unread.line(), unread.read), (None, 7));
        // One's own words are not new.
        unread.arrived(8, false, false);
        assert_eq!(unread.line(), None);
    }

    #[test]
    fn what_is_kept_as_new_stays_so_until_one_comes_back_or_writes() {
        let mut unread = Unread::default();
        unread.arrived(5, true, true);
        unread.seen(5);
        unread.keep_from(4);
        unread.seen(5);
        unread.arrived(6, true, true);
        unread.seen(6);
        assert_eq!((unread.line(), unread.read, unread.kept()), (Some(3), 3, Some(3)));
        unread.came_back();
        unread.seen(6);
        assert_eq!((unread.line(), unread.read, unread.kept()), (Some(3), 6, None));
        unread.keep_from(6);
        unread.wrote();
        assert_eq!((unread.line(), unread.read, unread.kept()), (None, 6, None));
    }

    #[test]
    fn what_was_never_read_has_no_line_above_the_first() {
        let mut unread = Unread::default();
        unread.arrived(3, true, false);
        assert_eq!(unread.line(), None);
    }
}
