//! The full screen: one face on a session.
//!
//! One loop waits for keys, for the session, and for the time to draw. Nothing ticks when nothing moves:
//! a change is drawn at once, or, while changes come fast, at most 60 times a second.

mod action;
mod attention;
mod composer;
mod gate;
mod input;
mod key;
mod keymap;
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
    config::{self, Config, ConfigError, Watch},
    room::{Connection, ItemId, Room},
    session::{Session, now},
};
use attention::Attention;
use input::Next;
use keymap::Keymap;
use state::{State, Tone};
pub use terminal::{Guard, Surface};
use theme::Theme;
use view::{Look, Plan};

/// The shortest time from one draw to the next.
const FRAME: Duration = Duration::from_millis(16);
/// How long after the last of several changes files are read: an editor writes in steps.
const SAVED: Duration = Duration::from_millis(150);
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
        let mut screen = Self {
            relay: session
                .invite
                .target
                .to_string()
                .trim_end_matches("/ws")
                .to_owned(),
            session,
            state: State {
                mouse: true,
                ..State::default()
            },
            theme: Theme::built_in(),
            keymap: Keymap::built_in(),
            zone: TimeZone::system(),
            attention: Attention::new(config.notify.clone()),
            folder: folder.to_owned(),
            reload: Box::new(reload),
            watch: watch.ok(),
            asked_before: None,
            redraw: false,
            mouse_was: true,
        };
        screen.take_looks(config);
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
        }
        if !wrong.is_empty() {
            self.state.say(wrong.join("; "), Tone::Bad);
        }
        wrong.is_empty()
    }

    /// A file was saved: keys, colours and calls are taken anew. What is said about safety waits for the
    /// next start.
    fn reload(&mut self) {
        match (self.reload)() {
            Ok(config) => {
                self.attention.set_ways(config.notify.clone());
                if self.take_looks(&config) {
                    self.state
                        .say("Keys and colours are as they were saved.", Tone::Good);
                }
            }
            Err(error) => self.state.say(error.to_string(), Tone::Bad),
        }
    }

    /// The terminal tells Alt from an Esc with a key behind it.
    pub fn alt_is_certain(&mut self, certain: bool) {
        self.state.gate.alt_is_certain = certain;
    }

    /// Runs until the person leaves, or `stop` is ready. Gives the session back, to be left.
    pub async fn run<S: Surface>(
        mut self,
        surface: &mut S,
        mut events: impl Stream<Item = io::Result<Event>> + Unpin,
        stop: impl Future<Output = ()>,
    ) -> (Session, io::Result<()>) {
        let mut stop = std::pin::pin!(stop);
        let mut next_draw = Instant::now();
        let mut dirty = true;
        let mut reload_at: Option<Instant> = None;
        loop {
            // Keys that are there are taken before anything new is shown, so that none of them can be
            // taken for an answer to it.
            while let Some(event) = ready(&mut events).await {
                match event {
                    Some(Ok(event)) => {
                        if self.event(event, Instant::now()) == Next::Leave {
                            return (self.session, Ok(()));
                        }
                        dirty = true;
                    }
                    Some(Err(error)) => return (self.session, Err(error)),
                    None => return (self.session, Ok(())),
                }
            }
            self.news();
            if dirty && Instant::now() >= next_draw {
                if let Err(error) = self.draw(surface) {
                    return (self.session, Err(error));
                }
                dirty = false;
                next_draw = Instant::now() + FRAME;
            }
            let moving = self.is_moving();
            tokio::select! {
                biased;
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        if self.event(event, Instant::now()) == Next::Leave {
                            return (self.session, Ok(()));
                        }
                        dirty = true;
                    }
                    Some(Err(error)) => return (self.session, Err(error)),
                    // The terminal is gone.
                    None => return (self.session, Ok(())),
                },
                () = &mut stop => return (self.session, Ok(())),
                () = sleep_until(next_draw.into()), if dirty => {}
                () = saved(&mut self.watch) => reload_at = Some(Instant::now() + SAVED),
                () = until(reload_at) => {
                    reload_at = None;
                    self.reload();
                    dirty = true;
                }
                () = self.session.step() => dirty = true,
                () = tokio::time::sleep(SECOND), if moving && !dirty => dirty = true,
            }
        }
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
    }

    fn draw<S: Surface>(&mut self, surface: &mut S) -> io::Result<()> {
        let mouse = self.state.mouse;
        if std::mem::take(&mut self.redraw) {
            surface
                .terminal()
                .clear()
                .map_err(|error| io::Error::other(error.to_string()))?;
        }
        surface.begin()?;
        let Self {
            session,
            state,
            theme,
            keymap,
            zone,
            relay,
            ..
        } = self;
        let mut plan = None;
        let look = look(&session.room, relay, theme, keymap, zone);
        let drawn = surface.terminal().draw(|frame| {
            let laid = Plan::new(&look, state, frame.area());
            state.page = (laid.columns(), laid.page());
            view::draw(&look, state, &laid, frame);
            plan = Some(laid);
        });
        drawn.map_err(|error| io::Error::other(error.to_string()))?;
        surface.end()?;
        if mouse != self.mouse_was {
            self.mouse_was = mouse;
            surface.mouse(mouse)?;
        }
        self.attention.write(&self.session.room, surface.raw())?;
        // Only now is it on the screen.
        let whole = plan.and_then(|plan| plan.whole);
        self.state.gate.drawn(whole, Instant::now());
        Ok(())
    }

    fn look(&self) -> Look<'_> {
        look(
            &self.session.room,
            &self.relay,
            &self.theme,
            &self.keymap,
            &self.zone,
        )
    }

    /// Something on the screen counts seconds.
    fn is_moving(&self) -> bool {
        let room = &self.session.room;
        room.runs.working().next().is_some() || matches!(room.connection, Connection::Waiting { .. })
    }
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

fn look<'a>(
    room: &'a Room,
    relay: &'a str,
    theme: &'a Theme,
    keymap: &'a Keymap,
    zone: &'a TimeZone,
) -> Look<'a> {
    Look {
        room,
        relay,
        theme,
        keymap,
        now: now(),
        zone,
    }
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
