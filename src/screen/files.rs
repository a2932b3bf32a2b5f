//! The person's files: keymaps, themes and settings, taken anew as they are saved.

use std::{io, path::Path, time::Instant};

use toml::Spanned;

use super::{
    Screen, attention,
    gate::Gate,
    keymap::Keymap,
    state::{Looser, Overlay, Paper, Tone, Wants},
    theme::Theme,
    view,
};
use crate::config::{Change, Config};

impl Screen {
    /// Takes the keys and colours that `config` names. Of what is wrong, the last good one stays, and the
    /// person is told. Returns whether all was right.
    pub(super) fn take_looks(&mut self, config: &Config) -> bool {
        let keymap = Keymap::load(&config.keymap, &self.folder.join("keymaps"));
        let theme = Theme::load(&config.theme, &self.folder.join("themes"));
        let wrong: Vec<String> = [keymap.as_ref().err(), theme.as_ref().err()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if let Ok(keymap) = keymap {
            self.state.commands &= keymap.is_modal();
            self.keymap = keymap;
        }
        if let Ok(theme) = theme {
            self.theme = theme;
            self.state.reading.bodies.forget();
        }
        if !wrong.is_empty() {
            self.state.say(wrong.join("; "), Tone::Bad);
        }
        wrong.is_empty()
    }

    /// A file was saved: what is as safe or safer holds at once, what is looser waits for a key.
    pub(super) fn reload(&mut self) {
        let config = match (self.reload)() {
            Ok(config) => config,
            Err(error) => return self.state.say(error.to_string(), Tone::Bad),
        };
        self.attention.set(attention::Wishes::of(&config));
        if self.take_looks(&config) {
            self.state
                .say("Keys and colours are as they were saved.", Tone::Good);
        }
        let change = Change::between(self.session.config(), &config);
        if !change.later.is_empty() {
            let words = format!("Saved; {} holds from the next start on.", change.later.join(", "));
            self.state.say(words, Tone::Good);
        }
        self.session.set_config(change.safe);
        if change.looser.is_empty() {
            return self.ask_for_trust(&config);
        }
        self.state.looser = Some(Looser {
            wants: Wants::Saved(Box::new(config)),
            words: change.looser,
            shown: None,
        });
    }

    /// A project's file that wants more than it may waits until the person has read and trusted it.
    pub(super) fn ask_for_trust(&mut self, config: &Config) {
        self.state.looser = config.untrusted.clone().map(|untrusted| Looser {
            words: vec![format!("this folder's {}", untrusted.keys.join(", "))],
            wants: Wants::Trust(untrusted),
            shown: None,
        });
    }

    /// The first press shows all that is looser, the second takes it.
    pub(super) fn take_settings(&mut self, now: Instant) {
        let Some(looser) = &mut self.state.looser else {
            return self.state.say("No settings wait for you.", Tone::Good);
        };
        if !looser.shown.is_some_and(|shown| Gate::settled(shown, now)) {
            looser.shown.get_or_insert(now);
            let words = match &looser.wants {
                Wants::Saved(_) => looser.words.clone(),
                Wants::Trust(untrusted) => untrusted.text.clone(),
            };
            let lines = view::looser_lines(&self.look(), &words);
            self.state.overlay = Overlay::Paper(Paper {
                title: "Looser settings",
                lines,
                scroll: 0,
            });
            return;
        }
        let taken = match self.state.looser.take().map(|looser| looser.wants) {
            Some(Wants::Saved(config)) => Ok(*config),
            Some(Wants::Trust(untrusted)) => untrusted
                .trust()
                .map_err(|error| format!("That cannot be written down: {error}."))
                .and_then(|()| (self.reload)().map_err(|error| error.to_string())),
            None => return,
        };
        self.state.overlay = Overlay::None;
        match taken {
            Ok(config) => {
                let later = Change::between(self.session.config(), &config).later;
                let words = match later.is_empty() {
                    true => "The settings are as they were saved.".to_owned(),
                    false => format!("Taken; {} holds from the next start on.", later.join(", ")),
                };
                self.session.set_config(config);
                self.state.say(words, Tone::Good);
            }
            Err(why) => self.state.say(why, Tone::Bad),
        }
    }
}

/// A keymap's or theme's file, and those that it inherits from, one after the other.
pub(super) struct Chain<'a> {
    /// "keymap" or "theme".
    what: &'static str,
    dir: &'a Path,
    built_in: &'a [(&'a str, &'a str)],
    /// The names of those that were read.
    names: Vec<String>,
    /// Who wants the next one: a file and its line.
    by: String,
}

impl<'a> Chain<'a> {
    /// Files of the user's own in `dir`, else those that are built in.
    pub fn new(what: &'static str, dir: &'a Path, built_in: &'a [(&'a str, &'a str)]) -> Self {
        Self {
            what,
            dir,
            built_in,
            names: Vec::new(),
            by: String::new(),
        }
    }

    /// Where the file of that name is, for people, and its text. One that inherits its own name means the built-in
    /// one. Fails with a sentence that names who wants it.
    pub fn read(&mut self, name: &str) -> Result<(String, String), String> {
        let dir = match self.names.iter().any(|one| one == name) {
            true => Path::new(""),
            false => self.dir,
        };
        let (place, text) =
            bundled(name, dir, self.built_in, self.what).map_err(|why| format!("{}{why}", self.by))?;
        if self.names.len() > 8 {
            return Err(format!("{place}, inherits: the files go round in a circle"));
        }
        self.names.push(name.to_owned());
        Ok((place, text))
    }

    /// The file at `place` inherits from `parent`, which is read next.
    pub fn inherits(&mut self, place: &str, text: &str, parent: &Spanned<String>) {
        self.by = format!("{place}, line {}: ", line_at(text, parent.span().start));
    }
}

fn bundled(
    name: &str,
    dir: &Path,
    built_in: &[(&str, &str)],
    what: &str,
) -> Result<(String, String), String> {
    if !nexscope_relay::protocol::is_name(name) {
        return Err(format!(
            "\"{}\" is no name of a {what}",
            crate::text::clean_line(name, 40)
        ));
    }
    let path = dir.join(format!("{name}.toml"));
    match std::fs::read_to_string(&path) {
        Ok(text) => return Ok((format!("{what}s/{name}.toml"), text)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("{}: {error}", path.display()));
        }
        Err(_) => {}
    }
    let known = built_in.iter().find(|(known, _)| *known == name);
    known
        .map(|(_, text)| (format!("{what} {name}"), (*text).to_owned()))
        .ok_or_else(|| {
            let names: Vec<&str> = built_in.iter().map(|(name, _)| *name).collect();
            format!(
                "there is no {what} {name}; there is {}, and your own go into {}",
                names.join(", "),
                dir.display()
            )
        })
}

/// An error in a TOML file, with its line.
pub(super) fn toml_error(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    format!("line {line}: {}", crate::config::with_nearest(error.message()))
}

/// The line, from 1, of a place in a text.
pub(super) fn line_at(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}
