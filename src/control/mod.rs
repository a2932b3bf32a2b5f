//! The control socket of a running session: JSON lines, one request and one answer each.
//!
//! Shell commands, the MCP server and the plugin's hooks go through it. Nothing that waits for a person is
//! told on it, and nothing is decided through it: see [`crate::client`]'s `serve`.

mod attach;
mod client;
pub mod mcp;
mod peer;
pub mod policy;
mod registry;
mod server;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use attach::{
    Attach, Capabilities, ExternalProgram, FromTerminal, Line, ToTerminal, read_line, write_line,
};
pub use client::{SocketClient, SocketError, find};
pub use peer::Caller;
pub use registry::{Entry, SessionRegistry};
pub use server::{Call, Server};

/// The version of what is said on the socket.
pub const VERSION: u32 = 1;
/// The longest line, in bytes: the longest message and what is around it.
const LINE_MAX: usize = 1 << 20;

/// What a client wants: one line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`].
    pub v: u32,
    /// The client's own number for it; comes back in the answer.
    #[serde(default)]
    pub id: u64,
    /// The word: `say`, `who`, …
    pub word: String,
    /// Its arguments, by name.
    #[serde(default)]
    pub args: Value,
    /// The agent that speaks, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// The answer to a [`Request`]: one line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Response {
    /// [`VERSION`].
    pub v: u32,
    /// The request's.
    pub id: u64,
    /// Whether it was done.
    pub ok: bool,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub result: Value,
    /// What was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcError {
    /// For programs: `usage`, `unknown_word`, `refused`, `version`, `ended`.
    pub code: String,
    /// For people: one sentence that says what to do.
    pub message: String,
}

impl RpcError {
    /// A problem of that code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

impl Response {
    /// The answer to the request with that id.
    pub fn new(id: u64, result: Result<Value, RpcError>) -> Self {
        let (ok, result, error) = match result {
            Ok(result) => (true, result, None),
            Err(problem) => (false, Value::Null, Some(problem)),
        };
        Self {
            v: VERSION,
            id,
            ok,
            result,
            error,
        }
    }
}
