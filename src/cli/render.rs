//! What a session answered, in words for people.

use serde_json::{Value, json};

/// An answer in lines for people.
pub(super) fn in_words(word: &str, answer: &Value) -> Vec<String> {
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
    let joined = |key: &str| {
        let each: Vec<String> = list(key).iter().map(plain).collect();
        each.join(", ")
    };
    if word == "update" {
        let others = list("members");
        let others = others.iter().filter(|member| !member["client"].is_null());
        let others = others.map(|member| format!("{}: {}", plain(&member["name"]), plain(&member["client"])));
        return [format!("here: nexscope-tui/{}", text("version"))]
            .into_iter()
            .chain(answer["relay"].as_str().map(|relay| format!("relay: {relay}")))
            .chain(others)
            .chain([text("message")])
            .collect();
    }
    if let Some(message) = answer["message"].as_str() {
        return vec![message.to_owned()];
    }
    match word {
        "say" | "append" => {
            let sent = match answer["sent"].as_bool() {
                Some(true) => "sent",
                _ => "kept in the outbox; it is sent when there is a connection",
            };
            let mut line = format!("{} in {}: {sent}", text("said"), text("threadId"));
            if !list("delivered").is_empty() {
                line.push_str(&format!(", {} has it", joined("delivered")));
            }
            if !list("offline").is_empty() {
                line.push_str(&format!(", {} gets it later", joined("offline")));
            }
            vec![line]
        }
        "who" => list("members")
            .iter()
            .map(|member| {
                let busy = if member["busy"].as_u64() > Some(0) {
                    ", at work"
                } else {
                    ""
                };
                let agents = match member["agents"].as_u64() {
                    Some(1) => "1 agent".to_owned(),
                    count => format!("{} agents", count.unwrap_or(0)),
                };
                format!(
                    "{}  {}, {}, {agents}{busy}",
                    plain(&member["name"]),
                    plain(&member["status"]),
                    plain(&member["mode"])
                )
            })
            .collect(),
        "inbox" if list("pending").is_empty() => vec!["Nothing waits.".to_owned()],
        "inbox" => list("pending")
            .iter()
            .flat_map(|item| {
                let head = format!(
                    "{}  {} from {} ({}), {} bytes: {}",
                    plain(&item["id"]),
                    plain(&item["kind"]),
                    plain(&item["from"]),
                    plain(&item["by"]),
                    item["bytes"],
                    plain(&item["why"])
                );
                let text = item["text"].as_str().unwrap_or_default();
                let text = text.lines().map(|line| format!("    {line}"));
                std::iter::once(head).chain(text).collect::<Vec<_>>()
            })
            .collect(),
        "history" => list("lines")
            .iter()
            .map(|line| match line["text"].as_str() {
                Some(said) => format!("{}  {}: {said}", plain(&line["id"]), plain(&line["from"])),
                None => format!(
                    "{}  {}: {} bytes, on the screen",
                    plain(&line["id"]),
                    plain(&line["from"]),
                    line["bytes"]
                ),
            })
            .collect(),
        "mode" => vec![format!("{} mode", text("mode"))],
        "files" if list("files").is_empty() => vec!["No file yet.".to_owned()],
        "files" => list("files")
            .iter()
            .map(|file| {
                let far = file["percent"]
                    .as_u64()
                    .map_or_else(String::new, |far| format!(" {far} %"));
                let size = crate::text::bytes(file["bytes"].as_u64().unwrap_or(0));
                let each = file["to"].as_array().into_iter().flatten();
                let each: Vec<String> = each
                    .map(|one| format!("{} {}", plain(&one["name"]), plain(&one["state"])))
                    .collect();
                let each = match each.is_empty() {
                    true => String::new(),
                    false => format!(" ({})", each.join(", ")),
                };
                format!(
                    "{}  from {}, {size}: {}{far}{each}",
                    plain(&file["id"]),
                    plain(&file["from"]),
                    plain(&file["state"])
                )
            })
            .collect(),
        "poll" | "watch" => {
            let mut lines: Vec<String> = list("events").iter().map(plain).collect();
            for task in list("auto_tasks") {
                lines.push(format!(
                    "{} in {} waits for an answer",
                    plain(&task["id"]),
                    plain(&task["threadId"])
                ));
            }
            if lines.is_empty() {
                lines.push("nothing new".to_owned());
            }
            lines
        }
        "wait" if answer["timed_out"] == json!(true) => vec!["it did not happen".to_owned()],
        "wait" => vec!["it happened".to_owned()],
        "before_stop" => vec![text("reason")],
        "accept" | "reject" | "retry" | "ask" => vec!["done".to_owned()],
        "cancel" => vec!["stopped".to_owned()],
        "stop" => vec!["left the room".to_owned()],
        "status" => status(answer),
        _ => fields(answer),
    }
}

/// Where one is, what each agent may still do today, and what waits.
fn status(answer: &Value) -> Vec<String> {
    let text = |key: &str| plain(&answer[key]);
    let agents = answer["agents"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|agent| format!("agent {}: {}", plain(&agent["name"]), plain(&agent["budget"])));
    let running = answer["running"].as_array().into_iter().flatten();
    let running: Vec<String> = running.map(plain).collect();
    let work = (!running.is_empty()).then(|| format!("at work on {}", running.join(", ")));
    let here = format!("{} in #{}: {}", text("name"), text("room"), text("connection"));
    let mode = format!(
        "{} mode, at most {} answers in a row",
        text("mode"),
        text("hopLimit")
    );
    let waits = format!(
        "{} in the inbox, {} in the outbox",
        text("waiting"),
        text("outbox")
    );
    [here, mode]
        .into_iter()
        .chain(agents)
        .chain(work)
        .chain([waits])
        .collect()
}

/// One line a field.
fn fields(answer: &Value) -> Vec<String> {
    let fields = answer.as_object().cloned().unwrap_or_default();
    fields
        .iter()
        .map(|(key, value)| format!("{key}: {}", plain(value)))
        .collect()
}

/// A string without its quotes; anything else as it is.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
