//! What is on disk: the journal of a room and its audit log, what a person left on the screen, and the lock that keeps a second program out.

mod audit;
mod desk;
mod journal;
mod place;

pub use audit::{Line, Verified, lines, log_path, verify};
pub use desk::{Desk, Left};
pub use journal::{Journal, Opened, Reading, Report, ToWrite};
pub use place::{Lock, Place, PlaceError, write_private};
pub(crate) use place::{open_private, read_private_text};
