//! What is written to disk, and read at the start.

pub mod audit;
pub mod record;
pub(super) mod replay;
