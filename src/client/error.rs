//! Why the client did not do what a front end asked of it.

use crate::{control::RpcError, core::Refused, transfer::SendError};

/// Why a request of a front end was not carried out: what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The room did not do it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A file cannot be offered.
    #[error(transparent)]
    File(#[from] SendError),
    /// A request that programs can make, too, was refused.
    #[error("{}", .0.message)]
    Request(RpcError),
    #[error("Only a shell can wait for that.")]
    OnlyShellWaits,
    #[error(
        "You are in the room as {me}. To join as {name}, quit with /quit, then run nexscope-tui -n {name}."
    )]
    OnlineAs { me: String, name: String },
    #[error("You host this room, so your name cannot be taken. Type /start to reconnect.")]
    HostKeepsName,
    #[error(
        "You host this room, and others would lose it. Leave with /quit, then run nexscope-tui with the invite in \
         NEXSCOPE_INVITE."
    )]
    Hosting,
    #[error("An agent is running. Stop it with /cancel, then try again.")]
    AgentRunning,
    #[error("A file is being transferred. Wait for it, or cancel it with /cancel, then try again.")]
    FileMoving,
}
