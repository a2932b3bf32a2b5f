//! One message: who says it to whom, its words, and below them what is known of it.

use std::{cell::RefCell, rc::Rc};

use ratatui::text::Span;

use super::row::Row;
use crate::{
    core::{DeliveryStatus, Doubt, Outgoing, Post, Recipient},
    text,
    tui::view::{
        RenderContext, Scope, files, format,
        markdown::{self, Body},
        timeline::{cut_line, group_answers},
    },
};

/// Texts that are kept laid out, at most.
const KEPT: usize = 1024;

/// A cache of laid-out texts, for one width and one theme: a key does not lay out again what is on the screen.
///
/// It fills while the state is only read, so it is a cell. Laying texts out before that is no way: only the layout
/// finds which of 100,000 messages are on the screen, from their heights.
#[derive(Default)]
pub(in crate::tui) struct Bodies(RefCell<LaidBodies>);

#[derive(Default)]
struct LaidBodies {
    columns: usize,
    by_number: std::collections::HashMap<u32, Rc<Body>>,
}

impl Bodies {
    pub fn forget(&mut self) {
        self.0.get_mut().by_number.clear();
    }

    fn get(&self, look: &RenderContext, post: &Post, columns: usize) -> Rc<Body> {
        let mut laid = self.0.borrow_mut();
        if laid.columns != columns || laid.by_number.len() >= KEPT {
            laid.columns = columns;
            laid.by_number.clear();
        }
        let lay = || Rc::new(markdown::lay(&post.text, columns, look.theme));
        laid.by_number.entry(post.number).or_insert_with(lay).clone()
    }
}

/// How a message stands in what is being read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stand {
    pub selected: bool,
    /// Messages of its thread that are folded below it.
    pub folded: u32,
}

/// The rows of a message or a note. Those of a long text are made when they are drawn, and not with each key.
#[derive(Default)]
pub(crate) struct Block {
    /// Rows before the text.
    pub head: Vec<Row>,
    /// The laid-out text, and what stands before each of its rows.
    text: Option<(Rc<Body>, String)>,
    /// Rows below the text.
    tail: Vec<Row>,
}

impl Block {
    pub fn len(&self) -> usize {
        self.head.len() + self.text_len() + self.tail.len()
    }

    fn text_len(&self) -> usize {
        self.text.as_ref().map_or(0, |(body, _)| body.rows.len())
    }

    /// A row, counted from the first; `None` if there are fewer.
    pub fn row(&self, nth: usize) -> Option<Row> {
        if let Some(row) = self.head.get(nth) {
            return Some(row.clone());
        }
        let nth = nth - self.head.len();
        match self
            .text
            .as_ref()
            .and_then(|(body, margin)| Some((body.rows.get(nth)?, margin)))
        {
            Some((row, margin)) => Some(row.clone().behind([Span::raw(margin.clone())])),
            None => self.tail.get(nth - self.text_len()).cloned(),
        }
    }
}

impl From<Vec<Row>> for Block {
    fn from(head: Vec<Row>) -> Self {
        Self {
            head,
            ..Self::default()
        }
    }
}

/// Lays a message out in rows of `width` columns.
pub(crate) fn lay(
    look: &RenderContext,
    post: &Post,
    time: Span<'static>,
    width: usize,
    stand: Stand,
    bodies: &Bodies,
) -> Block {
    let indent = if width >= 49 { 6 } else { 2 };
    let margin = " ".repeat(indent);
    let name = match post.is_strangers() {
        // Nothing about it looks like one's own.
        true => look.span(post.speaker().in_words(), Scope::NamePerson),
        false => look.speaker(&post.speaker()),
    };
    let name = if stand.selected {
        name.patch_style(look.style(Scope::Selected))
    } else {
        name
    };
    let mut header = vec![time, name, look.span(look.addressed(post), Scope::Dim)];
    let body = bodies.get(look, post, width.saturating_sub(indent));
    let head: usize = header.iter().map(|span| text::width(&span.content)).sum();
    let mut block = Block::default();
    match body.rows.as_slice() {
        [only] if body.is_paragraph && head + 2 + only.width() <= width => {
            header.push(Span::raw("  "));
            block.head.push(only.clone().behind(header));
        }
        _ => {
            block.head.push(cut_line(header, width).into());
            block.text = Some((body, margin.clone()));
        }
    }
    let rows = &mut block.tail;
    rows.extend(
        files::post_lines(look, post, &margin, width)
            .into_iter()
            .map(Row::from),
    );
    let asked = look.room.asked(post);
    rows.extend(details(look, post, &asked, &margin, width, stand.selected));
    rows.extend(
        group_answers::lines(look, &asked, &margin, width)
            .into_iter()
            .map(Row::from),
    );
    if stand.folded > 0 {
        let more = format!("{margin}▸ {} more in this thread", stand.folded);
        rows.push(look.line(text::cut(&more, width), Scope::Dim).into());
    }
    block
}

/// The row below a message: what it took, what became of it, what can be done.
fn details(
    look: &RenderContext,
    post: &Post,
    asked: &[Recipient],
    margin: &str,
    width: usize,
    selected: bool,
) -> Option<Row> {
    let mut parts: Vec<Span> = Vec::new();
    match post.sender.doubt {
        Some(Doubt::Stranger) => {
            parts.push(look.span("⚠ not you: somebody else used your name", Scope::Risk))
        }
        Some(Doubt::OtherKey) => parts.push(look.span("⚠ from a different key than before", Scope::Risk)),
        None => {}
    }
    if selected || post.asks && !post.sender.mine {
        let thread = look.room.chat.threads().get(&post.thread);
        let thread = thread
            .filter(|thread| thread.posts > 1)
            .map_or_else(String::new, |t| format!(" t{}", t.number));
        parts.push(look.span(format!("m{}{thread}", post.number), Scope::Key));
    }
    let usage = post.usage.as_ref().map(format::usage);
    if let Some(usage) = usage.filter(|usage| !usage.is_empty()) {
        parts.push(look.span(usage, Scope::Dim));
    }
    if let Some(by) = &post.author.edited_by {
        parts.push(look.span(format!("edited by {}", look.name(by)), Scope::Dim));
    }
    if look.room.review.inbox().has_mention(post.number) {
        parts.push(look.span("waits for you", Scope::Waiting));
    } else if let Some(fate) = look.room.review.inbox().fate(post) {
        parts.push(look.mention_fate(fate));
    }
    parts.extend(delivery(look, post, asked, selected));
    if parts.is_empty() {
        return None;
    }
    let corner = if asked.is_empty() { "└" } else { "├" };
    let mut spans = vec![look.span(format!("{margin}{corner} "), Scope::Dim)];
    for (nth, part) in parts.into_iter().enumerate() {
        if nth > 0 {
            spans.push(look.span(" · ", Scope::Dim));
        }
        spans.push(part);
    }
    Some(cut_line(spans, width).into())
}

/// How far a message of ours has come; nothing for one of another member's.
fn delivery(look: &RenderContext, post: &Post, asked: &[Recipient], selected: bool) -> Vec<Span<'static>> {
    let Some(outgoing) = look.room.chat.outbox().get(&post.id).filter(|_| post.sender.mine) else {
        return Vec::new();
    };
    let fate = look.room.fate_of(post).unwrap_or(DeliveryStatus::Sent);
    match selected
        .then(|| receipts(look, outgoing))
        .filter(|each| each.len() > 1)
    {
        // The card below tells each.
        _ if !asked.is_empty() => match fate {
            DeliveryStatus::Told(..) => vec![look.span(group_answers::summary(asked), Scope::Dim)],
            _ => vec![look.fate(&fate)],
        },
        Some(each) => each,
        None => vec![look.fate(&fate)],
    }
}

/// How far a message of ours has come with each of those whom it addresses.
fn receipts(look: &RenderContext, outgoing: &Outgoing) -> Vec<Span<'static>> {
    let one = |name: &String| match outgoing.receipts.get(&name.to_ascii_lowercase()) {
        Some((state, why)) => look.fate(&crate::core::DeliveryStatus::Told(
            name.clone(),
            *state,
            why.clone(),
        )),
        None if outgoing.absent.contains(name) => {
            look.fate(&crate::core::DeliveryStatus::Absent(vec![name.clone()]))
        }
        None => look.span(format!("{name}: no answer yet"), Scope::Dim),
    };
    outgoing.to.iter().map(one).collect()
}
