//! Joins the room: the flags, the choice of front end, and its end.

use std::{
    io::{IsTerminal, stderr, stdin, stdout},
    net::Ipv4Addr,
    process::ExitCode,
    sync::Arc,
};

use clap::Args;

use tokio::{
    io::BufReader,
    signal::unix::{SignalKind, signal},
};

use super::{Failure, log};
use crate::{
    agent,
    client::{Client, NextSession, StartError, Startup, fresh_token},
    config::{self, Config, Flags, Paths},
    control::{
        policy::{Rule, Who},
        protocol::ModeName,
    },
    core::Token,
    frontends::plain::{self, Options, Plain},
    link::Invite,
    tui::{Events, Guard, Screen, glimpse, setup},
};

#[derive(Debug, Args)]
pub(super) struct Start {
    /// Your name in the room
    #[arg(short, long)]
    name: Option<String>,
    /// Whether mentions wait for you, or auto mode answers them
    #[arg(long)]
    mode: Option<ModeName>,
    /// The room
    #[arg(long)]
    room: Option<String>,
    /// The relay: ws://HOST:PORT/ws or wss://HOST/ws
    #[arg(long, value_name = "URL")]
    relay: Option<String>,
    /// An invite, nexscope://…; NEXSCOPE_INVITE hides it from those who can list this computer's processes
    #[arg(long)]
    invite: Option<String>,
    /// The theme
    #[arg(long)]
    theme: Option<String>,
    /// The keymap
    #[arg(long)]
    keymap: Option<String>,
    /// Lines instead of a screen; the default without a terminal
    #[arg(long)]
    plain: bool,
    /// With lines: stay when the input ends
    #[arg(long)]
    stay: bool,
    /// Run without a screen or lines, such as an agent on a server; output goes to the log
    #[arg(long, conflicts_with_all = ["plain", "stay"])]
    headless: bool,
    /// Headless: let programs that no agent has started decide, and show them the text of pending items
    ///
    /// An agent with a shell under the same user can imitate such a program.
    #[arg(long, requires = "headless")]
    allow_remote_decisions: bool,
}

/// Joins the room with the requested front end.
pub(super) fn run(start: &Start, who: Who) -> Result<ExitCode, Failure> {
    let paths = Paths::usual()?;
    // The environment is read once, before there are threads.
    let config = config::load(&paths, |name| variable(name, who), &start.flags())?;
    let warnings = config.warnings.clone();
    let _log = log::start(&paths.state);
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::Runtime)?;
    let code = runtime.block_on(async {
        let terminal = stdin().is_terminal() && stdout().is_terminal();
        if start.headless {
            headless(start, config, &paths, who).await
        } else if start.plain || !terminal || std::env::var("TERM").is_ok_and(|term| term == "dumb") {
            lines(start, config, &paths).await
        } else {
            screen(start, config, &paths).await
        }
    });
    // A thread still reading standard input would delay the exit.
    runtime.shutdown_background();
    // A session would have shown them.
    if let Err(Failure::Start(StartError::NoToken(_) | StartError::NoRelay)) = &code {
        for warning in &warnings {
            eprintln!("nexscope-tui: {warning}");
        }
    }
    code
}

/// Reads an environment variable. An agent's variables cannot loosen its person's settings.
fn variable(name: &str, who: Who) -> Option<String> {
    let held_back = who == Who::Agent && config::loosens(name);
    std::env::var(name).ok().filter(|_| !held_back)
}

async fn headless(start: &Start, config: Config, paths: &Paths, who: Who) -> Result<ExitCode, Failure> {
    let stop = stopped();
    let config = Config {
        headless: true,
        remote_decisions: start.allow_remote_decisions,
        ..with_name(config)
    };
    let session = Client::start(config, paths).await?;
    let (places, flags) = (paths.clone(), start.flags());
    let reload = move || config::load(&places, |name| variable(name, who), &flags);
    let (session, well) = crate::frontends::headless::run(session, &paths.config, reload, stop).await;
    session.leave().await;
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn screen(start: &Start, config: Config, paths: &Paths) -> Result<ExitCode, Failure> {
    let mut stop = std::pin::pin!(stopped());
    let mut guard = Guard::take(&log::folder(&paths.state), &config.terminal).map_err(Failure::Terminal)?;
    let mut events = Events::new();
    let config = if config.is_configured() {
        with_name(config)
    } else {
        let plugin = config::plugin(paths);
        let name = config.name.clone();
        let name = name
            .or_else(|| plugin.as_ref()?.name.clone())
            .unwrap_or_else(user_name);
        let agents = agent::find_on_path();
        let choice = tokio::select! {
            choice = setup::run(&mut guard, &mut events, (&name, &config.room), agents, plugin) => choice.map_err(Failure::Terminal)?,
            () = &mut stop => None,
        };
        let Some(choice) = choice else {
            return Ok(ExitCode::SUCCESS);
        };
        let path = paths.user_file();
        config::save(&choice, paths).map_err(|error| Failure::Save(path, error))?;
        let chosen = config::load(paths, |_| None, &Flags::default())?;
        Config {
            mode: config.mode,
            theme: config.theme,
            keymap: config.keymap,
            ..chosen
        }
    };
    let mut opening = Startup::new(config.clone(), paths).await?;
    glimpse(&mut guard, &opening.glimpse(), &config, &paths.config).map_err(Failure::Terminal)?;
    let mut session = opening.join().await?;
    if session.is_host() {
        let invite = format!(
            "You host this room. Others join with this invite: {}",
            session.invite
        );
        session.room_mut().tell_person(invite, crate::clock::now());
    }
    drop(events);
    on_screen(session, &config, paths, start.flags(), guard, stop).await
}

/// Shows a session on the screen until its person leaves.
pub(super) async fn show(session: Client, config: &Config, paths: &Paths) -> Result<ExitCode, Failure> {
    let stop = stopped();
    let guard = Guard::take(&log::folder(&paths.state), &config.terminal).map_err(Failure::Terminal)?;
    on_screen(session, config, paths, Flags::default(), guard, stop).await
}

async fn on_screen(
    mut session: Client,
    config: &Config,
    paths: &Paths,
    mut flags: Flags,
    mut guard: Guard,
    stop: impl Future<Output = ()>,
) -> Result<ExitCode, Failure> {
    let mut stop = std::pin::pin!(stop);
    let of_start = flags.clone();
    let mut config = config.clone();
    loop {
        let (places, given) = (paths.clone(), flags.clone());
        let reload = move || config::load(&places, |name| std::env::var(name).ok(), &given);
        let mut screen = Screen::new(session, &config, &paths.config, reload);
        screen.set_abilities(&guard.abilities);
        let (mut ended, result) = screen.run(&mut guard, Events::new, &mut stop).await;
        let Some(onward) = ended.take_onward().filter(|_| result.is_ok()) else {
            drop(guard);
            ended.leave().await;
            result.map_err(Failure::Terminal)?;
            return Ok(ExitCode::SUCCESS);
        };
        let next = goes_on_with(&ended, &onward);
        // Leave this room only for one that can be opened; if both are the same place, it is free only after
        // leaving.
        let opening = match ended.is_place_of(&next) {
            true => None,
            false => match Startup::new(next.clone(), paths).await {
                Ok(opening) => Some(opening),
                Err(error) => {
                    let words = format!("You are still in this room: {error}.");
                    ended.room_mut().tell_person(words, crate::clock::now());
                    session = ended;
                    continue;
                }
            },
        };
        // The UI state of the room being left stays in its own folder.
        ended.leave().await;
        let told = match onward {
            NextSession::As(name) => {
                flags.name = Some(name);
                None
            }
            NextSession::To(invite) => {
                let told = keep_invite(&invite, paths, &of_start);
                flags.invite = Some(invite.to_string());
                (flags.relay, flags.room) = (None, None);
                Some(told)
            }
        };
        config = next;
        session = match opening {
            Some(opening) => opening.join().await?,
            None => Client::start(config.clone(), paths).await?,
        };
        if let Some(told) = told {
            session.room_mut().tell_person(told, crate::clock::now());
        }
    }
}

/// The configuration of the next session: the current settings, in another place.
fn goes_on_with(ended: &Client, onward: &NextSession) -> Config {
    let mut config = Config {
        mode: ended.room().settings.mode,
        ..ended.config().clone()
    };
    match onward {
        NextSession::As(name) => config.name = Some(name.clone()),
        NextSession::To(invite) => {
            config.join(invite.clone());
        }
    }
    config
}

/// Saves the room of an invite as the default, and says which room the next start joins. `flags` are those of
/// this start.
fn keep_invite(invite: &Invite, paths: &Paths, flags: &Flags) -> String {
    let (room, relay) = (&invite.room, invite.target.authority());
    if let Err(error) = config::keep_invite(invite, paths) {
        tracing::warn!(%error, "an invite is not saved");
        return format!("This is #{room} on {relay}. It is not saved for the next start: {error}.");
    }
    let next = config::load(paths, |name| std::env::var(name).ok(), flags);
    match next {
        Ok(next) if next.relay.as_ref() == Some(&invite.target) && next.room == *room => {
            format!("This is #{room} on {relay}. The next start joins it, too.")
        }
        _ => format!(
            "This is #{room} on {relay}. The next start joins another room, if its flags, variables or folder say so as \
             those of this one do."
        ),
    }
}

async fn lines(start: &Start, config: Config, paths: &Paths) -> Result<ExitCode, Failure> {
    let stop = stopped();
    let mut config = with_name(config);
    if let Some(plugin) = config::plugin(paths).filter(|_| !config.is_configured()) {
        return Err(Failure::Words(format!(
            "nothing is configured, but this folder has nexscope-plugin's settings for {relay}. Run nexscope-tui in a \
             terminal to join with them, or name a relay with NEXSCOPE_INVITE, or with NEXSCOPE_RELAY_URL and \
             NEXSCOPE_TOKEN",
            relay = plugin.relay
        )));
    }
    let hosts = !config.is_configured();
    if hosts {
        config.host = Some(setup::free_address(Ipv4Addr::LOCALHOST.into()));
        config.token = Some(Token(fresh_token()).into());
    }
    let session = Client::start(config, paths).await?;
    if session.is_host() {
        super::print(&format!(
            "{}\n",
            plain::invite_line(session.room(), &session.invite)
        ))?;
    }
    print(session, start.stay, stop).await
}

/// Prints a session as lines until its input ends.
pub(super) async fn print(
    session: Client,
    stay: bool,
    stop: impl Future<Output = ()>,
) -> Result<ExitCode, Failure> {
    let options = Options {
        stay,
        person: stdin().is_terminal(),
    };
    let face = Plain::new(session, options, stdout(), stderr());
    let (session, well) = face.run(BufReader::new(tokio::io::stdin()), stop).await;
    session.leave().await;
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn with_name(config: Config) -> Config {
    Config {
        name: config.name.clone().or_else(|| Some(user_name())),
        ..config
    }
}

fn user_name() -> String {
    setup::suggested_name(std::env::var("USER").ok().as_deref())
}

/// Completes when the system asks the program to end. Signals are caught from this call on, not from the
/// first poll: before that, a signal kills the program and leaves the terminal as it is.
pub(super) fn stopped() -> impl Future<Output = ()> {
    let asked = Arc::new(tokio::sync::Notify::new());
    // An agent is in its own session: Ctrl-C in plain mode reaches only this program, which ends the agent.
    for kind in [
        SignalKind::terminate(),
        SignalKind::hangup(),
        SignalKind::interrupt(),
    ] {
        let asked = asked.clone();
        match signal(kind) {
            Ok(mut signal) => {
                tokio::spawn(async move {
                    signal.recv().await;
                    asked.notify_one();
                });
            }
            Err(error) => tracing::warn!(%error, "a signal cannot be waited for"),
        }
    }
    async move { asked.notified().await }
}

impl Start {
    /// The rules of the requested flags.
    pub(super) fn rules(&self) -> Vec<Rule> {
        let face = if self.headless { Rule::Open } else { Rule::Join };
        let auto = (self.mode == Some(ModeName::Auto)).then_some(Rule::JoinInAuto);
        let remote = self.allow_remote_decisions.then_some(Rule::AllowRemoteDecisions);
        [face].into_iter().chain(auto).chain(remote).collect()
    }

    fn flags(&self) -> Flags {
        Flags {
            name: self.name.clone(),
            mode: self.mode.map(Into::into),
            room: self.room.clone(),
            relay: self.relay.clone(),
            invite: self.invite.clone(),
            theme: self.theme.clone(),
            keymap: self.keymap.clone(),
        }
    }
}
