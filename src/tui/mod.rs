//! The full screen: a front end of the client.
//!
//! One loop (`event_loop`) waits for keys, for the session, and for the time to draw. Nothing ticks when nothing moves:
//! a change is drawn at once, or, while changes come fast, at most 60 times a second what is typed, and 30
//! times what has come.

mod actions;
mod composer;
mod event_loop;
mod input;
mod joining;
mod modal;
mod notify;
mod palette;
mod popup;
pub mod setup;
mod startup;
mod state;
pub mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod timeline_state;
mod view;

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;
use tokio::task::JoinHandle;

pub use crate::tui::terminal::events::Events;
use crate::{
    client::Client,
    clock::now,
    config::{self, Config, ConfigError, Watch},
    control::{Capabilities, ExternalProgram},
    core::{Connection, Decision},
    store::{SavedView, UiState},
    tui::input::keymap::Keymap,
};
use joining::Joining;
use notify::Notifications;
pub use startup::glimpse;
use state::{Pointer, State, Tone};
pub use terminal::{Guard, Surface};
use theme::Theme;
use view::{HitMap, Layout, RenderContext};

/// How long it is shown that a key was ignored.
const FLASH: Duration = Duration::from_millis(300);
/// A screen on a session.
pub struct Screen {
    client: Client,
    state: State,
    theme: Theme,
    keymap: Keymap,
    zone: TimeZone,
    relay: String,
    links: bool,
    attention: Notifications,
    /// The decision that the key before this one was asked to confirm.
    asked_before: Option<(Decision, Instant)>,
    folder: PathBuf,
    reload: Box<dyn Fn() -> Result<Config, ConfigError>>,
    watch: Option<Watch>,
    /// The whole screen is to be written again.
    redraw: bool,
    /// Whether the terminal gives us the mouse.
    mouse_was: bool,
    /// The program that the person wants to have the terminal.
    errand: Option<ExternalProgram>,
    /// The text for the clipboard.
    clipboard: Option<String>,
    /// The screen as it was drawn last.
    shown: Option<HitMap>,
    /// The view that is kept over a restart.
    desk: UiState,
    /// Another room that the person wants to go on in.
    joining: Option<Joining>,
}

impl Screen {
    /// A screen on `session`, with the keys and colours that `config` names. A file of them that is wrong
    /// is told, and the default taken. `folder` has the person's own files; `reload` reads the
    /// configuration again.
    pub fn new(
        client: Client,
        config: &Config,
        folder: &Path,
        reload: impl Fn() -> Result<Config, ConfigError> + 'static,
    ) -> Self {
        let watch = config::watch(folder);
        if let Err(error) = &watch {
            tracing::info!(%error, "the configuration is not watched");
        }
        let desk = UiState::open(client.state_folder());
        let mut screen = Self {
            relay: client
                .invite
                .target
                .to_string()
                .trim_end_matches("/ws")
                .to_owned(),
            client,
            state: State {
                pointer: Pointer {
                    is_on: config.mouse,
                    ..Pointer::default()
                },
                ..State::default()
            },
            links: false,
            theme: Theme::built_in(),
            keymap: Keymap::built_in(),
            zone: TimeZone::system(),
            attention: Notifications::new(notify::NotifySettings::of(config)),
            folder: folder.to_owned(),
            reload: Box::new(reload),
            watch: watch.ok(),
            asked_before: None,
            redraw: false,
            mouse_was: true,
            errand: None,
            clipboard: None,
            shown: None,
            desk,
            joining: None,
        };
        screen.take_looks(config);
        screen.ask_for_trust(config);
        screen.take_up();
        screen
    }

    /// The capabilities of the terminal.
    pub fn set_abilities(&mut self, abilities: &Capabilities) {
        self.state.deciding.gate.alt_is_certain = abilities.keyboard;
        self.links = abilities.links;
    }

    /// The session goes on when the person leaves this screen.
    pub fn set_attached(&mut self) {
        self.state.attached = true;
    }

    /// Takes up what was left on the screen when it was open last.
    fn take_up(&mut self) {
        let left = self.desk.left();
        self.state.composer.set(&left.unsent);
        self.state.composer.remember(left.history.clone());
        let newest = self.client.room().chat.timeline().newest();
        self.state.reading.unread.seen(left.read.min(newest));
    }

    /// Saves the view in the background; nothing where it has not changed.
    fn keep(&mut self) -> Option<JoinHandle<()>> {
        let left = SavedView {
            read: self.state.reading.unread.read,
            unsent: self.state.composer.whole(),
            history: self.state.composer.history().to_vec(),
        };
        let writing = self.desk.keep(left)?;
        Some(tokio::task::spawn_blocking(|| writing.write()))
    }

    /// Takes over what the session has for the person.
    fn news(&mut self, now: Instant) {
        for warning in self.client.take_warnings() {
            self.state.say(warning, Tone::Bad);
        }
        self.client
            .take_attention()
            .into_iter()
            .for_each(|call| self.attention.call(call, now));
        self.state.tidy(self.client.room());
        let waiting = self.client.room().review.inbox().waiting().map(|item| item.id);
        self.state.deciding.gate.waiting(waiting, now);
        self.arrivals(now);
    }

    /// When something on the screen changes by itself: a key takes effect, or a mark goes.
    fn next_change(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.state
            .deciding
            .flash
            .take_if(|since| now.saturating_duration_since(*since) >= FLASH);
        let pressed = self
            .state
            .deciding
            .pressed
            .as_ref()
            .map(input::pressed::Pressed::due);
        let flash = self.state.deciding.flash.map(|since| since + FLASH);
        pressed.into_iter().chain(flash).min()
    }

    /// Messages that have come are new, unless the person looks.
    fn arrivals(&mut self, now: Instant) {
        let room = self.client.room();
        let reading = &mut self.state.reading;
        reading.follow(room);
        let since = reading.unread.known().max(reading.unread.read);
        let newest = room.chat.timeline().newest();
        let mut posts = (since + 1..=newest).filter_map(|number| room.chat.timeline().post_numbered(number));
        let others = posts.any(|post| !post.sender.mine);
        reading.unread.arrived(newest, others, self.attention.looks(now));
        let thread = reading.thread.as_ref().map(|thread| thread.id.as_str());
        if let Some(search) = &mut reading.search {
            search.follow(room, thread);
        }
    }

    fn draw<S: Surface>(&mut self, surface: &mut S) -> io::Result<()> {
        let mouse = self.state.pointer.is_on;
        if std::mem::take(&mut self.redraw) {
            surface
                .terminal()
                .clear()
                .map_err(|error| io::Error::other(error.to_string()))?;
        }
        let (look, state) = (self.look(), &self.state);
        let mut plan: Option<Layout> = None;
        let drawn = surface.terminal().draw(|frame| {
            let laid = Layout::new(&look, state, frame.area());
            view::draw(&look, state, &laid, frame);
            plan = Some(laid);
        });
        drawn.map_err(|error| io::Error::other(error.to_string()))?;
        surface.terminal().backend_mut().show()?;
        if mouse != self.mouse_was {
            self.mouse_was = mouse;
            terminal::mouse(mouse, surface.raw())?;
        }
        self.attention.write(self.client.room(), surface.raw())?;
        if let Some(text) = self.clipboard.take() {
            surface.copy(text)?;
        }
        // Only now is it on the screen.
        if let Some(plan) = plan {
            self.state.apply(plan.adjustments());
            self.drawn(plan, Instant::now());
        }
        Ok(())
    }

    /// The person has this before them from now on.
    fn drawn(&mut self, plan: Layout, now: Instant) {
        self.looser_drawn(plan.paper_is_whole(), now);
        let whole = self.client.room().shown(&plan.whole);
        self.state.deciding.gate.drawn(whole, now);
        self.shown = Some(plan.shown(&self.state));
        let read = self.shown.as_ref().filter(|shown| shown.messages.is_some());
        if let Some(shown) = read.filter(|_| self.attention.looks(now)) {
            let bottom = shown.rows.iter().find_map(|(_, number)| *number);
            let newest = self.client.room().chat.timeline().newest();
            let all = self.state.reading.scroll.follows() && self.state.reading.thread.is_none();
            let seen = if all { newest } else { bottom.unwrap_or_default() };
            self.state.reading.unread.seen(seen);
        }
    }

    fn look(&self) -> RenderContext<'_> {
        RenderContext {
            program: self.client.program(),
            room: self.client.room(),
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
        self.client.program().runs().working().next().is_some()
            || matches!(self.client.room().connection, Connection::Waiting { .. })
    }
}
