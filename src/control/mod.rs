//! The control socket of a running session: JSON lines, one response per request.
//!
//! Shell commands, the MCP server and the plugin's hooks use it. Pending text is not shown on it, and nothing
//! is decided through it: see `client/rpc`.

mod attach;
mod client;
pub mod mcp;
pub(crate) mod offline;
mod peer;
pub mod policy;
pub(crate) mod protocol;
mod registry;
pub(crate) mod render;
mod server;

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use attach::{
    Attach, Capabilities, ExternalProgram, FromTerminal, Line, ToTerminal, read_line, write_line,
};
pub use client::{SocketClient, SocketError, find};
pub use peer::Caller;
pub(crate) use protocol::{Reply, Request};
pub use registry::{Entry, SessionRegistry};
pub use server::{Call, Server};

/// The version of the socket protocol.
pub const VERSION: u32 = 1;
/// The longest line, in bytes: the longest message and its envelope.
const LINE_MAX: usize = 1 << 20;

/// A request on the socket: one line.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Envelope {
    /// [`VERSION`].
    v: u32,
    /// The caller's id for the request, repeated in the response.
    #[serde(default)]
    id: u64,
    /// The command's name, and its arguments by name: a [`Request`].
    method: String,
    #[serde(default)]
    params: Value,
    /// The name of the calling agent, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

/// The response to a request: one line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Response {
    /// [`VERSION`].
    pub v: u32,
    pub id: u64,
    pub ok: bool,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub result: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcError {
    /// For programs: `usage`, `unknown_command`, `refused`, `version`, `ended`.
    pub code: String,
    /// For people: a sentence that says what to do.
    pub message: String,
}

impl RpcError {
    /// Creates an error with this code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new("usage", message)
    }

    /// The request cannot be carried out now, or not for this caller.
    pub fn refused(why: impl Display) -> Self {
        Self::new("refused", why.to_string())
    }
}

impl Response {
    /// Creates the response to the request with this id.
    pub(crate) fn new(id: u64, result: Result<Reply, RpcError>) -> Self {
        let result = result.and_then(|reply| {
            serde_json::to_value(reply).map_err(|error| RpcError::new("internal", error.to_string()))
        });
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
