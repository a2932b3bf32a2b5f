//! Why a file cannot be sent or kept. The person reads it, and so does the other side, which need not know paths of
//! files that were offered to it.

use std::{fmt, io, path::PathBuf};

use crate::text;

/// Why a file cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("it has changed since it was offered; offer it again")]
    Changed,
    #[error("it became shorter while it was sent")]
    Shorter,
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it is a link, or a folder on the way to it is one")]
    Link,
    #[error("it cannot be read: {0}")]
    Unreadable(DiskError),
    #[error("{0}")]
    Disk(DiskError),

    #[error("there is no file {0}")]
    Missing(String),
    #[error("{name} is not below {}", .folder.display())]
    Outside { name: String, folder: PathBuf },
    #[error("{0} is a folder: pack it into one file first.")]
    Folder(String),
    #[error("{0} is not a regular file and cannot be sent.")]
    Special(String),
    #[error("{0}: {1}")]
    Named(String, Box<SendError>),
    #[error("{0} cannot be read: {1}")]
    NotRead(String, DiskError),
    #[error("{0} grows while it is read; send it when it is done")]
    Grows(String),
    #[error("{0} has changed while it was read; try again")]
    ChangedWhileRead(String),
}

/// Why a file that is received cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    #[error("{0} cannot be used: {1}")]
    Folder(String, DiskError),
    #[error("{0} is a link, and is not followed; remove it")]
    FolderIsLink(String),
    #[error("{0} cannot be written: {1}")]
    NotWritten(String, DiskError),
    #[error("{0} cannot be read: {1}")]
    NotRead(String, DiskError),
    #[error("{0} is not a regular file; remove it")]
    Special(String),
    /// Sizes in bytes.
    #[error(
        "not enough disk space: {} needed, {} free, of which {} stay reserved",
        text::bytes(*.needed),
        text::bytes(*.free),
        text::bytes(*.reserved)
    )]
    NoSpace { needed: u64, free: u64, reserved: u64 },
    #[error("its SHA-256 does not match; what was received was deleted")]
    WrongHash,
    #[error("{0} was replaced by another file while it was received; remove that, then retry")]
    Replaced(String),
    /// The name, and how many files are called so.
    #[error("{0} exists {1} times; remove some")]
    NameTaken(String, u32),
}

/// What the disk said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskError(io::ErrorKind, String);

impl From<&io::Error> for DiskError {
    fn from(error: &io::Error) -> Self {
        Self(error.kind(), error.to_string())
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self.0 {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full",
            io::ErrorKind::NotFound => "there is no such file",
            io::ErrorKind::PermissionDenied => "the system does not allow it",
            _ => {
                let text = self.1.split(" (os error").next().unwrap_or(&self.1);
                return f.write_str(&text::clean_line(&text.to_lowercase(), 120));
            }
        })
    }
}
