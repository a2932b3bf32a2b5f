//! Replies of the terminal to questions that somebody else asked, such as for its colours: crossterm reads them as keys,
//! and their text may come from others. They are dropped.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

/// How soon the text of a reply follows its beginning; no person types as fast.
const AT_ONCE: Duration = Duration::from_millis(50);
/// The longest gap within a reply.
const GAP: Duration = Duration::from_millis(200);
/// The longest time that a reply may take. Keys count again after it, even if the reply has no end.
const WHOLE: Duration = Duration::from_secs(2);

/// Tells keys from replies.
#[derive(Debug, Default)]
pub struct Replies {
    state: State,
    keys: VecDeque<Event>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Keys,
    /// A key that also begins a reply; it is one unless text follows at once.
    Begun { key: Event, at: Instant },
    /// In a reply since `began`, with its newest part at `newest`.
    Reply { began: Instant, newest: Instant },
}

impl Replies {
    /// Takes an event that was read at `now`.
    pub fn take(&mut self, event: Event, now: Instant) {
        self.expire(now);
        match &mut self.state {
            State::Begun { at, .. } if is_text(&event) => {
                let began = *at;
                self.state = State::Reply { began, newest: now };
            }
            State::Reply { .. } if ends(&event) => self.state = State::Keys,
            State::Reply { newest, .. } if matches!(event, Event::Key(_)) => *newest = now,
            State::Keys if begins(&event) => self.state = State::Begun { key: event, at: now },
            State::Keys | State::Reply { .. } => self.keys.push_back(event),
            State::Begun { .. } => {
                self.release();
                self.take(event, now);
            }
        }
    }

    /// The next event that is no part of a reply.
    pub fn next(&mut self) -> Option<Event> {
        self.keys.pop_front()
    }

    /// When a key that is held back turns out to be one.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Begun { at, .. } => Some(*at + AT_ONCE),
            _ => None,
        }
    }

    /// Notes that it is `now`.
    pub fn expire(&mut self, now: Instant) {
        match &self.state {
            State::Begun { at, .. } if now >= *at + AT_ONCE => self.release(),
            State::Reply { began, newest } if now >= *newest + GAP || now >= *began + WHOLE => {
                self.state = State::Keys;
            }
            _ => {}
        }
    }

    /// The key that is held back is one.
    fn release(&mut self) {
        if let State::Begun { key, .. } = std::mem::take(&mut self.state) {
            self.keys.push_back(key);
        }
    }
}

/// The character and modifiers of a pressed key.
fn character(event: &Event) -> Option<(char, KeyModifiers)> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
            KeyCode::Char(c) => Some((c, key.modifiers)),
            _ => None,
        },
        _ => None,
    }
}

/// OSC, DCS, APC, PM or SOS: `Esc` and one of these.
fn begins(event: &Event) -> bool {
    character(event)
        .is_some_and(|(c, with)| with.contains(KeyModifiers::ALT) && matches!(c, ']' | 'P' | '_' | '^' | 'X'))
}

/// ST (`Esc \`) or BEL.
fn ends(event: &Event) -> bool {
    matches!(
        character(event),
        Some(('\\', KeyModifiers::ALT) | ('g', KeyModifiers::CONTROL))
    )
}

fn is_text(event: &Event) -> bool {
    character(event).is_some_and(|(_, with)| !with.intersects(KeyModifiers::ALT | KeyModifiers::CONTROL))
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    /// The events that crossterm makes of `bytes`: `Esc` and a character are that character with Alt.
    fn events(bytes: &str) -> Vec<Event> {
        let mut chars = bytes.chars();
        let mut all = Vec::new();
        while let Some(c) = chars.next() {
            let (code, with) = match c {
                '\x1b' => (KeyCode::Char(chars.next().unwrap()), KeyModifiers::ALT),
                '\x07' => (KeyCode::Char('g'), KeyModifiers::CONTROL),
                '\r' => (KeyCode::Enter, KeyModifiers::NONE),
                c => (KeyCode::Char(c), KeyModifiers::NONE),
            };
            all.push(Event::Key(KeyEvent::new(code, with)));
        }
        all
    }

    /// What passes of `bytes` that are read within `each` of one another.
    fn passes(bytes: &str, each: Duration) -> Vec<Event> {
        let mut replies = Replies::default();
        let mut now = Instant::now();
        for event in events(bytes) {
            now += each;
            replies.take(event, now);
        }
        replies.expire(now + AT_ONCE);
        std::iter::from_fn(|| replies.next()).collect()
    }

    #[test]
    fn a_reply_is_no_key() {
        for reply in [
            "\x1b]11;rgb:aaaa/bbbb/cccc\x1b\\",
            "\x1b]11;rgb:aaaa/bbbb/cccc\x07",
            "\x1bP>|tmux 3.4\x1b\\",
            "\x1bP1$r0m\x1b\\",
            "\x1b_Gi=31;OK\x1b\\",
            // A title, which others may choose.
            "\x1b]lhello\ra\x1ba\x1b\\",
        ] {
            let text = format!("x{reply}y");
            assert_eq!(passes(&text, Duration::from_millis(1)), events("xy"), "{reply:?}");
            assert_eq!(
                passes(&text, Duration::from_millis(40)),
                events("xy"),
                "{reply:?}"
            );
        }
    }

    #[test]
    fn what_a_person_types_passes() {
        let slowly = Duration::from_millis(60);
        for typed in ["\x1b]", "\x1b]hello", "\x1bP\x1bP", "a\x1b\\b", "\x07", "\x1b]\r"] {
            assert_eq!(passes(typed, slowly), events(typed), "{typed:?}");
        }
        assert_eq!(passes("\x1b]\r", Duration::ZERO), events("\x1b]\r"));
    }

    #[test]
    fn a_reply_without_an_end_locks_nobody_out() {
        let mut replies = Replies::default();
        let start = Instant::now();
        let mut now = start;
        let mut passed = 0;
        for event in events(&format!("\x1b]0;{}", "a".repeat(100))) {
            replies.take(event, now);
            now += Duration::from_millis(40);
            passed += usize::from(replies.next().is_some());
        }
        assert!(passed > 40, "{passed}");
        // So does a pause.
        let mut replies = Replies::default();
        events("\x1b]0;")
            .into_iter()
            .for_each(|event| replies.take(event, start));
        let [key] = &events("k")[..] else { panic!() };
        replies.take(key.clone(), start + GAP);
        assert_eq!(replies.next().as_ref(), Some(key));
    }
}
