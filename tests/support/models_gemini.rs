//! Gemini's `generateContent`, as far as Gemini CLI uses it.

use std::io;

use serde_json::{Value, json};

use super::Reply;

pub(super) fn error(status: u16, message: &str) -> Value {
    let name = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    json!({ "error": { "code": status, "message": message, "status": name } })
}

/// Answers a request to `path`, which ends in the name of the method.
pub(super) fn answer(out: &mut Reply<'_>, path: &str, request: &Value) -> io::Result<()> {
    if path.ends_with(":countTokens") {
        return out.json(200, &json!({ "totalTokens": 100 }));
    }
    let turn = out.shared.turn(&words(request));
    if let Some((status, message)) = &turn.status {
        return out.json(*status, &error(*status, message));
    }
    let calls = turn
        .calls
        .iter()
        .map(|call| json!({ "functionCall": { "name": call["name"], "args": call["input"] } }));
    let texts = turn.text.iter().map(|text| json!({ "text": text }));
    let parts: Vec<Value> = texts.chain(calls).collect();
    let usage = json!({ "promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120 });
    if !path.ends_with(":streamGenerateContent") {
        let content = json!({ "role": "model", "parts": parts });
        let candidate = json!({ "content": content, "finishReason": "STOP", "index": 0 });
        return out.json(200, &json!({ "candidates": [candidate], "usageMetadata": usage }));
    }
    out.stream()?;
    for (number, part) in parts.into_iter().enumerate() {
        out.before_word(&turn, number)?;
        let content = json!({ "role": "model", "parts": [part] });
        out.data(&json!({ "candidates": [{ "content": content, "index": 0 }] }))?;
    }
    if turn.hangs {
        return out.hang();
    }
    let content = json!({ "role": "model", "parts": [{ "text": "" }] });
    let candidate = json!({ "content": content, "finishReason": "STOP", "index": 0 });
    out.data(&json!({ "candidates": [candidate], "usageMetadata": usage }))
}

/// The text of the newest message.
fn words(request: &Value) -> String {
    let newest = request["contents"]
        .as_array()
        .and_then(|contents| contents.last());
    let parts = newest.and_then(|message| message["parts"].as_array());
    parts
        .into_iter()
        .flatten()
        .filter_map(|part| part["text"].as_str())
        .next_back()
        .unwrap_or_default()
        .to_owned()
}
