//! Settings: built-in defaults, the user's file, the project's file, variables, flags; later ones win.

mod diff;
mod error;
mod file;
mod files;
mod import;
mod layers;
mod paths;
mod plain_file;
mod save;
mod terminal;
mod token;
mod trust;
mod watch;

pub use diff::ConfigDiff;
pub use error::ConfigError;
pub use file::Notify;
pub use import::{Plugin, plugin};
pub use layers::{Config, Flags, load};
pub use paths::Paths;
pub use save::{Choice, keep_invite, save};
pub use terminal::{Colors, TerminalOverrides};
pub use token::TokenSource;
pub use trust::Untrusted;
pub use watch::{Watch, watch};
pub(crate) use {
    file::with_nearest,
    paths::in_home,
    plain_file::{Links, read as read_plain},
};
