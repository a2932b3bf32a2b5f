//! Startup of a session: it locks its place, shows the newest messages, and then reads the whole journal before it
//! confirms anything to anybody.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use nexscope_relay::{Owner, protocol::MAX_AGENTS};
use tokio::sync::mpsc;

use super::{
    AGENT_EVENTS, Client, Clock, Entry, HISTORY, Host, Server, SessionRegistry, StartError, Subscribers,
    fresh_token,
};
use crate::{
    clock::now,
    config::{Config, Paths, TokenSource},
    core::{Effect, Effects, Outgoing, Program, RoomId, Settings, Token, persist::audit},
    link::{Invite, Link, Login, Target},
    store::{self, Journal, Lock, Opened, Reading, StateDir},
    transfer::{self, Transfers},
};

/// Bytes at the journal's end that are read for the startup preview.
const GLIMPSE: u64 = 64 * 1024;

/// A session that is starting: its place is locked, and nothing is read or confirmed yet.
pub struct Startup {
    config: Config,
    name: String,
    host: Option<Host>,
    target: Target,
    token: String,
    place: StateDir,
    lock: Lock,
    owner: String,
    journal: Reading,
    paths: Paths,
    warnings: Vec<String>,
}

impl Startup {
    /// Locks the member's place in the room that `config` names, and starts the built-in relay if it says so. Fails
    /// if the session cannot start.
    pub async fn new(config: Config, paths: &Paths) -> Result<Self, StartError> {
        let name = config.name.clone().ok_or(StartError::NoName)?;
        let mut warnings = config.warnings.clone();
        let (host, target, token) = match config.host {
            Some(address) => {
                let token = config.token.as_ref().map(TokenSource::get).transpose()?;
                let token = token.map_or_else(fresh_token, |token| token.0);
                let host = Host::start(address, &token, &config.room).await?;
                let target = host.target();
                (Some(host), target, token)
            }
            None => {
                let target = config.relay.clone().ok_or(StartError::NoRelay)?;
                let token = config
                    .token
                    .as_ref()
                    .ok_or_else(|| StartError::NoToken(target.clone()))?
                    .get()?
                    .0;
                (None, target, token)
            }
        };
        if !target.tls && !target.is_loopback() {
            warnings.push("Without TLS, text to and from this relay is not encrypted.".into());
        }
        if config.agents.len() > MAX_AGENTS {
            warnings.push(format!(
                "{} agents are configured: the room is told of {MAX_AGENTS} of them, and the others answer you \
                 only (/ask NAME).",
                config.agents.len()
            ));
        }

        let place = StateDir::new(&paths.state, &target.authority(), &config.room, &name);
        let lock = place.lock(&name)?;
        let owner = place.owner()?;
        let path = place.dir().join("journal.jsonl");
        let journal = Journal::open(&path).map_err(|error| StartError::Journal(path, error))?;
        Ok(Self {
            config,
            name,
            host,
            target,
            token,
            place,
            lock,
            owner,
            journal,
            paths: paths.clone(),
            warnings,
        })
    }

    /// The newest messages, as a preview while the whole journal is read: a room without pending items, with which
    /// nothing can be done.
    pub fn glimpse(&mut self) -> (Program, RoomId) {
        let (mut program, room) = empty_program(&self.config, &self.name, &self.owner);
        program.glimpse(room, self.journal.newest(GLIMPSE));
        (program, room)
    }

    /// Reads the journal, and joins. Fails if the session cannot start.
    #[expect(clippy::too_many_lines, reason = "most of it are the fields of the client")]
    pub async fn join(self) -> Result<Client, StartError> {
        let Self {
            config,
            name,
            host,
            target,
            token,
            place,
            lock,
            owner,
            journal,
            paths,
            mut warnings,
        } = self;
        let path = place.dir().join("journal.jsonl");
        let log = store::log_path(place.dir());
        let (program, in_room) = empty_program(&config, &name, &owner);
        let restored = restore(program, in_room, journal, log).await;
        let (mut program, opened, mut effects) =
            restored.map_err(|error| StartError::Journal(path, error))?;
        let (clock, read) = Clock::start(&mut program, in_room);
        effects.extend(read);
        let room = program.room_mut(in_room);
        room.settings.hosting = host.is_some();
        room.settings.token = Some(Token(token.clone()));
        let login = Login {
            target: target.clone(),
            room: config.room.clone(),
            name,
            token: token.clone(),
            owner,
            history: if opened.is_new { HISTORY } else { 0 },
        };
        let control = open_socket(&place, &paths, &config, &login)
            .map_err(|why| warnings.push(why))
            .ok();
        let mode = room.settings.mode;
        let standing = super::standing(room);
        let (agent_events_in, agent_events) = mpsc::channel(AGENT_EVENTS);
        // Full: senders wait; there are few.
        let (swept_in, swept) = mpsc::channel(8);
        let shown = match &host {
            Some(host) => host.reachable(),
            None => target,
        };
        let began = room.chat.timeline().entries().len();
        let link = Link::start(login, standing);
        let (folder, told) = transfer::resolve_folder(&config.files.dir);
        warnings.extend(told);
        let folder = folder.join(config.room.to_ascii_lowercase());
        let mut session = Client {
            transfers: Transfers::new(folder, link.files.clone()),
            looking: super::AttachmentScanner::new(),
            handed: HashMap::new(),
            control,
            clients: Subscribers::default(),
            returned: None,
            began,
            end_asked: false,
            onward: None,
            attach: None,
            invite: Invite {
                target: shown,
                room: config.room.clone(),
                token,
            },
            program,
            in_room,
            warnings,
            here: paths.here.clone(),
            state: place.dir().to_owned(),
            link,
            clock,
            journal: opened.journal,
            to_link: VecDeque::new(),
            receipts_to_link: VecDeque::new(),
            to_journal: VecDeque::new(),
            runs: HashMap::new(),
            staying: super::WarmAgents::new(mode),
            agent_events,
            agent_events_in,
            swept,
            swept_in,
            attention: Vec::new(),
            broken: false,
            host,
            _lock: lock,
            config,
        };
        super::effects::carry_out(&mut session, effects);
        Ok(session)
    }
}

/// Opens the socket through which shell commands and agents reach the session. Fails with a warning for the person.
fn open_socket(place: &StateDir, paths: &Paths, config: &Config, login: &Login) -> Result<Server, String> {
    let registry = SessionRegistry::usual(paths.runtime.as_deref(), &paths.state);
    let entry = Entry {
        pid: std::process::id(),
        folder: paths.here.clone(),
        name: login.name.clone(),
        room: config.room.clone(),
        relay: login.target.to_string(),
        headless: config.headless,
    };
    Server::start(&registry, place.dir(), &entry).map_err(|error| {
        format!("Shell commands and agents cannot reach this session: its socket cannot be made ({error}).")
    })
}

/// Restores a room from its journal on a thread, because a long journal takes a while, in which a signal to end
/// must be handled.
async fn restore(
    mut program: Program,
    room: RoomId,
    mut journal: Reading,
    log: PathBuf,
) -> std::io::Result<(Program, Opened, Effects)> {
    let read = tokio::task::spawn_blocking(move || {
        let effects = program.restore(room, &mut journal, |open| not_audited(&log, open), now());
        journal.finish().map(|opened| (program, effects, opened))
    });
    let read = read
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let (program, restored, opened) = read?;
    let repairs = opened.repairs.clone();
    repairs.iter().for_each(|repair| tracing::warn!("{repair}"));
    let version = concat!("nexscope-tui/", env!("CARGO_PKG_VERSION")).to_owned();
    let entry = audit::Entry::Opened {
        program: version,
        repairs,
    };
    let mut effects = vec![(room, Effect::Audit(Box::new(entry)))];
    effects.extend(restored);
    Ok((program, opened, effects))
}

/// The ids of our messages that the audit log does not have with the same content as the journal.
fn not_audited(log: &Path, open: &[&Outgoing]) -> HashSet<String> {
    let mut missing: HashMap<&str, &Outgoing> = open.iter().map(|one| (one.id.as_str(), *one)).collect();
    // Without messages there is nothing to check, and the log may be long.
    if !missing.is_empty() {
        // A log that cannot be opened confirms no message.
        for line in store::lines(log).into_iter().flatten() {
            if let audit::Entry::Out { id, .. } = &line.entry
                && missing.get(id.as_str()).is_some_and(|one| line.entry.is_of(one))
            {
                missing.remove(id.as_str());
            }
        }
    }
    missing.into_keys().map(str::to_owned).collect()
}

/// The public key that members see, derived from an owner's secret.
fn own_key(owner: &str) -> Option<String> {
    let secret = BASE64_URL_SAFE_NO_PAD.decode(owner).ok()?.try_into().ok()?;
    Some(Owner::of(&secret).key().to_string())
}

/// A program with an empty room for a member.
fn empty_program(config: &Config, name: &str, owner: &str) -> (Program, RoomId) {
    let unconfirmed = config.confirmed.missing(&config.agents);
    let settings = Settings {
        own_key: own_key(owner),
        ..super::settings::settings(config, name, unconfirmed)
    };
    let mut program = Program::new(Box::new(|| uuid::Uuid::now_v7().to_string()));
    let room = program.open(settings);
    (program, room)
}
