//! The full screen: a front end of the client.
//!
//! One loop waits for keys, for the session, and for the time to draw. Nothing ticks when nothing moves:
//! a change is drawn at once, or, while changes come fast, at most 60 times a second what is typed, and 30
//! times what has come.

mod actions;
mod composer;
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
    task::Poll,
    time::{Duration, Instant},
};

use crossterm::event::Event;
use futures_util::{Stream, StreamExt};
use jiff::tz::TimeZone;
use tokio::{signal::unix::Signal, task::JoinHandle, time::sleep_until};

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
use actions::review;
use input::Next;
use joining::Joining;
use notify::Notifications;
pub use startup::glimpse;
use state::{Pointer, State, Tone};
pub use terminal::{Guard, Surface};
use theme::Theme;
use view::{HitMap, Layout, RenderContext};

/// The shortest time from one draw to the next.
const FRAME: Duration = Duration::from_millis(16);
/// The shortest time from any draw to one of what has come, so that there is room for what one types while
/// much comes.
const NEWS: Duration = Duration::from_millis(33);
/// How long after the last of several changes files are read: an editor writes in steps.
const SAVED: Duration = Duration::from_millis(150);
/// How long after something has changed it is kept what the person has read and not sent.
const KEPT: Duration = Duration::from_secs(1);
/// How long it is shown that a key was ignored.
const FLASH: Duration = Duration::from_millis(300);
/// How often what counts seconds is drawn again.
const SECOND: Duration = Duration::from_secs(1);

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
    /// What the key before this one was asked a second yes for.
    asked_before: Option<(Decision, Instant)>,
    folder: PathBuf,
    reload: Box<dyn Fn() -> Result<Config, ConfigError>>,
    watch: Option<Watch>,
    /// The whole screen is to be written again.
    redraw: bool,
    /// Whether the terminal gives us the mouse.
    mouse_was: bool,
    /// What the person wants to do in another program.
    errand: Option<ExternalProgram>,
    /// What is to be put on the clipboard.
    clipboard: Option<String>,
    /// The screen as it was drawn last.
    shown: Option<HitMap>,
    /// What is kept over a restart.
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

    /// What the terminal can do.
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
        let newest = self.client.room.chat.timeline().newest();
        self.state.reading.unread.seen(left.read.min(newest));
    }

    /// What is to be taken up again is written, beside what goes on. Nothing where it has not changed.
    fn keep(&mut self) -> Option<JoinHandle<()>> {
        let left = SavedView {
            read: self.state.reading.unread.read,
            unsent: self.state.composer.whole(),
            history: self.state.composer.history().to_vec(),
        };
        let writing = self.desk.keep(left)?;
        Some(tokio::task::spawn_blocking(|| writing.write()))
    }

    /// Runs until the person leaves, or `stop` is ready. `events` opens the way to the terminal's events; it
    /// is closed while another program has the terminal. Gives the session back, to be left.
    pub async fn run<S: Surface, E: Stream<Item = io::Result<Event>> + Unpin>(
        mut self,
        surface: &mut S,
        mut events: impl FnMut() -> E,
        stop: impl Future<Output = ()>,
    ) -> (Client, io::Result<()>) {
        let mut keeping = None;
        let result = self.go_on(surface, &mut events, stop, &mut keeping).await;
        written(&mut keeping).await;
        keeping = self.keep();
        written(&mut keeping).await;
        (self.client, result)
    }

    async fn go_on<S: Surface, E: Stream<Item = io::Result<Event>> + Unpin>(
        &mut self,
        surface: &mut S,
        open: &mut impl FnMut() -> E,
        stop: impl Future<Output = ()>,
        keeping: &mut Option<JoinHandle<()>>,
    ) -> io::Result<()> {
        let mut stop = std::pin::pin!(stop);
        let mut events = open();
        let mut stops = surface.stops();
        let mut next_draw = Instant::now();
        let mut typed_draw = Instant::now();
        let (mut dirty, mut typed) = (true, false);
        let (mut reload_at, mut keep_at): (Option<Instant>, Option<Instant>) = (None, None);
        loop {
            // Keys that are there are taken before anything new is shown, so that none of them can be
            // taken for an answer to it.
            while let Some(event) = ready(&mut events).await {
                match event.transpose()? {
                    Some(event) if self.event(&event, Instant::now()) == Next::Go => typed = true,
                    // The person leaves, or the terminal is gone.
                    _ => return Ok(()),
                }
            }
            if let Some(errand) = self.errand.take() {
                drop(events);
                self.lend(surface, errand).await;
                events = open();
                dirty = true;
            }
            review::settle_pressed(self, Instant::now());
            self.news(Instant::now());
            dirty |= typed;
            let now = Instant::now();
            if now >= if typed { typed_draw } else { next_draw } && dirty && surface.is_ready() {
                self.draw(surface)?;
                typed_draw = Instant::now() + FRAME;
                next_draw = Instant::now() + NEWS;
                (dirty, typed) = (false, false);
                keep_at.get_or_insert(Instant::now() + KEPT);
            }
            let moving = self.is_moving();
            let change = self.next_change();
            tokio::select! {
                biased;
                event = events.next() => match event.transpose()? {
                    Some(event) if self.event(&event, Instant::now()) == Next::Go => typed = true,
                    _ => return Ok(()),
                },
                () = &mut stop => return Ok(()),
                () = stopped(&mut stops) => self.errand = Some(ExternalProgram::Stop),
                () = time_to_draw(surface, if typed { typed_draw } else { next_draw }), if dirty => {}
                () = saved(&mut self.watch) => reload_at = Some(Instant::now() + SAVED),
                () = until(reload_at) => {
                    reload_at = None;
                    self.reload();
                    dirty = true;
                }
                () = until(keep_at), if keeping.is_none() => {
                    keep_at = None;
                    *keeping = self.keep();
                }
                () = written(keeping), if keeping.is_some() => {}
                () = self.client.step() => {
                    if self.client.end_asked() || self.client.attach_asked() {
                        return Ok(());
                    }
                    dirty = true;
                }
                check = joining::answered(&mut self.joining) => {
                    if self.joined(check) {
                        return Ok(());
                    }
                    dirty = true;
                }
                () = until(change) => dirty = true,
                () = tokio::time::sleep(SECOND), if moving && !dirty => dirty = true,
            }
        }
    }

    /// Another program of the person's has the terminal until it ends.
    async fn lend<S: Surface>(&mut self, surface: &mut S, errand: ExternalProgram) {
        let folder = self.client.state_folder().to_owned();
        let mut written = std::pin::pin!(surface.lend(&errand, &folder));
        // The room goes on meanwhile.
        let written = loop {
            tokio::select! {
                written = &mut written => break written,
                () = self.client.step() => {}
            }
        };
        self.redraw = true;
        match written {
            Ok(text) if matches!(errand, ExternalProgram::Write(_)) => self.state.composer.set(&text),
            Ok(_) => {}
            Err(error) => self.state.say(format!("That did not work: {error}."), Tone::Bad),
        }
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
        self.state.tidy(&self.client.room);
        let waiting = self.client.room.review.inbox().waiting().map(|item| item.id);
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
        let room = &self.client.room;
        let reading = &mut self.state.reading;
        reading.follow(room);
        let since = reading.unread.known().max(reading.unread.read);
        let newest = room.chat.timeline().newest();
        let mut posts = (since + 1..=newest).filter_map(|number| room.chat.timeline().post_numbered(number));
        let others = posts.any(|post| !post.mine);
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
        self.attention.write(&self.client.room, surface.raw())?;
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
        let whole = self.client.room.shown(&plan.whole);
        self.state.deciding.gate.drawn(whole, now);
        self.shown = Some(plan.shown(&self.state));
        let read = self.shown.as_ref().filter(|shown| shown.messages.is_some());
        if let Some(shown) = read.filter(|_| self.attention.looks(now)) {
            let bottom = shown.rows.iter().find_map(|(_, number)| *number);
            let newest = self.client.room.chat.timeline().newest();
            let all = self.state.reading.scroll.follows() && self.state.reading.thread.is_none();
            let seen = if all { newest } else { bottom.unwrap_or_default() };
            self.state.reading.unread.seen(seen);
        }
    }

    fn look(&self) -> RenderContext<'_> {
        RenderContext {
            room: &self.client.room,
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
        let room = &self.client.room;
        room.runs.working().next().is_some() || matches!(room.connection, Connection::Waiting { .. })
    }
}

/// Waits until a time, and until the terminal takes a picture.
async fn time_to_draw<S: Surface>(surface: &S, time: Instant) {
    sleep_until(time.into()).await;
    surface.ready().await;
}

/// The next signal; never if there is none.
async fn stopped(signals: &mut Option<Signal>) {
    match signals {
        // Their end is the runtime's.
        Some(signals) => _ = signals.recv().await,
        None => std::future::pending().await,
    }
}

/// Waits until a file of the configuration was saved; forever where none is watched.
async fn saved(watch: &mut Option<Watch>) {
    if let Some(watch) = watch
        && watch.changes.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// Waits until what is being written is.
async fn written(keeping: &mut Option<JoinHandle<()>>) {
    if let Some(writing) = keeping {
        // One that panicked has said so in the log.
        let _ = writing.await;
        *keeping = None;
    }
}

/// Waits until a time; forever if there is none.
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
