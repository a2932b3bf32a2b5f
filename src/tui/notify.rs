//! Calls the person when something waits: the bell, the terminal's notification, a program of theirs, and a
//! count in the terminal's title.

use std::{
    io::{self, Write},
    process::Stdio,
    time::{Duration, Instant},
};

use crossterm::{Command, terminal::SetTitle};

use crate::{
    config::{Config, Notify},
    core::{Attention as Call, Room},
};

/// At most one call in so long.
const PAUSE: Duration = Duration::from_secs(5);
/// Before a terminal has told of its focus: who has pressed a key so recently is looking.
const LOOKING: Duration = Duration::from_secs(10);

/// How the person wishes to be called.
#[derive(Debug, Clone, Default)]
pub struct NotifySettings {
    pub ways: Vec<Notify>,
    pub kinds: Vec<Call>,
    /// A program, and what it is given before the words; none if it is empty.
    pub command: Vec<String>,
}

impl NotifySettings {
    pub fn of(config: &Config) -> Self {
        Self {
            ways: config.notify.clone(),
            kinds: config.notify_for.clone(),
            command: config.notify_command.clone(),
        }
    }
}

/// Calls the person, and knows when it did last.
#[derive(Debug, Default)]
pub struct Notifications {
    wishes: NotifySettings,
    focused: Option<bool>,
    last_key: Option<Instant>,
    last_call: Option<Instant>,
    calls: Option<Call>,
    title: String,
}

impl Notifications {
    /// Calls as it is wished.
    pub fn new(wishes: NotifySettings) -> Self {
        Self {
            wishes,
            ..Self::default()
        }
    }

    /// Calls in other ways from now on.
    pub fn set(&mut self, wishes: NotifySettings) {
        self.wishes = wishes;
    }

    /// The terminal has, or has lost, the focus.
    pub fn focus(&mut self, focused: bool) {
        self.focused = Some(focused);
    }

    pub fn key(&mut self, now: Instant) {
        self.last_key = Some(now);
    }

    /// Whether the person looks at the screen.
    pub fn looks(&self, now: Instant) -> bool {
        let recent = |at: Instant| now.duration_since(at) < LOOKING;
        self.focused.unwrap_or_else(|| self.last_key.is_some_and(recent))
    }

    /// Something calls for the person.
    pub fn call(&mut self, why: Call, now: Instant) {
        let recent = self.last_call.is_some_and(|at| now.duration_since(at) < PAUSE);
        if self.wishes.kinds.contains(&why) && !self.looks(now) && !recent {
            self.last_call = Some(now);
            self.calls = Some(why);
        }
    }

    /// Writes what is to be written to the terminal, and starts the person's program, if they are called.
    pub fn write(&mut self, room: &Room, out: &mut dyn Write) -> io::Result<()> {
        let mut escape = String::new();
        if let Some(why) = self.calls.take() {
            if self.wishes.ways.contains(&Notify::Bell) {
                escape.push('\x07');
            }
            if self.wishes.ways.contains(&Notify::Osc9) {
                escape.push_str(&format!("\x1b]9;{}\x1b\\", words(why, room)));
            }
            self.start(&words(why, room));
        }
        if self.wishes.ways.contains(&Notify::Title) {
            let waiting = room.review.inbox().len();
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

impl Notifications {
    fn start(&self, words: &str) {
        let Some((program, arguments)) = self.wishes.command.split_first() else {
            return;
        };
        let started = tokio::process::Command::new(program)
            .args(arguments)
            .arg(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            // It is not waited for here; tokio takes its end.
            Ok(mut child) => _ = tokio::spawn(async move { child.wait().await }),
            Err(error) => tracing::warn!(%error, program, "notify_command cannot be started"),
        }
    }
}

/// The text of a call, in nothing but our own words, numbers and the room's name.
fn words(why: Call, room: &Room) -> String {
    let name = &room.settings.room;
    match (why, room.review.inbox().len()) {
        (Call::Item, 1) => format!("Nexscope: 1 pending in #{name}"),
        (Call::Item, waiting) => format!("Nexscope: {waiting} pending in #{name}"),
        (Call::Message, _) => format!("Nexscope: a message for you in #{name}"),
        (Call::Failure, _) => format!("Nexscope: something failed in #{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings(attention: &mut Notifications, now: Instant) -> bool {
        attention.call(Call::Item, now);
        attention.calls.take().is_some()
    }

    fn wishes(kinds: &[Call]) -> NotifySettings {
        NotifySettings {
            ways: vec![Notify::Bell, Notify::Osc9],
            kinds: kinds.to_vec(),
            command: Vec::new(),
        }
    }

    #[test]
    fn a_call_is_a_bell_and_words_of_our_own() {
        let mut program = crate::core::Program::new(Box::new(String::new));
        let room = program.open(crate::core::Settings::new("alice", "lobby"));
        let room = program.room(room);
        let mut attention = Notifications::new(wishes(&[Call::Failure]));
        attention.call(Call::Item, Instant::now());
        attention.call(Call::Failure, Instant::now());
        let mut out = Vec::new();
        attention.write(room, &mut out).unwrap();
        let sent = String::from_utf8(out).unwrap();
        assert_eq!(sent, "\x07\x1b]9;Nexscope: something failed in #lobby\x1b\\");
    }

    #[test]
    fn only_who_does_not_look_and_not_too_often() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut attention = Notifications::new(wishes(&[Call::Item]));
        attention.key(start);
        assert!(!rings(&mut attention, at(9)));
        assert!(rings(&mut attention, at(10)));
        assert!(!rings(&mut attention, at(14)));
        assert!(rings(&mut attention, at(15)));
        attention.focus(true);
        assert!(!rings(&mut attention, at(30)));
        attention.focus(false);
        assert!(rings(&mut attention, at(31)));
        assert!(!rings(&mut Notifications::new(wishes(&[])), at(0)));
    }
}
