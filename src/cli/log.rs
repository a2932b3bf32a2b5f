//! The program's log: one file per day in the state folder; old ones are removed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use jiff::Zoned;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::store::open_private;

/// The number of days kept.
const DAYS: usize = 7;
/// The prefix of a log file's name, before its day.
const BEGIN: &str = "nexscope-tui.";
/// The suffix of a log file's name.
const END: &str = ".log";

/// The folder of the log files.
pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("nexscope").join("log")
}

/// Starts the log; the returned guard flushes it on drop. If no log can be written, the program runs without
/// one. `NEXSCOPE_LOG` sets the level: `error` to `trace`.
pub(super) fn start(state: &Path) -> Option<WorkerGuard> {
    let folder = folder(state);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .ok()?;
    let (writer, guard) = tracing_appender::non_blocking(Daily::open(folder, &today()).ok()?);
    let level = std::env::var("NEXSCOPE_LOG")
        .ok()
        .and_then(|level| level.parse::<LevelFilter>().ok());
    let level = level.unwrap_or(LevelFilter::INFO);
    // Frames logged by libraries would contain the token and messages.
    let filter = EnvFilter::new(format!("off,nexscope_tui={level},nexscope_relay={level}"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .try_init()
        .ok()?;
    Some(guard)
}

fn today() -> String {
    Zoned::now().strftime("%Y-%m-%d").to_string()
}

/// A daily log file, 0600: `tracing_appender` makes its files readable by others.
struct Daily {
    folder: PathBuf,
    day: String,
    file: File,
}

impl Daily {
    /// Opens the file of a day, and removes those that are too old. Fails if the file cannot be opened.
    fn open(folder: PathBuf, day: &str) -> io::Result<Self> {
        let path = folder.join(format!("{BEGIN}{day}{END}"));
        let file = open_private(OpenOptions::new().append(true).create(true), &path)?;
        // An older version made it readable by others.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        let mut days: Vec<PathBuf> = fs::read_dir(&folder)?
            .flatten()
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with(BEGIN) && name.ends_with(END)
            })
            .map(|entry| entry.path())
            .collect();
        days.sort();
        days.truncate(days.len().saturating_sub(DAYS));
        for old in days {
            // If one cannot be removed, it is retried tomorrow.
            let _ = fs::remove_file(old);
        }
        Ok(Self {
            folder,
            day: day.to_owned(),
            file,
        })
    }
}

impl Write for Daily {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let today = today();
        if today != self.day {
            *self = Self::open(self.folder.clone(), &today)?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 14, 23: the log files were readable by others.
    #[test]
    fn each_file_is_private_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_owned();
        fs::write(folder.join("other.log"), "x").unwrap();
        for day in 1..=9 {
            Daily::open(folder.clone(), &format!("2026-01-0{day}")).unwrap();
        }
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .flatten()
            .map(|entry| {
                let private = entry.metadata().unwrap().permissions().mode() & 0o777 == 0o600;
                let name = entry.file_name().to_string_lossy().into_owned();
                assert!(private || name == "other.log", "{name}");
                name
            })
            .collect();
        names.sort();
        assert_eq!(
            (names.len(), names[0].as_str()),
            (8, "nexscope-tui.2026-01-03.log")
        );
        // A new day begins a new file.
        let mut log = Daily::open(folder.clone(), "2026-01-09").unwrap();
        log.write_all(b"now\n").unwrap();
        let file = folder.join(format!("nexscope-tui.{}.log", today()));
        assert_eq!(fs::read_to_string(file).unwrap(), "now\n");
    }
}
