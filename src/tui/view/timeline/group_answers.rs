//! The card below a question to several members: each one's state, and the beginning of the answer. The thread
//! has the answers whole.

use ratatui::text::{Line, Span};

use crate::{
    core::{Recipient, runs::ask::Speaker},
    text,
    tui::view::{RenderContext, Scope, format, timeline::cut_line},
};

/// One row for each of those who were asked.
pub(crate) fn lines(
    look: &RenderContext,
    all: &[Recipient],
    margin: &str,
    width: usize,
) -> Vec<Line<'static>> {
    let names = all.iter().map(|one| text::width(one.name)).max().unwrap_or(0);
    let rows = all.iter().enumerate().map(|(nth, one)| {
        let corner = if nth + 1 == all.len() { "└" } else { "├" };
        let who = Speaker {
            member: one.name.to_owned(),
            agent: None,
        };
        let blank = " ".repeat(names.saturating_sub(text::width(one.name)) + 1);
        let mut spans = vec![
            look.span(format!("{margin}{corner} "), Scope::Dim),
            look.speaker(&who),
            Span::raw(blank),
        ];
        spans.push(state(look, one));
        if let Some(answer) = one.answer {
            let first = answer.text.lines().find(|line| !line.trim().is_empty());
            spans.push(look.span(format!(" m{}", answer.number), Scope::Key));
            spans.push(look.span(format!("  {}", first.unwrap_or_default().trim()), Scope::Text));
        }
        cut_line(spans, width)
    });
    rows.collect()
}

/// How many have answered, in words.
pub(crate) fn summary(all: &[Recipient]) -> String {
    let answered = all.iter().filter(|one| one.has_answered()).count();
    format!("{answered} of {} answered", all.len())
}

fn state(look: &RenderContext, one: &Recipient) -> Span<'static> {
    match (one.state, one.doing) {
        // The answer is here, whatever was lost on the way.
        _ if one.has_answered() => look.span("answered", Scope::Good),
        (_, Some(doing)) => look.span(format::activity(doing), Scope::Working),
        (Some((state, why)), None) => {
            let (word, scope) = format::receipt(state);
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {why}")
            };
            look.span(format!("{word}{why}"), scope)
        }
        (None, None) if one.absent => look.span("is offline", Scope::Waiting),
        (None, None) => look.span("no answer yet", Scope::Dim),
    }
}
