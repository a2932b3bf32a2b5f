//! Markdown, laid out for a width.
//!
//! It hides nothing: where a letter or digit of the text would not be drawn (a link's definition, a cell too
//! many, a comment), the text is drawn as it was written. So what a person reads here is what an agent
//! would be given.
//!
//! A text from another member must not freeze the screen: the work for each byte is bounded, and what is longer than
//! [`MARKDOWN_BYTES`] is drawn as it was written.

mod code;
mod inline;
mod table;
#[cfg(test)]
mod tests;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use ratatui::{
    style::{Modifier, Style},
    text::Span,
};

use crate::{
    text::{self, Clean},
    tui::{
        theme::{Scope, Theme},
        view::timeline::row::{Row, safe_url},
    },
};
use code::Painter;
use inline::Inline;
use table::Table;

/// A text that is laid out.
#[derive(Debug, Default)]
pub(in crate::tui) struct Body {
    /// Its rows.
    pub rows: Vec<Row>,
    /// It is one paragraph, which may stand behind something else in a row.
    pub is_paragraph: bool,
}

/// The length up to which a text is laid out as markdown, in bytes; the parser's time grows faster than the text.
const MARKDOWN_BYTES: usize = 16 * 1024;
/// The number of cells up to which tables are laid out as such: the parser adds the cells that a row lacks.
const TABLE_CELLS: usize = 4096;

/// Lays a cleaned text out in rows of at most `columns`.
pub(in crate::tui) fn lay(source: &Clean, columns: usize, theme: &Theme) -> Body {
    let columns = columns.max(1);
    let (formatted, rest) = source.split_at(end_of_markdown(source));
    let mut layout = MarkdownLayout::new(columns, theme);
    Parser::new_ext(formatted, options(formatted)).for_each(|event| layout.event(event));
    layout.paragraph();
    if !shows_all(formatted, &layout.drawn) {
        return Body {
            rows: as_written(source, columns, theme),
            is_paragraph: !source.contains('\n'),
        };
    }
    let is_paragraph = layout.blocks == 1 && layout.only_paragraphs && rest.is_empty();
    let mut rows = layout.rows;
    if !rest.is_empty() {
        rows.extend(as_written(rest, columns, theme));
    }
    Body { rows, is_paragraph }
}

/// Where the part of a text ends that is laid out as markdown: after its last whole line within the limit.
fn end_of_markdown(source: &str) -> usize {
    if source.len() <= MARKDOWN_BYTES {
        return source.len();
    }
    let head = &source.as_bytes()[..MARKDOWN_BYTES];
    head.iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1)
}

fn options(source: &str) -> Options {
    let options = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let bars = |line: &str| line.bytes().filter(|byte| *byte == b'|').count() + 1;
    let (lines, widest) = source.lines().fold((0, 0), |(lines, widest), line| {
        (lines + 1, bars(line).max(widest))
    });
    match lines * widest <= TABLE_CELLS {
        true => options | Options::ENABLE_TABLES,
        false => options,
    }
}

fn as_written(source: &str, columns: usize, theme: &Theme) -> Vec<Row> {
    let mut plain = Inline::default();
    plain.push_words(source, theme.style(Scope::Text), theme.style(Scope::Link));
    plain.rows(columns)
}

/// The code blocks of a text, oldest first, as they were written.
pub(in crate::tui) fn code_blocks(source: &Clean) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for event in Parser::new(source) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => {
                inside = true;
                blocks.push(String::new());
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(text) if inside => {
                if let Some(block) = blocks.last_mut() {
                    block.push_str(&text);
                }
            }
            _ => {}
        }
    }
    blocks
}

/// Whether every letter and digit of the source is drawn, in its order.
fn shows_all(source: &str, drawn: &str) -> bool {
    let mut drawn = drawn.chars();
    source
        .chars()
        .filter(|c| c.is_alphanumeric())
        .all(|wanted| drawn.any(|c| c == wanted))
}

struct MarkdownLayout<'a> {
    columns: usize,
    theme: &'a Theme,
    rows: Vec<Row>,
    inline: Inline,
    /// All words that are drawn, in order.
    drawn: String,
    /// The style of the text, and before it those of what it is in.
    styles: Vec<Style>,
    /// The address and the words so far of the link that one is in.
    link: Option<(String, String, String)>,
    /// Before each row of what one is in: quotes and lists.
    margins: Vec<Margin>,
    /// Columns that the margins take.
    margin_columns: usize,
    /// Quotes and items within the margins for which no room was left.
    without_margin: usize,
    /// The next number of each list that one is in; none where it is not numbered.
    lists: Vec<Option<u64>>,
    code: Option<(Painter, String)>,
    table: Option<Table>,
    blocks: usize,
    only_paragraphs: bool,
}

struct Margin {
    /// Before the first row; then `others` holds.
    first: Option<(String, Style)>,
    others: (String, Style),
}

impl<'a> MarkdownLayout<'a> {
    fn new(columns: usize, theme: &'a Theme) -> Self {
        Self {
            columns,
            theme,
            rows: Vec::new(),
            inline: Inline::default(),
            drawn: String::new(),
            styles: Vec::new(),
            link: None,
            margins: Vec::new(),
            margin_columns: 0,
            without_margin: 0,
            lists: Vec::new(),
            code: None,
            table: None,
            blocks: 0,
            only_paragraphs: true,
        }
    }

    fn style(&self) -> Style {
        self.styles
            .last()
            .copied()
            .unwrap_or(self.theme.style(Scope::Text))
    }

    /// Adds to the style of all that follows.
    fn add_style(&mut self, over: Style) {
        self.styles.push(self.style().patch(over));
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(words) => self.words(&words),
            Event::Code(words) => self.push(&words, self.style().patch(self.theme.style(Scope::Code))),
            Event::Html(words) | Event::InlineHtml(words) => self.words(&words),
            Event::SoftBreak | Event::HardBreak => self.words("\n"),
            Event::Rule => {
                self.block();
                self.only_paragraphs = false;
                self.inline.push(
                    &"─".repeat(self.width().min(20)),
                    self.theme.style(Scope::Border),
                    None,
                );
                self.paragraph();
            }
            Event::TaskListMarker(done) => {
                let mark = if done { "[x] " } else { "[ ] " };
                self.push(mark, self.theme.style(Scope::Dim));
            }
            Event::FootnoteReference(words) | Event::InlineMath(words) | Event::DisplayMath(words) => {
                self.words(&words);
            }
        }
    }

    /// Words are cleaned once more: markdown can write any character by its number.
    fn words(&mut self, words: &str) {
        let cleaned = text::clean(words).text;
        if let Some((_, code)) = &mut self.code {
            code.push_str(&cleaned);
            return;
        }
        if let Some((_, _, said)) = &mut self.link {
            said.push_str(&cleaned);
            return;
        }
        self.drawn.push_str(&cleaned);
        let link = self.theme.style(Scope::Link);
        self.inline.push_words(&cleaned, self.style(), link);
    }

    fn push(&mut self, words: &str, style: Style) {
        let cleaned = text::clean(words).text;
        if let Some((_, _, said)) = &mut self.link {
            said.push_str(&cleaned);
            return;
        }
        self.drawn.push_str(&cleaned);
        self.inline.push(&cleaned, style, None);
    }

    fn start(&mut self, tag: Tag) {
        match tag {
            Tag::Paragraph => self.block(),
            Tag::Heading { level, .. } => {
                self.block();
                self.only_paragraphs = false;
                let mut style = self.theme.style(Scope::Heading);
                if level == HeadingLevel::H1 {
                    style = style.add_modifier(Modifier::UNDERLINED);
                }
                self.add_style(style);
            }
            Tag::BlockQuote(_) => {
                self.block();
                self.only_paragraphs = false;
                let style = self.theme.style(Scope::Quote);
                self.margin(None, ("▎ ".to_owned(), style));
                self.add_style(style);
            }
            Tag::CodeBlock(kind) => self.start_code(kind),
            Tag::HtmlBlock => self.block(),
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.block();
                }
                self.paragraph();
                self.only_paragraphs = false;
                self.lists.push(first);
            }
            Tag::Item => self.start_item(),
            Tag::Table(_) => {
                self.block();
                self.only_paragraphs = false;
                self.table = Some(Table::default());
            }
            Tag::TableHead => {
                self.add_style(self.theme.style(Scope::Heading));
                self.table.iter_mut().for_each(Table::begin_row);
            }
            Tag::TableRow => self.table.iter_mut().for_each(Table::begin_row),
            Tag::TableCell => {}
            Tag::Emphasis => self.add_style(Style::new().add_modifier(Modifier::ITALIC)),
            Tag::Strong => self.add_style(Style::new().add_modifier(Modifier::BOLD)),
            Tag::Strikethrough => self.add_style(Style::new().add_modifier(Modifier::CROSSED_OUT)),
            Tag::Link { dest_url, title, .. } | Tag::Image { dest_url, title, .. } => {
                let clean = |words: &str| String::from(text::clean(words).text);
                if self.link.is_none() {
                    self.link = Some((clean(&dest_url), clean(&title), String::new()));
                }
            }
            _ => {}
        }
    }

    fn start_code(&mut self, kind: CodeBlockKind) {
        self.block();
        self.only_paragraphs = false;
        let info = match kind {
            CodeBlockKind::Fenced(info) => text::clean(&info).text.into(),
            CodeBlockKind::Indented => String::new(),
        };
        if !info.is_empty() {
            self.drawn.push_str(&info);
            self.inline.push(&info, self.theme.style(Scope::Dim), None);
            self.paragraph();
        }
        self.code = Some((Painter::new(&info), String::new()));
    }

    fn start_item(&mut self) {
        self.paragraph();
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{}. ", *number - 1)
            }
            _ => "• ".to_owned(),
        };
        self.drawn.push_str(&mark);
        let (blank, style) = (" ".repeat(text::width(&mark)), self.theme.style(Scope::Dim));
        self.margin(Some((mark, style)), (blank, style));
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.paragraph(),
            TagEnd::Heading(_) => {
                self.paragraph();
                self.styles.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.paragraph();
                self.end_margin();
                self.styles.pop();
            }
            TagEnd::CodeBlock => self.code(),
            TagEnd::Item => {
                self.paragraph();
                // An item without words is drawn anyway.
                let last = self.margins.last().filter(|_| self.without_margin == 0);
                if last.is_some_and(|margin| margin.first.is_some()) {
                    self.put(Row::default());
                }
                self.end_margin();
            }
            TagEnd::List(_) => _ = self.lists.pop(),
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    let rule = self.theme.style(Scope::Border);
                    let rows = table.lay(self.width(), rule);
                    rows.into_iter().for_each(|row| self.put(row));
                }
            }
            TagEnd::TableHead => _ = self.styles.pop(),
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.inline);
                if let Some(table) = &mut self.table {
                    table.cell(cell);
                }
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => _ = self.styles.pop(),
            TagEnd::Link | TagEnd::Image => self.end_link(),
            _ => {}
        }
    }

    /// A link's words, and where it leads, in full: nobody is led elsewhere than they read.
    fn end_link(&mut self) {
        let Some((url, title, said)) = self.link.take() else {
            return;
        };
        let style = self.style().patch(self.theme.style(Scope::Link));
        let address = safe_url(&url);
        self.drawn.push_str(&said);
        self.inline.push(&said, style, address.clone());
        let mut behind = String::new();
        if url != said && url != format!("mailto:{said}") {
            behind = format!(" ({url})");
        }
        if !title.is_empty() {
            behind = format!("{behind} {title}");
        }
        self.drawn.push_str(&behind);
        self.inline.push(&behind, self.theme.style(Scope::Dim), address);
    }

    /// Adds a margin to all that follows, but not where half of the width is margins already.
    fn margin(&mut self, first: Option<(String, Style)>, others: (String, Style)) {
        let taken = self.margin_columns + text::width(&others.0);
        if taken <= self.columns / 2 && self.without_margin == 0 {
            self.margin_columns = taken;
            return self.margins.push(Margin { first, others });
        }
        if let Some((words, style)) = first {
            self.inline.push(&words, style, None);
        }
        self.without_margin += 1;
    }

    fn end_margin(&mut self) {
        if self.without_margin > 0 {
            self.without_margin -= 1;
        } else if let Some(margin) = self.margins.pop() {
            self.margin_columns -= text::width(&margin.others.0);
        }
    }

    /// A new block begins: with an empty row before it, but at the beginning and within lists.
    fn block(&mut self) {
        self.paragraph();
        let in_list = !self.lists.is_empty();
        if self.margins.is_empty() || !in_list {
            self.blocks += 1;
        }
        if !self.rows.is_empty() && !in_list && self.margins.is_empty() {
            self.rows.push(Row::default());
        }
    }

    /// Columns within the margins.
    fn width(&self) -> usize {
        self.columns.saturating_sub(self.margin_columns).max(1)
    }

    /// Ends the paragraph: its text becomes rows.
    fn paragraph(&mut self) {
        if self.inline.is_empty() || self.table.is_some() {
            return;
        }
        let inline = std::mem::take(&mut self.inline);
        let rows = inline.rows(self.width());
        rows.into_iter().for_each(|row| self.put(row));
    }

    /// Code is not wrapped at words, and has nothing around it that would be copied with it.
    fn code(&mut self) {
        let Some((mut painter, code)) = self.code.take() else {
            return;
        };
        let width = self.width();
        for line in code.trim_end_matches('\n').split('\n') {
            self.drawn.push_str(line);
            let mut row = Row::default();
            let mut left = width;
            for (piece, scope) in painter.line(line) {
                let style = self.theme.style(Scope::Code).patch(self.theme.style(scope));
                let mut rest = piece;
                while !rest.is_empty() {
                    let (fits, behind) = text::split_at_width(rest, left);
                    if fits.is_empty() && left < width {
                        self.put(std::mem::take(&mut row));
                        left = width;
                        continue;
                    }
                    // A character that is wider than the row is left out rather than never ended with.
                    row.push(fits, style, None);
                    left -= text::width(fits);
                    rest = if fits.is_empty() {
                        let first = rest.chars().next().map_or(0, char::len_utf8);
                        &rest[first..]
                    } else {
                        behind
                    };
                }
            }
            self.put(row);
        }
    }

    /// Puts a row behind the margins.
    fn put(&mut self, row: Row) {
        let margins = self.margins.iter_mut();
        let before = margins.map(|margin| {
            let (words, style) = margin.first.take().unwrap_or_else(|| margin.others.clone());
            Span::styled(words, style)
        });
        let before: Vec<Span> = before.collect();
        self.rows.push(row.behind(before));
    }
}
