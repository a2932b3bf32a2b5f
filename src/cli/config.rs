//! `config`: the settings described, and where their files are.

use clap::Subcommand;

use super::{Failure, print, say};
use crate::config::{self, Flags, Paths};

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
        Config::Path => {
            let loaded = config::load(paths, |_| None, &Flags::default());
            let untrusted = loaded.is_ok_and(|config| config.untrusted.is_some());
            for (file, is_untrusted) in [(paths.user_file(), false), (paths.project_file(), untrusted)] {
                let note = match file.exists() {
                    true if is_untrusted => " (not trusted yet: read in part)",
                    true => "",
                    false => " (does not exist)",
                };
                say(&format!("{}{note}", file.display()))?;
            }
            Ok(())
        }
    }
}
