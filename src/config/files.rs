//! The settings for files that come.

use std::path::{Path, PathBuf};

use super::{ConfigError, file::FilesTable, paths::in_home};

/// What is taken of files that others offer, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The folder; each room has its own below it.
    pub dir: PathBuf,
    /// Files below this size, in bytes, come without asking.
    pub auto_accept_below: u64,
    /// The largest file that is taken, in bytes.
    pub max: u64,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            dir: in_home(Path::new("~/Downloads/nexscope")),
            auto_accept_below: 0,
            max: 4 << 30,
        }
    }
}

impl Files {
    pub(super) fn set(&mut self, table: &FilesTable) -> Result<(), ConfigError> {
        if let Some(dir) = &table.dir {
            self.dir = in_home(Path::new(dir));
        }
        let (below, max) = sizes(table)?;
        self.auto_accept_below = below.unwrap_or(self.auto_accept_below);
        self.max = max.unwrap_or(self.max);
        Ok(())
    }

    /// A project's file may only ask more, and take less.
    pub(super) fn tighten(&mut self, table: &FilesTable) -> Result<(), ConfigError> {
        let (below, max) = sizes(table)?;
        self.auto_accept_below = self.auto_accept_below.min(below.unwrap_or(u64::MAX));
        self.max = self.max.min(max.unwrap_or(u64::MAX));
        Ok(())
    }
}

/// `auto_accept_below` and `max`, in bytes.
fn sizes(table: &FilesTable) -> Result<(Option<u64>, Option<u64>), ConfigError> {
    let read = |key: &str, text: &Option<String>| match text {
        Some(text) => crate::text::parse_bytes(text)
            .map(Some)
            .map_err(|why| ConfigError::Value(format!("files.{key}: {why}"))),
        None => Ok(None),
    };
    Ok((
        read("auto_accept_below", &table.auto_accept_below)?,
        read("max", &table.max)?,
    ))
}
