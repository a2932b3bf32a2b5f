//! The layers put together, with what each may set.

use std::{collections::BTreeMap, fs, io, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use nexscope_relay::protocol::Mode;

use super::{
    ConfigError, Paths, TokenSource,
    file::{File, Notify, Ui, parse, target, valid_name, wrong},
    files::Files,
    paths::in_home,
    plain_file::{self, Links},
    token::token,
    trust::{self, Untrusted},
};
use crate::{
    config::{TerminalOverrides, trust::approvals::Approvals},
    core::{Attention, Mentions, Review, Token, runs::settings::Agent},
    link::{Invite, Target},
};

/// What flags set.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `-n NAME`.
    pub name: Option<String>,
    /// `--mode`.
    pub mode: Option<Mode>,
    /// `--room`.
    pub room: Option<String>,
    /// `--relay`.
    pub relay: Option<String>,
    /// `--invite`.
    pub invite: Option<String>,
    /// `--theme`.
    pub theme: Option<String>,
    /// `--keymap`.
    pub keymap: Option<String>,
}

/// All settings, put together.
#[derive(Debug, Clone)]
pub struct Config {
    /// The member's name, where one is set.
    pub name: Option<String>,
    /// The relay, where one is set.
    pub relay: Option<Target>,
    /// The relay's secret, from the layer that the relay is from.
    pub token: Option<TokenSource>,
    /// The room is hosted here, on this address.
    pub host: Option<std::net::SocketAddr>,
    /// The room.
    pub room: String,
    /// Whether mentions wait.
    pub mode: Mode,
    /// Auto mode's limit on answers in a row.
    pub hop_limit: u32,
    /// Who sees a message that begins with `@name`.
    pub mentions: Mentions,
    /// Which answers wait as drafts.
    pub review: Review,
    /// Whether others see an answer while it is written.
    pub share_partial: bool,
    /// Whether an agent with `permissions = "allow"` may do so unasked in auto mode too.
    pub auto_tools: bool,
    /// After how long what nobody decided or received is over; the usual times where none is set.
    pub times: Times,
    /// The agent that answers where none is named.
    pub agent: Option<String>,
    /// The agents.
    pub agents: BTreeMap<String, Agent>,
    /// Files.
    pub files: Files,
    /// The keymap's name.
    pub keymap: String,
    /// The theme's name.
    pub theme: String,
    /// How the person is called.
    pub notify: Vec<Notify>,
    /// What they are called for.
    pub notify_for: Vec<Attention>,
    /// A program that calls them, and what it is given before the words; none if it is empty.
    pub notify_command: Vec<String>,
    /// Whether the mouse is the screen's from the start.
    pub mouse: bool,
    /// What the person knows of the terminal.
    pub terminal: TerminalOverrides,
    /// The session is headless.
    pub headless: bool,
    /// Decisions are taken over the control socket as well, from programs that no agent has started; a flag's alone.
    pub remote_decisions: bool,
    /// What the person has said yes to, where an agent reaches far.
    pub confirmed: Approvals,
    /// The project's file wants more than one may that nobody has trusted.
    pub untrusted: Option<Untrusted>,
    /// What the person should know: settings that were ignored, files that others can read.
    pub warnings: Vec<String>,
}

/// After how long something is over; the usual time where none is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// A mention, or a file that is kept aside, that nobody decided.
    pub expire: Option<Duration>,
    /// A permission that nobody answered.
    pub permission_expire: Option<Duration>,
    /// A message that an addressee never received.
    pub give_up: Option<Duration>,
}

/// Puts the layers together. `variable` looks a variable of the environment up.
pub fn load(
    paths: &Paths,
    variable: impl Fn(&str) -> Option<String>,
    flags: &Flags,
) -> Result<Config, ConfigError> {
    let mut config = Config {
        name: None,
        relay: None,
        token: None,
        host: None,
        room: "lobby".into(),
        mode: Mode::Manual,
        hop_limit: 3,
        mentions: Mentions::Direct,
        review: Review::Flagged,
        share_partial: false,
        auto_tools: false,
        times: Times::default(),
        agent: None,
        agents: BTreeMap::new(),
        files: Files::default(),
        keymap: "default".into(),
        theme: "terminal".into(),
        notify: vec![Notify::Bell, Notify::Title],
        notify_for: vec![Attention::Item, Attention::Message, Attention::Failure],
        notify_command: Vec::new(),
        mouse: true,
        terminal: TerminalOverrides::default(),
        headless: false,
        remote_decisions: false,
        confirmed: Approvals::read(paths),
        untrusted: None,
        warnings: Vec::new(),
    };
    if let Some((file, text)) = read(&paths.user_file(), Links::Followed)? {
        config.whole(file, &text, &paths.user_file())?;
    }
    if let Some((file, text)) = read(&paths.project_file(), Links::Refused)? {
        if trust::is_trusted(paths, &text) {
            config.whole(file, &text, &paths.project_file())?;
        } else {
            let ignored = config.project(file);
            if !ignored.is_empty() {
                config.warnings.push(format!(
                    "This folder's .nexscope/config.toml sets {}: ignored until you read and trust it at the screen.",
                    ignored.join(", ")
                ));
                config.untrusted = Some(Untrusted::new(paths, &text, ignored));
            }
        }
    }
    let unbound = config.variables(variable)?;
    config.flags(flags, unbound)?;
    config.check()?;
    Ok(config)
}

/// A file's settings, and its text.
fn read(path: &Path, links: Links) -> Result<Option<(File, String)>, ConfigError> {
    match plain_file::read(path, links) {
        Ok(text) => parse(&text, path).map(|file| Some((file, text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::Unreadable {
            path: path.to_owned(),
            error,
        }),
    }
}

fn relay_of(text: &str) -> Result<Target, ConfigError> {
    target(text).map_err(ConfigError::Value)
}

fn others_read(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

impl Config {
    /// The user's own file, or one that they trust.
    fn whole(&mut self, file: File, text: &str, path: &Path) -> Result<(), ConfigError> {
        let token = token(&file).map_err(|error| error.in_file(path))?;
        let secret = match &file.token_file {
            Some(file) => Some(in_home(Path::new(file))),
            None => file.token.is_some().then(|| path.to_owned()),
        };
        if let Some(secret) = secret.filter(|path| others_read(path)) {
            self.warnings.push(format!(
                "{} holds a token and others can read it: chmod 600 it.",
                secret.display()
            ));
        }
        self.connect(file.relay, token);
        self.host = file.host.or(self.host);
        self.name = file.name.or(self.name.take());
        self.room = file.room.unwrap_or_else(|| self.room.clone());
        self.mode = file.mode.unwrap_or(self.mode);
        self.hop_limit = file.hop_limit.unwrap_or(self.hop_limit);
        self.mentions = file.mentions.unwrap_or(self.mentions);
        self.review = file.review.unwrap_or(self.review);
        self.share_partial = file.share_partial.unwrap_or(self.share_partial);
        self.auto_tools = file.auto_tools.unwrap_or(self.auto_tools);
        self.times = Times {
            expire: file.expire.or(self.times.expire),
            permission_expire: file.permission_expire.or(self.times.permission_expire),
            give_up: file.give_up.or(self.times.give_up),
        };
        self.agents.extend(file.agents);
        if let Some(agent) = file.agent {
            if !self.agents.contains_key(agent.get_ref()) {
                let name = crate::text::clean_line(agent.get_ref(), 40);
                let what = format!("agent = \"{name}\" names no [agents.NAME] table");
                return Err(wrong(text, path, agent.span().start, what));
            }
            self.agent = Some(agent.into_inner());
        }
        self.files.set(&file.files);
        self.ui(file.ui);
        Ok(())
    }

    /// A project's file comes with whatever was checked out: it may say who and where, and may only make
    /// things safer. Returns what is ignored.
    fn project(&mut self, file: File) -> Vec<String> {
        let looser_limit = file.hop_limit > Some(self.hop_limit);
        let looser_review = file.review == Some(Review::Flagged) && self.review == Review::Always;
        let takes_more = file.files.auto_accept_below > Some(self.files.auto_accept_below);
        let takes_larger = file.files.max > Some(self.files.max);
        self.files.tighten(&file.files);
        self.name = file.name.or(self.name.take());
        self.room = file.room.unwrap_or_else(|| self.room.clone());
        if file.mode == Some(Mode::Manual) {
            self.mode = Mode::Manual;
        }
        self.auto_tools &= file.auto_tools != Some(false);
        if let Some(limit) = file.hop_limit {
            self.hop_limit = self.hop_limit.min(limit);
        }
        if file.review == Some(Review::Always) {
            self.review = Review::Always;
        }
        self.share_partial &= file.share_partial.unwrap_or(true);
        if file.mentions == Some(Mentions::Direct) {
            self.mentions = Mentions::Direct;
        }
        let ignored = [
            ("relay", file.relay.is_some()),
            ("token", file.token.is_some()),
            ("token_file", file.token_file.is_some()),
            ("token_command", file.token_command.is_some()),
            ("host", file.host.is_some()),
            ("mode", file.mode == Some(Mode::Auto)),
            ("hop_limit", looser_limit),
            ("mentions", file.mentions == Some(Mentions::Room)),
            ("review", looser_review),
            ("share_partial", file.share_partial == Some(true)),
            ("auto_tools", file.auto_tools == Some(true)),
            ("expire", file.expire.is_some()),
            ("permission_expire", file.permission_expire.is_some()),
            ("give_up", file.give_up.is_some()),
            ("agent", file.agent.is_some()),
            ("agents", !file.agents.is_empty()),
            ("ui.notify_command", file.ui.notify_command.is_some()),
            // Which key decides, and when it may, is not for a folder to say.
            ("ui.keymap", file.ui.keymap.is_some()),
            ("ui.keyboard", file.ui.keyboard == Some(true)),
            ("files.dir", file.files.dir.is_some()),
            ("files.auto_accept_below", takes_more),
            ("files.max", takes_larger),
        ]
        .into_iter()
        .filter(|(_, set)| *set)
        .map(|(key, _)| key.to_owned())
        .collect();
        self.ui(Ui {
            // A program that comes with what was checked out is not run.
            notify_command: None,
            keymap: None,
            keyboard: file.ui.keyboard.filter(|speaks| !speaks),
            ..file.ui
        });
        ignored
    }

    fn ui(&mut self, ui: Ui) {
        self.keymap = ui.keymap.unwrap_or_else(|| self.keymap.clone());
        self.theme = ui.theme.unwrap_or_else(|| self.theme.clone());
        self.notify = ui.notify.unwrap_or_else(|| self.notify.clone());
        self.notify_for = ui.notify_for.unwrap_or_else(|| self.notify_for.clone());
        self.notify_command = ui.notify_command.unwrap_or_else(|| self.notify_command.clone());
        self.mouse = ui.mouse.unwrap_or(self.mouse);
        self.terminal.colors = ui.colors.or(self.terminal.colors);
        self.terminal.links = ui.links.or(self.terminal.links);
        self.terminal.keyboard = ui.keyboard.or(self.terminal.keyboard);
    }

    /// Takes the variables in. Returns a token that came without a relay of its own: who gives it with this
    /// start may name its relay by a flag.
    fn variables(
        &mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<TokenSource>, ConfigError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(invite) = variable("NEXSCOPE_INVITE") {
            self.invite(&invite, "NEXSCOPE_INVITE")?;
        }
        let token = variable("NEXSCOPE_TOKEN").map(|token| TokenSource::from(Token(token)));
        let relay = variable("NEXSCOPE_RELAY_URL");
        let unbound = token.clone().filter(|_| relay.is_none());
        self.connect(relay.as_deref().map(relay_of).transpose()?, token);
        self.name = variable("NEXSCOPE_DEFAULT_NAME").or(self.name.take());
        self.room = variable("NEXSCOPE_ROOM").unwrap_or_else(|| self.room.clone());
        match variable("NEXSCOPE_MODE").as_deref() {
            None => {}
            Some("manual") => self.mode = Mode::Manual,
            Some("auto") => self.mode = Mode::Auto,
            Some(_) => return Err(ConfigError::Value("NEXSCOPE_MODE is manual or auto".into())),
        }
        if let Some(limit) = variable("NEXSCOPE_HOP_LIMIT") {
            self.hop_limit = limit
                .parse()
                .map_err(|_| ConfigError::Value("NEXSCOPE_HOP_LIMIT is a number".into()))?;
        }
        Ok(unbound)
    }

    fn flags(&mut self, flags: &Flags, unbound: Option<TokenSource>) -> Result<(), ConfigError> {
        if let Some(invite) = &flags.invite {
            self.invite(invite, "--invite")?;
        }
        let relay = flags.relay.as_deref().map(relay_of).transpose()?;
        self.connect(relay, unbound.filter(|_| flags.relay.is_some()));
        self.name = flags.name.clone().or(self.name.take());
        self.room = flags.room.clone().unwrap_or_else(|| self.room.clone());
        self.mode = flags.mode.unwrap_or(self.mode);
        self.theme = flags.theme.clone().unwrap_or_else(|| self.theme.clone());
        self.keymap = flags.keymap.clone().unwrap_or_else(|| self.keymap.clone());
        Ok(())
    }

    fn invite(&mut self, text: &str, place: &str) -> Result<(), ConfigError> {
        let invite: Invite = text
            .parse()
            .map_err(|error| ConfigError::Value(format!("{place}: {error}")))?;
        self.room = invite.room;
        self.relay = Some(invite.target);
        self.token = Some(Token(invite.token).into());
        self.host = None;
        Ok(())
    }

    /// A layer's relay and token. A token goes only to the relay that it was configured with, in the same
    /// layer; a layer that names another relay and no token has none, and a token alone is for the relay
    /// that stands.
    fn connect(&mut self, relay: Option<Target>, token: Option<TokenSource>) {
        if let Some(target) = relay {
            if self.relay.as_ref() != Some(&target) {
                self.token = None;
            }
            self.relay = Some(target);
            self.host = None;
        }
        self.token = token.or(self.token.take());
    }

    /// Names that come from no file: those of files are checked as they are read.
    fn check(&self) -> Result<(), ConfigError> {
        let name = self
            .name
            .as_ref()
            .map_or(Ok(()), |name| valid_name("the name", name));
        name.and_then(|()| valid_name("the room", &self.room))
            .map_err(ConfigError::Value)
    }

    /// Whether it says where to go: a relay, or that the room is hosted here.
    pub fn is_configured(&self) -> bool {
        self.relay.is_some() || self.host.is_some()
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
