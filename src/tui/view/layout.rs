//! Where everything goes on a screen of some size, and what is laid out before it is drawn.

use ratatui::{layout::Rect, text::Line};

use super::{RenderContext, files, frame, item, panes, timeline::Pages};
use crate::{
    core::{Connection, ItemId},
    tui::{
        input::keymap::Context,
        state::{Pane, State},
        view::{
            format, header,
            hit_test::{HitMap, HitTarget},
            overlays::{choices, list, pager},
            pending_bar, scrollbar, status_bar,
            timeline::row::Row,
        },
    },
};

/// Columns from which the side panes stand beside the messages.
const WIDE: u16 = 90;
/// The smallest screen that is drawn, in columns and rows.
const SMALLEST: (u16, u16) = (20, 5);
/// Columns of the side panes.
const SIDE: u16 = 22;
/// Columns from which the messages leave one to the scrollbar, where no frame has one for it.
const WITH_BAR: u16 = 40;

/// Where everything goes, and what is laid out already.
#[derive(Default)]
pub struct Layout {
    /// The screen is smaller than anything can be drawn on.
    pub(super) too_small: bool,
    /// The side panes stand beside the messages.
    pub(super) wide: bool,
    pub(super) all: Rect,
    pub(super) top: Rect,
    pub(super) side: Rect,
    pub(super) main: Rect,
    /// The messages' part of it.
    pub(super) messages: Rect,
    pub(super) bar: Rect,
    pub(super) banner: Rect,
    pub(super) strip: Rect,
    pub(super) rule: Rect,
    pub(super) composer: Rect,
    pub(super) bottom: Rect,
    /// A sentence for the person that the bottom row cannot hold, and where it stands.
    pub(super) said: Vec<String>,
    pub(super) below: Rect,
    pub(super) tabs: Vec<header::Tab>,
    pub(super) side_list: list::Laid,
    pub(super) main_list: list::Laid,
    pub(super) choices: Option<choices::Laid>,
    pub(super) banner_lines: Vec<Line<'static>>,
    pub(super) strip_lines: Vec<Line<'static>>,
    strip_item: Option<ItemId>,
    /// The messages, from the bottom up, with the number of each.
    pub(super) rows: Vec<(Row, Option<u32>)>,
    /// Which part of all messages they are.
    pub(super) part: Option<scrollbar::Part>,
    pub(super) item: Option<item::Laid>,
    pub(super) paper: Option<pager::Laid>,
    /// The items of which all that is to be decided is on the screen.
    pub whole: Vec<ItemId>,
}

/// Rows that are not given away yet, in the columns of the messages.
struct Free {
    area: Rect,
}

impl Free {
    /// Takes rows from the bottom; the messages keep one at least.
    fn take(&mut self, rows: u16) -> Rect {
        let rows = rows.min(self.area.height.saturating_sub(1));
        self.area.height -= rows;
        Rect {
            y: self.area.bottom(),
            height: rows,
            ..self.area
        }
    }
}

impl Layout {
    /// Lays a screen out. Measuring the composer, and keeping what is scrolled within what there is, need it
    /// mutable.
    pub fn new(look: &RenderContext, state: &mut State, area: Rect) -> Self {
        let mut plan = Self {
            all: area,
            ..Self::default()
        };
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            plan.too_small = true;
            plan.main = area;
            return plan;
        }
        plan.wide = area.width >= WIDE && area.height >= 10;
        // Where letters do something, the last row is that of their keys.
        let mut free = plan.edges(area, state.context().is_a_list());
        let width = free.area.width;
        let columns = width.saturating_sub(format::PROMPT_COLUMNS);
        // Where nothing is written, the keys that work stand in the composer's place.
        let rows = match (state.context(), state.field()) {
            (Context::Normal, _) => state.composer.rows(columns),
            (_, Some(field)) => field.rows(columns),
            (_, None) => 1,
        };
        let most = (area.height / 3).max(1);
        plan.said = status_bar::said(state, plan.bottom, width, most);
        plan.below = free.take(plan.said.len() as u16);
        plan.composer = free.take(rows.min(most));
        if area.height >= 12 {
            plan.rule = free.take(1);
        }
        let opened = state.opened(look.room);
        if opened.is_empty() {
            plan.lay_strip(look, &mut free);
        }
        let tells = look.room.connection != Connection::Online || state.looser.is_some();
        if tells && area.height >= 6 {
            let most = if area.height >= 14 { 2 } else { 1 };
            plan.banner_lines = frame::banner(look, state, width, most);
            plan.banner = free.take(plan.banner_lines.len() as u16);
        }
        plan.main = free.area;
        plan.messages = plan.main;
        if plan.wide {
            plan.bar = column(plan.main, area.right() - 1);
        } else if plan.main.width >= WITH_BAR {
            plan.messages.width -= 1;
            plan.bar = column(plan.main, plan.messages.right());
        }
        let covered = state.modals.palette().is_some() || state.popup.is_some() || !state.pending.is_empty();
        if let Some(view) = state.modals.item_mut()
            && !opened.is_empty()
        {
            let laid = item::lay(look, &opened, view, plan.main);
            if laid.whole && !covered {
                plan.whole = opened.iter().map(|item| item.id).collect();
            }
            plan.item = Some(laid);
        }
        if let Some(paper) = state.modals.text_mut() {
            plan.paper = Some(pager::lay(look, paper, plan.main));
        }
        plan.choices = choices::lay(look, state, plan.main);
        plan.lay_lists(look, state);
        if plan.shows_messages(state) {
            state.reading.selected = state.selected.post.filter(|_| state.pane == Pane::Timeline);
            state.reading.marked = state.selected.marked;
            state.reading.follow(look.room);
            let mut pages = Pages {
                look,
                reading: &mut state.reading,
                width: plan.messages.width,
                height: plan.messages.height,
            };
            (plan.rows, plan.part) = pages.rows();
        }
        plan
    }

    /// Gives away what is at the edges, and tells what is left in the middle.
    fn edges(&mut self, area: Rect, letters_act: bool) -> Free {
        let inner = if self.wide { shrink(area) } else { area };
        self.top = row(area, area.y);
        let (mut first, mut last) = (inner.y + u16::from(!self.wide), inner.bottom());
        if self.wide {
            self.bottom = row(shrink_sides(area), area.bottom() - 1);
        } else if area.height >= 7 && !letters_act {
            last -= 1;
            self.bottom = row(inner, last);
        }
        first = first.min(last);
        let middle = Rect {
            y: first,
            height: last - first,
            ..inner
        };
        if !self.wide {
            return Free { area: middle };
        }
        self.side = Rect {
            width: SIDE,
            ..middle
        };
        let area = Rect {
            x: middle.x + SIDE,
            width: middle.width - SIDE,
            ..middle
        };
        Free { area }
    }

    /// The next item that waits.
    fn lay_strip(&mut self, look: &RenderContext, free: &mut Free) {
        let Some(next) = look.room.review.inbox().next() else {
            return;
        };
        let rows = match self.all.height {
            16.. => 4,
            10.. => 3,
            7.. => 2,
            _ => 1,
        };
        let laid = pending_bar::lay(look, next, free.area.width, rows);
        self.strip = free.take(laid.lines.len() as u16);
        let all_of_it = self.strip.height as usize == laid.lines.len();
        self.whole = Vec::from_iter((laid.whole && all_of_it).then_some(next.id));
        self.strip_lines = laid.lines;
        self.strip_item = Some(next.id);
    }

    /// People, inbox and files: at the side, or in the messages' place, where tabs lead to them.
    fn lay_lists(&mut self, look: &RenderContext, state: &mut State) {
        let follows = !state.lists.held;
        if self.wide {
            let area = Rect {
                width: self.side.width - 1,
                ..self.side
            };
            let list = panes::side(look, state, area.width as usize);
            self.side_list = list.lay(area, &mut state.lists.side, follows);
        } else {
            self.tabs = header::tabs(look, state, self.middle(state), self.top);
        }
        if state.modals.is_covered() {
            return;
        }
        let width = self.main.width as usize;
        let list = match self.middle(state) {
            Pane::Inbox => panes::inbox(look, state, width),
            Pane::Files => files::all(look, state, width),
            Pane::People => panes::people(look, width),
            Pane::Timeline | Pane::Composer => return,
        };
        self.main_list = list.lay(self.main, &mut state.lists.main, follows);
    }

    /// Which pane fills the messages' place: the messages, but where a narrow screen shows another one. All files
    /// are a list too long for the side.
    pub(super) fn middle(&self, state: &State) -> Pane {
        match state.pane {
            Pane::Files => Pane::Files,
            Pane::Inbox | Pane::People if !self.wide => state.pane,
            _ => Pane::Timeline,
        }
    }

    /// Whether the messages are what is in the middle.
    pub fn shows_messages(&self, state: &State) -> bool {
        !self.too_small && !state.modals.is_covered() && self.middle(state) == Pane::Timeline
    }

    /// Whether all of the lines that cover the messages have been on the screen.
    pub fn paper_is_whole(&self) -> bool {
        self.paper.as_ref().is_some_and(|paper| paper.whole)
    }

    /// Columns and rows of messages.
    pub fn page(&self) -> (u16, u16) {
        (self.messages.width, self.messages.height)
    }

    /// What is on the screen, for the mouse and for what counts as read.
    pub fn shown(self, state: &State) -> HitMap {
        let messages = self.shows_messages(state).then_some(self.messages);
        let mut spots: Vec<(Rect, HitTarget)> = Vec::new();
        spots.extend(self.choices.iter().flat_map(|laid| laid.spots()));
        spots.extend(self.tabs.iter().map(|tab| (tab.area, HitTarget::Pane(tab.pane))));
        spots.extend(self.side_list.spots());
        spots.extend(self.main_list.spots());
        if messages.is_none() && !state.modals.is_covered() {
            spots.push((self.main, HitTarget::Pane(self.middle(state))));
        }
        spots.extend(self.strip_item.map(|item| (self.strip, HitTarget::Strip(item))));
        spots.extend(
            self.part
                .filter(|_| messages.is_some())
                .map(|_| (self.bar, HitTarget::Bar)),
        );
        // Of what covers the messages nothing can be clicked, least of all the keys that decide it.
        let covered = state.modals.is_covered();
        for area in [self.rule, self.composer].into_iter().filter(|_| !covered) {
            spots.push((area, HitTarget::Pane(Pane::Composer)));
        }
        HitMap {
            messages,
            rows: self.rows,
            spots,
            side: self.side,
            main: self.main,
        }
    }
}

fn row(area: Rect, y: u16) -> Rect {
    Rect { y, height: 1, ..area }
}

fn column(area: Rect, x: u16) -> Rect {
    Rect { x, width: 1, ..area }
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
