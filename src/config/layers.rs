//! Puts the layers together: defaults, the user's file, the project's file, variables, flags. Later ones win.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nexscope_relay::protocol::Mode;

use super::{
    Approvals, Config, ConfigError, Paths, TokenSource,
    file::File,
    import::{is_placeholder, placeholder_warning},
    paths::in_home,
    plain_file::{self, Links},
    schema::{InProject, Looser, SETTINGS, Setting},
    trust::{self, Untrusted},
};
use crate::{core::Token, link::Invite};

/// The values of flags.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) name: Option<String>,
    pub(crate) mode: Option<Mode>,
    pub(crate) room: Option<String>,
    pub(crate) relay: Option<String>,
    pub(crate) invite: Option<String>,
    pub(crate) theme: Option<String>,
    pub(crate) keymap: Option<String>,
}

impl Flags {
    fn get(&self, flag: &str) -> Option<String> {
        match flag {
            "--invite" => self.invite.clone(),
            "--name" => self.name.clone(),
            "--mode" => Some(
                if self.mode? == Mode::Auto {
                    "auto"
                } else {
                    "manual"
                }
                .to_owned(),
            ),
            "--room" => self.room.clone(),
            "--relay" => self.relay.clone(),
            "--theme" => self.theme.clone(),
            "--keymap" => self.keymap.clone(),
            _ => None,
        }
    }
}

/// Puts the layers together. `variable` looks up a variable of the environment.
pub(crate) fn load(
    paths: &Paths,
    variable: impl Fn(&str) -> Option<String>,
    flags: &Flags,
) -> Result<Config, ConfigError> {
    let mut config = Config {
        confirmed: Approvals::read(paths),
        ..Config::new()
    };
    let user = paths.user_file();
    if let Some(file) = read(&user, Links::Followed)? {
        config.put_all(&file, &user)?;
    }
    let project = paths.project_file();
    match read(&project, Links::Refused)? {
        Some(file) if trust::is_trusted(paths, &file.text) => config.put_all(&file, &project)?,
        Some(file) => {
            let ignored = file.put(&mut config, may_in_project)?;
            if !ignored.is_empty() {
                config.warnings.push(format!(
                    "This folder's .nexscope/config.toml sets {}: ignored until you read and trust it at the screen.",
                    ignored.join(", ")
                ));
                config.untrusted = Some(Untrusted::new(paths, &file.text, ignored));
            }
        }
        None => {}
    }
    let unset = SETTINGS.iter().filter_map(|setting| setting.variable);
    let unset = unset.filter(|name| variable(name).is_some_and(|value| is_placeholder(&value)));
    config.warnings.extend(unset.map(placeholder_warning));
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty() && !is_placeholder(value));
    config.put_texts("NEXSCOPE_INVITE", |setting| setting.variable, variable)?;
    // A token that came with this start and without a relay may go to the one that a flag names.
    let unbound = variable("NEXSCOPE_TOKEN").filter(|_| variable("NEXSCOPE_RELAY_URL").is_none());
    config.put_texts("--invite", |setting| setting.flag, |flag| flags.get(flag))?;
    if let (Some(token), Some(_)) = (unbound, &flags.relay) {
        config.token = Some(Token(token.trim().to_owned()).into());
    }
    config.files.dir = in_home(&config.files.dir);
    Ok(config)
}

/// Tells whether a variable of the environment can loosen settings.
pub(crate) fn loosens(variable: &str) -> bool {
    let mut settings = SETTINGS.iter();
    settings.any(|setting| setting.variable == Some(variable) && setting.looser != Looser::Never)
}

fn read(path: &Path, links: Links) -> Result<Option<File>, ConfigError> {
    match plain_file::read(path, links) {
        Ok(text) => File::parse(text, path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::Unreadable {
            path: path.to_owned(),
            error,
        }),
    }
}

/// A project's file comes with a checkout: it can only set safer values, and the name, the room and the look.
fn may_in_project(setting: &Setting<Config>, config: &Config, value: &toml::Value) -> bool {
    match setting.in_project {
        InProject::Ignored => false,
        InProject::Allowed => true,
        InProject::Tightens => {
            let mut wanted = config.clone();
            (setting.put)(&mut wanted, value).is_ok() && !setting.is_looser(&wanted, config)
        }
    }
}

impl Config {
    /// Takes all settings of the user's own file, or of one that they trust.
    fn put_all(&mut self, file: &File, path: &Path) -> Result<(), ConfigError> {
        let tokens = ["token", "token_file", "token_command"];
        if tokens.iter().filter(|key| file.get(key).is_some()).count() > 1 {
            let what = "set one of token, token_file and token_command, not several";
            return Err(ConfigError::Value(format!("{}: {what}", path.display())));
        }
        file.put(self, |_, _, _| true)?;
        let elsewhere = file.get("token_file").and_then(|value| value.1.as_str());
        let secret = match elsewhere {
            Some(secret) => Some(in_home(Path::new(secret))),
            None => file.get("token").map(|_| path.to_owned()),
        };
        let mode = |path: &PathBuf| fs::metadata(path).map_or(0, |meta| meta.permissions().mode());
        if let Some(path) = secret.filter(|path| mode(path) & 0o077 != 0) {
            let path = path.display();
            let warning = format!("{path} holds a token and others can read it: chmod 600 it.");
            self.warnings.push(warning);
        }
        Ok(())
    }

    /// Takes the variables or the flags: `invite` first, then the others in the table's order.
    fn put_texts(
        &mut self,
        invite: &str,
        name: impl Fn(&Setting<Config>) -> Option<&'static str>,
        text: impl Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        if let Some(text) = text(invite) {
            let parsed = text.parse::<Invite>();
            self.join(parsed.map_err(|error| ConfigError::Value(format!("{invite}: {error}")))?);
        }
        for setting in SETTINGS {
            let Some((name, text)) = name(setting).and_then(|name| Some((name, text(name)?))) else {
                continue;
            };
            let value = setting.kind.read_text(name, &text);
            let put = value.and_then(|value| (setting.put)(self, &value));
            put.map_err(ConfigError::Value)?;
        }
        Ok(())
    }

    /// Takes the relay, the token and the room of an invite.
    pub(crate) fn join(&mut self, invite: Invite) {
        self.room = invite.room;
        self.relay = Some(invite.target);
        self.token = Some(TokenSource::from(Token(invite.token)));
        self.host = None;
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
