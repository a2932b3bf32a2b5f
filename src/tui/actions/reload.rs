//! Reloads keymaps, themes and settings when their files are saved.

use std::{io, path::Path, time::Instant};

use toml::Spanned;

use crate::{
    config::{self, Config, ConfigDiff},
    tui::{
        Screen,
        input::{gate::Gate, keymap::Keymap},
        notify,
        state::{AfterConsent, PendingSettings, Tone},
        theme::Theme,
        view,
    },
};

/// The title of what shows looser settings.
const LOOSER: &str = "Looser settings";

impl Screen {
    /// Takes the keys and colours that `config` names, as they are at the start. Of what is wrong, the default holds,
    /// and the person is told.
    pub(crate) fn take_looks(&mut self, config: &Config) {
        if let Some(keymap) = self.load_looks(config) {
            self.take_keymap(keymap);
        }
    }

    /// Loads the keys and takes the colours that `config` names. Of what is wrong, the last good one stays, and the
    /// person is told.
    fn load_looks(&mut self, config: &Config) -> Option<Keymap> {
        let keymap = Keymap::load(&config.keymap, &self.folder.join("keymaps"));
        let theme = Theme::load(&config.theme, &self.folder.join("themes"));
        let wrong: Vec<String> = [keymap.as_ref().err(), theme.as_ref().err()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if let Ok(theme) = theme {
            self.theme = theme;
            self.state.reading.bodies.forget();
        }
        if !wrong.is_empty() {
            self.state.say(wrong.join("; "), Tone::Bad);
        }
        keymap.ok()
    }

    fn take_keymap(&mut self, keymap: Keymap) {
        self.state.commands &= keymap.is_modal();
        self.keymap = keymap;
    }

    /// Reloads a saved file. Values that are as safe or safer hold at once; looser ones wait for the person, and so do
    /// new keys that decide.
    pub(crate) fn reload(&mut self) {
        let config = match (self.reload)() {
            Ok(config) => config,
            Err(error) => return self.state.say(error.to_string(), Tone::Bad),
        };
        let mut change = ConfigDiff::between(self.client.config(), &config);
        self.state.message = None;
        let keymap = self.load_looks(&config);
        let well = self.state.message.is_none();
        let old = self.keymap.deciding();
        let mut keys: Vec<String> = keymap.as_ref().map(Keymap::deciding).unwrap_or_default();
        keys.retain(|key| !old.contains(key));
        let waits = match (keymap, keys.is_empty()) {
            (Some(keymap), true) => {
                self.take_keymap(keymap);
                if well {
                    self.state.say("Reloaded config.", Tone::Good);
                }
                None
            }
            (keymap, _) => keymap,
        };
        if !keys.is_empty() {
            change.looser.push("keys that decide".to_owned());
            change.details.extend(keys);
        }
        if !change.later.is_empty() {
            let words = format!("Saved. Restart to use: {}.", change.later.join(", "));
            self.state.say(words, Tone::Good);
        }
        self.attention.set(notify::NotifySettings::of(&change.safe));
        self.client.set_config(change.safe);
        // The text of the last change on the screen is out of date.
        self.close_looser();
        if change.looser.is_empty() {
            return self.ask_for_trust(&config);
        }
        self.state.looser = Some(PendingSettings {
            wants: AfterConsent::Saved(Box::new(config)),
            words: change.looser,
            details: change.details,
            keymap: waits.map(Box::new),
            shown: None,
        });
    }

    /// Asks for trust in a project's file that sets more than it may without it.
    pub(crate) fn ask_for_trust(&mut self, config: &Config) {
        self.state.looser = config.untrusted.clone().map(|untrusted| PendingSettings {
            words: vec![format!("this folder's {}", untrusted.keys.join(", "))],
            details: untrusted.text.clone(),
            keymap: None,
            wants: AfterConsent::Trust(untrusted),
            shown: None,
        });
    }

    fn close_looser(&mut self) {
        if self.state.modals.text().is_some_and(|text| text.title == LOOSER) {
            self.state.modals.uncover();
        }
    }

    /// Notes whether all of the looser settings have been on the screen.
    pub(crate) fn looser_drawn(&mut self, whole: bool, now: Instant) {
        let open = self.state.modals.text().is_some_and(|text| text.title == LOOSER);
        if let Some(looser) = &mut self.state.looser {
            match open && whole {
                true => _ = looser.shown.get_or_insert(now),
                false => looser.shown = None,
            }
        }
    }

    /// Shows the looser settings at the first press, and applies them at the second, once all have been on the screen.
    pub(crate) fn take_settings(&mut self, now: Instant) {
        let Some(looser) = &self.state.looser else {
            return self.state.say("No settings are pending.", Tone::Good);
        };
        let seen = looser.shown.is_some_and(|shown| Gate::settled(shown, now));
        if !seen || self.state.deciding.gate.is_in_burst(now) {
            let open = self.state.modals.text().is_some_and(|text| text.title == LOOSER);
            match self.state.modals.text_mut() {
                Some(paper) if open => {
                    paper.scroll = paper.seen.saturating_sub(1);
                    self.state.say("Read it to the end first.", Tone::Good);
                }
                _ => {
                    let lines = view::looser_lines(&self.look(), &looser.details);
                    self.state.read(LOOSER, lines);
                }
            }
            return;
        }
        let Some(PendingSettings { wants, keymap, .. }) = self.state.looser.take() else {
            return;
        };
        let trusted = matches!(wants, AfterConsent::Trust(_));
        let taken = match wants {
            AfterConsent::Saved(config) => Ok(*config),
            AfterConsent::Trust(untrusted) => untrusted
                .trust()
                .map_err(|error| format!("That cannot be saved: {error}."))
                .and_then(|()| (self.reload)().map_err(|error| error.to_string())),
        };
        self.state.modals.uncover();
        match taken {
            Ok(config) => {
                let later = ConfigDiff::between(self.client.config(), &config).later;
                let words = match later.is_empty() {
                    true => "Settings applied.".to_owned(),
                    false => format!("Settings applied. Restart to use: {}.", later.join(", ")),
                };
                // A trusted project's file may name a keymap.
                let keymap = match trusted {
                    true => self.load_looks(&config),
                    false => keymap.map(|keymap| *keymap),
                };
                if let Some(keymap) = keymap {
                    self.take_keymap(keymap);
                }
                self.ask_for_trust(&config);
                self.attention.set(notify::NotifySettings::of(&config));
                self.client.set_config(config);
                self.state.say(words, Tone::Good);
            }
            Err(why) => self.state.say(why, Tone::Bad),
        }
    }
}

/// A keymap's or theme's file, and those that it inherits from, one after the other.
pub(crate) struct Chain<'a> {
    what: &'static str,
    dir: Option<&'a Path>,
    built_in: &'a [(&'a str, &'a str)],
    /// The names of those that were read.
    names: Vec<String>,
    /// Who wants the next one: a file and its line.
    by: String,
}

impl<'a> Chain<'a> {
    /// Files of the user's own in `dir`, else those that are built in.
    pub fn new(what: &'static str, dir: Option<&'a Path>, built_in: &'a [(&'a str, &'a str)]) -> Self {
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
        let dir = self.dir.filter(|_| !self.names.iter().any(|one| one == name));
        let (place, text) =
            bundled(name, dir, self.built_in, self.what).map_err(|why| format!("{}{why}", self.by))?;
        if self.names.len() > 8 {
            return Err(format!(
                "{place}, inherits: the files inherit from each other in a circle"
            ));
        }
        self.names.push(name.to_owned());
        Ok((place, text))
    }

    /// The file at `place` inherits from `parent`, which is read next.
    pub fn inherits(&mut self, place: &str, text: &str, parent: &Spanned<String>) {
        self.by = format!("{place}, line {}: ", line_at(text, parent.span().start));
    }
}

/// Reads the file of that name: the person's own in `dir`, else a built-in one. Without `dir` only built-in ones are read,
/// whatever lies in the current folder.
fn bundled(
    name: &str,
    dir: Option<&Path>,
    built_in: &[(&str, &str)],
    what: &str,
) -> Result<(String, String), String> {
    if !nexscope_relay::protocol::is_name(name) {
        return Err(format!(
            "\"{}\" is not a valid name for a {what}",
            crate::text::clean_line(name, 40)
        ));
    }
    if let Some(path) = dir.map(|dir| dir.join(format!("{name}.toml"))) {
        match config::read_plain(&path, config::Links::Followed) {
            Ok(text) => return Ok((format!("{what}s/{name}.toml"), text)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("{}: {error}", path.display()));
            }
            Err(_) => {}
        }
    }
    let known = built_in.iter().find(|(known, _)| *known == name);
    known
        .map(|(_, text)| (format!("{what} {name}"), (*text).to_owned()))
        .ok_or_else(|| {
            let names: Vec<&str> = built_in.iter().map(|(name, _)| *name).collect();
            format!(
                "there is no {what} {name}; choose from {}, or add your own in {}",
                names.join(", "),
                dir.unwrap_or(Path::new("its folder")).display()
            )
        })
}

/// An error in a TOML file, with its line.
pub(crate) fn toml_error(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    format!("line {line}: {}", crate::config::with_nearest(error.message()))
}

/// The line, from 1, of a place in a text.
pub(crate) fn line_at(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}
