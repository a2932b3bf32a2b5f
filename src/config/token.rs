//! The relay's token: known, or printed by a command.

use super::ConfigError;
use crate::core::Token;

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
