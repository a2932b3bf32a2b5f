//! How the first screen looks.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Widget,
};

use super::{Setup, Step};
use crate::{
    text,
    tui::{
        composer::Composer,
        input::{
            action::Action,
            keymap::{Context, Keymap},
        },
        theme::{Scope, Theme},
    },
};

/// Lines, and the field that is written in with its row among them.
type Lines<'a> = (Vec<Line<'static>>, Option<(&'a Composer, usize)>);

impl Setup {
    pub(super) fn draw(&self, theme: &Theme, keymap: &Keymap, frame: &mut Frame) {
        let area = frame.area();
        let margin = if area.width >= 50 { 2 } else { 0 };
        let area = Rect {
            x: margin,
            width: area.width.saturating_sub(2 * margin),
            ..area
        };
        let (lines, field) = self.lines(theme, keymap, area.width as usize);
        let y = area.y + u16::from(area.height > 12);
        let field = field.map(|(composer, row)| (composer, y + row as u16));
        for (line, y) in lines.into_iter().zip(y..area.bottom()) {
            line.render(Rect { y, height: 1, ..area }, frame.buffer_mut());
        }
        if let Some((composer, y)) = field.filter(|(_, y)| *y < area.bottom()) {
            let area = Rect {
                x: area.x + 2.min(area.width),
                y,
                width: area.width.saturating_sub(2),
                height: 1,
            };
            composer.draw(frame, area, true);
        }
    }

    /// All lines of it in some columns.
    fn lines(&self, theme: &Theme, keymap: &Keymap, width: usize) -> Lines<'_> {
        let mut lines = vec![
            line("Nexscope", Scope::Title, theme),
            line(
                "Chat for you, your team and your coding agents. You approve what reaches yours.",
                Scope::Dim,
                theme,
            ),
            Line::default(),
        ];
        let field = match self.step {
            Step::Name => Some(("Your name", &self.name)),
            Step::Invite => Some(("Paste the invite.", &self.invite)),
            Step::Place => {
                lines.extend(self.place_lines(theme, width));
                None
            }
            Step::Agents => {
                lines.extend(self.agent_lines(theme, width));
                None
            }
        };
        let field = field.map(|(asks, field)| {
            lines.push(line(asks, Scope::Text, theme));
            lines.push(line("› ", Scope::Prompt, theme));
            (field, lines.len() - 1)
        });
        lines.push(Line::default());
        if let Some((target, _)) = &self.dialling {
            let words = format!("Connecting to {} …", target.authority());
            lines.push(line(&words, Scope::Dim, theme));
        }
        if let Some(error) = &self.error {
            lines.extend(wrapped(error, Scope::Error, theme, width));
        }
        lines.push(self.hints(theme, keymap));
        (lines, field)
    }

    fn place_lines(&self, theme: &Theme, width: usize) -> Vec<Line<'static>> {
        let mut lines = vec![line("Where is the room?", Scope::Text, theme)];
        for (at, (_, words, _)) in self.places().iter().enumerate() {
            lines.push(choice_line(at == self.place, "", words, theme));
        }
        lines.push(Line::default());
        lines.extend(wrapped(&self.about(), Scope::Dim, theme, width));
        lines
    }

    fn agent_lines(&self, theme: &Theme, width: usize) -> Vec<Line<'static>> {
        if self.agents.is_empty() {
            let words = "You can chat without one, and add an [agents.NAME] table to config.toml later.";
            let mut lines = vec![line("No agent was found on this computer.", Scope::Text, theme)];
            lines.extend(wrapped(words, Scope::Dim, theme, width));
            return lines;
        }
        let mut lines = vec![line(
            "Which agents may answer what you accept?",
            Scope::Text,
            theme,
        )];
        for (at, (agent, taken)) in self.agents.iter().enumerate() {
            let mark = if *taken { "[x] " } else { "[ ] " };
            lines.push(choice_line(at == self.agent, mark, agent.name, theme));
        }
        lines
    }

    fn hints(&self, theme: &Theme, keymap: &Keymap) -> Line<'static> {
        let actions: &[(Action, &str)] = match self.step {
            Step::Name => &[(Action::Send, "next"), (Action::Leave, "leave")],
            Step::Place => &[
                (Action::Down, "choose"),
                (Action::Send, "next"),
                (Action::Back, "back"),
            ],
            Step::Invite => &[(Action::Send, "next"), (Action::Back, "back")],
            Step::Agents if self.agents.is_empty() => {
                &[(Action::Send, "into the room"), (Action::Back, "back")]
            }
            Step::Agents => &[
                (Action::Send, "into the room"),
                (Action::Toggle, "take or not"),
                (Action::Back, "back"),
            ],
        };
        let mut spans = Vec::new();
        for (action, does) in actions {
            if let Some(key) = keymap.hint(Context::Setup, *action) {
                spans.push(Span::styled(key, theme.style(Scope::Key)));
                spans.push(Span::styled(format!(" {does}   "), theme.style(Scope::Hint)));
            }
        }
        Line::from(spans)
    }
}

fn line(words: &str, scope: Scope, theme: &Theme) -> Line<'static> {
    Line::from(Span::styled(words.to_owned(), theme.style(scope)))
}

fn wrapped(words: &str, scope: Scope, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let lines = text::wrap(words, width).into_iter();
    lines.map(|words| line(words, scope, theme)).collect()
}

fn choice_line(selected: bool, mark: &str, words: &str, theme: &Theme) -> Line<'static> {
    let scope = if selected { Scope::Focus } else { Scope::Text };
    let pointer = if selected { "▸ " } else { "  " };
    Line::from(Span::styled(
        format!("{pointer}{mark}{words}"),
        theme.style(scope),
    ))
}
