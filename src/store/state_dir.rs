//! Where things lie: folders 0700, files 0600, one program at a time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustix::fs::OFlags;

/// The state folder of one member in one room of one relay: `HOST/ROOM/NAME` below the state folder.
#[derive(Debug, Clone)]
pub struct StateDir {
    relay: PathBuf,
    dir: PathBuf,
}

/// The state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Another program is in the room with this name.
    #[error(
        "{name} is in this room already, by process {process}; leave it there, show it here with nexscope-tui attach (if it is headless), or choose another name with -n NAME"
    )]
    Taken {
        name: String,
        /// Which process, and in which folder it was started.
        process: String,
    },
    #[error("cannot use the folder {0}: {1}; fix that, or set XDG_STATE_HOME to another folder")]
    Disk(PathBuf, io::Error),
}

/// Keeps other programs out of a [`StateDir`] for as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl StateDir {
    /// The place of `name` in `room` of the relay `host` (host and port), below `state`. Nothing is made yet.
    pub fn new(state: &Path, host: &str, room: &str, name: &str) -> Self {
        // Names follow the name rule already; a host may be anything.
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
        // `.` and `..` are no host.
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

    /// Makes the folder and takes it. Fails where another program has it, or the disk does not allow it.
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

    /// The secret that proves to this relay that a name is still the same person's; made once.
    pub fn owner(&self) -> Result<String, StateDirError> {
        let path = self.relay.join("owner");
        let disk = |error| StateDirError::Disk(path.clone(), error);
        match read_private_text(&path) {
            Ok(owner) if !owner.trim().is_empty() => return Ok(owner.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(disk(error)),
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| disk(io::Error::other(error.to_string())))?;
        let owner = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        write_private(&path, owner.as_bytes()).map_err(disk)?;
        Ok(owner)
    }
}

/// Makes a folder and those above it, 0700.
fn make_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file of ours: made 0600, and never through a link, which may lead into any file of the person's.
///
/// # Errors
///
/// Also where a link lies in the file's place.
pub(crate) fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
    let opened = options.mode(0o600).custom_flags(no_follow).open(path);
    opened.map_err(|error| match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::LOOP) => io::Error::other("it is a link; only a plain file is used here"),
        _ => error,
    })
}

/// All of a file of ours; as [`open_private`].
pub(crate) fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_private(OpenOptions::new().read(true), path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All of a text file of ours; as [`open_private`].
pub(crate) fn read_private_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_private(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes a whole file, 0600, so that a crash leaves the old one or the new one.
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

    /// Issue 14, 23: a link in the place of a file of the state folder was followed and written through.
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
                    // Put in the place of the link.
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
