//! Views. First everything is laid out ([`Layout`]), then drawn from `&State`: drawing changes nothing.

mod composer;
mod files;
mod format;
mod frame;
mod graphemes;
mod header;
mod hit_test;
mod item;
mod layout;
mod markdown;
mod overlays;
mod panes;
mod pending_bar;
mod scrollbar;
mod status_bar;
mod timeline;

use jiff::tz::TimeZone;
use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::theme::{Scope, Theme};
use crate::{
    core::{Millis, Program, Room},
    tui::input::keymap::Keymap,
};

pub(super) use crate::tui::view::hit_test::{HitMap, HitTarget, ScrollTarget};
pub use crate::tui::view::layout::{Adjustments, CoverAdjustment, Layout};
pub(super) use crate::tui::view::overlays::dialogs::{decided_lines, help_lines, looser_lines, reply_lines};
pub(super) use crate::tui::view::timeline::post::Bodies;
pub use frame::draw;
pub(super) use markdown::code_blocks;
pub(super) use timeline::{Pages, Scroll};

/// All that a view looks at.
#[derive(Clone, Copy)]
pub struct RenderContext<'a> {
    pub program: &'a Program,
    pub room: &'a Room,
    /// The relay's address, for the status.
    pub relay: &'a str,
    pub theme: &'a Theme,
    /// The keys as they are bound now.
    pub keymap: &'a Keymap,
    pub now: Millis,
    pub zone: &'a TimeZone,
    pub links: bool,
}

impl RenderContext<'_> {
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
