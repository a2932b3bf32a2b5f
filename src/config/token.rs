//! The token: as it stands in a layer, from a file, or from a command.

use std::path::Path;

use super::{
    ConfigError,
    file::File,
    paths::in_home,
    plain_file::{self, Links},
};
use crate::core::Token;

/// Where a token comes from.
///
/// A command runs when the token is needed and at no other time: reading settings runs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// It is here.
    Known(Token),
    /// A program prints it.
    Command(Vec<String>),
}

impl TokenSource {
    /// The token.
    ///
    /// # Errors
    ///
    /// Where its command cannot be run, or fails.
    pub fn get(&self) -> Result<Token, ConfigError> {
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
        Ok(trimmed(&String::from_utf8_lossy(&output.stdout)))
    }
}

impl From<Token> for TokenSource {
    fn from(token: Token) -> Self {
        TokenSource::Known(token)
    }
}

fn trimmed(text: &str) -> Token {
    Token(text.trim().to_owned())
}

/// A layer's token: as it stands, from a file, or the command that prints it.
pub(super) fn token(file: &File) -> Result<Option<TokenSource>, ConfigError> {
    match (&file.token, &file.token_file, &file.token_command) {
        (Some(token), None, None) => Ok(Some(trimmed(token).into())),
        (None, Some(path), None) => {
            let path = in_home(Path::new(path));
            plain_file::read(&path, Links::Followed)
                .map(|text| Some(trimmed(&text).into()))
                .map_err(|error| ConfigError::Unreadable { path, error })
        }
        (None, None, Some(command)) => Ok(Some(TokenSource::Command(command.clone()))),
        (None, None, None) => Ok(None),
        _ => Err(ConfigError::Value(
            "set one of token, token_file and token_command, not several".into(),
        )),
    }
}
