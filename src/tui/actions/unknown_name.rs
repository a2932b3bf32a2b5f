//! A message to a name that nobody here has or had is asked about before it goes.

use std::time::Instant;

use crate::{
    core::{Command, UnknownNames},
    tui::{Screen, input::gate::Gate, state::Tone},
};

/// A message that names somebody unknown, and was asked about.
#[derive(Debug)]
pub struct AskedName {
    text: String,
    unknown: UnknownNames,
    at: Instant,
}

impl AskedName {
    /// The message with the nearest known name in the place of the unknown one; none where no name is near.
    fn corrected(&self) -> Option<String> {
        let near = self.unknown.near.first()?;
        let written = format!("@{}", self.unknown.name);
        let is_whole = |at: usize| {
            let rest = &self.text[at + written.len()..];
            !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        let (at, _) = self.text.match_indices(&written).find(|(at, _)| is_whole(*at))?;
        let (before, rest) = self.text.split_at(at);
        Some(format!("{before}@{near}{}", &rest[written.len()..]))
    }
}

/// Whether a message goes. One to a name that nobody here has or had goes with a second Enter, pressed once the
/// question has been there to be read.
pub(crate) fn may_be_sent(screen: &mut Screen, command: &mut Command, text: &str, now: Instant) -> bool {
    let Command::Say { to, force, .. } = command else {
        return true;
    };
    let Some(unknown) = screen.client.room().unknown_name(to).filter(|_| !*force) else {
        return true;
    };
    let asked = screen.state.questions.name.take();
    *force = asked.is_some_and(|asked| asked.text == text && Gate::settled(asked.at, now));
    if !*force {
        let tab = match unknown.near.is_empty() {
            true => "",
            false => "Tab corrects it, ",
        };
        let words = format!(
            "{} {tab}Enter sends it to {} anyway.",
            unknown.in_words(),
            unknown.name
        );
        screen.state.questions.name = Some(AskedName {
            text: text.to_owned(),
            unknown,
            at: now,
        });
        screen.state.say(words, Tone::Bad);
    }
    *force
}

/// Writes the nearest known name in the place of the unknown one that was asked about, where the message is still
/// what it was. Returns whether it has.
pub(crate) fn correct_name(screen: &mut Screen) -> bool {
    let composer = &mut screen.state.composer;
    let asked = screen
        .state
        .questions
        .name
        .take_if(|asked| asked.text == composer.whole());
    let corrected = asked.and_then(|asked| asked.corrected());
    if let Some(corrected) = &corrected {
        composer.set(corrected);
        screen.state.message = None;
    }
    corrected.is_some()
}
