//! Calls the person when something waits: the bell, and a count in the terminal's title.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use crossterm::{Command, terminal::SetTitle};

use crate::{
    config::Notify,
    room::{Attention as Call, Room},
};

/// At most one bell in so long.
const PAUSE: Duration = Duration::from_secs(5);
/// Before a terminal has told of its focus: who has pressed a key so recently is looking.
const LOOKING: Duration = Duration::from_secs(10);

/// Who is called, and when they were called last.
#[derive(Debug, Default)]
pub struct Attention {
    ways: Vec<Notify>,
    focused: Option<bool>,
    last_key: Option<Instant>,
    last_bell: Option<Instant>,
    rings: bool,
    title: String,
}

impl Attention {
    /// Calls in these ways.
    pub fn new(ways: Vec<Notify>) -> Self {
        Self {
            ways,
            ..Self::default()
        }
    }

    /// Calls in other ways from now on.
    pub fn set_ways(&mut self, ways: Vec<Notify>) {
        self.ways = ways;
    }

    /// The terminal has, or has lost, the focus.
    pub fn focus(&mut self, focused: bool) {
        self.focused = Some(focused);
    }

    /// A key was pressed.
    pub fn key(&mut self, now: Instant) {
        self.last_key = Some(now);
    }

    /// Whether the person looks at the screen.
    pub fn looks(&self, now: Instant) -> bool {
        let recent = |at: Instant| now.duration_since(at) < LOOKING;
        self.focused.unwrap_or_else(|| self.last_key.is_some_and(recent))
    }

    /// Something calls for the person.
    pub fn call(&mut self, _why: Call, now: Instant) {
        let recent = |at: Option<Instant>, span| at.is_some_and(|at| now.duration_since(at) < span);
        if self.ways.contains(&Notify::Bell) && !self.looks(now) && !recent(self.last_bell, PAUSE) {
            self.last_bell = Some(now);
            self.rings = true;
        }
    }

    /// Writes what is to be written to the terminal, if anything is.
    pub fn write(&mut self, room: &Room, out: &mut dyn Write) -> io::Result<()> {
        let mut escape = String::new();
        if std::mem::take(&mut self.rings) {
            escape.push('\x07');
        }
        if self.ways.contains(&Notify::Title) {
            let waiting = room.inbox.len();
            let count = if waiting > 0 {
                format!("({waiting}) ")
            } else {
                String::new()
            };
            let title = format!("{count}#{} · nexscope", room.settings.room);
            if title != self.title {
                // Formatting into a string does not fail.
                let _ = SetTitle(&title).write_ansi(&mut escape);
                self.title = title;
            }
        }
        if !escape.is_empty() {
            out.write_all(escape.as_bytes())?;
            out.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings(attention: &mut Attention, now: Instant) -> bool {
        attention.call(Call::Item, now);
        std::mem::take(&mut attention.rings)
    }

    #[test]
    fn only_who_does_not_look_and_not_too_often() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut attention = Attention::new(vec![Notify::Bell]);
        attention.key(start);
        assert!(!rings(&mut attention, at(9)));
        assert!(rings(&mut attention, at(10)));
        assert!(!rings(&mut attention, at(14)));
        assert!(rings(&mut attention, at(15)));
        attention.focus(true);
        assert!(!rings(&mut attention, at(30)));
        attention.focus(false);
        assert!(rings(&mut attention, at(31)));
        assert!(!rings(&mut Attention::new(vec![]), at(0)));
    }
}
