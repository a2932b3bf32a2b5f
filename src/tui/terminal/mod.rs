//! The terminal, taken and given back: on leaving, on errors, on panics.

pub(crate) mod backend;
pub(crate) mod capabilities;
pub(crate) mod colors;
pub(crate) mod events;
pub(crate) mod external;
pub(crate) mod hangup;
pub mod remote;
mod replies;

use std::{
    io::{self, Stdout, Write, stdout},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    cursor, event, execute,
    style::Print,
    terminal::{self, EndSynchronizedUpdate},
};
use ratatui::Terminal;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    config::TerminalOverrides,
    control::{Capabilities, ExternalProgram},
    tui::{
        actions::clipboard,
        terminal::backend::{AnsiBackend, TtySink},
    },
};

pub type Real = Terminal<AnsiBackend<Stdout>>;

/// Something that can be drawn on, with what only a terminal before a person has.
pub trait Surface {
    /// Where the bytes go.
    type TtySink: TtySink;
    fn terminal(&mut self) -> &mut Terminal<AnsiBackend<Self::TtySink>>;
    /// Where what is not drawn is written: the bell, the title.
    fn raw(&mut self) -> &mut dyn Write;
    /// Whether it takes the next picture now.
    fn is_ready(&self) -> bool {
        true
    }
    /// Waits until it takes the next picture.
    fn ready(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
    /// The signals to stop and give the terminal to the shell (SIGTSTP), where it is this program's own.
    fn stops(&self) -> Option<Signal> {
        None
    }
    /// Lends the terminal to another program of the person's, and gives what they have written there. `folder` is
    /// private. Fails where the program cannot be started or did not end well.
    fn lend(&mut self, errand: &ExternalProgram, folder: &Path) -> impl Future<Output = io::Result<String>>;
    /// Puts a text on the person's clipboard.
    fn copy(&mut self, text: String) -> io::Result<()>;
}

/// Buttons, the wheel, and moving while a button is held (xterm's 1000, 1002 and 1006); not every movement, as
/// crossterm's `EnableMouseCapture` asks for: each would wake the program.
const MOUSE: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";

/// Takes the mouse, or gives it back.
pub(super) fn mouse(on: bool, mut out: impl Write) -> io::Result<()> {
    match on {
        true => execute!(out, Print(MOUSE), Print("\x1b[?1007h")),
        // Without the mouse the wheel would come as arrow keys.
        false => execute!(out, event::DisableMouseCapture, Print("\x1b[?1007l")),
    }
}

/// The terminal is ours, and in need of being given back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back when it is dropped.
pub struct Guard {
    terminal: Real,
    out: Stdout,
    /// The capabilities of the terminal.
    pub abilities: Capabilities,
}

impl Guard {
    /// Takes the terminal. After a panic of the screen it is given back, and the place of the log is told.
    pub fn take(log: &Path, wishes: &TerminalOverrides) -> io::Result<Self> {
        restore_on_panic(log);
        // Before anything waits for the terminal.
        hangup::gone();
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        Self::enter(wishes).inspect_err(|_| _ = restore())
    }

    fn enter(wishes: &TerminalOverrides) -> io::Result<Self> {
        let mut out = stdout();
        // Asked before anything else reads the terminal's answers; one that does not answer has two seconds.
        let asks = || terminal::supports_keyboard_enhancement().unwrap_or(false);
        let abilities = Capabilities::find(wishes, |name| std::env::var(name).ok(), asks);
        set_up(&mut out, abilities.keyboard)?;
        let terminal = Terminal::new(AnsiBackend::on(stdout(), &abilities))?;
        Ok(Self {
            terminal,
            out,
            abilities,
        })
    }
}

/// Makes the terminal ready for a full screen.
fn set_up(out: &mut Stdout, keyboard: bool) -> io::Result<()> {
    execute!(
        out,
        Print("\x1b[22;0t"),
        terminal::EnterAlternateScreen,
        event::EnableBracketedPaste,
        event::EnableFocusChange,
        Print(MOUSE),
    )?;
    if keyboard {
        let flags = event::KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES;
        execute!(out, event::PushKeyboardEnhancementFlags(flags))?;
    }
    Ok(())
}

/// A panic goes into the log. One of the thread that draws ends the program, so the terminal is given
/// back first; one of another task ends that task alone, and must not disturb the screen.
fn restore_on_panic(log: &Path) {
    let (log, screen) = (log.to_owned(), std::thread::current().id());
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("{panic}");
        if std::thread::current().id() == screen && restore() {
            eprintln!(
                "nexscope-tui hit a bug and had to stop. The log is in {}.",
                log.display()
            );
            usual(panic);
        }
    }));
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, once. Returns whether it was ours.
fn restore() -> bool {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return false;
    }
    let mut out = stdout();
    // A terminal that is gone cannot be restored; each of these is tried anyway.
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        Print("\x1b[0m"),
        event::PopKeyboardEnhancementFlags,
        event::DisableMouseCapture,
        event::DisableFocusChange,
        event::DisableBracketedPaste,
        terminal::LeaveAlternateScreen,
        cursor::Show,
        Print("\x1b[23;0t"),
    );
    let _ = terminal::disable_raw_mode();
    true
}

impl Surface for Guard {
    type TtySink = Stdout;

    fn terminal(&mut self) -> &mut Real {
        &mut self.terminal
    }

    fn raw(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    fn stops(&self) -> Option<Signal> {
        signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw())).ok()
    }

    async fn lend(&mut self, errand: &ExternalProgram, folder: &Path) -> io::Result<String> {
        restore();
        let written = external::run(errand, folder).await;
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        self.terminal.backend_mut().forget();
        set_up(&mut self.out, self.abilities.keyboard)?;
        written
    }

    fn copy(&mut self, text: String) -> io::Result<()> {
        clipboard::put(&text, std::env::var_os("TMUX").is_some(), &mut self.out)
    }
}
