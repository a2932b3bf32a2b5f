//! The strip above the composer: the next item, with all that is to be decided where it fits.

use ratatui::text::{Line, Span};

use super::{RenderContext, Scope, files, timeline::cut_line};
use crate::{
    core::{Item, ItemKind},
    text,
    tui::input::{action::Action, keymap::Context},
};

/// A strip that is laid out.
pub(super) struct Laid {
    pub lines: Vec<Line<'static>>,
    /// All that is to be decided is in it, and nothing about it calls for a closer look.
    pub whole: bool,
}

/// Lays the strip out in at most `rows` rows of `width` columns.
pub(super) fn lay(look: &RenderContext, item: &Item, width: u16, rows: u16) -> Laid {
    let (width, rows) = (width as usize, rows as usize);
    let mut head = head(look, item);
    let head_width: usize = head.iter().map(|span| text::width(&span.content)).sum();
    let more = look.room.review.inbox().len().saturating_sub(1);
    if more > 0 {
        head.push(look.span(format!(" · {more} more"), Scope::Dim));
    }
    let words = item.text.replace('\n', " ⏎ ");

    if rows < 2 {
        // One row: who, the words, and the keys, if they fit.
        let mut spans = vec![
            look.span(format!("▸ {} ", item.label()), Scope::Strip),
            look.speaker(&item.from),
        ];
        spans.push(look.span(format!(": {words}"), Scope::Text));
        return Laid {
            lines: vec![cut_line(spans, width)],
            whole: false,
        };
    }

    let wrapped = text::wrap(&item.text, width.saturating_sub(2));
    // The head, the words, and the foot where there is a row for it.
    let has_foot = rows > 2;
    let for_words = rows - 1 - usize::from(has_foot);
    let fits = wrapped.len() <= for_words && head_width <= width;
    let mut lines = vec![cut_line(head, width)];
    if wrapped.len() <= for_words {
        lines.extend(wrapped.iter().map(|line| words_line(look, line)));
    } else {
        // Folded into the rows there are; the rest is seen when it is opened.
        let folded = text::wrap_at_most(&words, width.saturating_sub(2), for_words);
        lines.extend(folded.iter().map(|line| words_line(look, line)));
    }
    let whole = fits && item.warnings().is_empty();
    if has_foot {
        lines.push(cut_line(foot(look, item, whole), width));
    }
    Laid { lines, whole }
}

fn words_line(look: &RenderContext, words: &str) -> Line<'static> {
    look.line(format!("  {words}"), Scope::Text)
}

/// Whose it is, and what accepting does.
pub(super) fn head(look: &RenderContext, item: &Item) -> Vec<Span<'static>> {
    let who = |words: String| {
        vec![
            look.span(format!("▸ {} ", item.label()), Scope::Strip),
            look.speaker(&item.from),
            look.span(words, Scope::Strip),
        ]
    };
    let mut spans = match &item.matter {
        ItemKind::Mention(mention) => {
            let agent = look.room.agent_for(mention);
            let may = agent
                .as_ref()
                .and_then(|agent| look.room.settings.permissions.get(agent));
            let may = may.map_or_else(String::new, |may| format!(" · {may}"));
            let mut spans = who(match (&agent, mention.is_reply) {
                (Some(agent), false) => format!(" asks {agent}"),
                (Some(agent), true) => format!(" answers {agent}, which may answer back"),
                (None, _) => " asks, and you have no agent".to_owned(),
            });
            spans.push(look.span(may, Scope::Dim));
            if !mention.files.is_empty() {
                let files = files::in_words(look, &mention.files);
                spans.push(look.span(format!(" · with {files}"), Scope::Strip));
            }
            spans
        }
        ItemKind::Draft(draft) => who(crate::tui::view::format::would(draft)),
        ItemKind::File(_) => who(" offers a file".to_owned()),
        ItemKind::Permission(permission) => who(format!(
            " wants {}, for {}",
            permission.request.tool,
            look.name(&permission.asker)
        )),
    };
    if !matches!(item.matter, ItemKind::Permission(_) | ItemKind::File(_)) {
        spans.push(look.span(format!(" · to {}", audience(look, item)), Scope::Dim));
    }
    spans
}

/// The audience of the answer, in words.
pub(super) fn audience(look: &RenderContext, item: &Item) -> String {
    look.room.audience_of(item).in_words()
}

/// The keys that decide, as they are bound now; where it is not whole, they open it.
fn keys(look: &RenderContext, whole: bool) -> Vec<(String, &'static str)> {
    let accept = if whole { "accept" } else { "open" };
    [(Action::Accept, accept), (Action::Reject, "reject")]
        .into_iter()
        .filter_map(|(action, does)| Some((look.keymap.hint(Context::Composer, action)?, does)))
        .collect()
}

fn foot(look: &RenderContext, item: &Item, whole: bool) -> Vec<Span<'static>> {
    let keys = keys(look, whole);
    let mut spans = vec![Span::raw("  ")];
    for (nth, (key, does)) in keys.iter().enumerate() {
        let between = if nth > 0 { " · " } else { "" };
        spans.push(look.span(between, Scope::Hint));
        spans.push(look.span(key.clone(), Scope::Key));
        spans.push(look.span(format!(" {does}"), Scope::Hint));
    }
    let warnings = item.warnings();
    if !warnings.is_empty() {
        spans.push(look.span(format!(" · ⚠ {}", warnings.join(", ")), Scope::Risk));
    }
    if let Some(who) = &item.asked_for {
        spans.push(look.span(format!(" · asked for by {who}"), Scope::Warning));
    }
    if let ItemKind::Mention(mention) = &item.matter
        && let Some(why) = mention.hold.reason()
    {
        spans.push(look.span(format!(" · waits: {why}"), Scope::Warning));
    }
    spans
}
