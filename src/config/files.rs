//! The settings for files that come.

use std::path::{Path, PathBuf};

use super::{file::FilesTable, paths::in_home};

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
    pub(super) fn set(&mut self, table: &FilesTable) {
        if let Some(dir) = &table.dir {
            self.dir = in_home(Path::new(dir));
        }
        self.auto_accept_below = table.auto_accept_below.unwrap_or(self.auto_accept_below);
        self.max = table.max.unwrap_or(self.max);
    }

    /// A project's file may only ask more, and take less.
    pub(super) fn tighten(&mut self, table: &FilesTable) {
        self.auto_accept_below = self
            .auto_accept_below
            .min(table.auto_accept_below.unwrap_or(u64::MAX));
        self.max = self.max.min(table.max.unwrap_or(u64::MAX));
    }
}
