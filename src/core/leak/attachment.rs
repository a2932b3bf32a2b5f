//! Attachments of drafts: warnings about their names, and the results of scanning them.

use std::{borrow::Cow, fmt::Display};

use serde::{Deserialize, Serialize};

use crate::{
    core::{
        Ctx, Effect, Intent, ItemId, ItemKind, Record, Refused, Room,
        files::{AgentFile, CheckedFile, Source},
        leak::{
            overlap,
            secrets::{self, OUTSIDE},
        },
        persist::audit::{self, AttachedFile},
    },
    text::{bytes, clean, clean_line},
};

/// Largest file that is scanned, in bytes.
pub const LOOKED_THROUGH: u64 = 8 << 20;
/// Highest number of findings that are kept of one file; a person who has seen those needs no more.
const PLACES: usize = 20;
/// Highest number of findings that a warning lists.
const WARNED: usize = 3;

/// An attachment of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Attachment {
    pub file: AgentFile,
    /// The scan result; `None` while the scan is pending.
    pub looked: Option<ScanResult>,
}

/// An [`Attachment`] in the journal; earlier versions kept only its path.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Whole {
        file: AgentFile,
        looked: Option<ScanResult>,
    },
    Path(AgentFile),
}

impl From<Written> for Attachment {
    fn from(written: Written) -> Self {
        match written {
            Written::Whole { file, looked } => Self { file, looked },
            Written::Path(file) => Self::new(file),
        }
    }
}

/// Result of scanning a file, or the reason why it was not scanned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScanResult {
    /// The file that was read whole: only this one is sent. Without it the draft cannot be accepted.
    pub checked: Option<CheckedFile>,
    /// Findings, in the order of their lines.
    pub found: Vec<Found>,
    /// The reason why it was not scanned.
    pub not_through: Option<String>,
    /// Whether it has another name (a hard link), which may be outside the agent's folder.
    #[serde(default)]
    pub has_hard_links: bool,
}

/// A finding in a file, which must not leave without a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The kind of finding, as in a [`crate::core::Flag`].
    pub what: Cow<'static, str>,
    /// Line number, from 1.
    pub line: usize,
}

impl ScanResult {
    /// Scans a file. `bytes` is its whole content, `own` are the secrets of this session, `brought` is text that
    /// came from outside the agent's folder.
    pub fn through(checked: CheckedFile, bytes: &[u8], own: &[&str], brought: &str) -> Self {
        let checked = Some(checked);
        // Text has no NUL; a file that is not UTF-8 may still contain an issuer's ASCII tokens.
        if bytes.contains(&0) {
            let not_through = Some("it is not text".to_owned());
            return Self {
                checked,
                not_through,
                ..Self::default()
            };
        }
        let text = clean(&String::from_utf8_lossy(bytes)).text;
        let found = secrets::with(
            secrets::secrets(&text, own),
            OUTSIDE,
            overlap::with(&text, brought),
        );
        let (mut line, mut end) = (1, 0);
        let found = found.into_iter().map(|flag| {
            // The finding may start with white space before its first word.
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
            checked,
            found,
            ..Self::default()
        }
    }

    /// The result for a file that is too large to be scanned, although it was read whole.
    pub fn too_large(checked: CheckedFile) -> Self {
        Self {
            checked: Some(checked),
            not_through: Some(format!("it is larger than {}", bytes(LOOKED_THROUGH))),
            ..Self::default()
        }
    }

    /// The result for a file that could not be read, with the reason: it cannot be sent.
    pub fn not(why: impl Display) -> Self {
        Self {
            not_through: Some(why.to_string()),
            ..Self::default()
        }
    }
}

impl Attachment {
    /// A file with a pending scan.
    pub(in crate::core) fn new(file: AgentFile) -> Self {
        Self { file, looked: None }
    }

    /// The file name alone, for a person.
    fn name(&self) -> String {
        let path = self.file.path();
        let name = path.file_name().unwrap_or(path.as_os_str());
        clean_line(&name.to_string_lossy(), 200)
    }

    /// Formats the name and the scan result for a person.
    pub fn in_words(&self) -> String {
        let path = clean_line(&self.file.path().to_string_lossy(), 200);
        match &self.looked {
            None => format!("{path} (being searched)"),
            Some(ScanResult {
                checked: None,
                not_through: why,
                ..
            }) => format!(
                "{path} (cannot be sent: {})",
                why.as_deref().unwrap_or("it was not read")
            ),
            Some(ScanResult {
                not_through: Some(why),
                ..
            }) => format!("{path} (not searched: {why})"),
            Some(_) => path,
        }
    }

    /// Warnings for the person to check before it is sent, in a few words each.
    pub(in crate::core) fn warnings(&self) -> Vec<String> {
        let name = self.name();
        let named = secrets::secret_name(&name).map(|what| format!("{name} is named like {what}"));
        let in_name = secrets::secrets(&name, &[])
            .into_iter()
            .map(|flag| format!("the name of a file {}", flag.in_words()));
        let linked = self.looked.as_ref().is_some_and(|looked| looked.has_hard_links);
        let linked = linked
            .then(|| format!("{name} is a hard link: the same file may lie outside the agent's folder"));
        let found = self.looked.as_ref().map_or(&[][..], |looked| &looked.found);
        let places = found
            .iter()
            .take(WARNED)
            .map(|one| format!("{name} line {} {}", one.line, secrets::what_in_words(&one.what)));
        let more = found.len().checked_sub(WARNED + 1);
        let more = more.map(|_| format!("{name} has more of them"));
        named
            .into_iter()
            .chain(in_name)
            .chain(linked)
            .chain(places)
            .chain(more)
            .collect()
    }

    /// The file to be sent; `None` before it was read whole.
    pub(in crate::core) fn source(&self) -> Option<Source> {
        let checked = self.looked.as_ref()?.checked.as_ref()?;
        Some(checked.source().clone())
    }

    /// The reason why it cannot be sent, if it could not be read.
    fn is_unreadable(&self) -> Option<&str> {
        let looked = self.looked.as_ref().filter(|looked| looked.checked.is_none())?;
        Some(looked.not_through.as_deref().unwrap_or("it was not read"))
    }

    fn noted(&self) -> AttachedFile {
        let looked = self.looked.clone().unwrap_or_default();
        let source = self.source();
        AttachedFile {
            name: audit::without(&self.name(), &secrets::secrets(&self.name(), &[])).0,
            size: source.as_ref().map(|source| source.size),
            sha256: source.map(|source| source.sha256),
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
    /// Whether a decision can be carried out without waiting for a scan.
    pub fn may_leave(&self, intent: &Intent) -> bool {
        match intent {
            Intent::Accept { target, .. } => {
                let ids = self.items(*target).unwrap_or_default();
                ids.iter().all(|id| not_yet(self, *id).is_none())
            }
            _ => true,
        }
    }
}

/// Rescans attachments that have changed since the scan. If there are any, returns the sentence to show.
pub(in crate::core) fn look_again(
    room: &mut Room,
    target: crate::core::Target,
    is_there: impl Fn(&Source) -> bool,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let mut result = Ok(());
    for id in room.items(target).unwrap_or_default() {
        let (ItemId::Draft(number), Some(draft)) = (id, room.review.inbox.draft_mut(id)) else {
            continue;
        };
        let changed = |file: &&mut Attachment| {
            file.looked.is_some() && !file.source().is_some_and(|source| is_there(&source))
        };
        let Some(file) = draft.files.iter_mut().find(changed) else {
            continue;
        };
        let name = file.name();
        result = Err(match file.is_unreadable() {
            None => Refused::FileChanged { file: name, id },
            Some(why) => Refused::Unreadable {
                file: name,
                id,
                why: why.to_owned(),
            },
        });
        draft.files.iter_mut().for_each(|file| file.looked = None);
        look_through(room, number, String::new(), ctx);
    }
    result
}

/// Starts the scan of a draft's files. `brought` is text that its agent got from outside its folder.
pub(in crate::core) fn look_through(room: &Room, number: u32, brought: String, ctx: &mut Ctx) {
    let Some(ItemKind::Draft(draft)) = room
        .review
        .inbox
        .get(ItemId::Draft(number))
        .map(|item| &item.matter)
    else {
        return;
    };
    let files: Vec<AgentFile> = draft.files.iter().map(|one| one.file.clone()).collect();
    if !files.is_empty() {
        ctx.push(Effect::Look {
            draft: number,
            files,
            brought,
        });
    }
}

/// Applies the scan results of a draft's files, in the draft's order.
pub(in crate::core) fn looked(room: &mut Room, number: u32, looked: Vec<ScanResult>, ctx: &mut Ctx) {
    let id = ItemId::Draft(number);
    let Some(draft) = room.review.inbox.draft_mut(id) else {
        return;
    };
    for (file, looked) in draft.files.iter_mut().zip(looked.iter().cloned()) {
        file.looked = Some(looked);
    }
    let entry = audit::Entry::Looked {
        item: id.to_string(),
        run: draft.run.clone(),
        answers: draft.question.as_ref().map(|(_, key)| key.1.clone()),
        files: draft.files.iter().map(Attachment::noted).collect(),
    };
    ctx.record(
        entry,
        Record::Looked {
            number,
            files: looked,
        },
    );
    room.review.inbox.changed(id);
}

/// Restores the scan results of a draft's files after a restart.
pub(in crate::core) fn restore_looked(room: &mut Room, number: u32, looked: Vec<ScanResult>) {
    let Some(draft) = room.review.inbox.draft_mut(ItemId::Draft(number)) else {
        return;
    };
    for (file, looked) in draft.files.iter_mut().zip(looked) {
        file.looked = Some(looked);
    }
}

/// Scans what was not scanned before a restart. Other results are kept, so that a change is noticed.
pub(in crate::core) fn look_through_the_rest(room: &mut Room, ctx: &mut Ctx) {
    let ids = room.review.inbox.waiting().map(|item| item.id);
    for id in ids.collect::<Vec<_>>() {
        if let ItemId::Draft(number) = id
            && not_yet(room, id).is_some()
        {
            look_through(room, number, String::new(), ctx);
        }
    }
}

/// The first file of a draft whose scan is pending.
fn not_yet(room: &Room, id: ItemId) -> Option<&Attachment> {
    match room.review.inbox.get(id).map(|item| &item.matter) {
        Some(ItemKind::Draft(draft)) => draft.files.iter().find(|file| file.looked.is_none()),
        _ => None,
    }
}

/// Checks that a draft's files were scanned and could be read. Fails if not.
pub(in crate::core) fn is_looked_through(room: &Room, id: ItemId) -> Result<(), Refused> {
    if let Some(file) = not_yet(room, id) {
        let file = file.name();
        return Err(Refused::StillSearched { file, id });
    }
    let Some(ItemKind::Draft(draft)) = room.review.inbox.get(id).map(|item| &item.matter) else {
        return Ok(());
    };
    let unreadable = draft
        .files
        .iter()
        .find_map(|file| Some((file.name(), file.is_unreadable()?)));
    unreadable.map_or(Ok(()), |(file, why)| {
        let why = why.to_owned();
        Err(Refused::Unreadable { file, id, why })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(bytes: &[u8]) -> ScanResult {
        ScanResult::through(
            CheckedFile::test("/x"),
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
            // Invisible characters hide nothing.
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
        assert_eq!(through(picture).not_through.as_deref(), Some("it is not text"));
        let file = Attachment {
            file: "/w/a.png".into(),
            looked: Some(through(picture)),
        };
        assert_eq!(file.in_words(), "/w/a.png (not searched: it is not text)");
        assert!(file.warnings().is_empty());
    }

    #[test]
    fn a_few_places_are_warned_of() {
        let text = "KEY=ghp_abcdefghijklmnopqrstuvwxyz0123456789\n".repeat(5);
        let file = Attachment {
            file: "/w/.env".into(),
            looked: Some(through(text.as_bytes())),
        };
        let expected = [
            ".env is named like a file of secret settings",
            ".env line 1 looks like a GitHub token",
            ".env line 2 looks like a GitHub token",
            ".env line 3 looks like a GitHub token",
            ".env has more of them",
        ];
        assert_eq!(file.warnings(), expected);
    }
}
