//! State folders: folders 0700, files 0600, one program at a time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// A member's state folder for one room of one relay: `HOST/ROOM/NAME` below the state folder.
#[derive(Debug, Clone)]
pub struct StateDir {
    relay: PathBuf,
    dir: PathBuf,
}

/// The state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Another program has joined the room with this name.
    #[error(
        "{name} is in this room already, by process {process}; leave it there, show it here with nexscope-tui attach (if it is headless), or choose another name with -n NAME"
    )]
    Taken {
        name: String,
        /// The process, and the folder in which it was started.
        process: String,
    },
    #[error("cannot use the folder {0}: {1}; fix that, or set XDG_STATE_HOME to another folder")]
    Disk(PathBuf, io::Error),
}

/// Keeps other programs out of a [`StateDir`] until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl StateDir {
    /// The state folder of `name` in `room` of the relay `host` (host and port), below `state`. Creates
    /// nothing yet.
    pub fn new(state: &Path, host: &str, room: &str, name: &str) -> Self {
        // Names are already validated; a host may be any text.
        let safe: String = host
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                    c
                } else {
                    '_'
                }
            })
            .take(100)
            .collect();
        // `.` and `..` are not hosts.
        let safe = if safe.starts_with('.') {
            format!("_{safe}")
        } else {
            safe
        };
        let relay = state.join("nexscope").join(safe);
        let dir = relay
            .join(room.to_ascii_lowercase())
            .join(name.to_ascii_lowercase());
        Self { relay, dir }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Creates and locks the folder. Fails if another program holds the lock, or it cannot be created.
    pub fn lock(&self, name: &str) -> Result<Lock, StateDirError> {
        let disk = |error| StateDirError::Disk(self.dir.clone(), error);
        make_dir(&self.dir).map_err(disk)?;
        let path = self.dir.join("lock");
        let mut file =
            open_private(OpenOptions::new().read(true).write(true).create(true), &path).map_err(disk)?;
        match file.try_lock() {
            Ok(()) => {
                let here = std::env::current_dir().unwrap_or_default();
                file.set_len(0).map_err(disk)?;
                write!(file, "{} in {}", std::process::id(), here.display()).map_err(disk)?;
                Ok(Lock { _file: file })
            }
            Err(fs::TryLockError::WouldBlock) => Err(StateDirError::Taken {
                name: name.to_owned(),
                process: crate::text::clean_line(&read_private_text(&path).unwrap_or_default(), 200),
            }),
            Err(fs::TryLockError::Error(error)) => Err(disk(error)),
        }
    }

    /// Returns the secret that proves to this relay that the same person owns a name; created once. Fails if
    /// it cannot be read or written.
    pub fn owner(&self) -> Result<String, StateDirError> {
        let path = self.relay.join("owner");
        let disk = |error| StateDirError::Disk(path.clone(), error);
        match read_private_text(&path) {
            Ok(owner) if !owner.trim().is_empty() => return Ok(owner.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(disk(error)),
        }
        let owner = nexscope_relay::random::secret().map_err(disk)?;
        write_private(&path, owner.as_bytes()).map_err(disk)?;
        Ok(owner)
    }
}

/// Creates a folder and its parents with mode 0700.
fn make_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens one of our files: created with mode 0600, and never through a link, which may point to any file of
/// the person's.
///
/// # Errors
///
/// If it cannot be opened, or is a link.
pub(crate) fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
    let opened = options.mode(0o600).custom_flags(no_follow).open(path);
    opened.map_err(|error| match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::LOOP) => io::Error::other("it is a link; only a plain file is used here"),
        _ => error,
    })
}

/// Reads one of our files in full; fails like [`open_private`].
pub(crate) fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_private(OpenOptions::new().read(true), path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads one of our text files in full; fails like [`open_private`], or if it is not UTF-8.
pub(crate) fn read_private_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_private(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Replaces a file atomically (0600): a crash leaves either the old or the new one. Fails if it cannot be
/// written.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        make_dir(dir)?;
    }
    let new = path.with_extension("new");
    let mut file = open_private(OpenOptions::new().write(true).create(true).truncate(true), &new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::store::{Journal, UiState};

    /// Issue 14, 23: a link in place of a file of the state folder was followed and written through.
    #[test]
    fn no_file_of_the_state_folder_is_opened_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        for name in [
            "journal.jsonl",
            "audit.jsonl",
            "audit.head",
            "audit.new",
            "lock",
            "screen.json",
            "screen.new",
            "owner",
        ] {
            fs::write(&victim, "{\"unsent\":\"of somebody else\"}").unwrap();
            let state = tempfile::tempdir().unwrap();
            let place = StateDir::new(state.path(), "relay:1", "lobby", "alice");
            make_dir(&place.dir).unwrap();
            let link = match name {
                "owner" => place.relay.join(name),
                _ => place.dir.join(name),
            };
            symlink(&victim, &link).unwrap();
            let journal =
                || Journal::open(&place.dir.join("journal.jsonl")).and_then(|reading| reading.finish());
            let refused = match name {
                "lock" => place.lock("alice").is_err(),
                "owner" => place.owner().is_err(),
                "screen.json" => {
                    let mut desk = UiState::open(&place.dir);
                    assert_eq!(desk.left().unsent, "");
                    let left = crate::store::SavedView {
                        read: 1,
                        ..Default::default()
                    };
                    desk.keep(left).unwrap().write();
                    // The link was replaced.
                    !link.is_symlink()
                }
                "screen.new" => write_private(&place.dir.join("screen.json"), b"x").is_err(),
                _ => journal().is_err(),
            };
            assert!(refused, "{name}");
            assert_eq!(
                fs::read_to_string(&victim).unwrap(),
                "{\"unsent\":\"of somebody else\"}",
                "{name}"
            );
        }
        let error = open_private(OpenOptions::new().read(true), &{
            let link = dir.path().join("link");
            symlink(&victim, &link).unwrap();
            link
        });
        assert!(error.unwrap_err().to_string().contains("it is a link"));
    }

    #[test]
    fn files_are_made_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        open_private(OpenOptions::new().write(true).create(true), &path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
