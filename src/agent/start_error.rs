//! Why an agent's program does not start.

use std::{io, path::PathBuf};

/// Why an agent's program does not start; shown as the end of its run.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("no program is named: set `command` in its table")]
    NoCommand,
    /// Agents of kind `session` are started by their person.
    #[error("it is a session of its own, and not started from here")]
    Session,
    /// The id is from the run before, and would become an argument.
    #[error("the session to go on from has no valid id")]
    SessionId,
    #[error("its folder {} does not exist", .0.display())]
    NoFolder(PathBuf),
    #[error("the name of its folder {} is not UTF-8", .0.display())]
    FolderName(PathBuf),
    #[error("`{0}` was not found: install it, or set `command` to where it is")]
    NotFound(String),
    #[error("`{0}` could not be started: {1}")]
    NotStarted(String, io::Error),
}
