//! Why a stream is not taken; its sender is told.

/// Why a stream is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamRefused {
    #[error("Your name has another key here than the one that offered that file.")]
    OtherKey,
    #[error("Nobody here has asked for that file.")]
    NotAsked,
    /// It was asked for, but is not expected any more.
    #[error("Nobody here has asked for that file now.")]
    NotExpected,
    #[error("There is no space to keep that file.")]
    NoSpace,
    #[error("That file was not accepted.")]
    NotAccepted,
    /// Sizes in bytes.
    #[error("It was offered with {offered} bytes, and has {now} now.")]
    SizeChanged { offered: u64, now: u64 },
}
