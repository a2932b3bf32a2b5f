//! Why a line of the composer is not understood.

use crate::core::NameError;

/// Why a line is not understood. Each usage is the whole one of the command, as in `Usage: /cancel [ID]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such command; `near` is one whose name is similar.
    #[error("{}", unknown(.name, *.near))]
    Unknown {
        name: String,
        near: Option<&'static str>,
    },
    #[error("{0}")]
    Usage(String),
    /// An argument is wrong.
    #[error("{why}. {usage}")]
    Argument { why: String, usage: String },
    #[error("A value follows {option}. {usage}")]
    NoValue { option: String, usage: String },
    #[error("{command} has no {option}. {usage}")]
    NoOption {
        command: String,
        option: String,
        usage: String,
    },
    #[error(transparent)]
    Name(#[from] NameError),
}

fn unknown(name: &str, near: Option<&str>) -> String {
    match near {
        Some(near) => format!("There is no /{name}; did you mean /{near}?"),
        None => format!("There is no /{name}. /help lists the commands; // begins a message with a slash."),
    }
}
