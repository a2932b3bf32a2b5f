//! The first screen: a name, host or join, and the agents that were found. Press Enter three times to join.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
};

use crossterm::event::{Event, KeyEventKind};
use futures_util::{Stream, StreamExt};
use nexscope_relay::protocol::is_name;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Widget,
};

use super::{
    composer::Composer,
    terminal::Surface,
    theme::{Scope, Theme},
};
use crate::{
    agent::Found as Agent,
    client::fresh_token,
    config::{Choice, Plugin},
    link::{self, Check, Invite, Target},
    text::{self, sentence},
    tui::input::{
        action::Action,
        key::Key,
        keymap::{Context, Found, Keymap},
    },
};

/// The port of a room that is hosted here, if it is free.
const PORT: u16 = 8080;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    ThisComputer,
    MyNetwork,
    Join,
    /// The relay that nexscope-plugin has used in this folder.
    Plugin,
}

const PLACES: [(Place, &str, &str); 4] = [
    (
        Place::ThisComputer,
        "Host a room here, for this computer",
        "Runs the relay inside this program; only this computer can connect.",
    ),
    (
        Place::MyNetwork,
        "Host a room here, for my network",
        "Others in your network can join. Without TLS text is not encrypted.",
    ),
    (Place::Join, "Join with an invite", "Paste it here: nexscope://…"),
    (Place::Plugin, "Join with nexscope-plugin's settings", ""),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Name,
    Place,
    Invite,
    Agents,
}

struct Setup {
    step: Step,
    name: Composer,
    /// What a room that is hosted here is called.
    room: String,
    place: usize,
    invite: Composer,
    joined: Option<Invite>,
    agents: Vec<(Agent, bool)>,
    agent: usize,
    plugin: Option<Plugin>,
    /// The relay that is being dialled, and its token.
    dialling: Option<(Target, String)>,
    error: Option<String>,
}

/// Asks for what is needed to be in a room; `name` and what `plugin` was set to are offered, and a room that is
/// hosted here is called `room`. `None`: the person left.
pub async fn run<S: Surface>(
    surface: &mut S,
    mut events: impl Stream<Item = io::Result<Event>> + Unpin,
    (name, room): (&str, &str),
    agents: Vec<Agent>,
    plugin: Option<Plugin>,
) -> io::Result<Option<Choice>> {
    let (theme, keymap) = (Theme::built_in(), Keymap::built_in());
    let mut setup = Setup {
        step: Step::Name,
        name: Composer::default(),
        room: room.to_owned(),
        place: 0,
        invite: Composer::default(),
        joined: None,
        agents: agents.into_iter().map(|agent| (agent, true)).collect(),
        agent: 0,
        plugin,
        dialling: None,
        error: None,
    };
    setup.name.set(name);
    loop {
        let drawn = surface
            .terminal()
            .draw(|frame| setup.draw(&theme, &keymap, frame));
        drawn.map_err(|error| io::Error::other(error.to_string()))?;
        surface.terminal().backend_mut().show()?;
        if let Some((target, token)) = setup.dialling.clone() {
            match dial(&target, &token, &mut events, &keymap).await? {
                Dialled::Answered(check) => setup.dialled(check),
                Dialled::Stopped => setup.dialling = None,
                Dialled::Left => return Ok(None),
            }
            continue;
        }
        let Some(event) = events.next().await.transpose()? else {
            return Ok(None);
        };
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                let key = Key::of(&key);
                match keymap.find(Context::Setup, &[key]) {
                    Found::Action(Action::Leave) => return Ok(None),
                    Found::Action(Action::Send) => {
                        if let Some(choice) = setup.next() {
                            return Ok(Some(choice));
                        }
                    }
                    // A space is part of a text where one is written.
                    Found::Action(action) if !(action == Action::Toggle && setup.field().is_some()) => {
                        setup.act(action);
                    }
                    _ => {
                        if let (Some(field), Some(c)) = (setup.field(), key.typed()) {
                            field.insert(c);
                        }
                    }
                }
            }
            Event::Paste(text) => {
                if let Some(field) = setup.field() {
                    field.paste(text.trim());
                }
            }
            _ => {}
        }
    }
}

/// What came of dialling a relay.
enum Dialled {
    Answered(Check),
    /// The person went back meanwhile.
    Stopped,
    Left,
}

/// Dials a relay before anything about it is saved; Back stops it.
async fn dial(
    target: &Target,
    token: &str,
    events: &mut (impl Stream<Item = io::Result<Event>> + Unpin),
    keymap: &Keymap,
) -> io::Result<Dialled> {
    let mut check = std::pin::pin!(link::check(target, token));
    loop {
        let event = tokio::select! {
            check = &mut check => return Ok(Dialled::Answered(check)),
            event = events.next() => event.transpose()?,
        };
        let key = match event {
            None => return Ok(Dialled::Left),
            Some(Event::Key(key)) if key.kind != KeyEventKind::Release => Key::of(&key),
            Some(_) => continue,
        };
        match keymap.find(Context::Setup, &[key]) {
            Found::Action(Action::Leave) => return Ok(Dialled::Left),
            Found::Action(Action::Back) => return Ok(Dialled::Stopped),
            _ => {}
        }
    }
}

impl Setup {
    fn places(&self) -> &'static [(Place, &'static str, &'static str)] {
        &PLACES[..PLACES.len() - usize::from(self.plugin.is_none())]
    }

    /// What a place is, in words.
    fn about(&self) -> String {
        match (PLACES[self.place], &self.plugin) {
            ((Place::Plugin, ..), Some(plugin)) => {
                format!("Its relay is {}; the token is in this folder.", plugin.relay)
            }
            ((_, _, words), _) => words.to_owned(),
        }
    }

    fn field(&mut self) -> Option<&mut Composer> {
        match self.step {
            Step::Name => Some(&mut self.name),
            Step::Invite => Some(&mut self.invite),
            Step::Place | Step::Agents => None,
        }
    }

    fn act(&mut self, action: Action) {
        match (self.step, action) {
            (Step::Name, Action::Back) => {}
            (Step::Place, Action::Back) => self.step = Step::Name,
            (Step::Invite, Action::Back) => self.step = Step::Place,
            (Step::Agents, Action::Back) => {
                self.step = if self.joined.is_some() {
                    Step::Invite
                } else {
                    Step::Place
                };
            }
            (Step::Place, Action::Up) => self.place = self.place.saturating_sub(1),
            (Step::Place, Action::Down) => self.place = (self.place + 1).min(self.places().len() - 1),
            (Step::Agents, Action::Up) => self.agent = self.agent.saturating_sub(1),
            (Step::Agents, Action::Down) => {
                self.agent = (self.agent + 1).min(self.agents.len().saturating_sub(1));
            }
            (Step::Agents, Action::Toggle) => {
                if let Some((_, taken)) = self.agents.get_mut(self.agent) {
                    *taken = !*taken;
                }
            }
            (_, action) => {
                if let Some(field) = self.field() {
                    field.edit(action);
                }
            }
        }
    }

    /// Goes on where what was entered is right. Returns the choice when all is known.
    fn next(&mut self) -> Option<Choice> {
        self.error = None;
        match self.step {
            Step::Name if is_name(self.name.text().trim()) => self.step = Step::Place,
            Step::Name => {
                self.error = Some(
                    "A name is 1 to 32 of a-z, A-Z, 0-9, _ and -, and not all, here, everyone, me, you or system."
                        .into(),
                );
            }
            Step::Place if PLACES[self.place].0 == Place::Join => self.step = Step::Invite,
            Step::Place => {
                self.joined = None;
                match (PLACES[self.place].0, &self.plugin) {
                    (Place::Plugin, Some(plugin)) => {
                        self.dialling = Some((plugin.relay.clone(), plugin.token.0.clone()));
                    }
                    _ => self.step = Step::Agents,
                }
            }
            Step::Invite => match self.invite.text().parse::<Invite>() {
                Ok(invite) => {
                    self.dialling = Some((invite.target.clone(), invite.token.clone()));
                    self.joined = Some(invite);
                }
                Err(error) => self.error = Some(sentence(&error.to_string())),
            },
            Step::Agents => return Some(self.choice()),
        }
        None
    }

    /// Goes on where the relay takes the token; else everything stays as it was entered, and why is said.
    fn dialled(&mut self, check: Check) {
        let (what, this) = match self.joined {
            Some(_) => ("the invite", "this one"),
            None => ("the plugin's settings", "the plugin's settings"),
        };
        self.dialling = None;
        self.error = match check {
            Check::Well => {
                self.step = Step::Agents;
                None
            }
            Check::WrongToken => Some(format!(
                "Wrong token. Ask for a new invite, or check {this}. Nothing was saved."
            )),
            Check::Unreachable(why) => Some(format!(
                "{} Check {what} and whether the relay is running, then press Enter. Nothing was saved.",
                sentence(&why)
            )),
        };
    }

    fn choice(&self) -> Choice {
        let agents = self.agents.iter().filter(|(_, taken)| *taken);
        let agents = agents
            .map(|(agent, _)| (agent.name.to_owned(), agent.kind))
            .collect();
        let name = self.name.text().trim().to_owned();
        if let (Place::Plugin, Some(plugin)) = (PLACES[self.place].0, &self.plugin) {
            return Choice {
                name,
                room: "lobby".into(),
                relay: Some(plugin.relay.clone()),
                host: None,
                token: plugin.token.0.clone(),
                hop_limit: plugin.hop_limit,
                agents,
            };
        }
        match &self.joined {
            Some(invite) => Choice {
                name,
                room: invite.room.clone(),
                relay: Some(invite.target.clone()),
                host: None,
                token: invite.token.clone(),
                hop_limit: None,
                agents,
            },
            None => {
                let ip = match PLACES[self.place].0 {
                    Place::MyNetwork => Ipv4Addr::UNSPECIFIED,
                    _ => Ipv4Addr::LOCALHOST,
                };
                Choice {
                    name,
                    room: self.room.clone(),
                    relay: None,
                    host: Some(free_address(ip.into())),
                    token: fresh_token(),
                    hop_limit: None,
                    agents,
                }
            }
        }
    }

    fn draw(&self, theme: &Theme, keymap: &Keymap, frame: &mut Frame) {
        let area = frame.area();
        let margin = if area.width >= 50 { 2 } else { 0 };
        let area = Rect {
            x: margin,
            width: area.width.saturating_sub(2 * margin),
            ..area
        };
        let width = area.width as usize;
        let span = |words: &str, scope| Span::styled(words.to_owned(), theme.style(scope));
        let mut lines: Vec<Line> = vec![
            Line::from(span("Nexscope", Scope::Title)),
            Line::from(span(
                "Chat for you, your team and your coding agents. You approve what reaches yours.",
                Scope::Dim,
            )),
            Line::default(),
        ];
        let mut field: Option<(&Composer, usize)> = None;
        match self.step {
            Step::Name => {
                lines.push(Line::from(span("Your name", Scope::Text)));
                field = Some((&self.name, lines.len()));
                lines.push(Line::from(span("› ", Scope::Prompt)));
            }
            Step::Place => {
                lines.push(Line::from(span("Where is the room?", Scope::Text)));
                for (at, (_, words, _)) in self.places().iter().enumerate() {
                    lines.push(choice_line(at == self.place, "", words, theme));
                }
                lines.push(Line::default());
                for line in text::wrap(&self.about(), width) {
                    lines.push(Line::from(span(line, Scope::Dim)));
                }
            }
            Step::Invite => {
                lines.push(Line::from(span("Paste the invite.", Scope::Text)));
                field = Some((&self.invite, lines.len()));
                lines.push(Line::from(span("› ", Scope::Prompt)));
            }
            Step::Agents if self.agents.is_empty() => {
                lines.push(Line::from(span(
                    "No agent was found on this computer.",
                    Scope::Text,
                )));
                let words = "You can chat without one, and add an [agents.NAME] table to config.toml later.";
                lines.extend(
                    text::wrap(words, width)
                        .into_iter()
                        .map(|line| Line::from(span(line, Scope::Dim))),
                );
            }
            Step::Agents => {
                lines.push(Line::from(span(
                    "Which agents may answer what you accept?",
                    Scope::Text,
                )));
                for (at, (agent, taken)) in self.agents.iter().enumerate() {
                    let mark = if *taken { "[x] " } else { "[ ] " };
                    lines.push(choice_line(at == self.agent, mark, agent.name, theme));
                }
            }
        }
        lines.push(Line::default());
        if let Some((target, _)) = &self.dialling {
            lines.push(Line::from(span(
                &format!("Connecting to {} …", target.authority()),
                Scope::Dim,
            )));
        }
        if let Some(error) = &self.error {
            lines.extend(
                text::wrap(error, width)
                    .into_iter()
                    .map(|line| Line::from(span(line, Scope::Error))),
            );
        }
        lines.push(self.hints(theme, keymap));
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

fn choice_line(selected: bool, mark: &str, words: &str, theme: &Theme) -> Line<'static> {
    let scope = if selected { Scope::Focus } else { Scope::Text };
    let pointer = if selected { "▸ " } else { "  " };
    Line::from(Span::styled(
        format!("{pointer}{mark}{words}"),
        theme.style(scope),
    ))
}

/// An address to host on: the usual port, or one of the next that is free, or any.
pub fn free_address(ip: IpAddr) -> SocketAddr {
    let free = (PORT..PORT + 20).map(|port| SocketAddr::new(ip, port));
    let free = free
        .into_iter()
        .find(|address| TcpListener::bind(address).is_ok());
    free.unwrap_or(SocketAddr::new(ip, 0))
}

/// A name from what the system calls the person: what does not fit the name rule is left out.
pub fn suggested_name(user: Option<&str>) -> String {
    let kept: String = user
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        .take(32)
        .collect();
    if is_name(&kept) { kept } else { "guest".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_suggested() {
        let table = [
            (Some("alice"), "alice"),
            (Some("jö.rg"), "jrg"),
            (Some("all"), "guest"),
            (None, "guest"),
        ];
        for (user, expected) in table {
            assert_eq!(suggested_name(user), expected);
        }
    }

    #[test]
    fn three_times_enter_hosts_on_this_computer() {
        let mut setup = Setup {
            step: Step::Name,
            name: Composer::default(),
            room: "den".into(),
            place: 0,
            invite: Composer::default(),
            joined: None,
            agents: vec![],
            agent: 0,
            plugin: None,
            dialling: None,
            error: None,
        };
        assert!(setup.next().is_none() && setup.error.is_some());
        setup.name.set("alice");
        assert!(setup.next().is_none() && setup.next().is_none());
        let choice = setup.next().unwrap();
        assert!(choice.host.unwrap().ip().is_loopback() && choice.relay.is_none());
        assert!(choice.token.len() >= 16);
        assert_eq!(choice.room, "den");
    }
}
