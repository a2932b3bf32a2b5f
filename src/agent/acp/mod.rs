//! Any program that speaks the Agent Client Protocol: JSON-RPC on its standard input and output, one object a
//! line. We offer it neither files nor terminals, so it uses its own tools and asks for permission first.

mod ask;
mod changes;
mod opencode;
mod reader;
mod tool;

use std::{fs, path::Path};

use agent_client_protocol_schema::{
    ProtocolVersion,
    v1::{AGENT_METHOD_NAMES, Implementation, InitializeRequest, Meta},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Run, claude,
    driver::{Driver, Invocation, Output, Profile, Signals, is_session_id},
    environment::{CLAUDE, CODEX, GEMINI, OPENCODE},
    start_error::StartError,
};
use crate::core::runs::settings::Project;
use reader::AcpReader;

/// The ids of our requests; a prompt's id is its number, starting at `FIRST_PROMPT`.
const INITIALIZE: u64 = 1;
const SESSION: u64 = 2;
const MODE: u64 = 3;
const FIRST_PROMPT: u64 = 10;

pub(super) const PROFILE: Profile = Profile {
    program: None,
    // It may be one of these, or a wrapper around one.
    variables: &[CLAUDE, CODEX, GEMINI, OPENCODE],
    // Nothing in the protocol reports silent thinking.
    output: Output::Items,
    sends_late: true,
    starts_slowly: true,
    driver,
};

/// Builds the invocation and the reader; fails with the reason if it cannot be started.
fn driver(run: &Run) -> Result<Driver, StartError> {
    if run.agent.command.is_empty() {
        return Err(StartError::NoCommand);
    }
    if run.resume.as_ref().is_some_and(|session| !is_session_id(session)) {
        return Err(StartError::SessionId);
    }
    // The protocol requires an absolute path, and JSON requires it to be UTF-8.
    let dir = std::path::absolute(&run.dir).unwrap_or_else(|_| run.dir.clone());
    if dir.to_str().is_none() {
        return Err(StartError::FolderName(dir));
    }
    let mut notices = Vec::new();
    let meta = for_claude(run, &dir, &mut notices);
    let us = Implementation::new("nexscope", env!("CARGO_PKG_VERSION")).title("Nexscope".to_owned());
    let hello = InitializeRequest::new(ProtocolVersion::V1).client_info(us);
    // Some are wrappers around Claude Code, and one is opencode.
    let mut env = claude::ENV.to_vec();
    env.extend(opencode::env(run));
    let invocation = Invocation {
        program: run.command(),
        env,
        input: request(INITIALIZE, AGENT_METHOD_NAMES.initialize, &hello),
        stays_open: true,
        goes_on: true,
        stays_there: true,
        signals: Signals::TERMINATE,
        notices,
    };
    Ok((invocation, Box::new(AcpReader::new(run, dir, meta))))
}

/// Extra settings for the Claude Code adapters, which others ignore: how much of the folder's settings
/// applies, and none of Nexscope's tools.
fn for_claude(run: &Run, dir: &Path, notices: &mut Vec<String>) -> Meta {
    let mut options = json!({ "disallowedTools": claude::NEXSCOPE });
    if run.agent.project != Project::Full {
        options["settingSources"] = json!(["user"]);
        options["strictMcpConfig"] = true.into();
    }
    let mut meta = Meta::new();
    meta.insert("claudeCode".to_owned(), json!({ "options": options }));
    if run.agent.project == Project::Memory
        && let Some(memory) = claude::memory(dir, notices).and_then(|path| fs::read_to_string(path).ok())
    {
        meta.insert("systemPrompt".to_owned(), json!({ "append": memory }));
    }
    meta
}

fn request(id: u64, method: &str, params: &impl Serialize) -> String {
    line(json!({ "id": id, "method": method, "params": params }))
}

/// Encodes a notification, which has no response.
fn notification(method: &str, params: &impl Serialize) -> String {
    line(json!({ "method": method, "params": params }))
}

/// Encodes a response to its request.
fn result(id: &Value, result: &impl Serialize) -> String {
    line(json!({ "id": id, "result": result }))
}

/// Encodes the error for a method that we do not support.
fn unsupported(id: &Value) -> String {
    line(json!({ "id": id, "error": { "code": -32601, "message": "not supported" } }))
}

fn line(mut message: Value) -> String {
    message["jsonrpc"] = "2.0".into();
    format!("{message}\n")
}
