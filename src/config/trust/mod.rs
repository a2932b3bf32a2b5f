//! Project files that a person has trusted, by their content: a changed file must be trusted again.

pub(crate) mod approvals;

use std::{
    io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::Paths;
use crate::{store, text};

/// A project's file with settings that only a trusted file may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Untrusted {
    /// Keys that are ignored until then.
    pub(crate) keys: Vec<String>,
    /// The whole file for the person to read, with invisible characters escaped.
    pub(crate) text: Vec<String>,
    line: String,
    ledger: PathBuf,
}

impl Untrusted {
    pub(super) fn new(paths: &Paths, text: &str, keys: Vec<String>) -> Self {
        Self {
            keys,
            text: text
                .split('\n')
                .map(|line| text::escape_line(line).text)
                .collect(),
            line: line(&paths.project_file(), text),
            ledger: ledger(paths),
        }
    }

    /// Trusts the file as it was read. Fails where that cannot be saved.
    pub(crate) fn trust(&self) -> io::Result<()> {
        let (_, path) = self.line.split_once(' ').unwrap_or_default();
        let known = store::read_private_text(&self.ledger).unwrap_or_default();
        let others = known
            .lines()
            .filter(|line| line.split_once(' ').is_some_and(|(_, known)| known != path));
        let mut all: String = others.map(|line| format!("{line}\n")).collect();
        all.push_str(&self.line);
        all.push('\n');
        store::write_private(&self.ledger, all.as_bytes())
    }
}

pub(super) fn is_trusted(paths: &Paths, text: &str) -> bool {
    let line = line(&paths.project_file(), text);
    store::read_private_text(&ledger(paths)).is_ok_and(|known| known.lines().any(|one| one == line))
}

fn ledger(paths: &Paths) -> PathBuf {
    paths.state.join("nexscope").join("trusted")
}

/// A line of the ledger: the hash of a content, and its file's path.
fn line(file: &Path, content: &str) -> String {
    let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let hash = text::hex(&Sha256::digest(content.as_bytes()));
    // A line break in a path would begin another line.
    format!("{hash} {}", path.display().to_string().escape_debug())
}
