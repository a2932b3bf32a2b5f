//! The whole screen, from its plan.

use ratatui::{
    Frame,
    layout::{Alignment, Rect},
    text::{Line, Span},
    widgets::{Block, Borders, Clear, Widget},
};

use super::{Look, Pane, Plan, Scope, State, choices, files, main_pane, panes, paper, timeline};
use crate::{
    room::{Audience, Command, Connection},
    screen::{
        action::Action,
        keymap::Context,
        state::{Asked, Overlay, Tone, What},
    },
    text,
};

/// Draws everything.
pub fn draw(look: &Look, state: &State, plan: &Plan, frame: &mut Frame) {
    frame.buffer_mut().set_style(plan.all, look.style(Scope::Text));
    if plan.too_small {
        let line = look.line("too small", Scope::Warning);
        line.render(
            Rect {
                height: plan.main.height.min(1),
                ..plan.main
            },
            frame.buffer_mut(),
        );
        return;
    }
    if plan.wide {
        let block = Block::new()
            .borders(Borders::ALL)
            .border_style(look.style(Scope::Border));
        let area = frame.area();
        frame.render_widget(block, area);
        panes::draw_side(look, state, plan.side, frame.buffer_mut());
    }
    draw_top(look, state, plan, frame);
    draw_main(look, state, plan, frame);
    if let Some(drag) = &state.drag {
        drag.draw(plan.main, look.style(Scope::Selected), frame.buffer_mut());
    }
    choices::draw(look, state, plan.main, frame.buffer_mut());
    draw_banner(look, state, plan, frame);
    let strip = plan.strip_lines.iter().zip(plan.strip.y..plan.strip.bottom());
    for (line, y) in strip {
        line.render(
            Rect {
                y,
                height: 1,
                ..plan.strip
            },
            frame.buffer_mut(),
        );
    }
    if plan.rule.height > 0 {
        draw_rule(look, state, plan, frame);
    }
    draw_composer(look, state, plan, frame);
    draw_bottom(look, state, plan, frame);
}

fn draw_main(look: &Look, state: &State, plan: &Plan, frame: &mut Frame) {
    let buffer = frame.buffer_mut();
    match (&state.overlay, &plan.item) {
        (Overlay::Paper(sheet), _) => paper::draw(look, sheet, plan.main, buffer),
        (Overlay::Item(_), Some(item)) => {
            Clear.render(plan.main, buffer);
            buffer.set_style(plan.main, look.style(Scope::Text));
            for (line, y) in item.lines.iter().zip(plan.main.y..plan.main.bottom()) {
                line.render(
                    Rect {
                        y,
                        height: 1,
                        ..plan.main
                    },
                    buffer,
                );
            }
        }
        _ => match main_pane(plan, state) {
            Pane::Inbox => panes::draw_inbox(look, state, plan.main, buffer),
            Pane::Files => files::draw(look, state, plan.main, buffer),
            Pane::People => panes::draw_people(look, plan.main, buffer),
            _ => timeline::draw(look, &plan.rows, plan.main, buffer),
        },
    }
}

/// Room, connection, name and mode; on a narrow screen the tabs as well.
fn draw_top(look: &Look, state: &State, plan: &Plan, frame: &mut Frame) {
    let (mark, _, mark_scope) = look.connection();
    let (mode, mode_scope) = look.mode();
    let settings = &look.room.settings;
    let waiting = look.room.inbox.len();
    let mut left: Vec<Span> = Vec::new();
    let mut right: Vec<Span> = Vec::new();
    if plan.wide {
        let thread = state.reading.thread.as_ref();
        let thread = thread.and_then(|open| look.room.threads.get(&open.id));
        let place = thread.map_or_else(String::new, |thread| format!("t{} ", thread.number));
        left.push(look.span(format!("┌ #{} {place}", settings.room), Scope::Title));
        right.push(look.span(format!(" {mark}"), mark_scope));
        right.push(look.span(format!(" {} ", look.relay), Scope::Dim));
    } else {
        left.push(look.span(mark, mark_scope));
        let inbox = if waiting > 0 {
            format!("Inbox {waiting}")
        } else {
            "Inbox".to_owned()
        };
        let people = format!("People {}", look.room.members.list().len());
        let here = main_pane(plan, state);
        let thread = state.reading.thread.as_ref();
        let thread = thread.and_then(|open| look.room.threads.get(&open.id));
        let place = match thread {
            Some(thread) => format!("#{} t{}", settings.room, thread.number),
            None => format!("#{}", settings.room),
        };
        let open = look.room.offers.open().count();
        let files = match open {
            0 => "Files".to_owned(),
            open => format!("Files {open}"),
        };
        // A room in which nobody has offered a file needs no tab for them.
        let has_files = here == Pane::Files || look.room.offers.all().next().is_some();
        let tabs = [
            Some((place, Pane::Timeline)),
            Some((inbox, Pane::Inbox)),
            has_files.then_some((files, Pane::Files)),
            Some((people, Pane::People)),
        ];
        let tabs = tabs.into_iter().flatten();
        for (name, pane) in tabs {
            let scope = match pane {
                pane if pane == here => Scope::Focus,
                Pane::Inbox if waiting > 0 => Scope::Waiting,
                _ => Scope::Dim,
            };
            // Where one is, is told without colour as well.
            let name = if pane == here {
                format!("[{name}]")
            } else {
                format!(" {name} ")
            };
            left.push(look.span(format!(" {name}"), scope));
        }
    }
    right.push(look.span(settings.me.clone(), Scope::NameMe));
    right.push(look.span(" · ", Scope::Dim));
    right.push(look.span(mode, mode_scope));
    right.push(look.span(if plan.wide { " ┐" } else { " " }, Scope::Border));
    let width = |spans: &[Span]| spans.iter().map(|span| text::width(&span.content)).sum::<usize>();
    let (left_width, right_width) = (width(&left), width(&right));
    let buffer = frame.buffer_mut();
    timeline::cut_line(left, plan.top.width as usize).render(plan.top, buffer);
    if left_width + right_width < plan.top.width as usize {
        let x = plan.top.right() - right_width as u16;
        Line::from(right).render(
            Rect {
                x,
                width: right_width as u16,
                ..plan.top
            },
            buffer,
        );
    }
}

/// How the connection stands, where it does not; else that settings wait for the person.
fn draw_banner(look: &Look, state: &State, plan: &Plan, frame: &mut Frame) {
    if plan.banner.height == 0 {
        return;
    }
    let (mark, words, scope) = look.connection();
    let (words, scope) = match &state.looser {
        Some(looser) if look.room.connection == Connection::Online => {
            let key = look.keymap.hint(state.context(), Action::TakeSettings);
            let key = key.unwrap_or_else(|| Action::TakeSettings.name().to_owned());
            let words = looser.words.join(", ");
            (
                format!("⚠ saved, looser, waits for {key}: {words}"),
                Scope::Warning,
            )
        }
        _ => (format!("{mark} {words}"), scope),
    };
    let line = look.line(text::cut(&words, plan.banner.width as usize), scope);
    line.render(plan.banner, frame.buffer_mut());
}

/// The line above the composer, which says who will see what is written.
fn draw_rule(look: &Look, state: &State, plan: &Plan, frame: &mut Frame) {
    let width = plan.rule.width as usize;
    let words = match &state.asked {
        Some(Asked {
            item,
            what: What::Reason,
            ..
        }) => {
            format!(" why? {item} is rejected when you send this ")
        }
        Some(Asked {
            item,
            what: What::Words,
            ..
        }) => {
            format!(" {item} is accepted with these words when you send them ")
        }
        Some(Asked { item, .. }) => {
            format!(" {item} is accepted when you send what your agent should mind ")
        }
        None => match searching(state) {
            Some(words) => words,
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
    line.render(plan.rule, frame.buffer_mut());
}

/// What is below the bottom of the messages: how many new ones, or that there are any.
fn below(look: &Look, state: &State, plan: &Plan) -> String {
    let bottom = plan.rows.iter().find_map(|(_, number)| *number);
    let (Some(bottom), false) = (bottom, state.reading.scroll.follows()) else {
        return String::new();
    };
    let new = look
        .room
        .timeline
        .newest()
        .saturating_sub(state.reading.unread.read.max(bottom));
    match new {
        0 => " more below ↓ ".to_owned(),
        new => format!(" {new} new below ↓ "),
    }
}

/// What is looked for, and how often it was found.
fn searching(state: &State) -> Option<String> {
    let search = state.reading.search.as_ref()?;
    let count = search.count();
    let nth = state.selected_post.and_then(|number| search.nth(number));
    Some(match nth {
        _ if search.words.is_empty() => " search ".to_owned(),
        Some(nth) => format!(" \"{}\" {nth} of {count} ", search.words),
        None => format!(" \"{}\" found {count} times ", search.words),
    })
}

/// Who will see what is being written, in words: `everyone, 2`, `bob only`, `t3, bob only`.
fn audience(look: &Look, state: &State) -> String {
    let others = look.room.members.list().len().saturating_sub(1);
    let everyone = format!("everyone, {others}");
    let thread = state.reading.thread.as_ref();
    let thread = thread.and_then(|open| look.room.threads.get(&open.id));
    let in_thread = |thread: &crate::room::Thread| match &thread.audience {
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
            let direct = look.room.settings.mentions == crate::room::Mentions::Direct || note;
            let number = number.and_then(|number| look.room.threads.numbered(number));
            match number.or(thread) {
                Some(thread) => in_thread(thread),
                None if to.is_empty() || public || !direct => everyone,
                None => Audience::Only(to).in_words(),
            }
        }
        // A word to this program, which nobody else sees.
        _ if state.composer.text().starts_with('/') => "nobody, a word to this program".to_owned(),
        _ => match thread {
            Some(thread) => in_thread(thread),
            None => everyone,
        },
    }
}

fn draw_composer(look: &Look, state: &State, plan: &Plan, frame: &mut Frame) {
    if plan.composer.height == 0 {
        return;
    }
    let columns = super::words::PROMPT_COLUMNS.min(plan.composer.width);
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
            ..plan.composer
        },
        frame.buffer_mut(),
    );
    let area = Rect {
        x: plan.composer.x + columns,
        width: plan.composer.width - columns,
        ..plan.composer
    };
    let asked = state.asked.as_ref();
    let field = match context {
        Context::Palette => state.palette.as_ref().map(|palette| &palette.field),
        Context::Search => state.search.as_ref(),
        _ => asked.map(|asked| &asked.field),
    };
    let field = field.unwrap_or(&state.composer);
    if field.is_empty() {
        let hint = match (context, asked.map(|asked| asked.what)) {
            (Context::Palette, _) => "what do you want to do?".to_owned(),
            (Context::Search, _) => "what do you look for?".to_owned(),
            (_, Some(What::Reason)) => "a reason, or nothing".to_owned(),
            (_, Some(What::Words)) => "other words".to_owned(),
            (_, Some(What::Instructions)) => "what your agent should mind".to_owned(),
            (_, None) => match &state.reading.thread {
                Some(_) => format!("reply in {}", audience(look, state)),
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

/// A message for the person, or the keys that matter now.
fn draw_bottom(look: &Look, state: &State, plan: &Plan, frame: &mut Frame) {
    if plan.bottom.height == 0 {
        return;
    }
    let width = plan.bottom.width as usize;
    let line = match &state.message {
        Some((words, tone)) => {
            let scope = match tone {
                Tone::Good => Scope::Text,
                Tone::Bad => Scope::Error,
            };
            look.line(text::cut(&format!(" {words}"), width), scope)
        }
        None => {
            let mut spans = hints(look, state);
            // Where there is no rule, who will see what is written stands here.
            if plan.rule.height == 0 && !state.composer.is_empty() {
                spans.insert(
                    0,
                    look.span(format!(" {} ·", audience(look, state)), Scope::Prompt),
                );
            }
            timeline::cut_line(spans, width)
        }
    };
    line.alignment(Alignment::Left)
        .render(plan.bottom, frame.buffer_mut());
}

fn hints(look: &Look, state: &State) -> Vec<Span<'static>> {
    let context = state.context();
    let waiting = !look.room.inbox.is_empty();
    let actions: &[Action] = match context {
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
    };
    let mut spans = vec![Span::raw(" ")];
    for action in actions {
        if let Some(key) = look.keymap.hint(context, *action) {
            if spans.len() > 1 {
                spans.push(look.span(" · ", Scope::Hint));
            }
            spans.push(look.span(key, Scope::Key));
            spans.push(look.span(format!(" {}", action.does()), Scope::Hint));
        }
    }
    spans
}
