//! The row below the composer: a sentence for the person, or the keys that matter now.

use ratatui::{Frame, layout::Rect, widgets::Widget};

use super::{Layout, RenderContext, Scope, composer::audience};
use crate::{
    text,
    tui::{
        state::{State, Tone},
        view::overlays::keys,
    },
};

/// A sentence for the person, in as many rows as it needs: one where it fits beside nothing, as many as that below
/// the composer otherwise. None where there is nothing to say that `bottom` cannot hold.
pub(super) fn said(state: &State, bottom: Rect, columns: u16, most: u16) -> Vec<String> {
    match &state.message {
        Some((words, _)) if !fits(words, bottom) => {
            text::wrap_at_most(words, columns.saturating_sub(1) as usize, most as usize)
        }
        _ => Vec::new(),
    }
}

fn fits(words: &str, bottom: Rect) -> bool {
    bottom.height > 0 && text::width(words) < bottom.width as usize
}

pub(super) fn draw(look: &RenderContext, state: &State, plan: &Layout, frame: &mut Frame) {
    let scope = match &state.message {
        Some((_, Tone::Bad)) => Scope::Error,
        _ => Scope::Text,
    };
    for (words, row) in plan.texts.message.iter().zip(plan.areas.below.rows()) {
        look.line(format!(" {words}"), scope)
            .render(row, frame.buffer_mut());
    }
    if plan.areas.bottom.height == 0 {
        return;
    }
    let line = match &state.message {
        Some((words, _)) if plan.texts.message.is_empty() => look.line(format!(" {words}"), scope),
        _ => {
            let mut spans = Vec::new();
            // Where there is no rule, who will see what is written stands here.
            if plan.areas.rule.height == 0 && !state.composer.is_empty() {
                spans.push(look.span(format!(" {} ·", audience(look, state)), Scope::Prompt));
            }
            let taken: usize = spans.iter().map(|span| text::width(&span.content)).sum();
            let free = (plan.areas.bottom.width as usize).saturating_sub(taken);
            match keys::pending(look, state) {
                // Where letters do something, the keys stand in the composer's place.
                _ if state.context().is_a_list() => {}
                Some(words) => spans.push(look.span(format!(" {words}"), Scope::Waiting)),
                None => spans.extend(keys::hints(look, state, plan, free)),
            }
            spans.into()
        }
    };
    line.render(plan.areas.bottom, frame.buffer_mut());
}
