//! The messages. Only what is on the screen is laid out, from the bottom up.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::Widget,
};

use super::{Look, Scope, files, words};
use crate::{
    room::{Entry, Post, Room, Run, What},
    screen::{action::Action, keymap::Context},
    text,
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

fn blocks(room: &Room) -> usize {
    room.timeline.entries().len() + room.runs.all().count()
}

impl Scroll {
    /// Messages below the bottom.
    pub fn below(&self, room: &Room) -> usize {
        let Some((block, _)) = self.bottom else { return 0 };
        let below = room.timeline.entries().iter().skip(block + 1);
        below.filter(|entry| matches!(entry.what, What::Post(_))).count()
    }

    /// Moves by some lines; to what is older where negative. A page is `height` lines of `width` columns.
    pub fn by(&mut self, lines: isize, look: &Look, width: u16, height: u16) {
        let last = blocks(look.room);
        if last == 0 || width == 0 {
            return self.go_to_end();
        }
        let lines_of = |block: usize| lay_block(look, block, width, None).len();
        let (mut block, mut line) = self.bottom.unwrap_or_else(|| (last - 1, lines_of(last - 1)));
        let mut left = lines.unsigned_abs();
        if lines < 0 {
            while left > 0 {
                if line > left {
                    line -= left;
                    break;
                }
                left -= line;
                if block == 0 {
                    line = 0;
                    break;
                }
                block -= 1;
                line = lines_of(block);
            }
            // The first message stays at the top of the screen, and no further.
            let least = self.top_page(look, width, height);
            (block, line) = (block, line).max(least);
        } else {
            while left > 0 {
                let here = lines_of(block);
                if line + left <= here {
                    line += left;
                    break;
                }
                left -= here.saturating_sub(line);
                if block + 1 >= last {
                    return self.go_to_end();
                }
                (block, line) = (block + 1, 0);
            }
        }
        let at_end = block + 1 >= last && line >= lines_of(last - 1);
        self.bottom = if at_end { None } else { Some((block, line)) };
    }

    /// To the first message.
    pub fn go_to_start(&mut self, look: &Look, width: u16, height: u16) {
        let least = self.top_page(look, width, height);
        let last = blocks(look.room);
        let fits = last == 0 || least == (last - 1, lay_block(look, last - 1, width, None).len());
        self.bottom = if fits { None } else { Some(least) };
    }

    /// To the newest message.
    pub fn go_to_end(&mut self) {
        self.bottom = None;
    }

    /// So far that the message with that number can be seen.
    pub fn show(&mut self, number: u32, look: &Look, width: u16, height: u16) {
        let Some((block, _)) = look
            .room
            .timeline
            .posts()
            .rev()
            .find(|(_, post)| post.number == number)
        else {
            return;
        };
        let (top, bottom) = self.window(look, width, height);
        let lines = lay_block(look, block, width, None).len();
        if (block, 0) < top {
            // Its first line to the top of the screen.
            self.bottom = Some((block, 0));
            self.by(height as isize, look, width, height);
        } else if (block, lines) > bottom {
            self.bottom = Some((block, lines));
            self.by(0, look, width, height);
        }
    }

    /// The first and the last line that are on the screen.
    fn window(&self, look: &Look, width: u16, height: u16) -> (At, At) {
        let last = blocks(look.room);
        if last == 0 {
            return ((0, 0), (0, 0));
        }
        let bottom = self
            .bottom
            .unwrap_or_else(|| (last - 1, lay_block(look, last - 1, width, None).len()));
        let (mut block, mut line, mut left) = (bottom.0, bottom.1, height as usize);
        while left > line && block > 0 {
            left -= line;
            block -= 1;
            line = lay_block(look, block, width, None).len();
        }
        ((block, line.saturating_sub(left)), bottom)
    }

    /// The bottom of the page that begins with the first message.
    fn top_page(&self, look: &Look, width: u16, height: u16) -> At {
        let mut left = height as usize;
        let last = blocks(look.room);
        for block in 0..last {
            let lines = lay_block(look, block, width, None).len();
            if lines >= left || block + 1 == last {
                return (block, lines.min(left));
            }
            left -= lines;
        }
        (0, 0)
    }
}

/// Draws the messages into `area`, the selected one marked.
pub(super) fn draw(look: &Look, scroll: &Scroll, selected: Option<u32>, area: Rect, buffer: &mut Buffer) {
    let last = blocks(look.room);
    let (mut block, mut take) = match scroll.bottom {
        Some((block, line)) if block < last => (block + 1, Some(line)),
        _ => (last, None),
    };
    let mut y = area.bottom();
    while y > area.y && block > 0 {
        block -= 1;
        let mut lines = lay_block(look, block, area.width, selected);
        if let Some(line) = take.take() {
            lines.truncate(line);
        }
        for line in lines.into_iter().rev() {
            if y == area.y {
                break;
            }
            y -= 1;
            line.render(Rect { y, height: 1, ..area }, buffer);
        }
    }
    if last == 0 {
        let help = look.keymap.hint(Context::Composer, Action::Help);
        let help = help.map_or_else(String::new, |key| format!(" {key} helps."));
        let hint = look.line(
            format!("Nobody has said anything yet. Write below.{help}"),
            Scope::Dim,
        );
        hint.render(
            Rect {
                height: area.height.min(1),
                ..area
            },
            buffer,
        );
    }
}

fn lay_block(look: &Look, block: usize, width: u16, selected: Option<u32>) -> Vec<Line<'static>> {
    let entries = look.room.timeline.entries();
    let width = width as usize;
    let Some(entry) = entries.get(block) else {
        let run = look.room.runs.all().nth(block - entries.len());
        return run.map_or_else(Vec::new, |run| lay_run(look, run, width));
    };
    let mut lines = Vec::new();
    let day = look.day(entry.at);
    if block == 0 || look.day(entries[block - 1].at) != day {
        lines.push(day_line(look, &day, width));
    }
    lay_entry(look, entry, width, selected, &mut lines);
    lines
}

fn day_line(look: &Look, day: &str, width: usize) -> Line<'static> {
    let day = text::cut(day, width);
    let side = width.saturating_sub(text::width(&day) + 2) / 2;
    look.line(
        format!("{} {day} {}", "─".repeat(side), "─".repeat(side)),
        Scope::Border,
    )
}

fn lay_entry(
    look: &Look,
    entry: &Entry,
    width: usize,
    selected: Option<u32>,
    lines: &mut Vec<Line<'static>>,
) {
    let time = look.span(format!("{} ", look.clock(entry.at)), Scope::Time);
    match &entry.what {
        What::Post(post) => lay_post(look, post, time, width, selected == Some(post.number), lines),
        What::Presence { name, event } => {
            let words = format!("{} {}", look.name(name), words::presence(*event));
            lines.push(Line::from(vec![
                time,
                look.span(text::cut(&words, width.saturating_sub(6)), Scope::Note),
            ]));
        }
        What::Note(note) => {
            let wrapped = text::wrap(note, width.saturating_sub(6));
            for (row, line) in wrapped.into_iter().enumerate() {
                let first = if row == 0 {
                    time.clone()
                } else {
                    Span::raw("      ")
                };
                lines.push(Line::from(vec![first, look.span(line, Scope::Note)]));
            }
        }
    }
}

fn lay_post(
    look: &Look,
    post: &Post,
    time: Span<'static>,
    width: usize,
    selected: bool,
    lines: &mut Vec<Line<'static>>,
) {
    let indent = if width >= 50 { 6 } else { 2 };
    let margin = " ".repeat(indent);
    let name = look.speaker(&post.speaker());
    let addressed = look.addressed(post);
    let head = 6 + text::width(&name.content) + text::width(&addressed);
    let name = if selected {
        name.patch_style(look.style(Scope::Selected))
    } else {
        name
    };
    let mut header = vec![time, name, look.span(addressed, Scope::Dim)];
    let one_line = !post.text.contains('\n') && head + 2 + text::width(&post.text) <= width;
    if one_line {
        header.push(look.span(format!("  {}", post.text), Scope::Text));
        lines.push(Line::from(header));
    } else {
        lines.push(Line::from(header));
        for line in text::wrap(&post.text, width.saturating_sub(indent)) {
            lines.push(Line::from(vec![
                Span::raw(margin.clone()),
                look.span(line, Scope::Text),
            ]));
        }
    }
    lines.extend(files::post_lines(look, post, &margin, width));
    lay_details(look, post, &margin, width, selected, lines);
}

/// The line below a message: what it took, what became of it, what can be done.
fn lay_details(
    look: &Look,
    post: &Post,
    margin: &str,
    width: usize,
    selected: bool,
    lines: &mut Vec<Line<'static>>,
) {
    let mut parts: Vec<Span> = Vec::new();
    if selected || post.asks && !post.mine {
        let thread = look.room.threads.get(&post.thread);
        let thread = thread
            .filter(|thread| thread.posts > 1)
            .map_or_else(String::new, |t| format!(" t{}", t.number));
        parts.push(look.span(format!("m{}{thread}", post.number), Scope::Key));
    }
    if let Some(usage) = post
        .usage
        .as_ref()
        .map(words::usage)
        .filter(|usage| !usage.is_empty())
    {
        parts.push(look.span(usage, Scope::Dim));
    }
    if let Some(by) = &post.edited_by {
        parts.push(look.span(format!("edited by {}", look.name(by)), Scope::Dim));
    }
    if look.room.inbox.has_mention(post.number) {
        parts.push(look.span("waits for you", Scope::Waiting));
    } else if let Some(fate) = look.room.inbox.fate(post) {
        parts.push(look.mention_fate(fate));
    }
    if let Some(fate) = look.room.fate_of(post) {
        parts.push(look.fate(&fate));
    }
    if parts.is_empty() {
        return;
    }
    let mut spans = vec![look.span(format!("{margin}└ "), Scope::Dim)];
    for (nth, part) in parts.into_iter().enumerate() {
        if nth > 0 {
            spans.push(look.span(" · ", Scope::Dim));
        }
        spans.push(part);
    }
    lines.push(cut_line(spans, width));
}

fn lay_run(look: &Look, run: &Run, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![look.line(text::cut(&look.doing(run), width), Scope::Working)];
    if let Some(notice) = &run.notice {
        lines.push(look.line(text::cut(&format!("  {notice}"), width), Scope::Note));
    }
    if !run.partial.is_empty() {
        let wrapped = text::wrap(&run.partial, width.saturating_sub(2));
        let skip = wrapped.len().saturating_sub(PARTIAL_LINES);
        lines.extend(
            wrapped[skip..]
                .iter()
                .map(|line| look.line(format!("  {line}"), Scope::Partial)),
        );
    }
    lines
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
