//! What an agent asks leave for, and what a person may answer.

use std::path::PathBuf;

/// An agent's wish to use a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRequest {
    /// Which; unique in its run.
    pub id: String,
    pub tool: String,
    /// What it would do, whole, in as many lines as it takes: the command, the difference to a file. Control and
    /// invisible characters are escaped, so that no two requests that differ look the same.
    pub what: String,
    /// How many characters of it are escaped.
    pub hidden: usize,
    /// Places that it names outside of the run's folder. A driver lists every place that is named; the run leaves
    /// those that are outside.
    pub outside: Vec<String>,
    /// What a person may allow for the rest of the thread besides this once; none where only once.
    pub rule: Option<GrantRule>,
}

/// What is allowed without asking again. Never a whole tool: it binds every argument of a call, but for the text
/// that is written to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantRule {
    Call {
        tool: String,
        /// All of what it is called with, as it is shown.
        input: String,
    },
    /// Writing files below this folder.
    Below(PathBuf),
}

/// A person's answer to a [`ToolRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolAnswer {
    Allow,
    /// Do not; the agent is told why.
    Deny(String),
}
