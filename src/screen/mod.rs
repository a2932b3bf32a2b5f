//! The full screen: one face on a session.
//!
//! One loop waits for keys, for the session, and for the time to draw. Nothing ticks when nothing moves:
//! a change is drawn at once, or, while changes come fast, at most 60 times a second.

pub(crate) mod abilities;
mod action;
mod answering;
mod attention;
mod browsing;
mod composer;
mod copying;
mod deciding;
mod drag;
mod editor;
mod gate;
mod input;
mod key;
mod keymap;
pub(crate) mod paint;
mod palette;
mod popup;
mod reading;
pub mod setup;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod view;

use std::{
    io,
    path::{Path, PathBuf},
    task::Poll,
    time::{Duration, Instant},
};

use crossterm::event::Event;
use futures_util::{Stream, StreamExt};
use jiff::tz::TimeZone;
use tokio::time::sleep_until;

use crate::{
    config::{self, Change, Config, ConfigError, Watch},
    room::{Connection, ItemId, Room},
    session::{Session, now},
    store::{Desk, Left},
};
use abilities::Abilities;
use attention::Attention;
use input::Next;
use keymap::Keymap;
use state::{Looser, Overlay, Paper, State, Tone};
pub use terminal::{Guard, Surface};
use theme::Theme;
use view::{Look, Plan, Shown};

/// The shortest time from one draw to the next.
const FRAME: Duration = Duration::from_millis(16);
/// How long after the last of several changes files are read: an editor writes in steps.
const SAVED: Duration = Duration::from_millis(150);
/// How long after something has changed it is kept what the person has read and not sent.
const KEPT: Duration = Duration::from_secs(1);
/// How often what counts seconds is drawn anew.
const SECOND: Duration = Duration::from_secs(1);

/// A screen on a session.
pub struct Screen {
    session: Session,
    state: State,
    theme: Theme,
    keymap: Keymap,
    zone: TimeZone,
    relay: String,
    /// The terminal opens links.
    links: bool,
    attention: Attention,
    /// What the key before this one was asked a second yes for.
    asked_before: Option<(ItemId, action::Action, Instant)>,
    folder: PathBuf,
    reload: Box<dyn Fn() -> Result<Config, ConfigError>>,
    watch: Option<Watch>,
    /// The whole screen is to be written anew.
    redraw: bool,
    /// Whether the terminal gives us the mouse.
    mouse_was: bool,
    /// The person wants to write in their editor.
    wants_editor: bool,
    /// What is to be put on the clipboard.
    clipboard: Option<String>,
    /// The messages as they were drawn last.
    shown: Option<Shown>,
    /// What is kept over a restart.
    desk: Desk,
}

impl Screen {
    /// A screen on `session`, with the keys and colours that `config` names. A file of them that is wrong
    /// is told, and the default taken. `folder` has the person's own files; `reload` reads the
    /// configuration anew.
    pub fn new(
        session: Session,
        config: &Config,
        folder: &Path,
        reload: impl Fn() -> Result<Config, ConfigError> + 'static,
    ) -> Self {
        let watch = config::watch(folder);
        if let Err(error) = &watch {
            tracing::info!(%error, "the configuration is not watched");
        }
        let desk = Desk::open(session.state_folder());
        let mut screen = Self {
            relay: session
                .invite
                .target
                .to_string()
                .trim_end_matches("/ws")
                .to_owned(),
            session,
            state: State {
                mouse: config.mouse,
                ..State::default()
            },
            links: false,
            theme: Theme::built_in(),
            keymap: Keymap::built_in(),
            zone: TimeZone::system(),
            attention: Attention::new(attention::Wishes::of(config)),
            folder: folder.to_owned(),
            reload: Box::new(reload),
            watch: watch.ok(),
            asked_before: None,
            redraw: false,
            mouse_was: true,
            wants_editor: false,
            clipboard: None,
            shown: None,
            desk,
        };
        screen.take_looks(config);
        screen.take_up();
        screen
    }

    /// Takes the keys and colours that `config` names. Of what is wrong, the last good one stays, and the
    /// person is told. Returns whether all was right.
    fn take_looks(&mut self, config: &Config) -> bool {
        let keymap = Keymap::load(&config.keymap, &self.folder.join("keymaps"));
        let theme = Theme::load(&config.theme, &self.folder.join("themes"));
        let wrong: Vec<String> = [keymap.as_ref().err(), theme.as_ref().err()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if let Ok(keymap) = keymap {
            self.state.commands &= keymap.is_modal();
            self.keymap = keymap;
        }
        if let Ok(theme) = theme {
            self.theme = theme;
            self.state.reading.bodies.forget();
        }
        if !wrong.is_empty() {
            self.state.say(wrong.join("; "), Tone::Bad);
        }
        wrong.is_empty()
    }

    /// A file was saved: what is as safe or safer holds at once, what is looser waits for a key.
    fn reload(&mut self) {
        let config = match (self.reload)() {
            Ok(config) => config,
            Err(error) => return self.state.say(error.to_string(), Tone::Bad),
        };
        self.attention.set(attention::Wishes::of(&config));
        if self.take_looks(&config) {
            self.state
                .say("Keys and colours are as they were saved.", Tone::Good);
        }
        let change = Change::between(self.session.config(), &config);
        if !change.later.is_empty() {
            let words = format!("Saved; {} holds from the next start on.", change.later.join(", "));
            self.state.say(words, Tone::Good);
        }
        self.session.set_config(change.safe);
        self.state.looser = (!change.looser.is_empty()).then_some(Looser {
            config,
            words: change.looser,
            shown: None,
        });
    }

    /// The first press shows all that is looser, the second takes it.
    fn take_settings(&mut self, now: Instant) {
        let Some(looser) = &mut self.state.looser else {
            return self.state.say("No settings wait for you.", Tone::Good);
        };
        if !looser.shown.is_some_and(|shown| gate::Gate::settled(shown, now)) {
            looser.shown.get_or_insert(now);
            let words = looser.words.clone();
            let lines = view::looser_lines(&self.look(), &words);
            self.state.overlay = Overlay::Paper(Paper {
                title: "Looser settings",
                lines,
                scroll: 0,
            });
            return;
        }
        if let Some(looser) = self.state.looser.take() {
            self.session.set_config(looser.config);
            self.state.overlay = Overlay::None;
            self.state.say("The settings are as they were saved.", Tone::Good);
        }
    }

    /// What the terminal can do.
    pub fn set_abilities(&mut self, abilities: &Abilities) {
        self.state.gate.alt_is_certain = abilities.keyboard;
        self.links = abilities.links;
    }

    /// Takes up what was left on the screen when it was open last.
    fn take_up(&mut self) {
        let left = self.desk.left();
        self.state.composer.set(&left.unsent);
        self.state.composer.remember(left.history.clone());
        let newest = self.session.room.timeline.newest();
        self.state.reading.unread.seen(left.read.min(newest));
    }

    /// Keeps what is to be taken up again.
    fn keep(&mut self) {
        let left = Left {
            read: self.state.reading.unread.read,
            unsent: self.state.composer.whole(),
            history: self.state.composer.history().to_vec(),
        };
        if let Err(error) = self.desk.keep(left) {
            tracing::warn!(%error, "what was left on the screen cannot be kept");
        }
    }

    /// Runs until the person leaves, or `stop` is ready. `events` opens the way to the terminal's events; it
    /// is closed while another program has the terminal. Gives the session back, to be left.
    pub async fn run<S: Surface, E: Stream<Item = io::Result<Event>> + Unpin>(
        mut self,
        surface: &mut S,
        mut events: impl FnMut() -> E,
        stop: impl Future<Output = ()>,
    ) -> (Session, io::Result<()>) {
        let result = self.go_on(surface, &mut events, stop).await;
        self.keep();
        (self.session, result)
    }

    async fn go_on<S: Surface, E: Stream<Item = io::Result<Event>> + Unpin>(
        &mut self,
        surface: &mut S,
        open: &mut impl FnMut() -> E,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let mut stop = std::pin::pin!(stop);
        let mut events = open();
        let mut next_draw = Instant::now();
        let mut dirty = true;
        let (mut reload_at, mut keep_at): (Option<Instant>, Option<Instant>) = (None, None);
        loop {
            // Keys that are there are taken before anything new is shown, so that none of them can be
            // taken for an answer to it.
            while let Some(event) = ready(&mut events).await {
                match event.transpose()? {
                    Some(event) if self.event(&event, Instant::now()) == Next::Go => dirty = true,
                    // The person leaves, or the terminal is gone.
                    _ => return Ok(()),
                }
            }
            if std::mem::take(&mut self.wants_editor) {
                drop(events);
                self.edit_elsewhere(surface).await?;
                events = open();
                dirty = true;
            }
            self.news();
            if dirty && Instant::now() >= next_draw {
                self.draw(surface)?;
                dirty = false;
                next_draw = Instant::now() + FRAME;
                keep_at.get_or_insert(Instant::now() + KEPT);
            }
            let moving = self.is_moving();
            tokio::select! {
                biased;
                event = events.next() => match event.transpose()? {
                    Some(event) if self.event(&event, Instant::now()) == Next::Go => dirty = true,
                    _ => return Ok(()),
                },
                () = &mut stop => return Ok(()),
                () = sleep_until(next_draw.into()), if dirty => {}
                () = saved(&mut self.watch) => reload_at = Some(Instant::now() + SAVED),
                () = until(reload_at) => {
                    reload_at = None;
                    self.reload();
                    dirty = true;
                }
                () = until(keep_at) => {
                    keep_at = None;
                    self.keep();
                }
                () = self.session.step() => {
                    if self.session.end_asked() {
                        return Ok(());
                    }
                    dirty = true;
                }
                () = tokio::time::sleep(SECOND), if moving && !dirty => dirty = true,
            }
        }
    }

    /// The person writes on in their editor, which has the terminal meanwhile.
    async fn edit_elsewhere<S: Surface>(&mut self, surface: &mut S) -> io::Result<()> {
        surface.lend()?;
        let written = editor::write(&self.state.composer.whole(), &mut self.session).await;
        surface.take_back()?;
        self.redraw = true;
        match written {
            Ok(text) => self.state.composer.set(&text),
            Err(error) => self
                .state
                .say(format!("The editor did not work: {error}."), Tone::Bad),
        }
        Ok(())
    }

    /// Takes over what the session has for the person.
    fn news(&mut self) {
        for warning in self.session.take_warnings() {
            self.state.say(warning, Tone::Bad);
        }
        let now = Instant::now();
        self.session
            .take_attention()
            .into_iter()
            .for_each(|call| self.attention.call(call, now));
        self.state.tidy(&self.session.room);
        self.arrivals(now);
    }

    /// Messages that have come are new, unless the person looks.
    fn arrivals(&mut self, now: Instant) {
        let room = &self.session.room;
        let reading = &mut self.state.reading;
        let since = reading.unread.known().max(reading.unread.read);
        let newest = room.timeline.newest();
        let mut posts = (since + 1..=newest).filter_map(|number| room.timeline.post_numbered(number));
        let others = posts.any(|post| !post.mine);
        reading.unread.arrived(newest, others, self.attention.looks(now));
        let thread = reading.thread.as_ref().map(|thread| thread.id.as_str());
        if let Some(search) = &mut reading.search {
            search.follow(room, thread);
        }
    }

    fn draw<S: Surface>(&mut self, surface: &mut S) -> io::Result<()> {
        let mouse = self.state.mouse;
        if std::mem::take(&mut self.redraw) {
            surface
                .terminal()
                .clear()
                .map_err(|error| io::Error::other(error.to_string()))?;
        }
        let Self {
            session,
            state,
            theme,
            keymap,
            zone,
            relay,
            links,
            ..
        } = self;
        let mut plan = None;
        let look = Look {
            room: &session.room,
            relay,
            theme,
            keymap,
            now: now(),
            zone,
            links: *links,
        };
        let drawn = surface.terminal().draw(|frame| {
            let laid = Plan::new(&look, state, frame.area());
            state.page = (laid.columns(), laid.page());
            view::draw(&look, state, &laid, frame);
            plan = Some(laid);
        });
        drawn.map_err(|error| io::Error::other(error.to_string()))?;
        surface.show()?;
        if mouse != self.mouse_was {
            self.mouse_was = mouse;
            surface.mouse(mouse)?;
        }
        self.attention.write(&self.session.room, surface.raw())?;
        if let Some(text) = self.clipboard.take() {
            copying::put(&text, std::env::var_os("TMUX").is_some(), surface.raw())?;
        }
        // Only now is it on the screen.
        let now = Instant::now();
        self.state
            .gate
            .drawn(plan.as_ref().and_then(|plan| plan.whole), now);
        self.shown = plan
            .filter(|plan| plan.shows_messages(&self.state))
            .map(Plan::shown);
        if let Some(shown) = self.shown.as_ref().filter(|_| self.attention.looks(now)) {
            let bottom = shown.rows.iter().find_map(|(_, number)| *number);
            let newest = self.session.room.timeline.newest();
            let all = self.state.reading.scroll.follows() && self.state.reading.thread.is_none();
            let seen = if all { newest } else { bottom.unwrap_or_default() };
            self.state.reading.unread.seen(seen);
        }
        Ok(())
    }

    fn look(&self) -> Look<'_> {
        Look {
            room: &self.session.room,
            relay: &self.relay,
            theme: &self.theme,
            keymap: &self.keymap,
            now: now(),
            zone: &self.zone,
            links: self.links,
        }
    }

    /// Something on the screen counts seconds.
    fn is_moving(&self) -> bool {
        let room = &self.session.room;
        room.runs.working().next().is_some() || matches!(room.connection, Connection::Waiting { .. })
    }
}

/// Draws the newest messages while the rest is being read: nothing can be done yet, and keys wait.
pub fn glimpse<S: Surface>(surface: &mut S, room: &Room, config: &Config, folder: &Path) -> io::Result<()> {
    // What is wrong with a file is told by the screen itself.
    let keymap = Keymap::load(&config.keymap, &folder.join("keymaps"));
    let theme = Theme::load(&config.theme, &folder.join("themes"));
    let look = Look {
        room,
        relay: "",
        theme: &theme.unwrap_or_else(|_| Theme::built_in()),
        keymap: &keymap.unwrap_or_else(|_| Keymap::built_in()),
        now: now(),
        zone: &TimeZone::system(),
        links: false,
    };
    let mut state = State::default();
    state.say("Reading what was said …", Tone::Good);
    let drawn = surface.terminal().draw(|frame| {
        let plan = Plan::new(&look, &mut state, frame.area());
        view::draw(&look, &state, &plan, frame);
    });
    drawn.map_err(|error| io::Error::other(error.to_string()))?;
    surface.show()
}

/// Waits until a file of the configuration was saved; for ever where none is watched.
async fn saved(watch: &mut Option<Watch>) {
    if let Some(watch) = watch
        && watch.changes.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// Waits until a time; for ever where there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// What a stream has right now. It is polled with the task's own waker: crossterm's stream remembers the
/// waker of the first poll that found nothing, and another one would never wake this task.
async fn ready<S: Stream + Unpin>(stream: &mut S) -> Option<Option<S::Item>> {
    std::future::poll_fn(|context| match stream.poll_next_unpin(context) {
        Poll::Ready(item) => Poll::Ready(Some(item)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The text of a keymap or theme, and where it is from: the user's own file in `dir`, else one that is
/// built in.
fn bundled(
    name: &str,
    dir: &Path,
    built_in: &[(&str, &str)],
    what: &str,
) -> Result<(String, String), String> {
    if !nexscope_relay::protocol::is_name(name) {
        return Err(format!(
            "\"{}\" is no name of a {what}",
            crate::text::clean_line(name, 40)
        ));
    }
    let path = dir.join(format!("{name}.toml"));
    match std::fs::read_to_string(&path) {
        Ok(text) => return Ok((format!("{what}s/{name}.toml"), text)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("{}: {error}", path.display()));
        }
        Err(_) => {}
    }
    let known = built_in.iter().find(|(known, _)| *known == name);
    known
        .map(|(_, text)| (format!("{what} {name}"), (*text).to_owned()))
        .ok_or_else(|| {
            let names: Vec<&str> = built_in.iter().map(|(name, _)| *name).collect();
            format!(
                "there is no {what} {name}; there is {}, and your own go into {}",
                names.join(", "),
                dir.display()
            )
        })
}

/// An error in a TOML file, with its line.
fn toml_error(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    format!("line {line}: {}", crate::config::with_nearest(error.message()))
}

/// The line, from 1, of a place in a text.
fn line_at(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}
