//! The first screen: a name, host or join, and the agents that were found. Press Enter three times to join.

mod draw;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
};

use crossterm::event::{Event, KeyEventKind};
use futures_util::{Stream, StreamExt};
use nexscope_relay::protocol::is_name;

use super::{composer::Composer, terminal::Surface, theme::Theme};
use crate::{
    agent::Found as Agent,
    client::fresh_token,
    config::{Choice, Plugin},
    link::{self, Check, Invite, Target},
    text::sentence,
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

/// The plugin comes first: who has its settings wants to go on with them. Without them it is left out.
const PLACES: [(Place, &str, &str); 4] = [
    (Place::Plugin, "Join with nexscope-plugin's settings", ""),
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
    /// The name of a room that is hosted here.
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
        match setup.event(&event, &keymap) {
            Answer::Open => {}
            Answer::Left => return Ok(None),
            Answer::Chosen(choice) => return Ok(Some(choice)),
        }
    }
}

/// The result of an event.
enum Answer {
    /// The person has not chosen yet.
    Open,
    Left,
    Chosen(Choice),
}

/// The result of dialling a relay.
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
        &PLACES[usize::from(self.plugin.is_none())..]
    }

    fn chosen(&self) -> Place {
        self.places()[self.place].0
    }

    /// Explains a place.
    fn about(&self) -> String {
        match (self.places()[self.place], &self.plugin) {
            ((Place::Plugin, ..), Some(plugin)) => {
                let mode = match plugin.is_auto {
                    true => {
                        " Its mode auto is not taken over: mentions wait for you, until you type /mode auto."
                    }
                    false => "",
                };
                let relay = &plugin.relay;
                format!("Its relay is {relay}; the token is in this folder.{mode}")
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

    fn event(&mut self, event: &Event, keymap: &Keymap) -> Answer {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                let key = Key::of(key);
                match keymap.find(Context::Setup, &[key]) {
                    Found::Action(Action::Leave) => return Answer::Left,
                    Found::Action(Action::Send) => {
                        return self.next().map_or(Answer::Open, Answer::Chosen);
                    }
                    // A space is part of a text where one is written.
                    Found::Action(action) if !(action == Action::Toggle && self.field().is_some()) => {
                        self.act(action);
                    }
                    _ => {
                        if let (Some(field), Some(c)) = (self.field(), key.typed()) {
                            field.insert(c);
                        }
                    }
                }
            }
            Event::Paste(text) => {
                if let Some(field) = self.field() {
                    field.paste(text.trim());
                }
            }
            _ => {}
        }
        Answer::Open
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
            Step::Place if self.chosen() == Place::Join => self.step = Step::Invite,
            Step::Place => {
                self.joined = None;
                match (self.chosen(), &self.plugin) {
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
        if let (Place::Plugin, Some(plugin)) = (self.chosen(), &self.plugin) {
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
                let ip = match self.chosen() {
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
