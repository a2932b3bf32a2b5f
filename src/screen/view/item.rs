//! An item, whole: who asks, what accepting does, its risks, and all of its text.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::{Look, Scope, strip};
use crate::{room::Item, screen::state::ItemView, text};

/// An item that is laid out, with its scroll taken into account.
pub(super) struct Laid {
    /// The lines that are on the screen.
    pub lines: Vec<Line<'static>>,
    /// All of it has been on the screen.
    pub whole: bool,
}

/// Lays an item out for `area`, and keeps its scroll within what there is.
pub(super) fn lay(look: &Look, item: &Item, view: &mut ItemView, area: Rect) -> Laid {
    let lines = lines(look, item, area.width as usize);
    let height = area.height as usize;
    view.scroll = view.scroll.min(lines.len().saturating_sub(height));
    // It counts as seen line by line from the first on; a change of size begins anew.
    if view.seen_at != (area.width, area.height) {
        (view.seen_at, view.seen) = ((area.width, area.height), 0);
    }
    if view.scroll <= view.seen {
        view.seen = view.seen.max(view.scroll + height);
    }
    let whole = view.seen >= lines.len() && height > 0;
    Laid {
        lines: lines.into_iter().skip(view.scroll).take(height).collect(),
        whole,
    }
}

fn lines(look: &Look, item: &Item, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let agent = look.room.settings.default_agent();
    let kind = if item.from.agent.is_some() {
        "an agent"
    } else {
        "a person"
    };
    let mut head = vec![
        look.span(format!("m{} ", item.id), Scope::Strip),
        look.speaker(&item.from),
    ];
    head.push(look.span(format!(" ({kind}) asks"), Scope::Text));
    lines.push(Line::from(head));
    let does = match &agent {
        Some(agent) => {
            let may = look
                .room
                .settings
                .permissions
                .get(agent)
                .copied()
                .unwrap_or_default();
            format!(
                "Accepting runs {agent} ({may}); the answer goes to {}.",
                strip::audience(look, item)
            )
        }
        None => "You have no agent: add an [agents.NAME] table to config.toml.".to_owned(),
    };
    push_wrapped(look, &does, width, Scope::Dim, &mut lines);
    if item.is_reply {
        push_wrapped(
            look,
            "It is a reply to your agent: the agents go on talking.",
            width,
            Scope::Dim,
            &mut lines,
        );
    }
    if let Some(held) = &item.held {
        push_wrapped(
            look,
            &format!("It waits although auto mode is on: {held}."),
            width,
            Scope::Warning,
            &mut lines,
        );
    }
    if !item.risks.is_empty() {
        let risks: Vec<&str> = item.risks.iter().map(|risk| risk.in_words()).collect();
        push_wrapped(
            look,
            &format!("⚠ Beware: {}.", risks.join(", ")),
            width,
            Scope::Risk,
            &mut lines,
        );
    }
    lines.push(Line::default());
    for line in text::wrap(&item.text, width.saturating_sub(2)) {
        lines.push(Line::from(vec![
            look.span("│ ", Scope::Border),
            look.span(line, Scope::Text),
        ]));
    }
    lines.push(Line::default());
    let mut foot: Vec<Span> = Vec::new();
    for (key, does) in strip::keys(look) {
        foot.push(look.span(key, Scope::Key));
        foot.push(look.span(format!(" {does}   "), Scope::Hint));
    }
    lines.push(super::timeline::cut_line(foot, width));
    lines
}

fn push_wrapped(look: &Look, words: &str, width: usize, scope: Scope, lines: &mut Vec<Line<'static>>) {
    lines.extend(
        text::wrap(words, width)
            .into_iter()
            .map(|line| look.line(line, scope)),
    );
}
