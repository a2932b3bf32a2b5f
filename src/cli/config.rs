//! `config`: the settings described, and where their files are.

use clap::Subcommand;

use super::{Failure, print, say};
use crate::config::{self, Paths};

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Print a JSON schema of config.toml, for editors.
    Schema,
    /// Print an example of config.toml with every default.
    Example,
    /// Print the files that settings are read from, yours first.
    Path,
}

pub(super) fn run(config: &Config, paths: &Paths) -> Result<(), Failure> {
    match config {
        Config::Schema => say(&format!("{:#}", config::schema())),
        Config::Example => print(&config::example()),
        Config::Path => [paths.user_file(), paths.project_file()]
            .iter()
            .try_for_each(|file| match file.exists() {
                true => say(&file.display().to_string()),
                false => say(&format!("{} (does not exist)", file.display())),
            }),
    }
}
