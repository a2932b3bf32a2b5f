//! Requests of Codex to the person: to leave its sandbox, change files, use a server's tool, and questions.

use std::{collections::HashMap, path::PathBuf};

use serde_json::{Value, json};

use super::super::super::{
    driver::DriverEvent,
    shown::{Shown, Whole},
    workspace_guard,
};
use super::super::reader::str_at;
use super::{STEER, items, line, steer, unsupported};
use crate::core::runs::{GrantRule, ToolAnswer, without_skills};

/// Pending requests.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// The run's folder.
    dir: PathBuf,
    /// Keyed by the request's id, as JSON: a number and a string of digits are different ids.
    pending: HashMap<String, Pending>,
    /// Refusals held back until their reason has arrived, by the id of the request that carries the reason.
    refusals: HashMap<u64, String>,
    reasons: u64,
}

#[derive(Debug)]
struct Pending {
    id: Value,
    thread: String,
    turn: String,
    about: About,
}

/// The type of a request, as far as its answer depends on it.
#[derive(Debug)]
enum About {
    /// A command, or a change of files.
    Approval,
    /// More permissions in the sandbox: these.
    Permissions(Value),
    /// A server's tool.
    Elicitation,
    Questions(Vec<String>),
}

impl Asking {
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            ..Self::default()
        }
    }

    /// Handles a request: a question for the person, or a request that we do not support, which is refused at
    /// once so that it does not wait. `changes` are the open file changes, by item.
    pub fn request(&mut self, message: &Value, changes: &HashMap<String, Value>) -> DriverEvent {
        let (id, params) = (&message["id"], &message["params"]);
        let mut shown = Shown::new(params);
        shown.skip_all(&BOOKKEEPING);
        let asked = match str_at(message, "method") {
            "item/commandExecution/requestApproval" => self.command(shown, params),
            "item/fileChange/requestApproval" => match changes.get(str_at(params, "itemId")) {
                Some(item) => self.change(shown, params, item),
                // A request that cannot be shown cannot be approved.
                None => return DriverEvent::Reply(result(id, &json!({ "decision": "decline" }))),
            },
            "item/permissions/requestApproval" => permissions(shown, params),
            "mcpServer/elicitation/request" => match elicitation(shown, params) {
                Some(asked) => asked,
                // A form or a page to visit: a yes or no would not answer it.
                None => {
                    return DriverEvent::Reply(result(id, &json!({ "action": "decline", "content": null })));
                }
            },
            "item/tool/requestUserInput" => questions(shown, params),
            _ => return DriverEvent::Reply(unsupported(id)),
        };
        self.pending.insert(
            id.to_string(),
            Pending {
                id: id.clone(),
                thread: str_at(params, "threadId").to_owned(),
                turn: str_at(params, "turnId").to_owned(),
                about: asked.about,
            },
        );
        DriverEvent::Ask(
            asked
                .whole
                .request(id.to_string(), asked.tool, asked.places, asked.rule),
        )
    }

    fn command(&self, mut shown: Shown, params: &Value) -> Asked {
        let told = shown.command("command");
        if told {
            // The same command, parsed.
            shown.skip("commandActions");
        }
        if str_at(params, "kind") == "command" {
            shown.skip("kind");
        }
        shown.skip_unset(&["networkApprovalContext", "additionalPermissions"]);
        let cwd = params["cwd"].as_str();
        let here = |cwd: &str| {
            let real = PathBuf::from(cwd).canonicalize();
            real.is_ok_and(|real| self.dir.canonicalize().is_ok_and(|dir| dir == real))
        };
        if cwd.is_some_and(here) {
            shown.skip("cwd");
        }
        shown.says("reason");
        // Permissions requested along with it are not part of the command, so it is allowed once only.
        let plain = told && !shown.has_more_than(&[]);
        let whole = shown.finish();
        let (tool, words) = (
            "shell".to_owned(),
            workspace_guard::places(&json!({ "command": params["command"] })),
        );
        Asked {
            about: About::Approval,
            rule: plain.then(|| whole.rule(&tool)),
            tool,
            places: words.into_iter().chain(cwd.map(str::to_owned)).collect(),
            whole,
        }
    }

    fn change(&self, mut shown: Shown, params: &Value, item: &Value) -> Asked {
        items::change(&mut shown, item);
        let root = params["grantRoot"].as_str();
        shown.skip_unset(&["grantRoot"]);
        shown.says("reason");
        let plain = !shown.has_more_than(&[]);
        let rule = items::folder(item, &self.dir)
            .filter(|_| plain)
            .map(GrantRule::Below);
        Asked {
            about: About::Approval,
            tool: "edit".to_owned(),
            places: items::paths(item).chain(root).map(str::to_owned).collect(),
            whole: shown.finish(),
            rule,
        }
    }

    /// Handles the end of a request: it no longer waits for an answer.
    pub fn resolved(&mut self, id: &Value) -> Option<DriverEvent> {
        let id = id.to_string();
        self.pending.remove(&id).map(|_| DriverEvent::AskGone(id))
    }

    /// Withdraws all requests.
    pub fn over(&mut self) -> impl Iterator<Item = DriverEvent> {
        self.pending.drain().map(|(id, _)| DriverEvent::AskGone(id))
    }

    /// Whether a request for a person is pending.
    pub fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Encodes a person's answer for standard input.
    pub fn reply(&mut self, id: &str, answer: &ToolAnswer) -> Option<String> {
        let pending = self.pending.remove(id)?;
        let yes = *answer == ToolAnswer::Allow;
        let answered = match &pending.about {
            About::Approval => json!({ "decision": if yes { "accept" } else { "decline" } }),
            About::Permissions(wanted) => {
                let granted = if yes { wanted.clone() } else { json!({}) };
                json!({ "permissions": granted, "scope": "turn" })
            }
            About::Elicitation if yes => json!({ "action": "accept", "content": {} }),
            About::Elicitation => json!({ "action": "decline", "content": null }),
            About::Questions(ids) => {
                let said = match answer {
                    // An approval does not answer a question.
                    ToolAnswer::Allow => "Decide that yourself, as you think best.",
                    ToolAnswer::Deny(reason) => reason,
                };
                let answers: serde_json::Map<String, Value> = ids
                    .iter()
                    .map(|id| (id.clone(), json!({ "answers": [said] })))
                    .collect();
                return Some(result(&pending.id, &json!({ "answers": answers })));
            }
        };
        let answered = result(&pending.id, &answered);
        // A refusal has no field for its reason, so the reason is sent into the turn separately. The refusal
        // follows only once that is accepted: otherwise the model might continue before the reason arrives.
        match answer {
            ToolAnswer::Deny(reason) if !reason.trim().is_empty() => {
                let text = without_skills(&format!("The person said no: {reason}"));
                let id = STEER + self.reasons;
                self.reasons += 1;
                self.refusals.insert(id, answered);
                Some(steer(id, &pending.thread, &pending.turn, &text))
            }
            _ => Some(answered),
        }
    }

    /// Handles the response, success or error, to a request of ours: returns the refusal if the request
    /// carried its reason.
    pub fn said(&mut self, id: u64) -> Option<DriverEvent> {
        self.refusals.remove(&id).map(DriverEvent::Reply)
    }
}

/// Fields of a request that do not affect what is allowed: its id, its time, the possible answers. A proposed
/// amendment is never accepted: an approval is for once.
const BOOKKEEPING: [&str; 9] = [
    "approvalId",
    "availableDecisions",
    "environmentId",
    "itemId",
    "proposedExecpolicyAmendment",
    "proposedNetworkPolicyAmendments",
    "startedAtMs",
    "threadId",
    "turnId",
];

/// A request as shown to a person.
struct Asked {
    about: About,
    tool: String,
    whole: Whole,
    /// All places that it names.
    places: Vec<String>,
    rule: Option<GrantRule>,
}

fn permissions(mut shown: Shown, params: &Value) -> Asked {
    let mut wanted = params["permissions"].clone();
    if let Some(wanted) = wanted.as_object_mut() {
        wanted.retain(|_, one| !one.is_null());
    }
    shown.skip("permissions");
    shown.json(&wanted);
    shown.labelled("until the end of this turn", "");
    shown.says("reason");
    Asked {
        places: workspace_guard::places(&json!({ "permissions": wanted })),
        about: About::Permissions(wanted),
        tool: "permissions".to_owned(),
        whole: shown.finish(),
        rule: None,
    }
}

/// `None` if an approval would not be enough.
fn elicitation(mut shown: Shown, params: &Value) -> Option<Asked> {
    let fields = params["requestedSchema"]["properties"].as_object();
    if str_at(params, "mode") == "url" || fields.is_some_and(|fields| !fields.is_empty()) {
        return None;
    }
    let (server, meta) = (str_at(params, "serverName"), &params["_meta"]);
    // There is nothing to fill in.
    shown.skip_all(&["requestedSchema", "mode", "serverName"]);
    let message = shown.take_text("message");
    let tool = match meta["tool_name"].as_str() {
        Some(tool) if meta["codex_approval_kind"] == "mcp_tool_call" => Some(format!("{server}.{tool}")),
        _ => None,
    };
    if let Some(message) = &message {
        shown.block(message);
    }
    if tool.is_some() {
        // Only its name and arguments are described here; the other fields remain to be shown.
        let mut meta = meta.clone();
        if let Some(meta) = meta.as_object_mut() {
            meta.remove("codex_approval_kind");
            meta.remove("tool_name");
            if let Some(params) = meta.remove("tool_params") {
                shown.json(&params);
            }
            shown.skip("_meta");
            if !meta.is_empty() {
                shown.json(&Value::Object(meta.clone()));
            }
        }
    }
    let whole = shown.finish();
    Some(Asked {
        about: About::Elicitation,
        rule: tool.as_ref().map(|tool| whole.rule(tool)),
        tool: tool.unwrap_or_else(|| server.to_owned()),
        places: workspace_guard::places(&meta["tool_params"]),
        whole,
    })
}

fn questions(mut shown: Shown, params: &Value) -> Asked {
    let asked = params["questions"].as_array().cloned().unwrap_or_default();
    let ids = asked
        .iter()
        .map(|question| str_at(question, "id").to_owned())
        .collect();
    for question in &asked {
        shown.block(str_at(question, "question"));
        let options = question["options"].as_array().into_iter().flatten();
        let lines = options.flat_map(|one| str_at(one, "label").split('\n'));
        shown.lines(lines.map(|line| ("-", line)));
    }
    shown.skip("questions");
    shown.labelled("(Reject, and write your answer as the reason.)", "");
    Asked {
        about: About::Questions(ids),
        tool: "question".to_owned(),
        whole: shown.finish(),
        places: Vec::new(),
        rule: None,
    }
}

fn result(id: &Value, result: &Value) -> String {
    line(&json!({ "id": id, "result": result }))
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
