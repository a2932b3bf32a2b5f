//! The program's own log: a file a day in the state folder, old ones removed.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use tracing_appender::{
    non_blocking::WorkerGuard,
    rolling::{Builder, Rotation},
};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Days that are kept.
const DAYS: usize = 7;

/// Where the log is.
pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("nexscope").join("log")
}

/// Starts the log; what is returned writes out what is left when it is dropped. Where no log can be
/// written there is none: that is no reason not to run. `NEXSCOPE_LOG` sets the level: `error` to `trace`.
pub(super) fn start(state: &Path) -> Option<WorkerGuard> {
    let folder = folder(state);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .ok()?;
    let file = Builder::new()
        .rotation(Rotation::DAILY)
        .filename_prefix("nexscope-tui")
        .filename_suffix("log")
        .max_log_files(DAYS)
        .build(folder)
        .ok()?;
    let (writer, guard) = tracing_appender::non_blocking(file);
    let level = std::env::var("NEXSCOPE_LOG")
        .ok()
        .and_then(|level| level.parse::<LevelFilter>().ok());
    let level = level.unwrap_or(LevelFilter::INFO);
    // What libraries log of frames would have the token and what is said in it.
    let filter = EnvFilter::new(format!("off,nexscope_tui={level},nexscope_relay={level}"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .try_init()
        .ok()?;
    Some(guard)
}
