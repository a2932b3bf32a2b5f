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
use tracing_subscriber::EnvFilter;

/// Days that are kept.
const DAYS: usize = 7;

/// Where the log is.
pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("nexscope").join("log")
}

/// Starts the log; what is returned writes out what is left when it is dropped. Where no log can be
/// written there is none: that is no reason not to run. `NEXSCOPE_LOG` sets what is logged.
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
    let filter = EnvFilter::try_from_env("NEXSCOPE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .try_init()
        .ok()?;
    Some(guard)
}
