//! Where the files of the configuration and of what is kept lie.

use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, base_strategy::Xdg};

use super::ConfigError;

/// Where things are looked for.
#[derive(Debug, Clone)]
pub struct Paths {
    /// `config.toml`, `keymaps/` and `themes/`.
    pub config: PathBuf,
    /// State folders.
    pub state: PathBuf,
    /// The folder that the program was started in.
    pub here: PathBuf,
    /// `$XDG_RUNTIME_DIR`, if there is one.
    pub runtime: Option<String>,
}

impl Paths {
    /// The usual folders (XDG). Fails where there is no home folder.
    pub fn usual() -> Result<Self, ConfigError> {
        let xdg = Xdg::new()
            .map_err(|_| ConfigError::Value("there is no home folder: set HOME and try again".into()))?;
        let state = xdg.state_dir().unwrap_or_else(|| xdg.data_dir());
        let here = std::env::current_dir().map_err(|error| ConfigError::Unreadable {
            path: ".".into(),
            error,
        })?;
        Ok(Self {
            config: xdg.config_dir().join("nexscope"),
            state,
            here,
            runtime: std::env::var("XDG_RUNTIME_DIR").ok(),
        })
    }

    /// The user's file.
    pub fn user_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The project's file.
    pub fn project_file(&self) -> PathBuf {
        self.here.join(".nexscope").join("config.toml")
    }
}

/// A path of a file, with `~/` at its beginning for the home folder.
pub(crate) fn in_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
