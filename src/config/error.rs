//! Why settings cannot be used.

use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is wrong, at a line from 1.
    #[error("{}, line {line}: {what}", path.display())]
    Wrong {
        path: PathBuf,
        line: usize,
        what: String,
    },
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Value(String),
}
