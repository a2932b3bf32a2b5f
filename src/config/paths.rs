//! The folders of configuration and state.

use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, base_strategy::Xdg};

use super::ConfigError;

#[derive(Debug, Clone)]
pub struct Paths {
    /// `config.toml`, `keymaps/` and `themes/`.
    pub(crate) config: PathBuf,
    pub(crate) state: PathBuf,
    /// The folder that the program was started in.
    pub(crate) here: PathBuf,
    /// `$XDG_RUNTIME_DIR`, where there is one.
    pub(crate) runtime: Option<String>,
}

impl Paths {
    /// The XDG folders. Fails where there is no home folder.
    pub(crate) fn usual() -> Result<Self, ConfigError> {
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

    pub(crate) fn user_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    pub(crate) fn project_file(&self) -> PathBuf {
        self.here.join(".nexscope").join("config.toml")
    }
}

/// Replaces `~/` at the beginning of a path by the home folder.
pub(crate) fn in_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
