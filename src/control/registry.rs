//! The registry of running sessions: a socket for each, and a file beside it that describes the session.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::write_private;

/// The folder of a user's sockets.
#[derive(Debug, Clone)]
pub struct SessionRegistry {
    dir: PathBuf,
    too_long: Option<PathBuf>,
}

/// Highest length of a socket's path, in bytes: 107 on Linux, 103 on macOS.
const SOCKET_PATH_MAX: usize = 103;
/// Length of `/`, 16 digits and `.sock`.
const SOCKET_NAME: usize = 22;

/// A running session, as it has registered itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub pid: u32,
    /// The folder that it was started in.
    pub folder: PathBuf,
    pub name: String,
    pub room: String,
    pub relay: String,
    pub headless: bool,
}

impl SessionRegistry {
    /// The default folder: `$XDG_RUNTIME_DIR/nexscope`, or `run` in the state folder if there is none. If its path
    /// is too long for a socket, a short one in `/tmp`.
    pub fn usual(runtime: Option<&str>, state: &Path) -> Self {
        let dir = match runtime.filter(|dir| Path::new(dir).is_absolute()) {
            Some(dir) => Path::new(dir).join("nexscope"),
            None => state.join("nexscope").join("run"),
        };
        match dir.as_os_str().len() + SOCKET_NAME > SOCKET_PATH_MAX {
            true => Self {
                // Not the variable TMPDIR: agents and their shells have another one.
                dir: format!("/tmp/nexscope-{}", rustix::process::geteuid().as_raw()).into(),
                too_long: Some(dir),
            },
            false => Self { dir, too_long: None },
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder whose path was too long, if there is one.
    pub fn too_long(&self) -> Option<&Path> {
        self.too_long.as_deref()
    }

    /// Creates the folder, 0700. Fails if it belongs to another user, or others may write to it.
    pub fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        match self.is_ours() {
            true => Ok(()),
            false => Err(io::Error::other("it is not private to this user")),
        }
    }

    /// Whether the folder belongs to this user and nobody else may write to it: only then are its files
    /// trusted.
    fn is_ours(&self) -> bool {
        let meta = fs::symlink_metadata(&self.dir);
        meta.is_ok_and(|meta| {
            let ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw();
            ours && meta.permissions().mode() & 0o022 == 0
        })
    }

    /// The socket path of the session whose state is in `place`.
    pub fn socket(&self, place: &Path) -> PathBuf {
        let hash = Sha256::digest(place.as_os_str().as_encoded_bytes());
        let name = crate::text::hex(&hash[..8]);
        self.dir.join(format!("{name}.sock"))
    }

    /// Registers the session that listens on a socket. Fails if its file cannot be written.
    pub fn enter(&self, socket: &Path, entry: &Entry) -> io::Result<()> {
        let text = serde_json::to_vec(entry).map_err(io::Error::other)?;
        write_private(&socket.with_extension("json"), &text)
    }

    /// All registered sessions, whether they still run or not. Empty if others may write to the folder, since
    /// its files cannot be trusted then.
    pub fn entries(&self) -> Vec<(PathBuf, Entry)> {
        if !self.is_ours() {
            return Vec::new();
        }
        let Ok(files) = fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        let mut entries: Vec<(PathBuf, Entry)> = files
            .filter_map(|file| {
                let path = file.ok()?.path();
                if path.extension()? != "json" {
                    return None;
                }
                let text = crate::config::read_plain(&path, crate::config::Links::Refused).ok()?;
                let socket = path.with_extension("sock");
                let meta = fs::symlink_metadata(&socket).ok()?;
                let ours = meta.file_type().is_socket() && meta.uid() == rustix::process::geteuid().as_raw();
                ours.then_some((socket, serde_json::from_str(&text).ok()?))
            })
            .collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    fn entry() -> Entry {
        Entry {
            pid: 1,
            folder: "/".into(),
            name: "alice".into(),
            room: "lobby".into(),
            relay: "ws://h/ws".into(),
            headless: true,
        }
    }

    /// Issue 16, 30: such a session had no socket, and nobody was told.
    #[test]
    fn a_path_that_is_too_long_for_a_socket_gets_a_short_one() {
        for length in 60..200 {
            let state = PathBuf::from(format!("/{}", "s".repeat(length)));
            let registry = SessionRegistry::usual(None, &state);
            let socket = registry.socket(&state);
            assert!(
                socket.as_os_str().len() <= SOCKET_PATH_MAX,
                "{}",
                socket.display()
            );
            assert_eq!(registry.too_long().is_some(), !socket.starts_with(&state));
        }
    }

    /// No session is found in a folder that others may write to or that is a link, nor by a file that is not
    /// a socket.
    #[test]
    fn files_of_another_user_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let registry = |name: &str| SessionRegistry {
            dir: dir.path().join(name),
            too_long: None,
        };
        let ours = registry("ours");
        ours.make().unwrap();
        let socket = ours.socket(Path::new("/state"));
        ours.enter(&socket, &entry()).unwrap();
        assert!(ours.entries().is_empty(), "there is no socket");
        symlink("/dev/null", &socket).unwrap();
        assert!(ours.entries().is_empty(), "a link is no socket");
        fs::remove_file(&socket).unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(ours.entries().len(), 1);

        symlink(&ours.dir, dir.path().join("link")).unwrap();
        assert!(registry("link").entries().is_empty());
        fs::set_permissions(&ours.dir, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(ours.entries().is_empty());
    }
}
