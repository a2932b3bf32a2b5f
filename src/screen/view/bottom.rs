//! What is told below the composer: a sentence for the person, or the keys that matter now.

use ratatui::{Frame, layout::Rect, text::Span, widgets::Widget};

use super::{Look, Plan, Scope, composer::audience};
use crate::{
    screen::{
        action::Action,
        keymap::Context,
        state::{State, Tone},
    },
    text,
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

/// Draws it.
pub(super) fn draw(look: &Look, state: &State, plan: &Plan, frame: &mut Frame) {
    let scope = match &state.message {
        Some((_, Tone::Bad)) => Scope::Error,
        _ => Scope::Text,
    };
    for (words, row) in plan.said.iter().zip(plan.below.rows()) {
        look.line(format!(" {words}"), scope)
            .render(row, frame.buffer_mut());
    }
    if plan.bottom.height == 0 {
        return;
    }
    let line = match &state.message {
        Some((words, _)) if plan.said.is_empty() => look.line(format!(" {words}"), scope),
        _ => {
            let mut spans = Vec::new();
            // Where there is no rule, who will see what is written stands here.
            if plan.rule.height == 0 && !state.composer.is_empty() {
                spans.push(look.span(format!(" {} ·", audience(look, state)), Scope::Prompt));
            }
            let taken: usize = spans.iter().map(|span| text::width(&span.content)).sum();
            spans.extend(hints(
                look,
                state,
                (plan.bottom.width as usize).saturating_sub(taken),
            ));
            spans.into()
        }
    };
    line.render(plan.bottom, frame.buffer_mut());
}

/// The keys that matter now, as many as fit; help is left out last.
fn hints(look: &Look, state: &State, width: usize) -> Vec<Span<'static>> {
    let context = state.context();
    let mut hints: Vec<(Action, String)> = actions(look, state, context)
        .iter()
        .filter_map(|action| Some((*action, look.keymap.hint(context, *action)?)))
        .collect();
    let wide = |(action, key): &(Action, String)| text::width(key) + 1 + text::width(action.does());
    let all = |hints: &[(Action, String)]| 1 + hints.iter().map(|hint| wide(hint) + 3).sum::<usize>();
    while !hints.is_empty() && all(&hints) - 3 > width {
        let last = hints.iter().rposition(|(action, _)| *action != Action::Help);
        hints.remove(last.unwrap_or_default());
    }
    let mut spans = vec![Span::raw(" ")];
    for (action, key) in hints {
        if spans.len() > 1 {
            spans.push(look.span(" · ", Scope::Hint));
        }
        spans.push(look.span(key, Scope::Key));
        spans.push(look.span(format!(" {}", action.does()), Scope::Hint));
    }
    spans
}

fn actions(look: &Look, state: &State, context: Context) -> &'static [Action] {
    let waiting = !look.room.inbox.is_empty();
    match context {
        Context::Reason => &[Action::Send, Action::Back],
        Context::Palette => &[Action::Send, Action::Up, Action::Down, Action::Back],
        Context::Search => &[Action::Up, Action::Down, Action::Send, Action::Back],
        Context::Help => &[Action::Back, Action::PageDown],
        Context::Timeline if state.reading.search.is_some() => &[
            Action::NextFound,
            Action::PreviousFound,
            Action::Open,
            Action::Copy,
            Action::Back,
        ],
        Context::Timeline => &[
            Action::Open,
            Action::Copy,
            Action::HandOver,
            Action::Retry,
            Action::NextPane,
            Action::Help,
        ],
        Context::Inbox | Context::Item => &[
            Action::Accept,
            Action::Reject,
            Action::Later,
            Action::Open,
            Action::Back,
        ],
        _ if state.reading.thread.is_some() && !waiting => {
            &[Action::Send, Action::Back, Action::NextPane, Action::Help]
        }
        _ if waiting => &[Action::Accept, Action::Reject, Action::NextPane, Action::Help],
        _ if !look.room.runs.is_empty() => &[Action::EndRun, Action::NextPane, Action::Help],
        _ => &[
            Action::Send,
            Action::NextPane,
            Action::Inbox,
            Action::Help,
            Action::Leave,
        ],
    }
}
