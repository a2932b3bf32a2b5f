//! Completions of the word at the cursor: members behind `@`, words behind `/`, files.

use std::path::{Path, PathBuf};

use super::composer::Composer;
use crate::{command::COMMANDS, core::Room, text};

/// Most choices that are offered.
const MOST: usize = 50;

/// Choices for the word at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Popup {
    /// The choices; never empty.
    pub choices: Vec<Choice>,
    /// Which one is at hand.
    pub at: usize,
    /// Characters before the cursor that it takes the place of.
    length: usize,
}

/// Something that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub insert: String,
    /// A note beside it.
    pub note: String,
}

impl Popup {
    /// Completions that open while one writes.
    pub fn while_writing(composer: &Composer, room: &Room) -> Option<Self> {
        let line = composer.before_cursor();
        let word = line.rsplit(char::is_whitespace).next()?;
        let choices: Vec<Choice> = if let Some(begun) = word.strip_prefix('@') {
            members(begun, room)
        } else if let Some(begun) = line.strip_prefix('/').filter(|_| composer.is_in_first_line()) {
            words(begun)
        } else {
            Vec::new()
        };
        Self::of(choices, word)
    }

    /// Files that could be meant, when completion is asked for: `here` is where names without a folder are.
    pub fn of_files(composer: &Composer, here: &Path) -> Option<Self> {
        let line = composer.before_cursor();
        let word = line.rsplit(char::is_whitespace).next()?;
        if !word.contains('/')
            || word.len() == line.len() && composer.is_in_first_line() && !word[1..].contains('/')
        {
            return None;
        }
        Self::of(files(word, here), word)
    }

    fn of(mut choices: Vec<Choice>, word: &str) -> Option<Self> {
        choices.truncate(MOST);
        // What is written already is no choice.
        if choices.is_empty() || choices.len() == 1 && choices[0].insert.trim_end() == word {
            return None;
        }
        Some(Self {
            choices,
            at: 0,
            length: word.chars().count(),
        })
    }

    /// Goes up or down, in a circle.
    pub fn turn(&mut self, by: isize) {
        let count = self.choices.len() as isize;
        self.at = (self.at as isize + by).rem_euclid(count) as usize;
    }

    /// Writes the one at hand.
    pub fn complete(&self, composer: &mut Composer) {
        composer.replace_before_cursor(self.length, &self.choices[self.at].insert);
    }
}

/// A file that was pasted, or dropped on the terminal, which then pastes its path: the words that offer it
/// before what is `written` already. None where no file is meant.
pub fn dropped(pasted: &str, written: &str, here: &Path) -> Option<String> {
    let pasted = pasted.trim();
    if pasted.contains(['\n', '\r']) || written.starts_with('/') {
        return None;
    }
    let bare = match pasted.as_bytes() {
        [first @ (b'\'' | b'"'), .., last] if first == last => pasted[1..pasted.len() - 1].to_owned(),
        _ => pasted
            .strip_prefix("file://")
            .unwrap_or(pasted)
            .replace("\\ ", " "),
    };
    let is_path = ["/", "~/", "./", "../"]
        .iter()
        .any(|start| bare.starts_with(start));
    let is_file = is_path && here.join(crate::config::in_home(Path::new(&bare))).is_file();
    let plain = text::clean(&bare).text == bare && !bare.contains(['"', '\\']);
    (is_file && plain).then(|| format!("/say --file \"{bare}\" {written}"))
}

fn begins(name: &str, begun: &str) -> bool {
    name.get(..begun.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(begun))
}

fn members(begun: &str, room: &Room) -> Vec<Choice> {
    let others = room.chat.members().list().iter();
    others
        .filter(|member| !nexscope_relay::protocol::same_name(&member.name, &room.settings.me))
        .filter(|member| begins(&member.name, begun))
        .map(|member| Choice {
            insert: format!("@{} ", member.name),
            note: member.agents.join(", "),
        })
        .collect()
}

fn words(begun: &str) -> Vec<Choice> {
    if begun.contains(char::is_whitespace) {
        return Vec::new();
    }
    let known = COMMANDS.iter().filter(|command| begins(&command.name, begun));
    known
        .map(|command| Choice {
            insert: format!("/{} ", command.name),
            note: command.summary.clone(),
        })
        .collect()
}

/// Files that begin so, folders first; names that cannot be written safely are left out.
fn files(word: &str, here: &Path) -> Vec<Choice> {
    let (folder, begun) = word.rsplit_once('/').unwrap_or(("", word));
    let path = match folder.strip_prefix('~') {
        Some(rest) => crate::config::in_home(&PathBuf::from(format!("~{rest}"))),
        None if word.starts_with('/') => PathBuf::from(format!("{folder}/")),
        None => here.join(folder),
    };
    let Ok(entries) = std::fs::read_dir(path) else {
        return Vec::new();
    };
    let mut found: Vec<(bool, String)> = entries
        .take(10_000)
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let shown = begins(&name, begun)
                && (begun.starts_with('.') || !name.starts_with('.'))
                && !name.contains(char::is_whitespace)
                && text::clean(&name).text == name;
            shown.then(|| (!entry.path().is_dir(), name))
        })
        .collect();
    found.sort();
    found
        .into_iter()
        .map(|(is_file, name)| Choice {
            insert: format!("{folder}/{name}{}", if is_file { " " } else { "/" }),
            note: String::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Composer {
        let mut composer = Composer::default();
        composer.set(text);
        composer
    }

    fn offered(popup: Option<Popup>) -> Vec<String> {
        let choices = popup.map_or_else(Vec::new, |popup| popup.choices);
        choices.into_iter().map(|choice| choice.insert).collect()
    }

    #[test]
    fn words_and_members_as_one_writes() {
        let world = super::super::tests::World::new();
        let table: &[(&str, &[&str])] = &[
            ("@", &["@bob ", "@carol "]),
            ("hello @C", &["@carol "]),
            ("@bob", &["@bob "]),
            ("@bob ", &[]),
            ("mail a@b", &[]),
            ("@alice", &[]),
            ("/in", &["/inbox "]),
            ("/inbox x", &[]),
            ("say /in", &[]),
            ("plain", &[]),
        ];
        for (text, expected) in table {
            let popup = Popup::while_writing(&written(text), world.room());
            // What is written whole is not offered again.
            let expected: &[&str] = if *text == "@bob" { &[] } else { expected };
            assert_eq!(offered(popup), expected, "{text}");
        }
        let mut composer = written("hello @C");
        let popup = Popup::while_writing(&composer, world.room()).unwrap();
        popup.complete(&mut composer);
        assert_eq!(composer.text(), "hello @carol ");
    }

    #[test]
    fn a_path_that_is_pasted_offers_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("my report.txt");
        std::fs::write(&file, "x").unwrap();
        let path = file.display().to_string();
        let offer = format!("/say --file \"{path}\" @bob see");
        for pasted in [
            path.clone(),
            format!("'{path}'"),
            format!("file://{path}\n"),
            path.replace(' ', "\\ "),
        ] {
            assert_eq!(
                dropped(&pasted, "@bob see", dir.path()),
                Some(offer.clone()),
                "{pasted}"
            );
        }
        let offer = "/say --file \"./my report.txt\" ";
        assert_eq!(dropped("./my report.txt", "", dir.path()).as_deref(), Some(offer));
        for pasted in [
            "/nowhere/at/all",
            "my report.txt",
            "see /etc/passwd",
            "/",
            "a\nb",
            "",
        ] {
            assert_eq!(dropped(pasted, "", dir.path()), None, "{pasted}");
        }
        assert_eq!(dropped(&path, "/say --file x", dir.path()), None);
    }

    #[test]
    fn files_when_they_are_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["src/lib.rs", "src/deep/x", "src/.hidden", "src/a\u{1b}b"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let table: &[(&str, &[&str])] = &[
            ("see src/", &["src/deep/", "src/lib.rs "]),
            ("see ./src/L", &["./src/lib.rs "]),
            ("see src/.", &["src/.hidden "]),
            ("src", &[]),
            ("/who", &[]),
            ("nowhere/", &[]),
        ];
        for (text, expected) in table {
            let popup = Popup::of_files(&written(text), dir.path());
            assert_eq!(offered(popup), *expected, "{text}");
        }
    }
}
