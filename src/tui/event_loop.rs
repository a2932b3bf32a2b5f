//! The loop of the screen: it waits for keys, for the session, and for the time to draw.

use std::{
    io,
    task::Poll,
    time::{Duration, Instant},
};

use crossterm::event::Event;
use futures_util::{Stream, StreamExt};
use tokio::{signal::unix::Signal, task::JoinHandle, time::sleep_until};

use super::{Screen, Surface, actions::review, input::Next, joining, state::Tone};
use crate::{client::Client, config::Watch, control::ExternalProgram};

/// The shortest time from one draw to the next.
const FRAME: Duration = Duration::from_millis(16);
/// The shortest time from any draw to one of what has come, so that there is room for what one types while
/// much comes.
const NEWS: Duration = Duration::from_millis(33);
/// How long after the last of several changes files are read: an editor writes in steps.
const SAVED: Duration = Duration::from_millis(150);
/// How long after something has changed it is kept what the person has read and not sent.
const KEPT: Duration = Duration::from_secs(1);
/// How often what counts seconds is drawn again.
const SECOND: Duration = Duration::from_secs(1);

/// When the loop does what it does not do at once.
struct Times {
    /// The next draw of what has come, and of what was typed.
    news: Instant,
    typing: Instant,
    /// Something has changed since the last draw.
    dirty: bool,
    /// It was typed.
    typed: bool,
    reload: Option<Instant>,
    keep: Option<Instant>,
}

impl Times {
    fn new() -> Self {
        Self {
            news: Instant::now(),
            typing: Instant::now(),
            dirty: true,
            typed: false,
            reload: None,
            keep: None,
        }
    }

    /// When to draw next.
    fn due(&self) -> Instant {
        if self.typed { self.typing } else { self.news }
    }

    fn drawn(&mut self, now: Instant) {
        self.typing = now + FRAME;
        self.news = now + NEWS;
        (self.dirty, self.typed) = (false, false);
        self.keep.get_or_insert(now + KEPT);
    }
}

impl Screen {
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
        let mut times = Times::new();
        loop {
            // Keys that are there are taken before anything new is shown, so that none of them can be
            // taken for an answer to it.
            while let Some(event) = ready(&mut events).await {
                match event.transpose()? {
                    Some(event) if self.event(&event, Instant::now()) == Next::Go => times.typed = true,
                    // The person leaves, or the terminal is gone.
                    _ => return Ok(()),
                }
            }
            if let Some(errand) = self.errand.take() {
                drop(events);
                self.lend(surface, errand).await;
                events = open();
                times.dirty = true;
            }
            self.draw_if_due(surface, &mut times)?;
            let moving = self.is_moving();
            let change = self.next_change();
            tokio::select! {
                biased;
                event = events.next() => match event.transpose()? {
                    Some(event) if self.event(&event, Instant::now()) == Next::Go => times.typed = true,
                    _ => return Ok(()),
                },
                () = &mut stop => return Ok(()),
                () = stopped(&mut stops) => self.errand = Some(ExternalProgram::Stop),
                () = time_to_draw(surface, times.due()), if times.dirty => {}
                next = self.wait(&mut times, keeping, moving, change) => {
                    if next == Next::Leave {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Waits for what comes without the person's doing, and takes it over.
    async fn wait(
        &mut self,
        times: &mut Times,
        keeping: &mut Option<JoinHandle<()>>,
        moving: bool,
        change: Option<Instant>,
    ) -> Next {
        tokio::select! {
            biased;
            () = saved(&mut self.watch) => times.reload = Some(Instant::now() + SAVED),
            () = until(times.reload) => {
                times.reload = None;
                self.reload();
                times.dirty = true;
            }
            () = until(times.keep), if keeping.is_none() => {
                times.keep = None;
                *keeping = self.keep();
            }
            () = written(keeping), if keeping.is_some() => {}
            () = self.client.step() => {
                if self.client.end_asked() || self.client.attach_asked() {
                    return Next::Leave;
                }
                times.dirty = true;
            }
            check = joining::answered(&mut self.joining) => {
                if joining::joined(self, check) {
                    return Next::Leave;
                }
                times.dirty = true;
            }
            () = until(change) => times.dirty = true,
            () = tokio::time::sleep(SECOND), if moving && !times.dirty => times.dirty = true,
        }
        Next::Go
    }

    /// Takes over what has come, and draws where something has changed and it is time to.
    fn draw_if_due<S: Surface>(&mut self, surface: &mut S, times: &mut Times) -> io::Result<()> {
        review::settle_pressed(self, Instant::now());
        self.news(Instant::now());
        times.dirty |= times.typed;
        if Instant::now() >= times.due() && times.dirty && surface.is_ready() {
            self.draw(surface)?;
            times.drawn(Instant::now());
        }
        Ok(())
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

/// The item that a stream has right now. It is polled with the task's own waker: crossterm's stream remembers the
/// waker of the first poll that found nothing, and another one would never wake this task.
async fn ready<S: Stream + Unpin>(stream: &mut S) -> Option<Option<S::Item>> {
    std::future::poll_fn(|context| match stream.poll_next_unpin(context) {
        Poll::Ready(item) => Poll::Ready(Some(item)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
