//! Lines to read over the messages: what a command answers, help, what was decided, settings that wait.

use nexscope_relay::protocol::{Mode, Status};
use ratatui::text::Line;

use crate::{
    command::COMMANDS,
    core::{Reply, runs::ask::Speaker},
    text,
    tui::{
        input::{action::Action, keymap::Context},
        view::{RenderContext, Scope, format::activity},
    },
};

/// The lines that answer a command, and their heading; none where the room itself shows it.
pub(in crate::tui) fn reply_lines(
    look: &RenderContext,
    reply: &Reply,
    invite: Option<String>,
) -> Option<(&'static str, Vec<Line<'static>>)> {
    match reply {
        Reply::Nothing | Reply::Said(_) | Reply::Text(_) | Reply::Files => None,
        Reply::Who => Some(("People", who(look))),
        Reply::Inbox => Some(("Inbox", inbox(look))),
        Reply::Status => Some(("Status", status(look, invite))),
        Reply::History(numbers) => Some(("History", history(look, numbers))),
    }
}

fn who(look: &RenderContext) -> Vec<Line<'static>> {
    let line = |member: &crate::core::RoomMember| {
        let away = if member.status == Status::Away {
            ", away"
        } else {
            ""
        };
        let agents = if member.agents.is_empty() {
            "no agent".into()
        } else {
            member.agents.join(", ")
        };
        let mode = if member.mode == Mode::Auto {
            "auto"
        } else {
            "manual"
        };
        let mut spans = vec![
            look.speaker(&Speaker {
                member: member.name.clone(),
                agent: None,
            }),
            look.span(format!("  {agents} · {mode}{away}"), Scope::Text),
        ];
        for (agent, doing) in &member.doing {
            spans.push(look.span(format!(" · {agent} is {}", activity(*doing)), Scope::Working));
        }
        if member.doubtful {
            spans.push(look.span("  different key than before", Scope::Warning));
        }
        if !member.client.is_empty() {
            spans.push(look.span(format!("  {}", member.client), Scope::Dim));
        }
        Line::from(spans)
    };
    look.room.chat.members().list().iter().map(line).collect()
}

fn inbox(look: &RenderContext) -> Vec<Line<'static>> {
    let mut lines: Vec<Line> = look
        .room
        .review
        .inbox()
        .waiting()
        .map(|item| {
            Line::from(vec![
                look.span(format!("{} ", item.id), Scope::Key),
                look.speaker(&item.from),
                look.span(
                    format!("  {}", text::cut(&item.text.replace('\n', " "), 200)),
                    Scope::Text,
                ),
            ])
        })
        .collect();
    if lines.is_empty() {
        lines.push(look.line("Nothing is pending.", Scope::Dim));
    }
    lines
}

fn status(look: &RenderContext, invite: Option<String>) -> Vec<Line<'static>> {
    let room = look.room;
    let (mark, word, scope) = look.connection();
    let label = |name: &str| look.span(format!("{name:<12}"), Scope::Dim);
    let plain = |text: String| look.span(text, Scope::Text);
    let agents = &room.settings.agents;
    let mut lines = vec![
        Line::from(vec![
            label("connection"),
            look.span(format!("{mark} {word}"), scope),
        ]),
        Line::from(vec![label("relay"), plain(look.relay.to_owned())]),
        Line::from(vec![
            label("room"),
            plain(format!("#{} as {}", room.settings.room, room.settings.me)),
        ]),
        Line::from(vec![label("mode"), plain(look.mode().0.to_owned())]),
        Line::from(vec![
            label("agents"),
            plain(if agents.is_empty() {
                "none".into()
            } else {
                agents.join(", ")
            }),
        ]),
        Line::from(vec![
            label("waiting"),
            plain(format!("{} for you", room.review.inbox().len())),
        ]),
        Line::from(vec![
            label("outbox"),
            plain(format!("{} not sent yet", room.chat.outbox().unacked())),
        ]),
    ];
    for agent in agents {
        let standing = look.program.budget_standing(agent);
        let words = room.settings.budget(agent).in_words(&standing);
        lines.push(Line::from(vec![label(""), plain(format!("{agent}: {words}"))]));
    }
    lines.extend(
        look.program
            .runs()
            .of(room.id())
            .map(|run| Line::from(vec![label("running"), plain(look.doing(run))])),
    );
    if let Some(invite) = invite {
        lines.push(Line::from(vec![label("invite"), plain(invite)]));
    }
    lines
}

fn history(look: &RenderContext, numbers: &[u32]) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for post in numbers
        .iter()
        .filter_map(|number| look.room.chat.timeline().post_numbered(*number))
    {
        let thread = look
            .room
            .chat
            .threads()
            .get(&post.thread)
            .map_or(0, |thread| thread.number);
        let mut words = post.text.split('\n');
        lines.push(Line::from(vec![
            look.span(format!("m{} t{thread} ", post.number), Scope::Dim),
            look.speaker(&post.speaker()),
            look.span(look.addressed(post), Scope::Dim),
            look.span(format!("  {}", words.next().unwrap_or_default()), Scope::Text),
        ]));
        lines.extend(words.map(|line| look.line(format!("    {line}"), Scope::Text)));
    }
    if lines.is_empty() {
        lines.push(look.line("No messages yet.", Scope::Dim));
    }
    lines
}

/// Settings that were saved and are looser than those that hold, and how they are taken.
pub(in crate::tui) fn looser_lines(look: &RenderContext, words: &[String]) -> Vec<Line<'static>> {
    let key = look.keymap.hint(Context::Help, Action::TakeSettings);
    let how = key.map_or_else(String::new, |key| {
        format!("Read to the end, then press {key} to apply. ")
    });
    let mut lines = vec![look.line(format!("{how}Until then the current settings stay."), Scope::Text)];
    lines.extend(
        words
            .iter()
            .map(|words| look.line(format!("  {words}"), Scope::Risk)),
    );
    lines
}

/// Today's decisions, newest first.
pub(in crate::tui) fn decided_lines(look: &RenderContext) -> Vec<Line<'static>> {
    let today = look.day(look.now);
    let decided: Vec<_> = look
        .room
        .review
        .inbox()
        .log()
        .filter(|one| look.day(one.at) == today)
        .collect();
    let mut lines: Vec<Line> = decided
        .into_iter()
        .rev()
        .map(|one| {
            let post = look.room.post_of(one);
            let number = post.map_or_else(String::new, |post| format!("m{} ", post.number));
            let mut spans = vec![
                look.span(format!("{} ", look.clock(one.at)), Scope::Time),
                look.span(number, Scope::Key),
            ];
            spans.extend(post.map(|post| look.speaker(&post.speaker())));
            spans.push(look.span(format!(" {}", one.what), Scope::Text));
            let words = post.map_or_else(String::new, |post| post.text.replace('\n', " "));
            spans.push(look.span(format!("  {}", text::cut(&words, 60)), Scope::Dim));
            Line::from(spans)
        })
        .collect();
    if lines.is_empty() {
        lines.push(look.line("No decisions today.", Scope::Dim));
    }
    lines
}

/// The words, and the keys as they are bound now.
pub(in crate::tui) fn help_lines(look: &RenderContext) -> Vec<Line<'static>> {
    let mut lines = vec![
        look.line(
            "Write and press Enter: everyone sees it. Begin with @name to ask that member's agent.",
            Scope::Text,
        ),
        look.line(
            "Requests for your agent wait in the inbox until you accept or reject them.",
            Scope::Text,
        ),
        Line::default(),
    ];
    for command in COMMANDS.iter() {
        lines.push(Line::from(vec![
            look.span(format!("/{} ", command.name), Scope::Key),
            look.span(format!("{} ", command.arguments), Scope::Dim),
            look.span(format!("· {}", command.summary), Scope::Text),
        ]));
    }
    for context in [
        Context::Anywhere,
        Context::Inbox,
        Context::Item,
        Context::Timeline,
        Context::Normal,
        Context::Composer,
        Context::Search,
        Context::Palette,
    ] {
        if look.keymap.list(context).is_empty() {
            continue;
        }
        lines.push(Line::default());
        lines.push(look.line(context.heading(), Scope::Title));
        for (keys, action) in look.keymap.list(context) {
            lines.push(Line::from(vec![
                look.span(format!("{keys:<18} "), Scope::Key),
                look.span(action.does(), Scope::Text),
            ]));
        }
    }
    lines
}
