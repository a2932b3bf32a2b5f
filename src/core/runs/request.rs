//! Tool requests of an agent, and the answers to them.

use std::path::PathBuf;

/// An agent's request to use a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRequest {
    /// Unique in its run.
    pub id: String,
    pub tool: String,
    /// The whole action, in as many lines as needed: the command, the diff of a file. Control and invisible
    /// characters are escaped, so that no two different requests look the same.
    pub what: String,
    /// Number of escaped characters in it.
    pub hidden: usize,
    /// Places that it names outside the run's folder. A driver lists every place that is named; the run keeps only
    /// those that are outside.
    pub outside: Vec<String>,
    /// The rule that a person may allow for the rest of the thread; `None` if only this once.
    pub rule: Option<GrantRule>,
}

/// A rule for requests that are allowed without asking again. Never a whole tool: it binds every argument of a
/// call, except the text that is written to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantRule {
    Call {
        tool: String,
        /// All arguments of the call, as they are shown.
        input: String,
    },
    /// Writing files below this folder.
    Below(PathBuf),
}

/// A person's answer to a [`ToolRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolAnswer {
    Allow,
    /// Denied, with the reason that the agent is told.
    Deny(String),
}
