//! An item, whole: who asks, what accepting does, its risks, and all of its text.

use ratatui::{layout::Rect, text::Line};

use super::{RenderContext, Scope, files};
use crate::{
    core::{Intent, Item, ItemId, ItemKind, Mention, Shown},
    text,
    tui::{
        input::{action::Action, keymap::Context},
        modal::ItemView,
        view::pending_bar,
    },
};

/// Messages of its thread that are shown with an item.
const EARLIER: usize = 8;

/// An item that is laid out, with its scroll taken into account.
pub(super) struct Laid {
    /// The lines that are on the screen.
    pub lines: Vec<Line<'static>>,
    /// All of it has been on the screen.
    pub whole: bool,
    /// The scroll, kept within what there is.
    pub scroll: usize,
    /// Lines that have been on the screen with these, and what of.
    pub seen: (usize, (u16, Shown)),
}

/// Lays items out for `area`, one below the other.
pub(super) fn lay(look: &RenderContext, items: &[Item], view: &ItemView, area: Rect) -> Laid {
    let width = area.width as usize;
    let mut lines = wish(look, view, items, width);
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 {
            lines.push(look.line("─".repeat(width), Scope::Border));
        }
        lines.extend(item_lines(look, item, view.hand_over, width));
    }
    lines.push(end(look, width));
    // What is to be decided ends here; what was said before is for who wants to know more.
    let deciding = lines.len();
    if let [item] = items {
        lines.extend(thread_so_far(look, item, width));
    }
    let height = area.height as usize;
    // It counts as seen line by line from the first on; other lines, or another version, begin at the first.
    let seen_at = (area.width, look.room.shown(&view.ids));
    let before = match view.seen_at.as_ref() == Some(&seen_at) {
        true => view.seen,
        false => 0,
    };
    // Nothing is jumped over: the end is reached page by page.
    let scroll = view.scroll.min(before).min(lines.len().saturating_sub(height));
    let seen = before.max(scroll + height);
    Laid {
        lines: lines.into_iter().skip(scroll).take(height).collect(),
        whole: seen >= deciding && height > 0,
        scroll,
        seen: (seen, seen_at),
    }
}

/// The intent that was written before the items were opened, and how many there are.
fn wish(look: &RenderContext, view: &ItemView, items: &[Item], width: usize) -> Vec<Line<'static>> {
    let mut words = Vec::new();
    if items.len() > 1 {
        words.push(format!("{} requests, decided together.", items.len()));
    }
    match &view.wish {
        Some(Intent::Accept { how, .. }) => {
            words.extend(how.instructions.iter().map(|with| format!("Accept with: {with}")));
            words.extend(how.agent.iter().map(|agent| format!("Accept for {agent}.")));
            words.extend(how.review.then(|| "Accept, and review the answer.".to_owned()));
        }
        Some(Intent::Reject { reason, .. }) if !reason.is_empty() => words.push(format!("Reject: {reason}")),
        _ => {}
    }
    let wrapped = words.iter().flat_map(|words| text::wrap(words, width));
    wrapped.map(|line| look.line(line, Scope::Waiting)).collect()
}

/// The row that closes what is to be read.
fn end(look: &RenderContext, width: usize) -> Line<'static> {
    let dashes = "─".repeat(width.saturating_sub(6));
    look.line(format!("─ end {dashes}"), Scope::Border)
}

fn item_lines(look: &RenderContext, item: &Item, hand_over: bool, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let kind = if item.from.agent.is_some() {
        "an agent"
    } else {
        "a person"
    };
    let wish = match &item.matter {
        ItemKind::Mention(_) if hand_over => format!(" ({kind}) wrote this. Hand it to your agent?"),
        ItemKind::Mention(_) => format!(" ({kind}) asks"),
        ItemKind::Draft(draft) => crate::tui::view::format::would(draft),
        ItemKind::Permission(permission) => format!(" wants to use {}", permission.request.tool),
        ItemKind::File(_) => format!(" ({kind}) offers a file"),
    };
    lines.extend(head(look, item, &wish, width));
    for (words, scope) in explanations(look, item) {
        lines.extend(
            text::wrap(&words, width)
                .into_iter()
                .map(|line| look.line(line, scope)),
        );
    }
    if let Some(who) = &item.asked_for {
        let words = format!("{who} asked for a decision; only you decide.");
        lines.extend(
            text::wrap(&words, width)
                .into_iter()
                .map(|line| look.line(line, Scope::Warning)),
        );
    }
    let warnings = item.warnings();
    if !warnings.is_empty() {
        let words = format!("⚠ Warning: {}.", warnings.join(", "));
        lines.extend(
            text::wrap(&words, width)
                .into_iter()
                .map(|line| look.line(line, Scope::Risk)),
        );
    }
    lines.push(Line::default());
    lines.extend(words(look, &item.text, &item.marks(), width));
    lines
}

/// Whose it is and what it would do: all of it, in as many lines as it takes.
fn head(look: &RenderContext, item: &Item, wish: &str, width: usize) -> Vec<Line<'static>> {
    let (id, speaker) = (format!("{} ", item.label()), look.speaker(&item.from));
    let begins = format!("{id}{}", speaker.content);
    let whole = format!("{begins}{wish}");
    let mut lines = text::wrap(&whole, width).into_iter();
    let first = lines.next().unwrap_or_default();
    let first = match first.strip_prefix(&begins) {
        Some(rest) => Line::from(vec![
            look.span(id, Scope::Strip),
            speaker,
            look.span(rest.to_owned(), Scope::Text),
        ]),
        None => look.line(first, Scope::Text),
    };
    let rest = lines.map(|line| look.line(line, Scope::Text));
    std::iter::once(first).chain(rest).collect()
}

/// The newest messages of its thread before it.
fn thread_so_far(look: &RenderContext, item: &Item, width: usize) -> Vec<Line<'static>> {
    let room = look.room;
    let Some(thread) = room
        .chat
        .threads()
        .get(&item.thread)
        .filter(|thread| thread.posts > 1)
    else {
        return Vec::new();
    };
    let before = match item.id {
        ItemId::Mention(number) => number,
        _ => room.chat.timeline().newest() + 1,
    };
    let numbers = (thread.first..before).rev();
    let posts = numbers.filter_map(|number| room.chat.timeline().post_numbered(number));
    let mut said: Vec<_> = posts
        .filter(|post| post.thread == thread.id)
        .take(EARLIER)
        .collect();
    said.reverse();
    if said.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![
        Line::default(),
        look.line(format!("Earlier in t{}:", thread.number), Scope::Title),
    ];
    for post in said {
        let mut spans = vec![
            look.span(format!("  m{} ", post.number), Scope::Key),
            look.speaker(&post.speaker()),
        ];
        spans.push(look.span(format!("  {}", post.text.replace('\n', " ⏎ ")), Scope::Dim));
        lines.push(super::timeline::cut_line(spans, width));
    }
    lines
}

/// Explains what accepting does, and what else a person should know.
fn explanations(look: &RenderContext, item: &Item) -> Vec<(String, Scope)> {
    let audience = pending_bar::audience(look, item);
    match &item.matter {
        ItemKind::Mention(mention) => about_mention(look, mention, &audience),
        ItemKind::Draft(_) => vec![(
            format!("Accept to post this; {audience} will see it."),
            Scope::Dim,
        )],
        ItemKind::File(_) => vec![(
            "Accept to download it; rejecting tells its sender.".to_owned(),
            Scope::Dim,
        )],
        ItemKind::Permission(permission) => {
            let once = format!(
                "Requested by {}. Accepting allows this once.",
                look.name(&permission.asker)
            );
            let grant = item
                .grant_in_words()
                .zip(look.keymap.hint(Context::Item, Action::Grant));
            let grant =
                grant.map(|(rule, key)| format!("Press {key} in the inbox to allow {rule} for this thread."));
            std::iter::once(once)
                .chain(grant)
                .map(|words| (words, Scope::Dim))
                .collect()
        }
    }
}

/// The explanations of a mention whose answer goes to `audience`.
fn about_mention(look: &RenderContext, mention: &Mention, audience: &str) -> Vec<(String, Scope)> {
    let mut words = vec![match look.room.agent_for(mention) {
        Some(agent) => {
            let may = look
                .room
                .settings
                .permissions
                .get(&agent)
                .copied()
                .unwrap_or_default();
            // Where there are others, a key takes one of them.
            let several = look.room.settings.agents.len() > 1;
            let key = look.keymap.hint(Context::Item, Action::NextAgent);
            let other = key.filter(|_| several);
            let other = other.map_or_else(String::new, |key| format!(" {key} chooses another agent."));
            format!("Accepting runs {agent} ({may}); the answer goes to {audience}.{other}")
        }
        None => "You have no agent: add an [agents.NAME] table to config.toml.".to_owned(),
    }];
    if !mention.files.is_empty() {
        let files = files::in_words(look, &mention.files);
        words.push(format!(
            "Comes with {files}: accepting downloads it and tells the agent where it is."
        ));
    }
    if mention.is_reply {
        words.push("It is a reply to your agent: the agents keep talking.".into());
    }
    let held = mention.hold.reason().into_iter();
    let held = held.map(|why| (format!("Waits although auto mode is on: {why}."), Scope::Warning));
    words
        .into_iter()
        .map(|words| (words, Scope::Dim))
        .chain(held)
        .collect()
}

/// The words of an item, with what was found in it marked.
fn words(look: &RenderContext, all: &str, flags: &[crate::core::Flag], width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for line in text::wrap(all, width.saturating_sub(2)) {
        // Each line is a part of the whole text.
        let start = line.as_ptr() as usize - all.as_ptr() as usize;
        let mut spans = vec![look.span("│ ", Scope::Border)];
        let mut done = 0;
        for flag in flags {
            let from = flag.at.start.clamp(start, start + line.len()) - start;
            let to = flag.at.end.clamp(start, start + line.len()) - start;
            if from < to && from >= done {
                spans.push(look.span(&line[done..from], Scope::Text));
                spans.push(look.span(&line[from..to], Scope::Risk));
                done = to;
            }
        }
        spans.push(look.span(&line[done..], Scope::Text));
        lines.push(Line::from(spans));
    }
    lines
}
