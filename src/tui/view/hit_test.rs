//! A map of the screen for the mouse.

use ratatui::layout::{Position, Rect};

use crate::{
    core::ItemId,
    tui::{state::Pane, view::timeline::row::Row},
};

/// A target of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HitTarget {
    /// A pane: its tab or heading, or a part of it where nothing else is.
    Pane(Pane),
    /// A message, by its number.
    Message(u32),
    /// An item in the list of what waits.
    Item(ItemId),
    /// The strip, with the item that it shows.
    Strip(ItemId),
    /// A file, by its number.
    File(u32),
    /// A line of what can be chosen, by its place among it.
    Choice(usize),
    /// The scrollbar of the messages.
    Bar,
    /// Something that covers what lies under it, and has nothing to be chosen.
    Cover,
}

/// The screen as it was drawn last.
pub struct HitMap {
    /// Where messages are; none where something else is in their place.
    pub messages: Option<Rect>,
    /// The messages, from the bottom up, with the number of each.
    pub(in crate::tui) rows: Vec<(Row, Option<u32>)>,
    /// The targets by area; of those that overlap, the first one is on top.
    pub(super) spots: Vec<(Rect, HitTarget)>,
    /// The panes beside the messages.
    pub(super) side: Rect,
    /// The middle of the screen.
    pub(super) main: Rect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrollTarget {
    /// The lists beside the messages.
    Side,
    /// A list in the messages' place.
    List,
    Choices,
    /// The messages, or what lies over them.
    Messages,
}

impl HitMap {
    /// The target at a place.
    pub fn spot(&self, column: u16, row: u16) -> Option<HitTarget> {
        let at = Position::new(column, row);
        let spot = self.spots.iter().find(|(area, _)| area.contains(at));
        spot.map(|(_, spot)| *spot).or_else(|| {
            let messages = self.messages.filter(|area| area.contains(at))?;
            let from_bottom = (messages.bottom() - 1 - row) as usize;
            let number = self.rows.get(from_bottom).and_then(|(_, number)| *number);
            Some(number.map_or(HitTarget::Pane(Pane::Timeline), HitTarget::Message))
        })
    }

    /// The target of the wheel at a place. From anywhere but a list it is the messages.
    pub fn under(&self, column: u16, row: u16) -> ScrollTarget {
        let at = Position::new(column, row);
        match self.spot(column, row) {
            Some(HitTarget::Choice(_)) => ScrollTarget::Choices,
            _ if self.side.contains(at) => ScrollTarget::Side,
            Some(HitTarget::Item(_) | HitTarget::File(_) | HitTarget::Pane(_))
                if self.messages.is_none() && self.main.contains(at) =>
            {
                ScrollTarget::List
            }
            _ => ScrollTarget::Messages,
        }
    }

    /// How far down the messages' height a row is, from 0 to 1.
    pub fn share(&self, row: u16) -> f64 {
        let area = self.messages.unwrap_or_default();
        let last = area.height.saturating_sub(1).max(1);
        f64::from(row.saturating_sub(area.y).min(last)) / f64::from(last)
    }

    /// The messages' text, row by row from the top of their area.
    pub fn text(&self) -> Vec<String> {
        let words = |row: &Row| row.line.spans.iter().map(|span| &*span.content).collect();
        let height = self.messages.map_or(0, |area| area.height as usize);
        let blank = height.saturating_sub(self.rows.len());
        let rows = self.rows.iter().rev().map(|(row, _)| words(row));
        (0..blank).map(|_| String::new()).chain(rows).collect()
    }
}
