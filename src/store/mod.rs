//! What is on disk: the journal of a room, and the lock that keeps a second program out.

mod journal;
mod place;

pub use journal::{Journal, Opened, Report};
pub use place::{Lock, Place, PlaceError, write_private};
