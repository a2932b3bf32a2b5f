//! Why settings cannot be used.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is wrong.
    #[error("{}, line {line}: {what}", path.display())]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A value is wrong, wherever it stands.
    #[error("{0}")]
    Value(String),
}

impl ConfigError {
    /// Says which file a wrong value stands in, where that is not said yet.
    pub(super) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Value(what) => Self::Value(format!("{}: {what}", path.display())),
            other => other,
        }
    }
}
