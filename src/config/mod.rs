//! Settings: built-in defaults, the user's file, the project's file, variables, flags; later ones win.

pub mod agents;
mod change;
mod file;
mod import;
mod layers;
mod save;
mod trust;
mod watch;
mod wide;

pub use change::Change;
pub use file::{File, Notify, Ui};
pub use import::{Plugin, plugin};
pub use layers::{Config, ConfigError, Flags, Paths, Times, Token, load};
pub use save::{Choice, save};
pub use trust::Untrusted;
pub use watch::{Watch, watch};
pub use wide::Confirmed;
pub(crate) use {file::with_nearest, layers::in_home};
