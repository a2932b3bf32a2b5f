//! The messages. Only what is on the screen is laid out, from the bottom up.

pub(crate) mod group_answers;
mod moving;
pub(crate) mod post;
pub(crate) mod row;

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::{RenderContext, Scope};
use crate::{
    core::{Entry, RemotePartial, Run, What},
    text,
    tui::{
        input::{action::Action, keymap::Context},
        timeline_state::{PostSelection, TimelineState},
        view::{
            format,
            scrollbar::Part,
            timeline::{
                post::{Block, Stand},
                row::Row,
            },
        },
    },
};

/// A place in the messages: a block (an entry, or a run behind the last one), and a line in it.
type At = (usize, usize);

/// Where the bottom of the messages stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scroll {
    /// The block at the bottom and how many of its lines are shown; `None` follows what is new.
    bottom: Option<At>,
}

/// Lines of an answer that is being written, at most.
const PARTIAL_LINES: usize = 12;
/// The same of another member's agent.
const OTHERS_LINES: usize = 6;

impl Scroll {
    pub fn go_to_end(&mut self) {
        self.bottom = None;
    }

    /// Whether what is new is shown as it comes.
    pub fn follows(&self) -> bool {
        self.bottom.is_none()
    }
}

/// The messages on pages of some size. Moving changes `scroll`, which the caller takes over.
pub(in crate::tui) struct Pages<'a, 'l> {
    pub look: &'a RenderContext<'l>,
    pub reading: &'a TimelineState,
    pub scroll: Scroll,
    pub selection: PostSelection,
    pub width: u16,
    pub height: u16,
}

impl<'a, 'l> Pages<'a, 'l> {
    /// The messages as they are read now, on pages of some columns and rows.
    pub fn new(look: &'a RenderContext<'l>, reading: &'a TimelineState, page: (u16, u16)) -> Self {
        Self {
            look,
            reading,
            scroll: reading.scroll,
            selection: reading.selection,
            width: page.0,
            height: page.1,
        }
    }
}

impl Pages<'_, '_> {
    fn blocks(&self) -> usize {
        self.reading.len(self.look.room) + self.runs().count() + self.growing().count()
    }

    /// Answers of others' agents that are being written.
    fn growing(&self) -> impl Iterator<Item = &RemotePartial> {
        let thread = self.reading.thread.as_ref().map(|thread| &thread.id);
        let all = self.look.room.chat.partials().all();
        all.filter(move |one| thread.is_none_or(|thread| one.thread.as_ref() == Some(thread)))
    }

    fn runs(&self) -> impl Iterator<Item = &Run> {
        let thread = self.reading.thread.as_ref().map(|thread| thread.id.as_str());
        let runs = self.look.program.runs().of(self.look.room.id());
        runs.filter(move |run| thread.is_none_or(|thread| run.thread == thread))
    }

    fn lines_of(&self, block: usize) -> usize {
        self.lay(block).len()
    }

    /// The rows on the screen, from its bottom up, and for each the message that it is part of; and which part
    /// of all they are.
    pub fn rows(&self) -> (Vec<(Row, Option<u32>)>, Option<Part>) {
        let last = self.blocks();
        if last == 0 {
            return (self.nothing(), None);
        }
        let (end, take) = match self.scroll.bottom {
            Some((block, line)) if block < last => (block + 1, Some(line)),
            _ => (last, None),
        };
        let height = self.height as usize;
        let (mut rows, mut block) = (Vec::new(), end);
        let (mut from, mut to) = (0.0, end as f64);
        while rows.len() < height && block > 0 {
            block -= 1;
            let laid = self.lay(block);
            let mut shown = laid.len();
            let all = shown.max(1) as f64;
            if let Some(line) = take.filter(|_| block + 1 == end) {
                shown = shown.min(line);
                to = block as f64 + shown as f64 / all;
            }
            let number = self.entry(block).and_then(|(_, entry)| match &entry.what {
                What::Post(post) => Some(post.number),
                _ => None,
            });
            let found = self.reading.search.as_ref().filter(|_| number.is_some());
            let fits = shown.min(height - rows.len());
            for mut row in (shown - fits..shown).rev().filter_map(|nth| laid.row(nth)) {
                if let Some(search) = found {
                    row.mark(|text| search.matches(text), self.look.style(Scope::Found));
                }
                rows.push((row, number));
            }
            from = block as f64 + (shown - fits) as f64 / all;
        }
        let all = last as f64;
        let part = Part {
            from: from / all,
            to: to / all,
        };
        (rows, Some(part))
    }

    /// The hint in an empty room.
    fn nothing(&self) -> Vec<(Row, Option<u32>)> {
        let help = self.look.keymap.hint(Context::Composer, Action::Help);
        let help = help.map_or_else(String::new, |key| format!(" {key} helps."));
        let hint = format!("Nobody has said anything yet. Write below.{help}");
        let blank = (self.height as usize).saturating_sub(1);
        let mut rows = vec![(Row::default(), None); blank];
        rows.push((self.look.line(hint, Scope::Dim).into(), None));
        rows
    }

    /// The message before a block, by its number; 0 if there is none.
    fn post_before(&self, block: usize) -> u32 {
        let entries = self.look.room.chat.timeline().entries();
        let before = (0..block)
            .rev()
            .filter_map(|nth| entries.get(self.reading.place(nth)?));
        let mut numbers = before.filter_map(|entry| match &entry.what {
            What::Post(post) => Some(post.number),
            _ => None,
        });
        numbers.next().unwrap_or(0)
    }

    /// The entry of a block, with its place.
    fn entry(&self, block: usize) -> Option<(usize, &Entry)> {
        if block >= self.reading.len(self.look.room) {
            return None;
        }
        let place = self.reading.place(block)?;
        Some((place, self.look.room.chat.timeline().entries().get(place)?))
    }

    /// The rows of a block behind the last entry: a run, or an answer of another member's agent.
    fn lay_behind(&self, nth: usize) -> Vec<Row> {
        let width = self.width as usize;
        if let Some(run) = self.runs().nth(nth) {
            return lay_run(self.look, run, width);
        }
        let grows = self.growing().nth(nth.saturating_sub(self.runs().count()));
        grows.map_or_else(Vec::new, |one| lay_growing(self.look, one, width))
    }

    fn lay(&self, block: usize) -> Block {
        let look = self.look;
        let width = self.width as usize;
        let entries = look.room.chat.timeline().entries();
        let shown = self.reading.len(look.room);
        let Some(entry) = self
            .reading
            .place(block)
            .filter(|_| block < shown)
            .and_then(|place| entries.get(place))
        else {
            return self.lay_behind(block.saturating_sub(shown)).into();
        };
        if let What::Post(post) = &entry.what
            && !self.reading.shows(look.room, post)
        {
            return Block::default();
        }
        let mut rows = Vec::new();
        let day = look.day(entry.at);
        let before = block.checked_sub(1).and_then(|before| self.reading.place(before));
        if before.is_none_or(|before| look.day(entries[before].at) != day) {
            rows.push(ruled(look, &day, width, Scope::Border));
        }
        let time = look.span(format!("{} ", look.clock(entry.at)), Scope::Time);
        match &entry.what {
            What::Post(post) => {
                let line = self.reading.unread.line();
                if line.is_some_and(|line| post.number > line && self.post_before(block) <= line) {
                    rows.push(ruled(look, "new", width, Scope::Unread));
                }
                let folded = self.reading.thread.is_none() && self.reading.folded.contains(&post.thread);
                let thread = look.room.chat.threads().get(&post.thread).filter(|_| folded);
                let stand = Stand {
                    selected: self.selection.contains(post.number),
                    folded: thread.map_or(0, |thread| thread.posts - 1),
                };
                let mut laid = post::lay(look, post, time, width, stand, &self.reading.bodies);
                laid.head.splice(..0, rows);
                return laid;
            }
            What::Presence { name, event } => {
                let words = format!("{} {}", look.name(name), format::presence(*event));
                let words = text::cut(&words, width.saturating_sub(6));
                rows.push(Line::from(vec![time, look.span(words, Scope::Note)]).into());
            }
            What::Note(note) => rows.extend(lay_note(look, note, &time, width)),
        }
        rows.into()
    }
}

/// Draws rows from the bottom of `area` up.
pub(super) fn draw(
    look: &RenderContext,
    rows: &[(Row, Option<u32>)],
    area: Rect,
    buffer: &mut ratatui::buffer::Buffer,
) {
    for ((row, _), y) in rows.iter().zip((area.y..area.bottom()).rev()) {
        row.draw(Rect { y, height: 1, ..area }, look.links, buffer);
    }
}

/// A line over the whole width, with a word in its middle.
fn ruled(look: &RenderContext, word: &str, width: usize, scope: Scope) -> Row {
    let word = text::cut(word, width);
    let side = width.saturating_sub(text::width(&word) + 2) / 2;
    let line = format!("{} {word} {}", "─".repeat(side), "─".repeat(side));
    look.line(line, scope).into()
}

/// A note, with the time before its first row.
fn lay_note(look: &RenderContext, note: &str, time: &Span<'static>, width: usize) -> Vec<Row> {
    let wrapped = text::wrap(note, width.saturating_sub(6)).into_iter().enumerate();
    let row = |(row, line)| {
        let first = if row == 0 {
            time.clone()
        } else {
            Span::raw("      ")
        };
        Line::from(vec![first, look.span(line, Scope::Note)]).into()
    };
    wrapped.map(row).collect()
}

fn lay_run(look: &RenderContext, run: &Run, width: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = vec![
        look.line(text::cut(&look.doing(run), width), Scope::Working)
            .into(),
    ];
    if let Some(notice) = &run.notice {
        rows.push(
            look.line(text::cut(&format!("  {notice}"), width), Scope::Note)
                .into(),
        );
    }
    rows.extend(partial(look, &run.partial, width, PARTIAL_LINES));
    rows
}

/// The answer that another member's agent is writing, as far as it is shared.
fn lay_growing(look: &RenderContext, one: &RemotePartial, width: usize) -> Vec<Row> {
    let head = vec![
        look.speaker(&one.from),
        look.span(" is writing …", Scope::Working),
    ];
    let mut rows: Vec<Row> = vec![cut_line(head, width).into()];
    rows.extend(partial(look, &one.text, width, OTHERS_LINES));
    rows
}

/// The last lines of an answer that is being written.
fn partial(look: &RenderContext, words: &str, width: usize, most: usize) -> Vec<Row> {
    if words.is_empty() {
        return Vec::new();
    }
    // Each of the last lines is a row at least, so what is before them is not wrapped.
    let start = words.rmatch_indices('\n').nth(most).map_or(0, |(at, _)| at + 1);
    let wrapped = text::wrap(&words[start..], width.saturating_sub(2));
    let skip = wrapped.len().saturating_sub(most);
    let lines = wrapped[skip..].iter();
    lines
        .map(|line| look.line(format!("  {line}"), Scope::Partial).into())
        .collect()
}

/// A line of several styles, cut to a width.
pub(super) fn cut_line(spans: Vec<Span<'static>>, width: usize) -> Line<'static> {
    let mut left = width;
    let mut kept = Vec::new();
    for span in spans {
        let wide = text::width(&span.content);
        if wide > left {
            kept.push(Span::styled(text::cut(&span.content, left), span.style));
            break;
        }
        left -= wide;
        kept.push(span);
    }
    Line::from(kept)
}
