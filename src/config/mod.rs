//! Settings: built-in defaults, the user's file, the project's file, variables, flags; later ones win.

mod diff;
mod error;
mod file;
mod import;
mod layers;
mod paths;
mod plain_file;
mod save;
mod schema;
mod terminal;
mod token;
mod trust;
mod watch;

pub(crate) use crate::config::trust::approvals::Approvals;
pub(crate) use diff::ConfigDiff;
pub(crate) use error::ConfigError;
pub(crate) use import::{Plugin, plugin};
pub(crate) use layers::{Flags, load, loosens};
pub(crate) use paths::Paths;
pub(crate) use save::{Choice, keep_invite, save};
pub(crate) use schema::{Agent, Config, example, schema};
pub(crate) use terminal::{Colors, Notify, TerminalOverrides};
pub(crate) use token::TokenSource;
pub(crate) use trust::Untrusted;
pub(crate) use watch::{Watch, watch};
pub(crate) use {
    file::with_nearest,
    paths::in_home,
    plain_file::{Links, read as read_plain},
};
