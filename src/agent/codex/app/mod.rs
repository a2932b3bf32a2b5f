//! Codex with permission requests: `codex app-server`, JSON-RPC on its standard input and output, one object
//! a line and without the member `jsonrpc`.

mod ask;
mod items;
mod reader;

use std::ffi::OsString;

use serde_json::{Value, json};

use super::super::{
    Run,
    driver::{Invocation, Signals, is_session_id},
    start_error::StartError,
};
use reader::AppReader;

/// The ids of our requests; responses to other ids are ignored.
const INITIALIZE: u64 = 1;
const THREAD: u64 = 2;
const TURN: u64 = 3;
const INTERRUPT: u64 = 4;
/// The first id of the requests that carry the reason of a refusal.
const STEER: u64 = 100;

/// Builds the invocation, from `program` and the configuration `overrides`, and the reader.
pub(super) fn driver(
    run: &Run,
    mut program: Vec<OsString>,
    overrides: Vec<OsString>,
) -> Result<(Invocation, AppReader), StartError> {
    if run.resume.as_ref().is_some_and(|session| !is_session_id(session)) {
        return Err(StartError::SessionId);
    }
    program.push("app-server".into());
    program.extend(overrides);
    // It asks when the sandbox blocks something: `untrusted` would also ask for every `ls`. The reviewer is
    // set too: a person's own settings may leave that to a model.
    let mut thread = json!({
        "cwd": run.dir,
        "sandbox": "read-only",
        "approvalPolicy": "on-request",
        "approvalsReviewer": "user",
    });
    let method = match &run.resume {
        Some(session) => {
            thread["threadId"] = session.clone().into();
            thread["excludeTurns"] = true.into();
            "thread/resume"
        }
        None => "thread/start",
    };
    let client = json!({ "clientInfo": {
        "name": "nexscope", "title": "Nexscope", "version": env!("CARGO_PKG_VERSION"),
    }});
    let input = [
        request(INITIALIZE, "initialize", client),
        line(&json!({ "method": "initialized" })),
        request(THREAD, method, thread),
    ];
    let invocation = Invocation {
        program,
        input: input.concat(),
        stays_open: true,
        goes_on: true,
        signals: Signals::TERMINATE,
        ..Invocation::default()
    };
    let prompt = run.prompt.without_skills();
    let reader = AppReader::new(prompt, run.dir.clone(), run.resume.clone(), run.before);
    Ok((invocation, reader))
}

fn request(id: u64, method: &str, params: Value) -> String {
    line(&json!({ "id": id, "method": method, "params": params }))
}

/// Encodes additional input for the model in the middle of a turn.
fn steer(id: u64, thread: &str, turn: &str, text: &str) -> String {
    let params = json!({ "threadId": thread, "expectedTurnId": turn, "input": [text_input(text)] });
    request(id, "turn/steer", params)
}

/// Encodes the error for a request that we do not support, or that nobody is asked about any more.
fn unsupported(id: &Value) -> String {
    let error = json!({ "code": -32601, "message": "not supported" });
    line(&json!({ "id": id, "error": error }))
}

fn text_input(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn line(message: &Value) -> String {
    format!("{message}\n")
}
