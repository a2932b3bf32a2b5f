//! Reads the output of `codex app-server`: responses to our requests, its own requests, and events. Its
//! protocol grows, so everything is optional; unknown events are skipped and unknown requests refused, since
//! it waits for them.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use nexscope_relay::protocol::body::Activity;
use serde_json::{Value, json};

use super::super::super::{
    Run,
    driver::{Conclusion, DriverEvent, LATE, Messages, NEW_SESSION, is_session_id},
    json_lines::{JsonLines, Protocol},
};
use super::super::reader::{failed, gave, str_at, touches, unwrapped};
use crate::core::{
    Failure,
    runs::{Failed, Outcome, ToolAnswer, Totals},
};

use super::{INITIALIZE, INTERRUPT, THREAD, TURN, ask::Asking, items, request, text_input, unsupported};

pub(in super::super::super) type AppReader = JsonLines<Events>;

impl AppReader {
    /// Creates the reader of a run on `prompt` that works in `dir` and resumes `resume`.
    pub fn new(prompt: String, dir: PathBuf, resume: Option<String>, before: Totals) -> Self {
        Self::around(Events {
            prompt,
            resume,
            before,
            asking: Asking::new(dir),
            ..Events::default()
        })
    }
}

/// The state of the run, from the output so far.
#[derive(Debug, Default)]
pub(in super::super::super) struct Events {
    prompt: String,
    resume: Option<String>,
    before: Totals,
    asking: Asking,
    thread: String,
    /// Our turn's id, once it has begun.
    turn: Option<String>,
    /// The thread had turns before ours in this program; their events are not ours.
    goes_on: bool,
    /// The messages, of which the last is the answer; its item, and whether it is complete.
    messages: Messages,
    item: String,
    complete: bool,
    /// Open file changes: requests about them name only the item.
    changes: HashMap<String, Value>,
    /// The result of the turn, once it has ended.
    end: Option<Result<(), Failed>>,
    session_lost: bool,
    /// The last error that it reported.
    complaint: String,
    /// The thread's usage before this run, and including it.
    used: Option<(u64, u64)>,
}

impl Protocol for Events {
    fn object(&mut self, message: &Value, steps: &mut Vec<DriverEvent>) {
        if self.goes_on && self.is_late(&message["params"]) {
            return self.late(message, steps);
        }
        match (message.get("id"), str_at(message, "method")) {
            (Some(id), "") => self.answered(id.as_u64(), message, steps),
            (Some(_), _) => steps.push(self.asking.request(message, &self.changes)),
            (None, method) => self.event(method, &message["params"], steps),
        }
    }

    fn complaint(&mut self) -> &mut String {
        &mut self.complaint
    }

    fn reply(&mut self, request: &str, answer: &ToolAnswer) -> Option<String> {
        self.asking.reply(request, answer)
    }

    fn interrupt(&self) -> Option<String> {
        let turn = self.turn.as_ref()?;
        let params = json!({ "threadId": self.thread, "turnId": turn });
        Some(request(INTERRUPT, "turn/interrupt", params))
    }

    fn answer(&self) -> &str {
        self.messages.last().as_str()
    }

    fn written(&self) -> String {
        self.messages.all()
    }

    fn end(&self) -> Option<Result<String, Failed>> {
        let end = self.end.clone()?;
        let answer = self.messages.last();
        Some(
            end.and_then(|()| match self.complete || answer.as_str().trim().is_empty() {
                true => Ok(answer.finished()),
                false => Err(Failed::new(
                    Failure::Unfinished,
                    "its last message was never completed",
                )),
            }),
        )
    }

    fn conclusion(&self, outcome: Outcome) -> Conclusion {
        Conclusion {
            outcome,
            usd: None,
            tokens: self.used.map(|(before, total)| total.saturating_sub(before)),
            totals: Totals {
                usd: self.before.usd,
                tokens: self.used.map_or(self.before.tokens, |(_, total)| total),
            },
            session_lost: self.session_lost,
        }
    }

    fn go_on(&mut self, run: &Run) -> Option<String> {
        let before = std::mem::take(self);
        *self = Events {
            resume: run.resume.clone(),
            before: run.before,
            asking: Asking::new(run.dir.clone()),
            thread: before.thread,
            goes_on: true,
            ..Events::default()
        };
        Some(self.turn(&run.prompt.without_skills()))
    }
}

impl Events {
    /// Handles the response to a request of ours.
    fn answered(&mut self, id: Option<u64>, message: &Value, steps: &mut Vec<DriverEvent>) {
        let known = matches!(id, Some(INITIALIZE | THREAD | TURN));
        if known && let Some(error) = message.get("error") {
            let reason = str_at(error, "message");
            self.session_lost = id == Some(THREAD)
                && self.resume.is_some()
                && ["no rollout found", "invalid session id"]
                    .iter()
                    .any(|gone| reason.contains(gone));
            self.over(Err(failed(reason)), steps);
            return;
        }
        let result = &message["result"];
        match id {
            Some(THREAD) => {
                str_at(&result["thread"], "id").clone_into(&mut self.thread);
                self.session(steps);
                let prompt = std::mem::take(&mut self.prompt);
                steps.push(DriverEvent::Reply(self.turn(&prompt)));
            }
            Some(INITIALIZE) => {
                let rules = Path::new(str_at(result, "codexHome")).join("rules");
                if has_rules(&rules) {
                    steps.push(DriverEvent::Notice(format!(
                        "what its own rules in {} allow, it does without asking",
                        rules.display()
                    )));
                }
            }
            Some(TURN) => self.began(&result["turn"]),
            Some(id) => steps.extend(self.asking.said(id)),
            None => {}
        }
    }

    fn turn(&self, text: &str) -> String {
        let params = json!({ "threadId": self.thread, "input": [text_input(text)] });
        request(TURN, "turn/start", params)
    }

    /// Whether an event belongs to another turn of this thread.
    fn is_late(&self, params: &Value) -> bool {
        let turn = [&params["turnId"], &params["turn"]["id"]];
        let turn = turn.into_iter().find_map(Value::as_str);
        // The response to our request names our turn, and it arrives first.
        str_at(params, "threadId") == self.thread && turn.is_some() && turn != self.turn.as_deref()
    }

    fn late(&mut self, message: &Value, steps: &mut Vec<DriverEvent>) {
        match (message.get("id"), str_at(message, "method")) {
            (Some(id), _) => steps.push(DriverEvent::Reply(unsupported(id))),
            (None, "turn/completed") => steps.push(DriverEvent::Notice(LATE.to_owned())),
            _ => {}
        }
    }

    fn session(&mut self, steps: &mut Vec<DriverEvent>) {
        if !is_session_id(&self.thread) {
            return;
        }
        if self.resume.as_ref().is_some_and(|resume| *resume != self.thread) {
            steps.push(DriverEvent::Notice(NEW_SESSION.to_owned()));
            self.before = Totals::default();
        }
        steps.push(DriverEvent::Session(self.thread.clone()));
    }

    fn began(&mut self, turn: &Value) {
        if let Some(id) = turn["id"].as_str() {
            self.turn = Some(id.to_owned());
        }
    }

    fn event(&mut self, method: &str, params: &Value, steps: &mut Vec<DriverEvent>) {
        if method == "serverRequest/resolved" {
            steps.extend(self.asking.resolved(&params["requestId"]));
            if !self.asking.waits() {
                steps.push(DriverEvent::State(Activity::Tool));
            }
            return;
        }
        // An event of a thread that this one started: a sign of life, but no text of the answer.
        let thread = str_at(params, "threadId");
        if !thread.is_empty() && !self.thread.is_empty() && thread != self.thread {
            let item = &params["item"];
            self.changed(method, item);
            steps.push(DriverEvent::Life);
            // Text that it reads may legitimately appear in our answer.
            if items::tool(item).is_some() {
                let (id, words) = (str_at(item, "id"), ["command", "cwd", "arguments", "path"]);
                steps.extend(touches(id, &words.map(|key| &item[key]), &item["changes"]));
                steps.extend(gave(id, &[&item["aggregatedOutput"], &item["result"]]));
            }
            return;
        }
        match method {
            "turn/started" => {
                self.began(&params["turn"]);
                steps.push(DriverEvent::State(Activity::Thinking));
            }
            "item/started" => self.item(method, &params["item"], steps),
            "item/completed" => self.item(method, &params["item"], steps),
            "item/agentMessage/delta" => {
                self.message_of(str_at(params, "itemId"));
                self.messages.push(str_at(params, "delta"));
                self.complete = false;
                steps.extend([
                    DriverEvent::ToolsDone,
                    DriverEvent::State(Activity::Writing),
                    DriverEvent::Grew,
                ]);
            }
            "thread/tokenUsage/updated" => self.usage(params),
            "error" => self.error(params, steps),
            "warning" => steps.push(DriverEvent::Notice(str_at(params, "message").to_owned())),
            "turn/completed" => self.completed(&params["turn"], steps),
            method if method.starts_with("item/reasoning/") => {
                steps.push(DriverEvent::State(Activity::Thinking))
            }
            method if method.starts_with("item/") => steps.push(DriverEvent::Life),
            _ => {}
        }
    }

    fn item(&mut self, method: &str, item: &Value, steps: &mut Vec<DriverEvent>) {
        self.changed(method, item);
        let completed = method == "item/completed";
        match (str_at(item, "type"), items::tool(item)) {
            // Our own text.
            ("userMessage", _) => {}
            ("agentMessage", _) => {
                self.message_of(str_at(item, "id"));
                if completed {
                    self.messages.set(str_at(item, "text"));
                    self.complete = true;
                    steps.extend([
                        DriverEvent::ToolsDone,
                        DriverEvent::State(Activity::Writing),
                        DriverEvent::Grew,
                    ]);
                }
            }
            ("reasoning", _) => steps.push(DriverEvent::State(Activity::Thinking)),
            (_, Some(_)) if completed => {
                let id = str_at(item, "id").to_owned();
                steps.extend(gave(&id, &[&item["aggregatedOutput"], &item["result"]]));
                steps.extend([DriverEvent::ToolDone(id), DriverEvent::State(Activity::Thinking)]);
            }
            (_, Some((name, detail))) => {
                let id = str_at(item, "id").to_owned();
                steps.extend(Some(DriverEvent::Tool {
                    id: id.clone(),
                    name,
                    detail,
                }));
                let words = ["command", "cwd", "arguments", "path"].map(|key| &item[key]);
                steps.extend(touches(&id, &words, &item["changes"]));
            }
            _ => steps.push(DriverEvent::Life),
        }
    }

    /// Tracks a file change as long as it may be asked about.
    fn changed(&mut self, method: &str, item: &Value) {
        if str_at(item, "type") == "fileChange" {
            let id = str_at(item, "id").to_owned();
            match method {
                "item/started" => self.changes.insert(id, item.clone()),
                _ => self.changes.remove(&id),
            };
        }
    }

    /// Directs the following text to the message `item`.
    fn message_of(&mut self, item: &str) {
        if self.item != item {
            item.clone_into(&mut self.item);
            self.messages.begin();
            self.complete = false;
        }
    }

    /// Records the usage, which counts over the thread's life. A resumed one first repeats its last turn's
    /// count.
    fn usage(&mut self, params: &Value) {
        if params["turnId"].as_str() != self.turn.as_deref() {
            return;
        }
        let usage = &params["tokenUsage"];
        let sum = |of: &Value| -> u64 {
            // Cached tokens are part of the input, and reasoning tokens part of the output.
            let parts = ["inputTokens", "outputTokens"].iter();
            parts
                .filter_map(|key| of[*key].as_u64())
                .fold(0, u64::saturating_add)
        };
        let total = sum(&usage["total"]);
        let before = self
            .used
            .map_or_else(|| total.saturating_sub(sum(&usage["last"])), |(before, _)| before);
        self.used = Some((before, total));
    }

    fn error(&mut self, params: &Value, steps: &mut Vec<DriverEvent>) {
        let error = &params["error"];
        self.complaint = match (str_at(error, "message"), str_at(error, "additionalDetails")) {
            (message, "") => unwrapped(message),
            (message, details) => format!("{message} ({details})"),
        };
        // A final error is repeated at the end of the turn.
        if params["willRetry"] == true {
            steps.extend([DriverEvent::ToolsDone, DriverEvent::Retry(self.complaint.clone())]);
        }
    }

    fn completed(&mut self, turn: &Value, steps: &mut Vec<DriverEvent>) {
        match str_at(turn, "status") {
            "completed" => self.over(Ok(()), steps),
            "interrupted" => self.over(
                Err(Failed::new(Failure::Stopped, "its turn was interrupted")),
                steps,
            ),
            _ => self.over(Err(failed(str_at(&turn["error"], "message"))), steps),
        }
    }

    fn over(&mut self, end: Result<(), Failed>, steps: &mut Vec<DriverEvent>) {
        self.end = Some(end);
        steps.extend(self.asking.over());
        steps.push(DriverEvent::TurnOver);
    }
}

/// Whether the person has allowed commands permanently in Codex itself: those bypass the sandbox without a
/// request here too, and `app-server` has no option against it.
fn has_rules(folder: &Path) -> bool {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rules"))
        .any(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0))
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
