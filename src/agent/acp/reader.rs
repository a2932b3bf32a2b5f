//! Reads an agent's output: responses to our requests, its own requests, and session updates. Unknown
//! messages are skipped; unknown requests are refused, since it waits for them.

use std::{collections::HashMap, path::PathBuf};

use agent_client_protocol_schema::v1::{
    AGENT_METHOD_NAMES, AgentCapabilities, CLIENT_METHOD_NAMES, CancelNotification, ContentBlock,
    ContentChunk, ErrorCode, InitializeResponse, LoadSessionRequest, MessageId, Meta, NewSessionRequest,
    NewSessionResponse, PROTOCOL_LEVEL_METHOD_NAMES, PromptRequest, PromptResponse, RequestPermissionRequest,
    ResumeSessionRequest, SessionModeState, SessionNotification, SessionUpdate, SetSessionModeRequest,
    StopReason, ToolCall, ToolCallStatus, ToolCallUpdate, UsageUpdate,
};
use nexscope_relay::protocol::body::Activity;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::{
    Run,
    driver::{Conclusion, DriverEvent, Messages, is_session_id},
    json_lines::{JsonLines, Protocol},
};
use super::{
    FIRST_PROMPT, INITIALIZE, MODE, SESSION, ask::Asking, notification, opencode, request, tool, unsupported,
};
use crate::core::{
    Failure,
    runs::{Failed, Outcome, ToolAnswer, Totals, settings::Permissions},
};

/// The ids of modes of known agents that ask before changing anything.
const ASKING_MODES: [&str; 4] = ["read-only", "default", "manual", "ask"];
/// The maximum number of open tool calls tracked.
const MOST_CALLS: usize = 1024;

pub(in super::super) type AcpReader = JsonLines<Events>;

impl AcpReader {
    /// Creates the reader of `run`, which works in `dir`; `meta` is sent with its session.
    pub fn new(run: &Run, dir: PathBuf, meta: Meta) -> Self {
        Self::around(Events {
            prompt: run.prompt.without_skills(),
            resume: run.resume.clone(),
            before: run.before,
            permissions: run.agent.permissions,
            asking: Asking::new(dir.clone(), run.agent.permissions),
            dir,
            meta,
            ..Events::default()
        })
    }
}

/// The state of the session, from the output so far.
#[derive(Debug, Default)]
pub(in super::super) struct Events {
    dir: PathBuf,
    meta: Meta,
    permissions: Permissions,
    prompt: String,
    resume: Option<String>,
    before: Totals,
    can: AgentCapabilities,
    /// It has no modes, and asks because of the rules in its environment.
    asks_by_rules: bool,
    session: String,
    asking: Asking,
    /// Prompts sent; updates before the first belong to earlier turns.
    prompts: u64,
    /// Open tool calls, and whether they were reported.
    calls: HashMap<String, (ToolCall, bool)>,
    /// The messages, of which the last is the answer; and its id, if it has one.
    messages: Messages,
    message_id: Option<MessageId>,
    /// The next text starts a new message.
    fresh: bool,
    /// The result of the turn, once it has ended.
    end: Option<Result<(), Failed>>,
    session_lost: bool,
    /// The last text from it that is no message.
    complaint: String,
    /// The session's total cost in US dollars.
    usd: Option<f64>,
    tokens: Option<u64>,
}

impl Protocol for Events {
    fn object(&mut self, message: &Value, steps: &mut Vec<DriverEvent>) {
        match (message.get("id"), message["method"].as_str()) {
            (Some(id), None) => self.answered(id.as_u64(), message, steps),
            (Some(id), Some(method)) => {
                let step = self.request(id, method, &message["params"], steps);
                steps.push(step);
            }
            (None, Some(method)) => self.told(method, &message["params"], steps),
            (None, None) => {}
        }
    }

    fn complaint(&mut self) -> &mut String {
        &mut self.complaint
    }

    fn reply(&mut self, request: &str, answer: &ToolAnswer) -> Option<String> {
        self.asking.reply(request, answer)
    }

    fn interrupt(&self) -> Option<String> {
        // Before the first prompt there is nothing to cancel.
        self.prompts.checked_sub(1)?;
        let cancel = CancelNotification::new(self.session.clone());
        let cancel = notification(AGENT_METHOD_NAMES.session_cancel, &cancel);
        Some(cancel + &self.asking.cancelled())
    }

    fn answer(&self) -> &str {
        self.messages.last().as_str()
    }

    fn written(&self) -> String {
        self.messages.all()
    }

    fn end(&self) -> Option<Result<String, Failed>> {
        let end = self.end.clone()?;
        Some(end.map(|()| self.messages.last().finished()))
    }

    fn conclusion(&self, outcome: Outcome) -> Conclusion {
        // A resumed session may count from its program's start.
        let base = |now: f64| {
            if now >= self.before.usd {
                self.before.usd
            } else {
                0.0
            }
        };
        Conclusion {
            outcome,
            usd: self.usd.map(|now| now - base(now)),
            tokens: self.tokens,
            totals: Totals {
                usd: self.usd.unwrap_or(self.before.usd),
                tokens: self.before.tokens.saturating_add(self.tokens.unwrap_or(0)),
            },
            session_lost: self.session_lost,
        }
    }

    fn go_on(&mut self, run: &Run) -> Option<String> {
        let before = std::mem::take(self);
        *self = Events {
            resume: run.resume.clone(),
            before: run.before,
            asking: Asking::new(before.dir.clone(), before.permissions),
            permissions: before.permissions,
            dir: before.dir,
            can: before.can,
            asks_by_rules: before.asks_by_rules,
            session: before.session,
            prompts: before.prompts,
            ..Events::default()
        };
        Some(self.say(&run.prompt.without_skills()))
    }
}

impl Events {
    /// Handles the response to a request of ours.
    fn answered(&mut self, id: Option<u64>, message: &Value, steps: &mut Vec<DriverEvent>) {
        let newest = (FIRST_PROMPT + self.prompts).checked_sub(1);
        let known = matches!(id, Some(INITIALIZE | SESSION)) || id == newest && self.prompts > 0;
        if let Some(error) = message.get("error") {
            if known {
                self.failed(id, error, steps);
            } else if id == Some(MODE) {
                self.unknown_mode(steps);
                self.prompt(steps);
            }
            return;
        }
        let result = &message["result"];
        match id {
            Some(INITIALIZE) => match read::<InitializeResponse>(result) {
                Some(hello) => {
                    self.can = hello.agent_capabilities;
                    self.asks_by_rules = hello
                        .agent_info
                        .is_some_and(|program| program.name == opencode::NAME);
                    self.open(steps);
                }
                None => self.failed_by(
                    Failure::Protocol,
                    "it does not speak version 1 of the protocol",
                    steps,
                ),
            },
            Some(SESSION) => self.opened(result, steps),
            Some(MODE) => self.prompt(steps),
            id if known && id == newest => match read::<PromptResponse>(result) {
                Some(done) => self.turn_over(&done, steps),
                None => self.failed_by(Failure::Protocol, "it ended its turn in an unknown way", steps),
            },
            _ => {}
        }
    }

    fn failed(&mut self, id: Option<u64>, error: &Value, steps: &mut Vec<DriverEvent>) {
        let code = error["code"].as_i64().and_then(|code| i32::try_from(code).ok());
        let login = code.is_some_and(|code| ErrorCode::from(code) == ErrorCode::AuthRequired);
        let data = &error["data"];
        let details = data.as_str().or_else(|| {
            let keys = ["message", "details", "error"].iter();
            keys.filter_map(|key| data[*key].as_str()).next()
        });
        let mut reason = error["message"].as_str().unwrap_or_default().to_owned();
        if let Some(details) = details.filter(|details| !reason.contains(details)) {
            reason = format!("{reason}: {details}");
        }
        if login {
            reason = format!("it is not logged in ({reason}): log in with its own program, or set its key");
        }
        self.session_lost = id == Some(SESSION) && self.resume.is_some() && !login;
        let why = match login {
            true => Failure::LoggedOut,
            false => Failure::Reported,
        };
        self.failed_by(why, &reason, steps);
    }

    /// Opens the session: resumes one, or creates a new one.
    fn open(&mut self, steps: &mut Vec<DriverEvent>) {
        let (dir, meta) = (self.dir.clone(), self.meta.clone());
        let ask = match self.resume.clone() {
            // Without replaying its history, if it supports that.
            Some(id) if self.can.session_capabilities.resume.is_some() => {
                let resume = ResumeSessionRequest::new(id, dir).meta(meta);
                request(SESSION, AGENT_METHOD_NAMES.session_resume, &resume)
            }
            Some(id) if self.can.load_session => {
                let load = LoadSessionRequest::new(id, dir).meta(meta);
                request(SESSION, AGENT_METHOD_NAMES.session_load, &load)
            }
            Some(_) => {
                self.session_lost = true;
                return self.failed_by(Failure::Other, "it cannot resume an earlier session", steps);
            }
            None => {
                let new = NewSessionRequest::new(dir).meta(meta);
                request(SESSION, AGENT_METHOD_NAMES.session_new, &new)
            }
        };
        steps.push(DriverEvent::Reply(ask));
    }

    /// The session is open; if it has modes, one that asks is set first.
    fn opened(&mut self, result: &Value, steps: &mut Vec<DriverEvent>) {
        // For a resumed session, the response does not repeat the id.
        self.session = match &self.resume {
            Some(resume) => resume.clone(),
            None => match read::<NewSessionResponse>(result) {
                Some(new) => new.session_id.0.to_string(),
                None => {
                    let details = "it did not say which session it began";
                    return self.failed_by(Failure::Protocol, details, steps);
                }
            },
        };
        if is_session_id(&self.session) {
            steps.push(DriverEvent::Session(self.session.clone()));
        }
        if self.permissions == Permissions::Allow || self.asks_by_rules {
            return self.prompt(steps);
        }
        let modes = read::<SessionModeState>(&result["modes"]);
        let wanted = modes.as_ref().and_then(|modes| {
            let offered = |id: &&&str| modes.available_modes.iter().any(|mode| &*mode.id.0 == **id);
            ASKING_MODES.iter().find(offered).copied()
        });
        match (wanted, modes) {
            (Some(wanted), Some(modes)) if &*modes.current_mode_id.0 != wanted => {
                let set = SetSessionModeRequest::new(self.session.clone(), wanted);
                let set = request(MODE, AGENT_METHOD_NAMES.session_set_mode, &set);
                steps.push(DriverEvent::Reply(set));
            }
            (Some(_), _) => self.prompt(steps),
            (None, _) => {
                self.unknown_mode(steps);
                self.prompt(steps);
            }
        }
    }

    fn unknown_mode(&self, steps: &mut Vec<DriverEvent>) {
        let notice = "it has no known mode that asks first; it may act without asking you";
        steps.push(DriverEvent::Notice(notice.to_owned()));
    }

    fn prompt(&mut self, steps: &mut Vec<DriverEvent>) {
        let text = std::mem::take(&mut self.prompt);
        steps.push(DriverEvent::Reply(self.say(&text)));
    }

    fn say(&mut self, text: &str) -> String {
        let prompt = PromptRequest::new(self.session.clone(), vec![text.into()]);
        let id = FIRST_PROMPT + self.prompts;
        self.prompts += 1;
        // Earlier text is no answer to this prompt.
        self.messages.begin();
        self.fresh = true;
        request(id, AGENT_METHOD_NAMES.session_prompt, &prompt)
    }

    fn request(
        &mut self,
        id: &Value,
        method: &str,
        params: &Value,
        steps: &mut Vec<DriverEvent>,
    ) -> DriverEvent {
        let asked = (method == CLIENT_METHOD_NAMES.session_request_permission)
            .then(|| read::<RequestPermissionRequest>(params))
            .flatten();
        let Some(asked) = asked else {
            return DriverEvent::Reply(unsupported(id));
        };
        // Also for a session that this one has started: it is the same agent.
        let key = asked.tool_call.tool_call_id.0.to_string();
        self.call(asked.tool_call, true, steps);
        match self.calls.get(&key) {
            Some((call, _)) => self.asking.request(id, call, asked.options),
            None => DriverEvent::Reply(unsupported(id)),
        }
    }

    fn told(&mut self, method: &str, params: &Value, steps: &mut Vec<DriverEvent>) {
        if method == PROTOCOL_LEVEL_METHOD_NAMES.cancel_request {
            steps.extend(self.asking.withdrawn(&params["requestId"]));
        }
        let update = (method == CLIENT_METHOD_NAMES.session_update && self.prompts > 0)
            .then(|| read::<SessionNotification>(params))
            .flatten();
        let Some(update) = update else { return };
        let ours = *update.session_id.0 == *self.session;
        match update.update {
            SessionUpdate::ToolCall(call) => {
                self.fresh = true;
                self.call(call.into(), false, steps);
            }
            SessionUpdate::ToolCallUpdate(update) => self.call(update, false, steps),
            // An update of a session that this one started: a sign of life, but no text of the answer.
            _ if !ours => steps.push(DriverEvent::Life),
            SessionUpdate::AgentMessageChunk(chunk) => self.grow(chunk, steps),
            SessionUpdate::AgentThoughtChunk(_) | SessionUpdate::Plan(_) => {
                steps.push(DriverEvent::State(Activity::Thinking));
            }
            SessionUpdate::UsageUpdate(usage) => self.cost(&usage),
            _ => {}
        }
    }

    fn grow(&mut self, chunk: ContentChunk, steps: &mut Vec<DriverEvent>) {
        let ContentBlock::Text(text) = chunk.content else {
            return steps.push(DriverEvent::Life);
        };
        let other = chunk.message_id.is_some() && chunk.message_id != self.message_id;
        if text.text.is_empty() {
            return;
        }
        if std::mem::take(&mut self.fresh) || other {
            self.messages.begin();
            self.message_id = chunk.message_id;
        }
        self.messages.push(&text.text);
        steps.extend([DriverEvent::State(Activity::Writing), DriverEvent::Grew]);
    }

    /// Handles a tool call that begins, continues, is asked about, or ends.
    fn call(&mut self, update: ToolCallUpdate, asked: bool, steps: &mut Vec<DriverEvent>) {
        let id = update.tool_call_id.0.to_string();
        if self.calls.len() >= MOST_CALLS && !self.calls.contains_key(&id) {
            return steps.push(DriverEvent::Life);
        }
        let (call, told) = self
            .calls
            .entry(id.clone())
            .or_insert_with(|| (ToolCall::new(update.tool_call_id.clone(), ""), false));
        call.update(update.fields);
        if update.meta.is_some() {
            call.meta = update.meta;
        }
        let over = matches!(call.status, ToolCallStatus::Completed | ToolCallStatus::Failed);
        let begun = call.status == ToolCallStatus::InProgress;
        if !*told && (over || begun || asked || tool::is_told(call)) {
            *told = true;
            steps.push(DriverEvent::Tool {
                id: id.clone(),
                name: tool::name(call),
                detail: tool::detail(call),
            });
        }
        let places = tool::places(call);
        if !places.is_empty() {
            let id = id.clone();
            steps.push(DriverEvent::Touches { id, places });
        }
        if over {
            let text = tool::gave(call);
            self.calls.remove(&id);
            if !text.is_empty() {
                let id = id.clone();
                steps.push(DriverEvent::Gave { id, text });
            }
            steps.extend([DriverEvent::ToolDone(id), DriverEvent::State(Activity::Thinking)]);
        } else {
            steps.push(DriverEvent::Life);
        }
    }

    /// Records the cost, which counts over the session's life.
    fn cost(&mut self, usage: &UsageUpdate) {
        let cost = usage.cost.as_ref();
        if let Some(cost) = cost.filter(|cost| cost.currency == "USD" && cost.amount >= 0.0) {
            self.usd = Some(cost.amount);
        }
    }

    fn turn_over(&mut self, done: &PromptResponse, steps: &mut Vec<DriverEvent>) {
        if let Some(usage) = &done.usage {
            *self.tokens.get_or_insert(0) += usage.total_tokens;
        }
        steps.extend(self.asking.over());
        // Its turn ends on a refusal: it must get the reason before it can answer.
        if matches!(done.stop_reason, StopReason::EndTurn | StopReason::Cancelled)
            && let Some(why) = self.asking.untold()
        {
            // Some agents report no end for a refused call.
            self.calls.clear();
            return steps.extend([DriverEvent::ToolsDone, DriverEvent::Reply(self.say(&why))]);
        }
        match done.stop_reason {
            StopReason::EndTurn => self.over(Ok(()), steps),
            // If the person stopped it, the run ends before this arrives.
            StopReason::Cancelled => self.failed_by(Failure::Unfinished, "it cancelled its own turn", steps),
            StopReason::Refusal => self.failed_by(Failure::Refused, "it refused to answer", steps),
            StopReason::MaxTokens => {
                let details = "its answer reached the token limit";
                self.failed_by(Failure::Unfinished, details, steps);
            }
            StopReason::MaxTurnRequests => {
                let details = "its turn reached the request limit";
                self.failed_by(Failure::Unfinished, details, steps);
            }
            _ => {
                let details = "it ended its turn for an unknown reason";
                self.failed_by(Failure::Unfinished, details, steps);
            }
        }
    }

    fn failed_by(&mut self, why: Failure, details: &str, steps: &mut Vec<DriverEvent>) {
        let details = match details.trim() {
            "" => "it failed and did not say why",
            details => details,
        };
        self.over(Err(Failed::new(why, details)), steps);
    }

    fn over(&mut self, end: Result<(), Failed>, steps: &mut Vec<DriverEvent>) {
        self.end = Some(end);
        steps.extend(self.asking.over());
        steps.push(DriverEvent::TurnOver);
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}
