//! Journal records and audit entries: written to disk, and replayed at the start.

pub mod audit;
pub mod record;
pub(super) mod replay;
