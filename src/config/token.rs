//! The relay's token: known, or printed by a command.

use std::path::Path;

use toml::Value;

use super::{
    Config, ConfigError, in_home,
    plain_file::{self, Links},
    schema::read,
};
use crate::{core::Token, link::Target};

/// A token, or the command that prints it, which runs only when the token is needed: reading settings runs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenSource {
    Known(Token),
    Command(Vec<String>),
}

impl TokenSource {
    /// The token. Fails where its command cannot be run, or fails.
    pub(crate) fn get(&self) -> Result<Token, ConfigError> {
        let command = match self {
            TokenSource::Known(token) => return Ok(token.clone()),
            TokenSource::Command(command) => command,
        };
        let failed = |why: String| ConfigError::Value(format!("token_command failed: {why}"));
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| failed("it is empty".into()))?;
        let output = std::process::Command::new(program)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(output.status.to_string()));
        }
        Ok(Token(String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    }
}

impl From<Token> for TokenSource {
    fn from(token: Token) -> Self {
        TokenSource::Known(token)
    }
}

/// A token goes only to the relay that it was configured with: another relay has none until its own comes.
pub(super) fn put_relay(config: &mut Config, value: &Value) -> Result<(), String> {
    let relay = value.as_str().unwrap_or_default().parse::<Target>();
    let relay = relay.map_err(|error| error.to_string())?;
    if config.relay.as_ref() != Some(&relay) {
        config.token = None;
    }
    (config.relay, config.host) = (Some(relay), None);
    Ok(())
}

pub(super) fn get_token(config: &Config) -> Option<Value> {
    match &config.token {
        Some(TokenSource::Known(token)) => Some(token.0.as_str().into()),
        _ => None,
    }
}

pub(super) fn put_token(config: &mut Config, value: &Value) -> Result<(), String> {
    config.token = Some(Token(read::<String>(value)?.trim().to_owned()).into());
    Ok(())
}

pub(super) fn put_token_file(config: &mut Config, value: &Value) -> Result<(), String> {
    let path = in_home(Path::new(value.as_str().unwrap_or_default()));
    let text = plain_file::read(&path, Links::Followed);
    let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    put_token(config, &text.into())
}

pub(super) fn get_token_command(config: &Config) -> Option<Value> {
    match &config.token {
        Some(TokenSource::Command(command)) => Value::try_from(command).ok(),
        _ => None,
    }
}

pub(super) fn put_token_command(config: &mut Config, value: &Value) -> Result<(), String> {
    config.token = Some(TokenSource::Command(read(value)?));
    Ok(())
}
