//! Reads Claude Code's JSON events, one object a line. Types and keys change between versions, so everything
//! is optional, and unknown events are skipped.

use std::path::{Path, PathBuf};

use nexscope_relay::protocol::body::Activity;
use serde_json::{Value, json};

use super::super::{
    Run,
    driver::{AnswerProgress, Conclusion, DriverEvent, LATE, Messages, NEW_SESSION, is_session_id, joined},
    json_lines::{JsonLines, Protocol},
    workspace_guard,
};
use super::{ask::Asking, message};
use crate::{
    core::{
        Failure,
        runs::{Failed, Outcome, ToolAnswer, Totals},
    },
    text,
};

pub(in super::super) type ClaudeReader = JsonLines<Events>;

impl ClaudeReader {
    /// Creates the reader of a run that resumes `resume`. If a person can be asked, `asks` is the run's
    /// folder.
    pub fn new(resume: Option<String>, before: Totals, asks: Option<PathBuf>) -> Self {
        Self::around(Events {
            resume,
            before,
            asking: Asking::new(asks),
            ..Events::default()
        })
    }
}

/// The state of the run, from the output so far.
#[derive(Debug, Default)]
pub(in super::super) struct Events {
    resume: Option<String>,
    before: Totals,
    asking: Asking,
    /// The id of our message until it is taken up: output before that belongs to an earlier one.
    taken_up: Option<String>,
    session: Option<String>,
    /// The messages since the last result with a text.
    messages: Messages,
    /// Some of them have text that no result has repeated.
    unsaid: bool,
    /// The next text starts a new message.
    fresh: bool,
    /// The current message was streamed: the complete blocks that follow contain nothing new.
    in_pieces: bool,
    /// The texts of all results; there may be several if a background task continued.
    answer: AnswerProgress,
    /// The last result: success, or the failure.
    last: Option<Result<(), Failed>>,
    /// Its own text about an error, outside any result.
    complaint: String,
    usd: Option<f64>,
    tokens: Option<u64>,
    /// The program's total cost until now and until this run, if it counts over its whole life.
    total: f64,
    spent: f64,
}

impl Protocol for Events {
    fn object(&mut self, event: &Value, steps: &mut Vec<DriverEvent>) {
        if self.taken_up.is_some() {
            return self.before_ours(event, steps);
        }
        match str_at(event, "type") {
            "system" => self.system(event, steps),
            // Output of a tool that is an agent itself: a sign of life, but no text of the answer.
            "stream_event" | "assistant" | "user" if event["parent_tool_use_id"].is_string() => {
                steps.push(DriverEvent::Life);
                self.tools(event, steps);
            }
            "stream_event" => self.stream(&event["event"], steps),
            "assistant" => self.assistant(event, steps),
            "user" => self.tools(event, steps),
            "result" => self.result(event, steps),
            "control_request" => steps.push(self.asking.request(event)),
            "control_cancel_request" => steps.extend(self.asking.withdrawn(event)),
            "tool_progress" => steps.push(DriverEvent::Life),
            _ => {}
        }
    }

    fn complaint(&mut self) -> &mut String {
        &mut self.complaint
    }

    fn reply(&mut self, request: &str, answer: &ToolAnswer) -> Option<String> {
        self.asking.reply(request, answer)
    }

    fn interrupt(&self) -> Option<String> {
        let interrupt = json!({
            "type": "control_request",
            "request_id": "interrupt",
            "request": { "subtype": "interrupt" },
        });
        Some(format!("{interrupt}\n"))
    }

    fn answer(&self) -> &str {
        self.messages.last().as_str()
    }

    fn written(&self) -> String {
        match self.unsaid {
            true => joined(&[&self.answer.finished(), &self.messages.all()]),
            false => self.answer.finished(),
        }
    }

    fn end(&self) -> Option<Result<String, Failed>> {
        let end = self.last.clone()?;
        Some(end.and_then(|()| match self.unsaid {
            // It is unknown which of its texts was meant as the answer.
            true => Err(Failed::new(
                Failure::NoAnswer,
                "it ended without an answer; its result does not hold what it wrote",
            )),
            false => Ok(self.answer.finished()),
        }))
    }

    fn conclusion(&self, outcome: Outcome) -> Conclusion {
        let session_lost = self.resume.is_some()
            && matches!(&outcome, Outcome::Failed(failed) if failed.details.contains("No conversation found"));
        Conclusion {
            outcome,
            usd: self.usd,
            tokens: self.tokens,
            totals: Totals {
                usd: self.before.usd + self.usd.unwrap_or(0.0),
                tokens: self.before.tokens + self.tokens.unwrap_or(0),
            },
            session_lost,
        }
    }

    fn go_on(&mut self, run: &Run) -> Option<String> {
        let id = uuid::Uuid::new_v4().to_string();
        let line = message(run, Some(&id));
        *self = Events {
            resume: run.resume.clone(),
            before: run.before,
            asking: Asking::new(self.asking.dir().map(Path::to_owned)),
            taken_up: Some(id),
            total: self.total,
            spent: self.total,
            ..Events::default()
        };
        Some(line)
    }
}

impl Events {
    /// Handles events before our message is taken up: none of them answers us. Their cost counts anyway,
    /// since no other run is charged for it.
    fn before_ours(&mut self, event: &Value, steps: &mut Vec<DriverEvent>) {
        match str_at(event, "type") {
            "user" if self.taken_up.as_deref() == event["uuid"].as_str() => self.taken_up = None,
            // Newer versions report it earlier.
            "command_lifecycle"
                if self.taken_up.as_deref() == event["command_uuid"].as_str()
                    && str_at(event, "state") == "started" =>
            {
                self.taken_up = None;
            }
            "user" | "assistant" => self.tools(event, steps),
            "system" => self.system(event, steps),
            "control_request" => steps.push(Asking::refuse(event)),
            "result" => {
                self.usage(event);
                steps.push(DriverEvent::Notice(LATE.to_owned()));
            }
            _ => {}
        }
    }

    fn system(&mut self, event: &Value, steps: &mut Vec<DriverEvent>) {
        match str_at(event, "subtype") {
            "init" => self.session(event, steps),
            "api_retry" => steps.push(DriverEvent::Retry(retry(event))),
            "permission_denied" => {
                steps.push(DriverEvent::Notice(format!(
                    "it may not use {}",
                    str_at(event, "tool_name")
                )));
            }
            "thinking_tokens" | "task_started" | "task_updated" | "task_notification" => {
                steps.push(DriverEvent::Life);
            }
            _ => {}
        }
    }

    fn session(&mut self, event: &Value, steps: &mut Vec<DriverEvent>) {
        let id = str_at(event, "session_id");
        if self.session.is_some() || !is_session_id(id) {
            return;
        }
        if self.resume.as_deref().is_some_and(|resume| resume != id) {
            steps.push(DriverEvent::Notice(NEW_SESSION.to_owned()));
            self.before = Totals::default();
        }
        self.session = Some(id.to_owned());
        steps.push(DriverEvent::Session(id.to_owned()));
    }

    fn stream(&mut self, event: &Value, steps: &mut Vec<DriverEvent>) {
        match (str_at(event, "type"), str_at(&event["delta"], "type")) {
            ("message_start", _) => {
                self.fresh = true;
                self.in_pieces = false;
                steps.push(DriverEvent::State(Activity::Thinking));
            }
            ("content_block_delta", "text_delta") => {
                self.in_pieces = true;
                self.grow(str_at(&event["delta"], "text"), steps);
            }
            ("content_block_delta", "thinking_delta") => steps.push(DriverEvent::State(Activity::Thinking)),
            _ => steps.push(DriverEvent::Life),
        }
    }

    fn grow(&mut self, text: &str, steps: &mut Vec<DriverEvent>) {
        if std::mem::take(&mut self.fresh) {
            self.messages.begin();
        }
        self.messages.push(text);
        self.unsaid |= !text.trim().is_empty();
        steps.extend([DriverEvent::State(Activity::Writing), DriverEvent::Grew]);
    }

    fn assistant(&mut self, event: &Value, steps: &mut Vec<DriverEvent>) {
        let message = &event["message"];
        let blocks = || array(&message["content"]);
        let texts = blocks().filter(|block| str_at(block, "type") == "text");
        // Its own text about a failed request, in place of the model's.
        if event["error"].is_string() || str_at(message, "model") == "<synthetic>" {
            for block in texts {
                self.complaint = text::first_bytes(str_at(block, "text"), 1024).to_owned();
            }
            return;
        }
        for block in texts {
            if !self.in_pieces {
                self.fresh = true;
                self.grow(str_at(block, "text"), steps);
            }
        }
        self.tools(event, steps);
    }

    /// Handles tool calls that begin or end.
    fn tools(&mut self, event: &Value, steps: &mut Vec<DriverEvent>) {
        for block in array(&event["message"]["content"]) {
            match str_at(block, "type") {
                "tool_use" => {
                    let id = str_at(block, "id").to_owned();
                    steps.push(DriverEvent::Tool {
                        id: id.clone(),
                        name: str_at(block, "name").to_owned(),
                        detail: detail(&block["input"]),
                    });
                    let places = workspace_guard::places(&block["input"]);
                    if !places.is_empty() {
                        steps.push(DriverEvent::Touches { id, places });
                    }
                }
                "tool_result" => {
                    let text = result(&block["content"]);
                    if !text.is_empty() {
                        let id = str_at(block, "tool_use_id").to_owned();
                        steps.push(DriverEvent::Gave { id, text });
                    }
                    steps.push(DriverEvent::ToolDone(str_at(block, "tool_use_id").to_owned()));
                    steps.push(DriverEvent::State(Activity::Thinking));
                }
                _ => {}
            }
        }
    }

    fn result(&mut self, event: &Value, steps: &mut Vec<DriverEvent>) {
        let said = str_at(event, "result");
        let subtype = str_at(event, "subtype");
        // Not only the subtype: API errors arrive as "success", and some errors say that they are none.
        let is_error = event["is_error"].as_bool().unwrap_or(subtype != "success");
        self.last = Some(if is_error || subtype.starts_with("error") {
            let errors: Vec<&str> = array(&event["errors"])
                .filter_map(|error| error.as_str())
                .collect();
            let stopped = || format!("it stopped: {}", subtype.replace('_', " "));
            let details = match (said.trim(), &*errors) {
                ("", []) => stopped(),
                ("", errors) => errors.join("; "),
                (said, _) if is_error => said.to_owned(),
                // Its own text, not about the error.
                (said, _) => {
                    if !self.unsaid {
                        self.messages.begin();
                        self.messages.push(said);
                        self.unsaid = true;
                    }
                    stopped()
                }
            };
            Err(Failed::new(why(event, &details), details))
        } else {
            if !said.trim().is_empty() {
                if !self.answer.as_str().is_empty() {
                    self.answer.push("\n\n");
                }
                self.answer.push(said);
                self.messages = Messages::default();
                self.unsaid = false;
            }
            Ok(())
        });
        self.usage(event);
        steps.push(DriverEvent::TurnOver);
    }

    fn usage(&mut self, event: &Value) {
        // Usage since the last result, per model. The other counts cover the whole session in versions that
        // have this one, and this process in older ones.
        if let Some(models) = event["model_usage_since_last_result"].as_object() {
            for usage in models.values() {
                *self.usd.get_or_insert(0.0) += usage["costUSD"].as_f64().unwrap_or(0.0);
                *self.tokens.get_or_insert(0) += sum(
                    usage,
                    [
                        "inputTokens",
                        "outputTokens",
                        "cacheReadInputTokens",
                        "cacheCreationInputTokens",
                    ],
                );
            }
            return;
        }
        if let Some(total) = event["total_cost_usd"].as_f64() {
            self.total = total;
            self.usd = Some((total - self.spent).max(0.0));
        }
        let usage = &event["usage"];
        if usage.is_object() {
            *self.tokens.get_or_insert(0) += sum(
                usage,
                [
                    "input_tokens",
                    "output_tokens",
                    "cache_read_input_tokens",
                    "cache_creation_input_tokens",
                ],
            );
        }
    }
}

/// Classifies the failure of a result.
fn why(event: &Value, details: &str) -> Failure {
    match event["api_error_status"].as_u64() {
        Some(401 | 403) => Failure::LoggedOut,
        Some(_) => Failure::Unreachable,
        None if details.contains("/login") => Failure::LoggedOut,
        None => Failure::Reported,
    }
}

fn retry(event: &Value) -> String {
    let error = match str_at(event, "error") {
        "" | "unknown" => "the request failed".to_owned(),
        error => error.replace('_', " "),
    };
    let status = match event["error_status"].as_u64() {
        Some(status) => format!("HTTP {status}"),
        None => "no connection".to_owned(),
    };
    match (event["attempt"].as_u64(), event["max_retries"].as_u64()) {
        (Some(attempt), Some(most)) => format!("{error} ({status}), attempt {attempt} of {most}"),
        _ => format!("{error} ({status})"),
    }
}

/// The text of a tool result: a string, or several parts.
fn result(content: &Value) -> String {
    match content.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let texts: Vec<&str> = array(content).map(|part| str_at(part, "text")).collect();
            texts.join("\n")
        }
    }
}

/// The tool's target.
fn detail(input: &Value) -> String {
    let place = ["file_path", "notebook_path", "path"]
        .iter()
        .find_map(|key| input[*key].as_str());
    let what = ["command", "pattern", "url", "query", "description"]
        .iter()
        .find_map(|key| input[*key].as_str());
    match (what, place) {
        (Some(what), Some(place)) => format!("{what} in {place}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) if input.as_object().is_some_and(|input| !input.is_empty()) => input.to_string(),
        (None, None) => String::new(),
    }
}

pub(super) fn str_at<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn sum<const N: usize>(usage: &Value, keys: [&str; N]) -> u64 {
    keys.iter()
        .filter_map(|key| usage[*key].as_u64())
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
