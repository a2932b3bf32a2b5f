//! The relay's token: known, or printed by a command.

mod command;

use std::{path::Path, process::Command, time::Duration};

use nexscope_relay::protocol::is_token;

use toml::Value;

use super::{
    Config, ConfigError,
    import::{is_placeholder, placeholder_warning},
    in_home,
    plain_file::{self, Links},
    schema::read,
};
use crate::{core::Token, link::Target};

/// The timeout for `token_command`: a person may have to unlock a password store.
const PATIENCE: Duration = Duration::from_secs(60);
/// What [`is_token`] requires, for people.
const RULE: &str = "a token has only ASCII letters, digits and punctuation, without spaces";

/// A token, or the command that prints it, which runs only when the token is needed: reading settings runs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenSource {
    Known(Token),
    Command(Vec<String>),
}

impl TokenSource {
    /// The token. Fails where its command cannot be run, fails, or prints none in time.
    pub(crate) fn get(&self) -> Result<Token, ConfigError> {
        self.get_within(PATIENCE)
    }

    fn get_within(&self, patience: Duration) -> Result<Token, ConfigError> {
        let command = match self {
            TokenSource::Known(token) => return Ok(token.clone()),
            TokenSource::Command(command) => command,
        };
        let failed = |why: String| ConfigError::Value(format!("token_command failed: {why}"));
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| failed("it is empty".into()))?;
        let printed = command::output_of(Command::new(program).args(arguments), patience).map_err(failed)?;
        let token = String::from_utf8_lossy(&printed).trim().to_owned();
        match is_token(&token) {
            true => Ok(Token(token)),
            false => Err(failed(format!("{RULE}; it printed something else"))),
        }
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
    let token = read::<String>(value)?.trim().to_owned();
    if is_placeholder(&token) {
        config.warnings.push(placeholder_warning("The token"));
        return Ok(());
    }
    if !token.is_empty() && !is_token(&token) {
        return Err(RULE.to_owned());
    }
    config.token = Some(Token(token).into());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &[&str]) -> Result<Token, String> {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let token = TokenSource::Command(command).get_within(Duration::from_secs(1));
        token.map_err(|error| error.to_string())
    }

    /// Issue 16, 41 and 42.
    #[test]
    fn a_token_command_that_hangs_or_prints_no_token_is_reported() {
        assert_eq!(of(&["printf", "t#1\n"]).unwrap().0, "t#1");
        for (command, says) in [
            (&["sleep", "1000"][..], "printed no token in 1s"),
            (&["printf", "two words"], "without spaces"),
            (&["printf", ""], "without spaces"),
            (&["false"], "exit status: 1"),
        ] {
            let error = of(command).unwrap_err();
            assert!(error.contains(says), "{command:?}: {error}");
        }
        let mut config = Config::default();
        let mut put = |token: &str| put_token(&mut config, &token.into());
        assert!(put("p\u{e4}ss").is_err() && put("two words").is_err() && put(" t \n").is_ok());
    }
}
