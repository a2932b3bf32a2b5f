//! What is drawn. First everything is laid out ([`Plan`]), then drawn from `&State`: drawing changes nothing.

mod choices;
mod files;
mod frame;
mod gathered;
mod item;
mod markdown;
mod panes;
mod paper;
mod post;
mod row;
mod strip;
mod timeline;
mod words;

use jiff::tz::TimeZone;
use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use row::Row;

use super::{
    keymap::Keymap,
    state::{Overlay, Pane, State},
    theme::{Scope, Theme},
};
use crate::room::{Connection, ItemId, Millis, Room};

pub use frame::draw;
pub(super) use markdown::code_blocks;
pub(super) use post::Bodies;
pub(super) use timeline::{Pages, Scroll};
pub(super) use words::{decided_lines, help_lines, looser_lines, reply_lines};

/// Columns from which the side panes stand beside the messages.
const WIDE: u16 = 90;
/// The smallest screen that is drawn, in columns and rows.
const SMALLEST: (u16, u16) = (20, 5);
/// Columns of the side panes.
const SIDE: u16 = 22;

/// All that a view looks at.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The room.
    pub room: &'a Room,
    /// The relay's address, for the status.
    pub relay: &'a str,
    /// The colours.
    pub theme: &'a Theme,
    /// The keys as they are bound now.
    pub keymap: &'a Keymap,
    /// The time.
    pub now: Millis,
    /// Where the person is.
    pub zone: &'a TimeZone,
    /// The terminal opens links.
    pub links: bool,
}

impl Look<'_> {
    pub(super) fn style(&self, scope: Scope) -> Style {
        self.theme.style(scope)
    }

    pub(super) fn span(&self, text: impl Into<String>, scope: Scope) -> Span<'static> {
        Span::styled(text.into(), self.style(scope))
    }

    pub(super) fn line(&self, text: impl Into<String>, scope: Scope) -> Line<'static> {
        Line::from(self.span(text, scope))
    }
}

/// Where everything goes on a screen of some size, and what is laid out already.
pub struct Plan {
    /// The screen is smaller than anything can be drawn on.
    too_small: bool,
    /// The side panes stand beside the messages.
    wide: bool,
    all: Rect,
    top: Rect,
    side: Rect,
    main: Rect,
    banner: Rect,
    strip: Rect,
    rule: Rect,
    composer: Rect,
    bottom: Rect,
    strip_lines: Vec<Line<'static>>,
    /// The messages, from the bottom up, with the number of each.
    rows: Vec<(Row, Option<u32>)>,
    item: Option<item::Laid>,
    /// The item of which all that is to be decided is on the screen.
    pub whole: Option<ItemId>,
}

impl Plan {
    /// Lays a screen out. Measuring the composer is the one thing that needs it mutable.
    pub fn new(look: &Look, state: &mut State, area: Rect) -> Self {
        let mut plan = Self {
            all: area,
            ..Self::empty()
        };
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            plan.too_small = true;
            plan.main = area;
            return plan;
        }
        plan.wide = area.width >= WIDE && area.height >= 10;
        let inner = if plan.wide { shrink(area) } else { area };
        plan.top = if plan.wide {
            row(area, area.y)
        } else {
            row(inner, inner.y)
        };
        let has_bottom = plan.wide || area.height >= 7;
        let (mut first, mut last) = (inner.y + u16::from(!plan.wide), inner.bottom());
        if plan.wide {
            plan.bottom = row(shrink_sides(area), area.bottom() - 1);
        } else if has_bottom {
            last -= 1;
            plan.bottom = row(inner, last);
        }
        let (left, width) = if plan.wide {
            plan.side = Rect {
                x: inner.x,
                y: first,
                width: SIDE,
                height: last - first,
            };
            (inner.x + SIDE, inner.width - SIDE)
        } else {
            (inner.x, inner.width)
        };
        let mut from_bottom = |rows: u16| {
            // The messages keep a row at least.
            let rows = rows.min((last - first).saturating_sub(1));
            last -= rows;
            Rect {
                x: left,
                y: last,
                width,
                height: rows,
            }
        };
        let most = (area.height / 3).max(1);
        let columns = width.saturating_sub(words::PROMPT_COLUMNS);
        let rows = match state.field() {
            Some(field) => field.rows(columns),
            None => state.composer.rows(columns),
        };
        plan.composer = from_bottom(rows.min(most));
        if area.height >= 12 {
            plan.rule = from_bottom(1);
        }
        let strip_rows = match area.height {
            16.. => 4,
            10.. => 3,
            7.. => 2,
            _ => 1,
        };
        let opened = state.opened_item(look.room);
        if opened.is_none()
            && let Some(next) = look.room.inbox.next()
        {
            let laid = strip::lay(look, next, width, strip_rows);
            plan.whole = laid.whole.then_some(next.id);
            plan.strip = from_bottom(laid.lines.len() as u16);
            if plan.strip.height as usize != laid.lines.len() {
                plan.whole = None;
            }
            plan.strip_lines = laid.lines;
        }
        let tells = look.room.connection != Connection::Online || state.looser.is_some();
        if tells && area.height >= 6 {
            plan.banner = from_bottom(1);
        }
        plan.main = Rect {
            x: left,
            y: first,
            width,
            height: last - first,
        };
        if let (Overlay::Item(view), Some(item)) = (&mut state.overlay, opened) {
            let laid = item::lay(look, item, view, plan.main);
            let covered = state.palette.is_some() || state.popup.is_some() || !state.pending.is_empty();
            plan.whole = laid.whole.then_some(item.id).filter(|_| !covered);
            plan.item = Some(laid);
        }
        if plan.shows_messages(state) {
            state.reading.selected = state.selected_post.filter(|_| state.pane == Pane::Timeline);
            state.reading.marked = state.marked;
            state.reading.follow(look.room);
            let mut pages = Pages {
                look,
                reading: &mut state.reading,
                width: plan.main.width,
                height: plan.main.height,
            };
            plan.rows = pages.rows();
        }
        first = plan.main.y;
        debug_assert!(first <= plan.main.bottom());
        plan
    }

    /// Whether the messages are what is in the middle.
    pub fn shows_messages(&self, state: &State) -> bool {
        !self.too_small && matches!(state.overlay, Overlay::None) && main_pane(self, state) == Pane::Timeline
    }

    /// Rows of messages on the screen.
    pub fn page(&self) -> u16 {
        self.main.height
    }

    /// The messages as they are on the screen; nothing where something else is there.
    pub fn shown(self) -> Shown {
        Shown {
            area: self.main,
            rows: self.rows,
        }
    }

    /// Columns of a message.
    pub fn columns(&self) -> u16 {
        self.main.width
    }

    fn empty() -> Self {
        Self {
            too_small: false,
            wide: false,
            all: Rect::ZERO,
            top: Rect::ZERO,
            side: Rect::ZERO,
            main: Rect::ZERO,
            banner: Rect::ZERO,
            strip: Rect::ZERO,
            rule: Rect::ZERO,
            composer: Rect::ZERO,
            bottom: Rect::ZERO,
            strip_lines: Vec::new(),
            rows: Vec::new(),
            item: None,
            whole: None,
        }
    }
}

/// The messages as they were drawn last.
pub struct Shown {
    /// Where.
    pub area: Rect,
    /// From the bottom up, with the number of each message.
    pub(in crate::screen) rows: Vec<(Row, Option<u32>)>,
}

impl Shown {
    /// Their text, row by row from the top of the area.
    pub fn text(&self) -> Vec<String> {
        let words = |row: &Row| row.line.spans.iter().map(|span| &*span.content).collect();
        let blank = (self.area.height as usize).saturating_sub(self.rows.len());
        let rows = self.rows.iter().rev().map(|(row, _)| words(row));
        (0..blank).map(|_| String::new()).chain(rows).collect()
    }
}

/// Which pane fills the messages' place: the messages, but where a narrow screen shows another one.
fn main_pane(plan: &Plan, state: &State) -> Pane {
    match state.pane {
        Pane::Inbox | Pane::Files | Pane::People if !plan.wide => state.pane,
        _ => Pane::Timeline,
    }
}

fn row(area: Rect, y: u16) -> Rect {
    Rect { y, height: 1, ..area }
}

fn shrink_sides(area: Rect) -> Rect {
    Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    }
}

fn shrink(area: Rect) -> Rect {
    let area = shrink_sides(area);
    Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(2),
        ..area
    }
}
