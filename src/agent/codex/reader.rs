//! Reads Codex's JSON events: one object a line, whole items only; unknown types are skipped.

use nexscope_relay::protocol::body::Activity;
use serde_json::Value;

use super::super::{
    driver::{Conclusion, DriverEvent, Messages, NEW_SESSION, is_session_id},
    json_lines::{JsonLines, Protocol},
    workspace_guard,
};
use crate::core::{
    Failure,
    runs::{Failed, Outcome, Totals},
};

pub(in super::super) type CodexReader = JsonLines<Events>;

impl CodexReader {
    pub fn new(resume: Option<String>, before: Totals) -> Self {
        Self::around(Events {
            resume,
            before,
            ..Events::default()
        })
    }
}

/// The state of the run, from the output so far.
#[derive(Debug, Default)]
pub(in super::super) struct Events {
    resume: Option<String>,
    before: Totals,
    /// The messages, of which the last is the answer; and its item.
    messages: Messages,
    item: String,
    /// The result of the turn, once it has ended.
    turn: Option<Result<(), Failed>>,
    /// The last error that it reported.
    complaint: String,
    /// Tokens of the whole session, as of its last turn.
    tokens: Option<u64>,
    /// Tool calls that began, so that one with only an end event is counted too.
    begun: Vec<String>,
}

impl Protocol for Events {
    fn object(&mut self, event: &Value, steps: &mut Vec<DriverEvent>) {
        match str_at(event, "type") {
            "thread.started" => self.session(str_at(event, "thread_id"), steps),
            "turn.started" => steps.push(DriverEvent::State(Activity::Thinking)),
            "item.started" | "item.updated" => self.item(&event["item"], false, steps),
            "item.completed" => self.item(&event["item"], true, steps),
            "turn.completed" => {
                self.turn = Some(Ok(()));
                let usage = &event["usage"];
                // Cached tokens are part of the input, and reasoning tokens part of the output.
                self.tokens = ["input_tokens", "output_tokens"]
                    .iter()
                    .filter_map(|key| usage[*key].as_u64())
                    .reduce(u64::saturating_add);
                steps.push(DriverEvent::TurnOver);
            }
            "turn.failed" => {
                let message = str_at(&event["error"], "message");
                self.turn = Some(Err(failed(message)));
                steps.push(DriverEvent::TurnOver);
            }
            // Not final: each retry is reported this way too.
            "error" => {
                self.complaint = unwrapped(str_at(event, "message"));
                steps.extend([DriverEvent::ToolsDone, DriverEvent::Retry(self.complaint.clone())]);
            }
            _ => {}
        }
    }

    fn complaint(&mut self) -> &mut String {
        &mut self.complaint
    }

    fn answer(&self) -> &str {
        self.messages.last().as_str()
    }

    fn written(&self) -> String {
        self.messages.all()
    }

    fn end(&self) -> Option<Result<String, Failed>> {
        let end = self.turn.clone()?;
        Some(end.map(|()| self.messages.last().finished()))
    }

    fn conclusion(&self, outcome: Outcome) -> Conclusion {
        let session_lost = self.resume.is_some()
            && matches!(&outcome, Outcome::Failed(failed) if failed.details.contains("no rollout found"));
        Conclusion {
            outcome,
            usd: None,
            tokens: self.tokens.map(|total| total.saturating_sub(self.before.tokens)),
            totals: Totals {
                usd: self.before.usd,
                tokens: self.tokens.unwrap_or(self.before.tokens),
            },
            session_lost,
        }
    }
}

impl Events {
    /// Compares the session's id with the one to resume: Codex silently starts a new session for an unknown
    /// id.
    fn session(&mut self, id: &str, steps: &mut Vec<DriverEvent>) {
        if !is_session_id(id) {
            return;
        }
        if self.resume.as_deref().is_some_and(|resume| resume != id) {
            steps.push(DriverEvent::Notice(NEW_SESSION.to_owned()));
            self.before = Totals::default();
        }
        steps.push(DriverEvent::Session(id.to_owned()));
    }

    fn item(&mut self, item: &Value, completed: bool, steps: &mut Vec<DriverEvent>) {
        match str_at(item, "type") {
            "agent_message" => {
                if self.item != str_at(item, "id") {
                    str_at(item, "id").clone_into(&mut self.item);
                    self.messages.begin();
                }
                self.messages.set(str_at(item, "text"));
                steps.extend([
                    DriverEvent::ToolsDone,
                    DriverEvent::State(Activity::Writing),
                    DriverEvent::Grew,
                ]);
            }
            "reasoning" => steps.push(DriverEvent::State(Activity::Thinking)),
            // A warning, such as an unknown model.
            "error" if completed => steps.push(DriverEvent::Notice(unwrapped(str_at(item, "message")))),
            kind => match tool(kind, item) {
                Some((name, detail)) => self.tool(item, name, detail, completed, steps),
                None => steps.push(DriverEvent::Life),
            },
        }
    }

    fn tool(
        &mut self,
        item: &Value,
        name: String,
        detail: String,
        completed: bool,
        steps: &mut Vec<DriverEvent>,
    ) {
        let id = str_at(item, "id").to_owned();
        if !self.begun.contains(&id) {
            self.begun.push(id.clone());
            steps.push(DriverEvent::Tool {
                id: id.clone(),
                name,
                detail,
            });
            steps.extend(touches(
                &id,
                &["command", "arguments"].map(|key| &item[key]),
                &item["changes"],
            ));
        }
        if completed {
            steps.extend(gave(&id, &[&item["aggregated_output"], &item["result"]]));
            self.begun.retain(|begun| *begun != id);
            steps.extend([DriverEvent::ToolDone(id), DriverEvent::State(Activity::Thinking)]);
        }
    }
}

/// The name and target of a tool call; `None` if the item is not one.
fn tool(kind: &str, item: &Value) -> Option<(String, String)> {
    Some(match kind {
        "command_execution" => ("shell".to_owned(), str_at(item, "command").to_owned()),
        "file_change" => {
            let paths: Vec<&str> = item["changes"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|change| str_at(change, "path"))
                .collect();
            ("edit".to_owned(), paths.join(" "))
        }
        "mcp_tool_call" => {
            let name = format!("{}.{}", str_at(item, "server"), str_at(item, "tool"));
            (name, item["arguments"].to_string())
        }
        "web_search" => ("web search".to_owned(), str_at(item, "query").to_owned()),
        _ => return None,
    })
}

/// The places that a call names, in its arguments and its changes.
pub(super) fn touches(id: &str, words: &[&Value], changes: &Value) -> Option<DriverEvent> {
    let said = words
        .iter()
        .filter(|value| !value.is_null())
        .flat_map(|value| match value.as_str() {
            Some(command) => workspace_guard::words(command),
            None => workspace_guard::words(&value.to_string()),
        });
    let changed = changes.as_array().into_iter().flatten();
    let changed = changed
        .flat_map(|change| [change["path"].as_str(), change["kind"]["move_path"].as_str()])
        .flatten()
        .map(str::to_owned);
    let places: Vec<String> = said.chain(changed).collect();
    let id = id.to_owned();
    (!places.is_empty()).then_some(DriverEvent::Touches { id, places })
}

/// The result of a call.
pub(super) fn gave(id: &str, results: &[&Value]) -> Option<DriverEvent> {
    let result = results.iter().find(|value| !value.is_null())?;
    let text = match result.as_str() {
        Some(text) => text.to_owned(),
        // The result of a server's tool: a list of texts.
        None => {
            let texts = result["content"].as_array().into_iter().flatten();
            texts
                .map(|part| str_at(part, "text"))
                .collect::<Vec<_>>()
                .join("\n")
        }
    };
    let id = id.to_owned();
    (!text.is_empty()).then_some(DriverEvent::Gave { id, text })
}

/// The failure of a turn, from the program's message, which may be a server's raw response.
pub(super) fn failed(message: &str) -> Failed {
    let details = match message.trim() {
        "" => "it failed and did not say why".to_owned(),
        message => unwrapped(message),
    };
    let why = match details.contains("401 Unauthorized") || details.contains("Missing environment variable") {
        true => Failure::LoggedOut,
        false => Failure::Reported,
    };
    Failed { why, details }
}

/// The text inside a message that is a server's raw JSON response.
pub(super) fn unwrapped(message: &str) -> String {
    serde_json::from_str::<Value>(message)
        .ok()
        .and_then(|body| Some(body["error"]["message"].as_str()?.to_owned()))
        .unwrap_or_else(|| message.to_owned())
}

pub(super) fn str_at<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
