//! The keys that work now: below the composer while one writes, in its place where letters do something.

use ratatui::{Frame, layout::Rect, style::Modifier, text::Line, text::Span, widgets::Widget};

use crate::{
    core::{Item, ItemKind},
    text,
    tui::{
        input::{action::Action, keymap::Context, pressed::DecisionKey},
        modal::Modal,
        state::State,
        view::{Layout, RenderContext, Scope},
    },
};

/// Draws who owns the keys, and what they do, in the composer's place.
pub(crate) fn draw(look: &RenderContext, state: &State, plan: &Layout, frame: &mut Frame) {
    if plan.areas.composer.height == 0 {
        return;
    }
    let name = look.span(format!("[{}]", owner(look, state)), Scope::Focus);
    let width = (plan.areas.composer.width as usize).saturating_sub(text::width(&name.content));
    let mut spans = vec![name];
    match pending(look, state) {
        Some(words) => spans.push(look.span(format!(" {words}"), Scope::Waiting)),
        None => spans.extend(hints(look, state, plan, width)),
    }
    let row = Rect {
        height: 1,
        ..plan.areas.composer
    };
    Line::from(spans).render(row, frame.buffer_mut());
}

/// The owner of the keys, in a word or two.
fn owner(look: &RenderContext, state: &State) -> String {
    match state.modals.top() {
        Some(Modal::Text(text)) => text.title.to_owned(),
        Some(Modal::Item(view)) if view.hand_over => "Hand over".to_owned(),
        Some(Modal::Item(_)) => match &state.opened(look.room)[..] {
            [item] => kind(item).to_owned(),
            items => format!("{} requests", items.len()),
        },
        Some(Modal::Prompt(_) | Modal::Search(_) | Modal::Palette(_)) | None => {
            state.context().heading().to_owned()
        }
    }
}

fn kind(item: &Item) -> &'static str {
    match item.matter {
        ItemKind::Mention(_) => "Mention",
        ItemKind::Draft(_) => "Draft",
        ItemKind::Permission(_) => "Permission",
        ItemKind::File(_) => "File",
    }
}

/// A decision that takes effect in a moment.
pub(crate) fn pending(look: &RenderContext, state: &State) -> Option<String> {
    let pressed = state
        .deciding
        .pressed
        .as_ref()
        .filter(|pressed| pressed.seen.is_ok())?;
    let verb = match &pressed.deed {
        DecisionKey::Accept { .. } => "Accepting",
        DecisionKey::Reject => "Rejecting",
        DecisionKey::Grant => "Allowing",
        DecisionKey::Later => "Snoozing",
        DecisionKey::Edit | DecisionKey::Instruct | DecisionKey::Retry(_) | DecisionKey::Written(_) => {
            return None;
        }
    };
    let labels = pressed.ids.iter().filter_map(|id| look.room.at_hand(*id));
    let labels: Vec<String> = labels.map(|item| item.label()).collect();
    Some(format!("{verb} {} …", labels.join(", ")))
}

/// The keys that matter now, as many as fit in `width`; help is left out last.
pub(crate) fn hints(look: &RenderContext, state: &State, plan: &Layout, width: usize) -> Vec<Span<'static>> {
    let context = state.context();
    let hint =
        |(action, does): (Action, &'static str)| Some((action, look.keymap.hint(context, action)?, does));
    let mut hints: Vec<(Action, String, &'static str)> = actions(look, state, plan, context)
        .into_iter()
        .filter_map(hint)
        .collect();
    let wide = |(_, key, does): &(Action, String, &str)| text::width(key) + 1 + text::width(does);
    let all =
        |hints: &[(Action, String, &'static str)]| 1 + hints.iter().map(|hint| wide(hint) + 3).sum::<usize>();
    while !hints.is_empty() && all(&hints) - 3 > width {
        let keeps = |action| matches!(action, Action::Help | Action::Back);
        let last = hints.iter().rposition(|(action, ..)| !keeps(*action));
        hints.remove(last.unwrap_or_default());
    }
    let mut spans = vec![Span::raw(" ")];
    for (_, key, does) in hints {
        if spans.len() > 1 {
            spans.push(look.span(" · ", Scope::Hint));
        }
        spans.push(look.span(key, Scope::Key));
        spans.push(look.span(format!(" {does}"), Scope::Hint));
    }
    if state.deciding.flash.is_some() {
        spans
            .iter_mut()
            .for_each(|span| span.style = span.style.add_modifier(Modifier::BOLD));
    }
    spans
}

fn actions(
    look: &RenderContext,
    state: &State,
    plan: &Layout,
    context: Context,
) -> Vec<(Action, &'static str)> {
    match context {
        Context::Reason => named(&[Action::Send, Action::Back]),
        Context::Palette => named(&[Action::Send, Action::Up, Action::Down, Action::Back]),
        Context::Search => named(&[Action::Up, Action::Down, Action::Send, Action::Back]),
        Context::Help => vec![(Action::PageDown, "next page"), (Action::Back, "back")],
        Context::Timeline if state.reading.search.is_some() => named(&[
            Action::NextFound,
            Action::PreviousFound,
            Action::Open,
            Action::Copy,
            Action::Back,
        ]),
        Context::Timeline => vec![
            (Action::Open, "open"),
            (Action::Copy, "copy"),
            (Action::HandOver, "to my agent"),
            (Action::Retry, "retry"),
            (Action::Back, "write"),
        ],
        Context::Files => vec![
            (Action::Open, "open"),
            (Action::Copy, "copy path"),
            (Action::EndRun, "cancel"),
            (Action::Retry, "retry"),
            (Action::Back, "write"),
        ],
        Context::People => vec![(Action::NextPane, "next pane"), (Action::Back, "write")],
        Context::Item => on_item(look, state, plan),
        Context::Inbox => {
            let mut actions = vec![
                (Action::Open, "open"),
                (Action::Later, "snooze"),
                (Action::Back, "write"),
            ];
            if is_whole(look, state, plan) {
                actions.splice(0..0, [(Action::Accept, "accept"), (Action::Reject, "reject")]);
            }
            actions
        }
        Context::Composer | Context::Normal | Context::Anywhere | Context::Setup => {
            while_writing(look, state, plan)
        }
    }
}

fn named(actions: &[Action]) -> Vec<(Action, &'static str)> {
    actions.iter().map(|action| (*action, action.does())).collect()
}

/// The keys while the composer has them, by what else is going on.
fn while_writing(look: &RenderContext, state: &State, plan: &Layout) -> Vec<(Action, &'static str)> {
    if !look.room.review.inbox().is_empty() {
        let accept = if is_whole(look, state, plan) {
            "accept"
        } else {
            "open"
        };
        return vec![
            (Action::Accept, accept),
            (Action::Reject, "reject"),
            (Action::NextPane, "panes"),
            (Action::Help, "help"),
        ];
    }
    if state.reading.thread.is_some() {
        return named(&[Action::Send, Action::Back, Action::NextPane, Action::Help]);
    }
    if !look.program.runs().is_empty() {
        return named(&[Action::EndRun, Action::NextPane, Action::Help]);
    }
    named(&[
        Action::Send,
        Action::NextPane,
        Action::Inbox,
        Action::Help,
        Action::Leave,
    ])
}

/// Whether the items at hand can be decided by the next key.
fn is_whole(look: &RenderContext, state: &State, plan: &Layout) -> bool {
    let ids = state.target(look.room);
    !ids.is_empty() && plan.whole == ids
}

fn on_item(look: &RenderContext, state: &State, plan: &Layout) -> Vec<(Action, &'static str)> {
    let items = state.opened(look.room);
    let hands_over = state.modals.item().is_some_and(|view| view.hand_over);
    let mut actions = Vec::new();
    match (is_whole(look, state, plan), &items[..]) {
        (false, _) => actions.push((Action::PageDown, "next page")),
        (true, _) if hands_over => actions.push((Action::Accept, "hand over")),
        (true, [item]) => {
            actions.push((
                Action::Accept,
                if matches!(item.matter, ItemKind::Permission(_)) {
                    "once"
                } else {
                    "accept"
                },
            ));
            if matches!(item.matter, ItemKind::Mention(_) | ItemKind::Draft(_)) {
                actions.push((Action::Edit, "edit"));
            }
            if item.grant_in_words().is_some() {
                actions.push((Action::Grant, "this thread"));
            }
            actions.push((Action::Reject, "reject"));
            if matches!(item.matter, ItemKind::Mention(_)) {
                actions.push((Action::Instruct, "instruct"));
            }
        }
        (true, _) => actions.extend([(Action::Accept, "accept all"), (Action::Reject, "reject all")]),
    }
    if items.len() == 1 && !hands_over {
        actions.push((Action::Later, "snooze"));
    }
    actions.push((Action::Back, "back"));
    actions
}
