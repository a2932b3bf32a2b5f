//! OpenAI's Responses, as far as Codex uses it.

use std::io;

use serde_json::{Value, json};

use super::Reply;

pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        400 | 401 => "invalid_request_error",
        429 => "rate_limit_exceeded",
        503 => "server_is_overloaded",
        _ => "server_error",
    };
    json!({ "error": { "type": kind, "code": null, "param": null, "message": message } })
}

pub(super) fn answer(out: &mut Reply<'_>, request: &Value) -> io::Result<()> {
    let turn = out.shared.turn(&words(request));
    if let Some((status, message)) = &turn.status {
        return out.json(*status, &error(*status, message));
    }
    let n = out.shared.count();
    let mut items = Vec::new();
    if !turn.text.is_empty() {
        let content = json!([{ "type": "output_text", "text": turn.text.concat(), "annotations": [] }]);
        items.push(json!({ "type": "message", "id": format!("msg_{n}"), "role": "assistant", "status": "completed", "content": content }));
    }
    for (i, call) in turn.calls.iter().enumerate() {
        // A tool that takes plain text, such as a patch.
        if let Some(input) = call["input"].as_str() {
            items.push(json!({
                "type": "custom_tool_call", "id": format!("ctc_{n}_{i}"), "call_id": format!("call_{n}_{i}"),
                "status": "completed", "name": call["name"], "input": input,
            }));
            continue;
        }
        let mut item = json!({
            "type": "function_call", "id": format!("fc_{n}_{i}"), "call_id": format!("call_{n}_{i}"),
            "status": "completed", "name": call["name"], "arguments": call["input"].to_string(),
        });
        if !call["namespace"].is_null() {
            item["namespace"] = call["namespace"].clone();
        }
        items.push(item);
    }
    let mut response = json!({
        "id": format!("resp_{n}"), "object": "response", "status": "in_progress",
        "model": request["model"], "output": [], "usage": null, "error": null,
    });
    out.stream()?;
    out.event("response.created", json!({ "response": response }))?;
    for (index, item) in items.iter().enumerate() {
        let mut begun = item.clone();
        if item["type"] == "message" {
            begun["content"] = json!([]);
        }
        out.event(
            "response.output_item.added",
            json!({ "output_index": index, "item": begun }),
        )?;
        if item["type"] == "message" {
            let place = json!({ "item_id": item["id"], "output_index": index, "content_index": 0 });
            for (number, text) in turn.text.iter().enumerate() {
                out.before_word(&turn, number)?;
                let mut delta = place.clone();
                delta["delta"] = text.clone().into();
                out.event("response.output_text.delta", delta)?;
            }
        }
        // A message that hangs is never completed; a message followed by a hang is.
        out.event(
            "response.output_item.done",
            json!({ "output_index": index, "item": item }),
        )?;
    }
    if turn.hangs {
        return out.hang();
    }
    response["status"] = "completed".into();
    response["output"] = items.into();
    response["usage"] = json!({
        "input_tokens": 100, "input_tokens_details": { "cached_tokens": 0 },
        "output_tokens": 20, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 120,
    });
    out.event("response.completed", json!({ "response": response }))
}

/// The text of the newest input of the user.
fn words(request: &Value) -> String {
    let mut input = request["input"].as_array().into_iter().flatten();
    let newest = input.rfind(|item| item["role"] == "user");
    let parts = newest
        .and_then(|item| item["content"].as_array())
        .into_iter()
        .flatten();
    parts
        .filter_map(|part| part["text"].as_str())
        .collect::<Vec<_>>()
        .join("\n")
}
