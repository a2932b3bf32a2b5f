//! The terminal, taken and given back: on leaving, on errors, on panics.

use std::{
    io::{self, Stdout, Write, stdout},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    cursor, event, execute, queue,
    terminal::{self, BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use ratatui::{Terminal, backend::CrosstermBackend};

/// The real terminal.
pub type Real = Terminal<CrosstermBackend<Stdout>>;

/// Something that can be drawn on, with what only a real terminal has.
pub trait Surface {
    /// How it is drawn on.
    type Backend: ratatui::backend::Backend<Error: std::error::Error + Send + Sync + 'static>;
    /// The terminal.
    fn terminal(&mut self) -> &mut Terminal<Self::Backend>;
    /// Begins an update that appears at once.
    fn begin(&mut self) -> io::Result<()>;
    /// Ends it.
    fn end(&mut self) -> io::Result<()>;
    /// Gives the terminal to another program for a while.
    fn lend(&mut self) -> io::Result<()>;
    /// Takes it back.
    fn take_back(&mut self) -> io::Result<()>;
    /// Takes the mouse, or gives it back.
    fn mouse(&mut self, on: bool) -> io::Result<()>;
    /// Where what is not drawn is written: the bell, the title.
    fn raw(&mut self) -> &mut dyn Write;
}

/// The terminal is ours, and in need of being given back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back when it is dropped.
pub struct Guard {
    terminal: Real,
    out: Stdout,
    /// The terminal tells Alt from Esc.
    pub alt_is_certain: bool,
}

impl Guard {
    /// Takes the terminal. After a panic of the screen it is given back, and the place of the log is told.
    pub fn take(log: &Path) -> io::Result<Self> {
        restore_on_panic(log);
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        Self::enter().inspect_err(|_| _ = restore())
    }

    fn enter() -> io::Result<Self> {
        let mut out = stdout();
        // Asked before anything else reads the terminal's answers.
        let alt_is_certain = terminal::supports_keyboard_enhancement().unwrap_or(false);
        set_up(&mut out, alt_is_certain)?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        Ok(Self {
            terminal,
            out,
            alt_is_certain,
        })
    }
}

/// Makes the terminal ready for a full screen.
fn set_up(out: &mut Stdout, keyboard: bool) -> io::Result<()> {
    execute!(
        out,
        crossterm::style::Print("\x1b[22;0t"),
        terminal::EnterAlternateScreen,
        event::EnableBracketedPaste,
        event::EnableFocusChange,
        event::EnableMouseCapture,
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
                "nexscope-tui met a mistake of its own and had to stop. The log is in {}.",
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
    // A terminal that is gone cannot be mended; each of these is tried all the same.
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        event::PopKeyboardEnhancementFlags,
        event::DisableMouseCapture,
        event::DisableFocusChange,
        event::DisableBracketedPaste,
        terminal::LeaveAlternateScreen,
        cursor::Show,
        crossterm::style::Print("\x1b[23;0t"),
    );
    let _ = terminal::disable_raw_mode();
    true
}

impl Surface for Guard {
    type Backend = CrosstermBackend<Stdout>;

    fn terminal(&mut self) -> &mut Real {
        &mut self.terminal
    }

    fn begin(&mut self) -> io::Result<()> {
        queue!(self.out, BeginSynchronizedUpdate)
    }

    fn end(&mut self) -> io::Result<()> {
        execute!(self.out, EndSynchronizedUpdate)
    }

    fn lend(&mut self) -> io::Result<()> {
        restore();
        Ok(())
    }

    fn take_back(&mut self) -> io::Result<()> {
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        set_up(&mut self.out, self.alt_is_certain)
    }

    fn mouse(&mut self, on: bool) -> io::Result<()> {
        match on {
            true => execute!(
                self.out,
                event::EnableMouseCapture,
                crossterm::style::Print("\x1b[?1007h")
            ),
            // Without the mouse the wheel would come as arrow keys.
            false => execute!(
                self.out,
                event::DisableMouseCapture,
                crossterm::style::Print("\x1b[?1007l")
            ),
        }
    }

    fn raw(&mut self) -> &mut dyn Write {
        &mut self.out
    }
}
