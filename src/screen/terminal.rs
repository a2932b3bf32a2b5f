//! The terminal, taken and given back: on leaving, on errors, on panics.

use std::{
    io::{self, Stdout, Write, stdout},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    cursor, event, execute,
    terminal::{self, EndSynchronizedUpdate},
};
use ratatui::Terminal;

use super::{
    abilities::{Abilities, Wishes},
    paint::Paint,
};

/// The real terminal.
pub type Real = Terminal<Paint<Stdout>>;

/// Something that can be drawn on, with what only a real terminal has.
pub trait Surface {
    /// How it is drawn on.
    type Backend: ratatui::backend::Backend<Error: std::error::Error + Send + Sync + 'static>;
    /// The terminal.
    fn terminal(&mut self) -> &mut Terminal<Self::Backend>;
    /// Shows what was drawn.
    fn show(&mut self) -> io::Result<()>;
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
    /// What the terminal can do.
    pub abilities: Abilities,
}

impl Guard {
    /// Takes the terminal. After a panic of the screen it is given back, and the place of the log is told.
    pub fn take(log: &Path, wishes: &Wishes) -> io::Result<Self> {
        restore_on_panic(log);
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        Self::enter(wishes).inspect_err(|_| _ = restore())
    }

    fn enter(wishes: &Wishes) -> io::Result<Self> {
        let mut out = stdout();
        // Asked before anything else reads the terminal's answers; one that does not answer has two seconds.
        let asks = || terminal::supports_keyboard_enhancement().unwrap_or(false);
        let abilities = Abilities::find(wishes, |name| std::env::var(name).ok(), asks);
        set_up(&mut out, abilities.keyboard)?;
        let terminal = Terminal::new(Paint::new(stdout(), abilities.colors))?;
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
        crossterm::style::Print("\x1b[0m"),
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
    type Backend = Paint<Stdout>;

    fn terminal(&mut self) -> &mut Real {
        &mut self.terminal
    }

    fn show(&mut self) -> io::Result<()> {
        self.terminal.backend_mut().show()
    }

    fn lend(&mut self) -> io::Result<()> {
        restore();
        Ok(())
    }

    fn take_back(&mut self) -> io::Result<()> {
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        self.terminal.backend_mut().forget();
        set_up(&mut self.out, self.abilities.keyboard)
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
