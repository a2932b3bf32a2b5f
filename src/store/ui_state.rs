//! UI state saved on exit: the read position, the unsent text, and the input history.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::state_dir::{read_private, write_private};

/// The UI state kept over a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedView {
    /// The number of the newest message that was read.
    pub read: u32,
    /// The unsent text of the composer.
    pub unsent: String,
    /// The input history, oldest first.
    pub history: Vec<String>,
}

#[derive(Debug)]
pub struct UiState {
    path: PathBuf,
    kept: SavedView,
}

impl UiState {
    /// Reads the saved state of a room's folder; the default if there is none or it cannot be read, since
    /// nothing depends on it.
    pub fn open(folder: &Path) -> Self {
        let path = folder.join("screen.json");
        let kept = read_private(&path).ok();
        let kept = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            kept: kept.unwrap_or_default(),
            path,
        }
    }

    pub fn left(&self) -> &SavedView {
        &self.kept
    }

    /// Takes the current state, and returns a save to perform if it has changed: nobody who types waits for
    /// the disk. A crash leaves either the old or the new file (0600).
    pub fn keep(&mut self, left: SavedView) -> Option<PendingSave> {
        if left == self.kept {
            return None;
        }
        self.kept = left.clone();
        Some(PendingSave {
            path: self.path.clone(),
            left,
        })
    }
}

/// A save still to be written.
#[derive(Debug)]
pub struct PendingSave {
    path: PathBuf,
    left: SavedView,
}

impl PendingSave {
    /// Writes it. A failure is only logged, since nothing depends on it.
    pub fn write(self) {
        let bytes = serde_json::to_vec(&self.left).map_err(io::Error::from);
        if let Err(error) = bytes.and_then(|bytes| write_private(&self.path, &bytes)) {
            tracing::warn!(%error, "the view cannot be saved");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn what_is_kept_is_there_again_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let mut desk = UiState::open(dir.path());
        assert_eq!(*desk.left(), SavedView::default());
        let left = SavedView {
            read: 7,
            unsent: "half a\nthought".into(),
            history: vec!["one".into()],
        };
        desk.keep(left.clone()).unwrap().write();
        assert!(desk.keep(left.clone()).is_none());
        assert_eq!(*UiState::open(dir.path()).left(), left);
        let mode = fs::metadata(dir.path().join("screen.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(dir.path().join("screen.json"), "{").unwrap();
        assert_eq!(*UiState::open(dir.path()).left(), SavedView::default());
    }
}
