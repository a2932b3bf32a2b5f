//! Where one writes, and who will see it.

use ratatui::{Frame, layout::Rect, text::Line, widgets::Widget};

use super::{Layout, RenderContext, Scope};
use crate::{
    core::{Audience, Command},
    text,
    tui::{
        input::keymap::Context,
        modal::{InputPrompt, PromptKind},
        state::{Pane, State},
        view::{format, overlays::keys},
    },
};

pub(super) fn draw(look: &RenderContext, state: &State, plan: &Layout, frame: &mut Frame) {
    if plan.areas.rule.height > 0 {
        draw_rule(look, state, plan, frame);
    }
    match state.context().is_a_list() {
        true => keys::draw(look, state, plan, frame),
        false => draw_composer(look, state, plan, frame),
    }
}

/// The line above the composer, which says who will see what is written.
fn draw_rule(look: &RenderContext, state: &State, plan: &Layout, frame: &mut Frame) {
    let width = plan.areas.rule.width as usize;
    let words = match state.modals.prompt() {
        Some(InputPrompt { ids, what, .. }) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let ids = ids.join(", ");
            match what {
                PromptKind::Reason => format!(" Reject {ids}: why? "),
                PromptKind::Words => format!(" Edit and accept {ids} "),
                PromptKind::Instructions => format!(" Accept {ids} with instructions "),
            }
        }
        None => match searching(state).filter(|_| !state.is_written_in()) {
            Some(words) => words,
            // What is not sent yet stays in sight while something else has the keys.
            None if state.context().is_a_list() => match state.composer.text().lines().next() {
                Some(first) => format!(" unsent: {first} "),
                None => String::new(),
            },
            // In an empty composer it is said there.
            None if state.composer.is_empty() => String::new(),
            None => format!(" {} ", audience(look, state)),
        },
    };
    let new = below(look, state, plan);
    let words = text::cut(&words, width.saturating_sub(text::width(&new)));
    let dashes = width.saturating_sub(text::width(&words) + text::width(&new) + 2);
    let line = Line::from(vec![
        look.span("──", Scope::Border),
        look.span(words, Scope::Dim),
        look.span("─".repeat(dashes), Scope::Border),
        look.span(new, Scope::Waiting),
    ]);
    line.render(plan.areas.rule, frame.buffer_mut());
}

/// The note about messages below the bottom: how many new ones, or that there are any; or how many are kept
/// as new further up.
fn below(look: &RenderContext, state: &State, plan: &Layout) -> String {
    if let Some(kept) = state.reading.unread.kept() {
        return format!(" {kept} kept as new ");
    }
    let bottom = plan.timeline.rows.iter().find_map(|(_, number)| *number);
    let (Some(bottom), false) = (bottom, state.reading.scroll.follows()) else {
        return String::new();
    };
    let new = look
        .room
        .chat
        .timeline()
        .newest()
        .saturating_sub(state.reading.unread.read.max(bottom));
    match new {
        0 => " more below ↓ ".to_owned(),
        new => format!(" {new} new below ↓ "),
    }
}

/// The search, and how often it was found.
fn searching(state: &State) -> Option<String> {
    let search = state.reading.search.as_ref()?;
    let count = search.count();
    let nth = state.selected.post.and_then(|number| search.nth(number));
    Some(match nth {
        _ if search.words.is_empty() => " search ".to_owned(),
        Some(nth) => format!(" \"{}\" {nth} of {count} ", search.words),
        None => format!(" \"{}\" found {count} times ", search.words),
    })
}

/// Whether nobody else is in the room.
fn is_alone(look: &RenderContext) -> bool {
    look.room.chat.members().list().len() <= 1
}

/// The audience of the text that is being written, in words: `everyone, 2`, `bob only`, `t3, bob only`.
pub(super) fn audience(look: &RenderContext, state: &State) -> String {
    let others = look.room.chat.members().list().len().saturating_sub(1);
    let everyone = format!("everyone, {others}");
    let thread = state.reading.thread.as_ref();
    let thread = thread.and_then(|open| look.room.chat.threads().get(&open.id));
    let in_thread = |thread: &crate::core::Thread| match &thread.audience {
        Audience::Everyone => format!("t{}, {everyone}", thread.number),
        only => format!("t{}, {}", thread.number, only.in_words()),
    };
    match crate::command::parse(&state.composer.whole()) {
        Ok(crate::command::Line::Command(Command::Say {
            to,
            public,
            thread: number,
            note,
            ..
        })) => {
            let direct = look.room.settings.mentions == crate::core::Mentions::Direct || note;
            let number = number.and_then(|number| look.room.chat.threads().numbered(number));
            match number.or(thread) {
                Some(thread) => in_thread(thread),
                None if to.is_empty() || public || !direct => everyone,
                None => Audience::Only(to).in_words(),
            }
        }
        // A word to this program, which nobody else sees.
        _ if state.composer.text().starts_with('/') => "command, not sent to the room".to_owned(),
        _ => match thread {
            Some(thread) => in_thread(thread),
            None => everyone,
        },
    }
}

fn draw_composer(look: &RenderContext, state: &State, plan: &Layout, frame: &mut Frame) {
    if plan.areas.composer.height == 0 {
        return;
    }
    let columns = format::PROMPT_COLUMNS.min(plan.areas.composer.width);
    let context = state.context();
    let elsewhere = matches!(context, Context::Reason | Context::Search | Context::Palette);
    let focused = state.pane == Pane::Composer || elsewhere;
    let scope = if focused { Scope::Prompt } else { Scope::Dim };
    let prompt = match context {
        Context::Reason => "✎ ",
        Context::Search => "⌕ ",
        Context::Palette => "» ",
        _ if state.commands => "▪ ",
        _ => "› ",
    };
    look.span(prompt, scope).render(
        Rect {
            height: 1,
            ..plan.areas.composer
        },
        frame.buffer_mut(),
    );
    let area = Rect {
        x: plan.areas.composer.x + columns,
        width: plan.areas.composer.width - columns,
        ..plan.areas.composer
    };
    let asked = state.modals.prompt();
    let field = state.modals.field().unwrap_or(&state.composer);
    if field.is_empty() {
        let hint = match (context, asked.map(|asked| asked.what)) {
            (Context::Palette, _) => "type an action or a command".to_owned(),
            (Context::Search, _) => "search".to_owned(),
            (_, Some(PromptKind::Reason)) => "a reason (optional)".to_owned(),
            (_, Some(PromptKind::Words)) => "the new text".to_owned(),
            (_, Some(PromptKind::Instructions)) => "instructions for your agent".to_owned(),
            (_, None) => match &state.reading.thread {
                Some(_) => format!("reply in {}", audience(look, state)),
                None if is_alone(look) => "nobody else is here yet".to_owned(),
                None => format!("message {}", audience(look, state)),
            },
        };
        let line = look.line(text::cut(&hint, area.width as usize), Scope::Hint);
        line.render(Rect { height: 1, ..area }, frame.buffer_mut());
        if focused {
            frame.set_cursor_position((area.x, area.y));
        }
    } else {
        field.draw(frame, area, focused);
    }
}
