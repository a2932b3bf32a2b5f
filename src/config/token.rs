//! The token: as it stands in a layer, from a file, or from a command.

use std::{fmt, fs, path::Path};

use super::{ConfigError, file::File, paths::in_home};

/// A secret that does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A layer's token: as it stands, from a file, or from a command.
pub(super) fn token(file: &File) -> Result<Option<Token>, ConfigError> {
    let trimmed = |text: String| Some(Token(text.trim().to_owned()));
    match (&file.token, &file.token_file, &file.token_command) {
        (Some(token), None, None) => Ok(trimmed(token.clone())),
        (None, Some(path), None) => {
            let path = in_home(Path::new(path));
            fs::read_to_string(&path)
                .map(trimmed)
                .map_err(|error| ConfigError::Unreadable { path, error })
        }
        (None, None, Some(command)) => {
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
            Ok(trimmed(String::from_utf8_lossy(&output.stdout).into_owned()))
        }
        (None, None, None) => Ok(None),
        _ => Err(ConfigError::Value(
            "set one of token, token_file and token_command, not several".into(),
        )),
    }
}
