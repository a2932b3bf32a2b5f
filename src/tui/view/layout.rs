//! Where everything goes on a screen of some size, and what is laid out before it is drawn.

use ratatui::{layout::Rect, text::Line};

use super::{RenderContext, files, frame, item, panes, timeline::Pages};
use crate::{
    core::{Connection, Item, ItemId, Shown},
    tui::{
        state::{Pane, State},
        timeline_state::PostSelection,
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
    pub(super) areas: Areas,
    pub(super) texts: Texts,
    pub(super) lists: LaidLists,
    pub(super) timeline: LaidTimeline,
    pub(super) cover: Option<Cover>,
    /// The items of which all that is to be decided is on the screen.
    pub whole: Vec<ItemId>,
    selection: Option<PostSelection>,
}

/// The regions of the screen; empty where something is not on it.
#[derive(Default)]
pub(super) struct Areas {
    pub all: Rect,
    pub top: Rect,
    pub side: Rect,
    pub main: Rect,
    /// The messages' part of it.
    pub messages: Rect,
    pub bar: Rect,
    pub banner: Rect,
    pub strip: Rect,
    pub rule: Rect,
    pub composer: Rect,
    pub bottom: Rect,
    /// Where a message for the person stands that the bottom row cannot hold.
    pub below: Rect,
}

/// Lines around the messages.
#[derive(Default)]
pub(super) struct Texts {
    /// A message for the person that the bottom row cannot hold.
    pub message: Vec<String>,
    pub banner: Vec<Line<'static>>,
    pub strip: Vec<Line<'static>>,
    strip_item: Option<ItemId>,
}

#[derive(Default)]
pub(super) struct LaidLists {
    pub tabs: Vec<header::Tab>,
    pub side: Option<list::Laid>,
    /// The list in the messages' place.
    pub main: Option<list::Laid>,
    pub choices: Option<choices::Laid>,
}

#[derive(Default)]
pub(super) struct LaidTimeline {
    /// The messages, from the bottom up, with the number of each.
    pub rows: Vec<(Row, Option<u32>)>,
    /// Which part of all messages they are.
    pub part: Option<scrollbar::Part>,
}

/// The view that covers the messages.
pub(super) enum Cover {
    Item(item::Laid),
    Text(pager::Laid),
}

/// The results of a layout that the state takes over once it is drawn.
#[derive(Debug, Clone)]
pub struct Adjustments {
    /// Columns and rows of messages.
    pub page: (u16, u16),
    /// The selected messages, where messages are on the screen.
    pub selection: Option<PostSelection>,
    /// Lines above the part of a list that is shown, where it is on the screen.
    pub side: Option<usize>,
    pub main: Option<usize>,
    pub cover: Option<CoverAdjustment>,
}

/// The scroll of what covers the messages, kept within what there is, and how much of it has been seen at which size.
#[derive(Debug, Clone)]
pub enum CoverAdjustment {
    Item {
        scroll: usize,
        seen: (usize, (u16, Shown)),
    },
    Text {
        scroll: usize,
        seen: (usize, u16),
    },
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
    /// Lays a screen out from the state, which takes over the [`Layout::adjustments`] once it is drawn.
    pub fn new(look: &RenderContext, state: &State, area: Rect) -> Self {
        let mut plan = Self::default();
        plan.areas.all = area;
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            plan.too_small = true;
            plan.areas.main = area;
            return plan;
        }
        plan.wide = area.width >= WIDE && area.height >= 10;
        // Where letters do something, the last row is that of their keys.
        let mut free = plan.edges(area, state.context().is_a_list());
        plan.lay_composer(state, &mut free);
        let opened = state.opened(look.room);
        if opened.is_empty() {
            plan.lay_strip(look, &mut free);
        }
        let tells = look.room.connection != Connection::Online || state.looser.is_some();
        if tells && area.height >= 6 {
            let most = if area.height >= 14 { 2 } else { 1 };
            plan.texts.banner = frame::banner(look, state, free.area.width, most);
            plan.areas.banner = free.take(plan.texts.banner.len() as u16);
        }
        plan.lay_middle(free.area);
        plan.lay_cover(look, state, &opened);
        plan.lists.choices = choices::lay(look, state, plan.areas.main);
        plan.lay_lists(look, state);
        if plan.shows_messages(state) {
            plan.lay_messages(look, state);
        }
        plan
    }

    /// The composer, the rule above it, and a message below it.
    fn lay_composer(&mut self, state: &State, free: &mut Free) {
        let (width, height) = (free.area.width, self.areas.all.height);
        let columns = width.saturating_sub(format::PROMPT_COLUMNS);
        // Where nothing is written, the keys that work stand in the composer's place.
        let rows = state.shown_field().map_or(1, |field| field.rows(columns));
        let most = (height / 3).max(1);
        self.texts.message = status_bar::said(state, self.areas.bottom, width, most);
        self.areas.below = free.take(self.texts.message.len() as u16);
        self.areas.composer = free.take(rows.min(most));
        if height >= 12 {
            self.areas.rule = free.take(1);
        }
    }

    /// Divides the middle into the messages and their scrollbar.
    fn lay_middle(&mut self, main: Rect) {
        let areas = &mut self.areas;
        (areas.main, areas.messages) = (main, main);
        if self.wide {
            areas.bar = column(main, areas.all.right() - 1);
        } else if main.width >= WITH_BAR {
            areas.messages.width -= 1;
            areas.bar = column(main, areas.messages.right());
        }
    }

    /// The item or the text that is open.
    fn lay_cover(&mut self, look: &RenderContext, state: &State, opened: &[Item]) {
        let hidden = state.modals.palette().is_some() || state.popup.is_some() || !state.pending.is_empty();
        if let Some(view) = state.modals.item().filter(|_| !opened.is_empty()) {
            let laid = item::lay(look, opened, view, self.areas.main);
            if laid.whole && !hidden {
                self.whole = opened.iter().map(|item| item.id).collect();
            }
            self.cover = Some(Cover::Item(laid));
        }
        if let Some(view) = state.modals.text() {
            self.cover = Some(Cover::Text(pager::lay(look, view, self.areas.main)));
        }
    }

    fn lay_messages(&mut self, look: &RenderContext, state: &State) {
        let selection = PostSelection {
            post: state.selected.post.filter(|_| state.pane == Pane::Timeline),
            marked: state.selected.marked,
        };
        let pages = Pages {
            selection,
            ..Pages::new(look, &state.reading, self.page())
        };
        (self.timeline.rows, self.timeline.part) = pages.rows();
        self.selection = Some(selection);
    }

    /// The values that the state takes over once this is drawn.
    pub fn adjustments(&self) -> Adjustments {
        let cover = self.cover.as_ref().map(|cover| match cover {
            Cover::Item(laid) => CoverAdjustment::Item {
                scroll: laid.scroll,
                seen: laid.seen.clone(),
            },
            Cover::Text(laid) => CoverAdjustment::Text {
                scroll: laid.scroll,
                seen: laid.seen,
            },
        });
        let top = |list: &Option<list::Laid>| list.as_ref().map(|laid| laid.top);
        Adjustments {
            page: self.page(),
            selection: self.selection,
            side: top(&self.lists.side),
            main: top(&self.lists.main),
            cover,
        }
    }

    /// Gives away what is at the edges, and tells what is left in the middle.
    fn edges(&mut self, area: Rect, letters_act: bool) -> Free {
        let inner = if self.wide { shrink(area) } else { area };
        self.areas.top = row(area, area.y);
        let (mut first, mut last) = (inner.y + u16::from(!self.wide), inner.bottom());
        if self.wide {
            self.areas.bottom = row(shrink_sides(area), area.bottom() - 1);
        } else if area.height >= 7 && !letters_act {
            last -= 1;
            self.areas.bottom = row(inner, last);
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
        self.areas.side = Rect {
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
        let rows = match self.areas.all.height {
            16.. => 4,
            10.. => 3,
            7.. => 2,
            _ => 1,
        };
        let laid = pending_bar::lay(look, next, free.area.width, rows);
        self.areas.strip = free.take(laid.lines.len() as u16);
        let all_of_it = self.areas.strip.height as usize == laid.lines.len();
        self.whole = Vec::from_iter((laid.whole && all_of_it).then_some(next.id));
        self.texts.strip = laid.lines;
        self.texts.strip_item = Some(next.id);
    }

    /// People, inbox and files: at the side, or in the messages' place, where tabs lead to them.
    fn lay_lists(&mut self, look: &RenderContext, state: &State) {
        let follows = !state.lists.held;
        if self.wide {
            let area = Rect {
                width: self.areas.side.width - 1,
                ..self.areas.side
            };
            let list = panes::side(look, state, area.width as usize);
            self.lists.side = Some(list.lay(area, state.lists.side, follows));
        } else {
            self.lists.tabs = header::tabs(look, state, self.middle(state), self.areas.top);
        }
        if state.modals.is_covered() {
            return;
        }
        let width = self.areas.main.width as usize;
        let list = match self.middle(state) {
            Pane::Inbox => panes::inbox(look, state, width),
            Pane::Files => files::all(look, state, width),
            Pane::People => panes::people(look, width),
            Pane::Timeline | Pane::Composer => return,
        };
        self.lists.main = Some(list.lay(self.areas.main, state.lists.main, follows));
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
        matches!(&self.cover, Some(Cover::Text(text)) if text.whole)
    }

    /// Columns and rows of messages.
    pub fn page(&self) -> (u16, u16) {
        (self.areas.messages.width, self.areas.messages.height)
    }

    /// A map of the screen, for the mouse and for the messages that count as read.
    pub fn shown(self, state: &State) -> HitMap {
        let messages = self.shows_messages(state).then_some(self.areas.messages);
        let mut spots: Vec<(Rect, HitTarget)> = Vec::new();
        spots.extend(self.lists.choices.iter().flat_map(|laid| laid.spots()));
        spots.extend(
            self.lists
                .tabs
                .iter()
                .map(|tab| (tab.area, HitTarget::Pane(tab.pane))),
        );
        let lists = self.lists.side.iter().chain(&self.lists.main);
        spots.extend(lists.flat_map(|list| list.spots()));
        if messages.is_none() && !state.modals.is_covered() {
            spots.push((self.areas.main, HitTarget::Pane(self.middle(state))));
        }
        spots.extend(
            self.texts
                .strip_item
                .map(|item| (self.areas.strip, HitTarget::Strip(item))),
        );
        spots.extend(
            self.timeline
                .part
                .filter(|_| messages.is_some())
                .map(|_| (self.areas.bar, HitTarget::Bar)),
        );
        // Of what covers the messages nothing can be clicked, least of all the keys that decide it.
        let covered = state.modals.is_covered();
        for area in [self.areas.rule, self.areas.composer]
            .into_iter()
            .filter(|_| !covered)
        {
            spots.push((area, HitTarget::Pane(Pane::Composer)));
        }
        HitMap {
            messages,
            rows: self.timeline.rows,
            spots,
            side: self.areas.side,
            main: self.areas.main,
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
