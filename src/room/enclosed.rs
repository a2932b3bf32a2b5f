//! Files that go with a draft: what their names tell, and what was found when they were looked through.

use std::{borrow::Cow, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    Decision, Effect, ItemId, Matter, Room,
    audit::{self, Enclosure},
    flag::{self, OUTSIDE},
    shared,
};
use crate::{
    text::{clean, clean_line, lossless},
    transfer::Source,
};

/// Files up to this size, in bytes, are looked through.
pub const LOOKED_THROUGH: u64 = 8 << 20;
/// So many places of one file are told; who has seen those needs no more.
const PLACES: usize = 20;
/// So many of them stand in a warning.
const WARNED: usize = 3;

/// A file that goes with a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Enclosed {
    /// Where it lies.
    #[serde(with = "lossless")]
    pub path: PathBuf,
    /// What it turned out to be; none while it is still looked through, which each start does anew.
    #[serde(skip)]
    pub looked: Option<Looked>,
}

/// A file that was looked through, or why it was not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looked {
    /// The file as it was then, where all of it was read: this one is sent, or none.
    pub source: Option<Source>,
    /// What was found, by its place.
    pub found: Vec<Found>,
    /// Why nothing was looked for in it.
    pub not_through: Option<String>,
}

/// Something in a file that must not leave without a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it looks like; as a [`super::Flag`] says it.
    pub what: Cow<'static, str>,
    /// In which line; the first one is 1.
    pub line: usize,
}

impl Looked {
    /// Looks a file through: `bytes` are all that it holds. `own` are secrets of this very session, `brought` is what
    /// came from outside of the agent's folder.
    pub fn through(source: Source, bytes: &[u8], own: &[&str], brought: &str) -> Self {
        let source = Some(source);
        // No text has a NUL; one that is not UTF-8 may still hold what its issuer wrote in ASCII.
        if bytes.contains(&0) {
            let not_through = Some("it is no text".to_owned());
            return Self {
                source,
                not_through,
                ..Self::default()
            };
        }
        let text = clean(&String::from_utf8_lossy(bytes)).text;
        let found = flag::with(flag::secrets(&text, own), OUTSIDE, shared::with(&text, brought));
        let (mut line, mut end) = (1, 0);
        let found = found.into_iter().map(|flag| {
            // It may begin with the white space before its first word.
            let words = text[flag.at.clone()].trim_start().len();
            let start = flag.at.end - words;
            line += text[end..start].matches('\n').count();
            end = start;
            let what = flag.what;
            Found { what, line }
        });
        let mut found: Vec<Found> = found.collect();
        found.dedup();
        found.truncate(PLACES);
        Self {
            source,
            found,
            not_through: None,
        }
    }

    /// One that was not looked through, and why.
    pub fn not(why: impl Into<String>) -> Self {
        Self {
            not_through: Some(why.into()),
            ..Self::default()
        }
    }
}

impl Enclosed {
    /// A file that is still to be looked through.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, looked: None }
    }

    /// Its name alone, for a person.
    fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        clean_line(&name.to_string_lossy(), 200)
    }

    /// Which it is, and whether it was looked through, in words.
    pub fn in_words(&self) -> String {
        let path = clean_line(&self.path.to_string_lossy(), 200);
        let not = self.looked.as_ref().map(|looked| looked.not_through.as_ref());
        match not {
            None => format!("{path} (being looked through)"),
            Some(Some(why)) => format!("{path} (not looked through: {why})"),
            Some(None) => path,
        }
    }

    /// What a person should look at before it leaves, in a few words each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let name = self.name();
        let named = flag::secret_name(&name).map(|what| format!("{name} is named like {what}"));
        let found = self.looked.as_ref().map_or(&[][..], |looked| &looked.found);
        let places = found
            .iter()
            .take(WARNED)
            .map(|one| format!("{name} line {} {}", one.line, flag::what_in_words(&one.what)));
        let more = found.len().checked_sub(WARNED + 1);
        let more = more.map(|_| format!("{name} has more such places"));
        named.into_iter().chain(places).chain(more).collect()
    }

    /// The file as it is to be sent: where it was looked through, as it was then.
    pub(super) fn source(&self) -> Source {
        let looked = self.looked.as_ref().and_then(|looked| looked.source.clone());
        looked.unwrap_or_else(|| Source::unread(self.path.clone()))
    }

    fn noted(&self) -> Enclosure {
        let looked = self.looked.clone().unwrap_or_default();
        Enclosure {
            name: self.name(),
            size: looked.source.as_ref().map(|source| source.size),
            sha256: looked.source.map(|source| source.sha256),
            found: looked
                .found
                .iter()
                .map(|one| format!("line {}: {}", one.line, one.what))
                .collect(),
            not_through: looked.not_through,
        }
    }
}

impl Room {
    /// Has the files of a draft looked through. `brought` is what its agent has got from outside of its folder.
    pub(super) fn look_through(&self, number: u32, brought: String, effects: &mut Vec<Effect>) {
        let Some(Matter::Draft(draft)) = self.inbox.get(ItemId::Draft(number)).map(|item| &item.matter)
        else {
            return;
        };
        let files: Vec<PathBuf> = draft.files.iter().map(|file| file.path.clone()).collect();
        if !files.is_empty() {
            effects.push(Effect::Look {
                draft: number,
                files,
                brought,
            });
        }
    }

    /// The files of a draft were looked through, in its order.
    pub(super) fn looked(&mut self, number: u32, looked: Vec<Looked>, effects: &mut Vec<Effect>) {
        let id = ItemId::Draft(number);
        let Some(draft) = self.inbox.draft_mut(id) else {
            return;
        };
        for (file, looked) in draft.files.iter_mut().zip(looked) {
            file.looked = Some(looked);
        }
        let entry = audit::Entry::Looked {
            item: id.to_string(),
            run: draft.run.clone(),
            answers: draft.question.as_ref().map(|(_, key)| key.1.clone()),
            files: draft.files.iter().map(Enclosed::noted).collect(),
        };
        Self::note_audit(entry, effects);
    }

    /// The first file of a draft that is not yet looked through.
    fn not_yet(&self, id: ItemId) -> Option<&Enclosed> {
        match self.inbox.get(id).map(|item| &item.matter) {
            Some(Matter::Draft(draft)) => draft.files.iter().find(|file| file.looked.is_none()),
            _ => None,
        }
    }

    /// A draft may leave when its files were looked through. Fails, with a sentence, while they are not.
    pub(super) fn is_looked_through(&self, id: ItemId) -> Result<(), String> {
        match self.not_yet(id) {
            Some(file) => Err(format!(
                "{} of {id} is still being looked through: wait a moment, and accept it then.",
                file.name()
            )),
            None => Ok(()),
        }
    }

    /// Whether a decision has not to wait for files to be looked through.
    pub fn may_leave(&self, decision: &Decision) -> bool {
        match decision {
            Decision::Accept { target, .. } => {
                let ids = self.items(*target).unwrap_or_default();
                ids.iter().all(|id| self.not_yet(*id).is_none())
            }
            _ => true,
        }
    }

    /// Files of drafts that are not any more what was looked through are looked through anew: whose, in words.
    pub fn look_again(
        &mut self,
        target: super::Target,
        is_there: impl Fn(&Source) -> bool,
    ) -> (Vec<Effect>, Option<String>) {
        let (mut effects, mut told) = (Vec::new(), None);
        for id in self.items(target).unwrap_or_default() {
            let (ItemId::Draft(number), Some(draft)) = (id, self.inbox.draft_mut(id)) else {
                continue;
            };
            let changed = |file: &&mut Enclosed| {
                let source = file.looked.as_ref().and_then(|looked| looked.source.as_ref());
                source.is_some_and(|source| !is_there(source))
            };
            let Some(file) = draft.files.iter_mut().find(changed) else {
                continue;
            };
            told = Some(format!(
                "{} of {id} has changed since it was looked through, and is looked through anew: accept it then.",
                file.name()
            ));
            draft.files.iter_mut().for_each(|file| file.looked = None);
            self.look_through(number, String::new(), &mut effects);
        }
        (effects, told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(bytes: &[u8]) -> Looked {
        Looked::through(
            Source::unread("/x".into()),
            bytes,
            &["plain-room-word"],
            &"brought from far away ".repeat(5),
        )
    }

    #[test]
    fn what_is_found_and_in_which_line() {
        let token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
        let github = "GitHub token";
        let table: &[(String, &[(&str, usize)])] = &[
            (String::new(), &[]),
            ("nothing in it\n".into(), &[]),
            (token.to_owned(), &[(github, 1)]),
            (
                format!("a\nb {token}\nc\n\n{token} {token}"),
                &[(github, 2), (github, 5)],
            ),
            (format!("a\r\nb\r\n{token}"), &[(github, 3)]),
            // Nothing is hidden by what nobody sees.
            (
                format!("a\n{}\u{200b}{}", &token[..9], &token[9..]),
                &[(github, 2)],
            ),
            ("-----BEGIN PRIVATE KEY-----\nMII".into(), &[("private key", 1)]),
            (
                "\n\nthe word is plain-room-word".into(),
                &[("this room's token", 3)],
            ),
            (
                format!("x\n{}", "brought  from far\taway ".repeat(5)),
                &[(OUTSIDE, 2)],
            ),
        ];
        for (text, expected) in table {
            let looked = through(text.as_bytes());
            let found: Vec<(&str, usize)> = looked.found.iter().map(|one| (&*one.what, one.line)).collect();
            assert_eq!(
                (found.as_slice(), looked.not_through),
                (*expected, None),
                "{text}"
            );
        }
        let latin1 = [b"caf\xe9\n", token.as_bytes()].concat();
        assert_eq!(through(&latin1).found.len(), 1);
        let many = format!("{token}\n").repeat(100);
        assert_eq!(through(many.as_bytes()).found.len(), PLACES);
    }

    #[test]
    fn what_is_no_text_is_said_to_be_none() {
        let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        assert_eq!(through(picture).not_through.as_deref(), Some("it is no text"));
        let file = Enclosed {
            path: "/w/a.png".into(),
            looked: Some(through(picture)),
        };
        assert_eq!(file.in_words(), "/w/a.png (not looked through: it is no text)");
        assert!(file.warnings().is_empty());
    }

    #[test]
    fn a_few_places_are_warned_of() {
        let text = "ghp_abcdefghijklmnopqrstuvwxyz0123456789\n".repeat(5);
        let file = Enclosed {
            path: "/w/.env".into(),
            looked: Some(through(text.as_bytes())),
        };
        let expected = [
            ".env is named like a file of secret settings",
            ".env line 1 looks like a GitHub token",
            ".env line 2 looks like a GitHub token",
            ".env line 3 looks like a GitHub token",
            ".env has more such places",
        ];
        assert_eq!(file.warnings(), expected);
    }
}
