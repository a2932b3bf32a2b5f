//! What is drawn. First everything is laid out ([`Plan`]), then drawn from `&State`: drawing changes nothing.

mod bar;
mod bottom;
mod choices;
mod composer;
mod files;
mod frame;
mod gathered;
mod item;
mod keys;
mod list;
mod markdown;
mod panes;
mod paper;
mod plan;
mod post;
mod row;
mod sheets;
mod spots;
mod strip;
mod timeline;
mod top;
mod words;

use jiff::tz::TimeZone;
use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::{
    keymap::Keymap,
    theme::{Scope, Theme},
};
use crate::core::{Millis, Room};

pub use frame::draw;
pub(super) use markdown::code_blocks;
pub use plan::Plan;
pub(super) use post::Bodies;
pub(super) use sheets::{decided_lines, help_lines, looser_lines, reply_lines};
pub(super) use spots::{Shown, Spot, Under};
pub(super) use timeline::{Pages, Scroll};

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
