//! Anthropic's Messages, as far as Claude Code uses it.

use std::io;

use serde_json::{Value, json};

use super::{Reply, Turn};

pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    json!({ "type": "error", "error": { "type": kind, "message": message } })
}

pub(super) fn answer(out: &mut Reply<'_>, request: &Value) -> io::Result<()> {
    let words = words(request);
    // A side request, such as for a title, offers no tools and uses up no turn.
    let turn = match request["tools"].as_array() {
        Some(tools) if !tools.is_empty() => out.shared.turn(&words),
        _ => Turn::text(&["aside"]),
    };
    if let Some((status, message)) = &turn.status {
        return out.json(*status, &error(*status, message));
    }
    let n = out.shared.count();
    let stop = if turn.calls.is_empty() {
        "end_turn"
    } else {
        "tool_use"
    };
    let mut message = json!({
        "id": format!("msg_{n}"), "type": "message", "role": "assistant", "model": request["model"],
        "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": 100, "output_tokens": 1 },
    });
    let calls: Vec<Value> = turn
        .calls
        .iter()
        .enumerate()
        .map(|(i, call)| json!({ "type": "tool_use", "id": format!("toolu_{n}_{i}"), "name": call["name"], "input": call["input"] }))
        .collect();
    if request["stream"] != true {
        let mut content = vec![json!({ "type": "text", "text": turn.text.concat() })];
        content.extend(calls);
        message["content"] = content.into();
        message["stop_reason"] = stop.into();
        return out.json(200, &message);
    }
    out.stream()?;
    out.event("message_start", json!({ "message": message }))?;
    let mut index = 0;
    if !turn.text.is_empty() {
        out.event(
            "content_block_start",
            json!({ "index": index, "content_block": { "type": "text", "text": "" } }),
        )?;
        for (number, text) in turn.text.iter().enumerate() {
            out.before_word(&turn, number)?;
            let delta = json!({ "type": "text_delta", "text": text });
            out.event("content_block_delta", json!({ "index": index, "delta": delta }))?;
        }
        if !turn.hangs {
            out.event("content_block_stop", json!({ "index": index }))?;
        }
        index += 1;
    }
    if turn.hangs {
        return out.hang();
    }
    for mut call in calls {
        let input = std::mem::replace(&mut call["input"], json!({})).to_string();
        out.event(
            "content_block_start",
            json!({ "index": index, "content_block": call }),
        )?;
        let delta = json!({ "type": "input_json_delta", "partial_json": input });
        out.event("content_block_delta", json!({ "index": index, "delta": delta }))?;
        out.event("content_block_stop", json!({ "index": index }))?;
        index += 1;
    }
    let usage = json!({ "input_tokens": 100, "output_tokens": 20 });
    let delta = json!({ "stop_reason": stop, "stop_sequence": null });
    out.event("message_delta", json!({ "delta": delta, "usage": usage }))?;
    out.event("message_stop", json!({}))
}

/// The text of the newest message of the user.
fn words(request: &Value) -> String {
    let mut messages = request["messages"].as_array().into_iter().flatten();
    let newest = messages.rfind(|message| message["role"] == "user");
    match newest.map(|message| &message["content"]) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => blocks
            .iter()
            .filter_map(|block| block["text"].as_str())
            .next_back()
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    }
}
