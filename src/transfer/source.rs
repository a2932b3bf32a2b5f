//! A local file, as it was when it was offered.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::Read,
    ops::ControlFlow,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{ProgressThrottle, STEP, SendError, TransferContext};
use crate::{
    core::files::{Source, TransferEvent},
    link::StreamEvent,
};

impl Source {
    fn of(path: &Path, meta: &Metadata, sha256: String) -> Self {
        Self {
            path: path.to_owned(),
            size: meta.len(),
            modified: modified(meta),
            sha256,
            identity: None,
        }
    }

    /// Opens it. Fails if it is gone or no longer what was offered.
    pub(super) fn open(&self) -> Result<File, SendError> {
        // Also sent to the receiver, who need not know its path.
        let file = match &self.identity {
            Some(identity) => identity.open()?,
            None => open(&self.path).map_err(|error| SendError::Unreadable((&error).into()))?,
        };
        match self.is_unchanged(&file) {
            true => Ok(file),
            false => Err(SendError::Changed),
        }
    }

    /// Whether the file at the path is still this one, as far as the system tells.
    pub fn is_there(&self) -> bool {
        self.open().is_ok()
    }

    /// Whether the file is still what was offered, as far as the system tells.
    pub(super) fn is_unchanged(&self, file: &File) -> bool {
        file.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.len() == self.size && modified(&meta) == self.modified)
    }
}

fn modified(meta: &Metadata) -> u64 {
    let (seconds, rest) = (meta.ctime().max(0) as u64, meta.ctime_nsec().max(0) as u64);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Opens a file for reading. Does not block if a pipe has replaced it.
fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)
}

/// Checks that `path` is a file that can be offered. Fails if it is not.
pub fn inspect(path: &Path) -> Result<(), SendError> {
    open_regular(path).map(drop)
}

/// Opens a file that the person named, once, and checks that it is a regular file.
fn open_regular(path: &Path) -> Result<File, SendError> {
    let name = crate::text::clean_line(&path.to_string_lossy(), 200);
    let failed = |error: std::io::Error| match error.raw_os_error() {
        // A socket.
        Some(code) if code == rustix::io::Errno::NXIO.raw_os_error() => SendError::Special(name.clone()),
        _ => SendError::Named(name.clone(), Box::new(SendError::Disk((&error).into()))),
    };
    let file = open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(SendError::Folder(name));
    }
    match meta.is_file() {
        true => Ok(file),
        false => Err(SendError::Special(name)),
    }
}

/// Reads a file in full and reports its size and hash.
pub(super) fn hash(path: &Path, ways: &TransferContext, mut pieces: mpsc::Receiver<StreamEvent>) {
    let (mut have, mut pulse) = (0, ProgressThrottle::new());
    let read = open_regular(path).and_then(|file| {
        read(file, path, |bytes| {
            have += bytes.len() as u64;
            pulse.beat(ways, have);
            match pieces.try_recv() {
                Ok(StreamEvent::Stop) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
    });
    match read {
        Ok(Some(source)) => ways.tell(TransferEvent::Hashed(source)),
        Ok(None) => {}
        Err(why) => ways.tell(TransferEvent::Failed(why.to_string())),
    }
}

/// Reads an open file in full, passing on each part; returns `None` if that is cancelled. Fails if it cannot
/// be read.
pub(super) fn read(
    mut file: File,
    path: &Path,
    mut part: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<Option<Source>, SendError> {
    let name = || crate::text::clean_line(&path.to_string_lossy(), 200);
    let unread = |error: std::io::Error| SendError::NotRead(name(), (&error).into());
    let before = Source::of(path, &file.metadata().map_err(unread)?, String::new());
    let (mut hash, mut buffer, mut have) = (Sha256::new(), vec![0; STEP], 0);
    loop {
        let read = file.read(&mut buffer).map_err(unread)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        have += read as u64;
        if have > before.size {
            return Err(SendError::Grows(name()));
        }
        if part(&buffer[..read]).is_break() {
            return Ok(None);
        }
    }
    if have != before.size || !before.is_unchanged(&file) {
        return Err(SendError::ChangedWhileRead(name()));
    }
    Ok(Some(Source {
        sha256: crate::text::hex(&hash.finalize()),
        ..before
    }))
}
