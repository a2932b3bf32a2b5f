//! Files on disk: a room's journal and audit log, the saved UI state, and the lock that keeps a second
//! program out.

mod audit;
mod journal;
mod state_dir;
mod ui_state;

pub use audit::{Line, Verified, lines, log_path, verify};
pub use journal::{Journal, Opened, Reading, Report, ToWrite};
pub use state_dir::{Lock, StateDir, StateDirError, write_private};
pub(crate) use state_dir::{open_private, read_private_text};
pub use ui_state::{SavedView, UiState};
