//! What is on disk: the journal of a room, what a person left on the screen, and the lock that keeps a second program out.

mod desk;
mod journal;
mod place;

pub use desk::{Desk, Left};
pub use journal::{Journal, Opened, Reading, Report};
pub use place::{Lock, Place, PlaceError, write_private};
