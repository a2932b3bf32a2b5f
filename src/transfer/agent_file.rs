//! An agent's files: opened beneath its folder, never through a link, and remembered as they were checked.

use std::{
    ffi::OsStr,
    fs::{File, Metadata},
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Component, Path},
};

use rustix::fs::{Mode, OFlags};

use super::{SendError, source};
use crate::core::files::{AgentFile, CheckedFile, Identity, Source};

/// Opens a folder only as a base for opening files beneath it, which needs no permission to list it.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
#[cfg(not(target_os = "linux"))]
const FOLDER: OFlags = OFlags::DIRECTORY;

/// Does not block on a pipe without a writer, and does not acquire a controlling terminal.
const READ: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);

impl AgentFile {
    /// Finds a file below `folder` that an agent names. Links are resolved once, here; from then on none is
    /// followed. Fails if there is no such file below the folder.
    pub fn find(path: &Path, folder: &Path) -> Result<Self, SendError> {
        let name = crate::text::clean_line(&path.to_string_lossy(), 200);
        let real = path
            .canonicalize()
            .map_err(|_| SendError::Missing(name.clone()))?;
        let below = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let Ok(inside) = real.strip_prefix(&below) else {
            let folder = folder.to_owned();
            return Err(SendError::Outside { name, folder });
        };
        let found = Self {
            name: inside.to_owned(),
            folder: below,
        };
        if real.is_dir() {
            return Err(SendError::Folder(name));
        }
        found
            .open()
            .map(|_| found)
            .map_err(|why| SendError::Named(name, Box::new(why)))
    }

    /// Opens the file and returns the metadata of the handle. Fails if it cannot be opened.
    pub(super) fn open(&self) -> Result<(File, Metadata), SendError> {
        let opened = open_folder(&self.folder).and_then(|folder| open_beneath(&folder, &self.name, READ));
        let file = File::from(opened.map_err(|error| not_opened(&error))?);
        let meta = file
            .metadata()
            .map_err(|error| SendError::Disk((&error).into()))?;
        match meta.is_file() {
            true => Ok((file, meta)),
            false => Err(SendError::NotRegular),
        }
    }
}

impl Identity {
    /// Opens the file. Fails if it cannot be opened or is no longer the same file.
    pub(super) fn open(&self) -> Result<File, SendError> {
        let (file, meta) = self.file.open()?;
        match (meta.dev(), meta.ino()) == (self.device, self.inode) {
            true => Ok(file),
            false => Err(SendError::Changed),
        }
    }
}

/// An agent's file, read in full from one handle.
pub struct Contents {
    pub checked: CheckedFile,
    /// The content, if it has at most the requested number of bytes.
    pub bytes: Option<Vec<u8>>,
    /// It has a second name (a hard link), which may lie outside of the folder.
    pub has_hard_links: bool,
}

/// Reads an agent's file of any size in full and keeps its content if it has at most `most` bytes; returns
/// `None` if `is_over` cancels it. Fails if the file cannot be read or changes meanwhile.
pub fn contents(
    file: &AgentFile,
    most: u64,
    is_over: impl Fn() -> bool,
) -> Result<Option<Contents>, SendError> {
    let (handle, meta) = file.open()?;
    let mut bytes = (meta.len() <= most).then(Vec::new);
    let source = source::read(handle, &file.path(), |part| {
        // The file may have grown since it was opened.
        match &mut bytes {
            Some(all) if (all.len() + part.len()) as u64 <= most => all.extend_from_slice(part),
            _ => bytes = None,
        }
        match is_over() {
            true => std::ops::ControlFlow::Break(()),
            false => std::ops::ControlFlow::Continue(()),
        }
    })?;
    Ok(source.map(|source| Contents {
        checked: CheckedFile(Source {
            identity: Some(Identity {
                file: file.clone(),
                device: meta.dev(),
                inode: meta.ino(),
            }),
            ..source
        }),
        bytes,
        has_hard_links: meta.nlink() > 1,
    }))
}

/// Opens an absolute folder without following a link.
fn open_folder(folder: &Path) -> io::Result<OwnedFd> {
    let root = rustix::fs::open("/", FOLDER | OFlags::CLOEXEC, Mode::empty())?;
    let inside = folder
        .strip_prefix("/")
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    match inside.as_os_str().is_empty() {
        true => Ok(root),
        false => open_beneath(&root, inside, FOLDER),
    }
}

/// Opens a path beneath a folder without following a link in any component.
fn open_beneath(folder: &OwnedFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use rustix::{fs::ResolveFlags, io::Errno};
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(folder, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // An old kernel, a sandbox that does not know the call, or a rename at the same moment.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
            opened => return Ok(opened?),
        }
    }
    open_by_component(folder, path, flags)
}

/// Does the same as [`open_beneath`] on systems without a single call for it.
fn open_by_component(folder: &OwnedFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let names = path.components().map(|component| match component {
        Component::Normal(name) => Ok(name),
        _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    });
    let names = names.collect::<io::Result<Vec<&OsStr>>>()?;
    let Some((last, folders)) = names.split_last() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let open = |at: &OwnedFd, name: &OsStr, flags: OFlags| {
        rustix::fs::openat(
            at,
            name,
            flags | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
    };
    let mut inner: Option<OwnedFd> = None;
    for name in folders {
        inner = Some(open(inner.as_ref().unwrap_or(folder), name, FOLDER)?);
    }
    Ok(open(inner.as_ref().unwrap_or(folder), last, flags)?)
}

fn not_opened(error: &io::Error) -> SendError {
    use rustix::io::Errno;
    match Errno::from_io_error(error) {
        Some(Errno::LOOP | Errno::MLINK | Errno::XDEV) => SendError::Link,
        Some(Errno::NXIO) => SendError::NotRegular,
        _ => SendError::Disk(error.into()),
    }
}

#[cfg(test)]
#[path = "agent_file_tests.rs"]
mod tests;
