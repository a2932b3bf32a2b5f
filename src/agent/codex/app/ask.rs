//! What Codex asks its person: whether it may leave its sandbox, change files, use a server's tool, and
//! questions of its own.

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

/// Requests that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// The folder that the run works in.
    dir: PathBuf,
    /// By the request's id, as JSON: a number and a text of digits are two ids.
    pending: HashMap<String, Pending>,
    /// Refusals that go out when their reason has arrived, by the request that says it.
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

/// What a request is about, as far as its answer depends on that.
#[derive(Debug)]
enum About {
    /// A command, or a change of files.
    Approval,
    /// More room in the sandbox: this much.
    Permissions(Value),
    /// A tool of a server.
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

    /// A request of its: a question for a person, or something that this program does not have, which is
    /// refused at once so that it does not wait. `changes` are the changes of files that go on, by item.
    pub fn request(&mut self, message: &Value, changes: &HashMap<String, Value>) -> DriverEvent {
        let (id, params) = (&message["id"], &message["params"]);
        let mut shown = Shown::new(params);
        shown.skip_all(&BOOKKEEPING);
        let asked = match str_at(message, "method") {
            "item/commandExecution/requestApproval" => self.command(shown, params),
            "item/fileChange/requestApproval" => match changes.get(str_at(params, "itemId")) {
                Some(item) => self.change(shown, params, item),
                // Nobody can say yes to what is not shown.
                None => return DriverEvent::Reply(result(id, &json!({ "decision": "decline" }))),
            },
            "item/permissions/requestApproval" => permissions(shown, params),
            "mcpServer/elicitation/request" => match elicitation(shown, params) {
                Some(asked) => asked,
                // A form or a page to visit: nothing that a yes or a no would answer.
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
            // The same command, taken apart.
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
        // What would be allowed along with it is no part of the command: so it is allowed once only.
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

    /// It does not wait for an answer to that request any more.
    pub fn resolved(&mut self, id: &Value) -> Option<DriverEvent> {
        let id = id.to_string();
        self.pending.remove(&id).map(|_| DriverEvent::AskGone(id))
    }

    /// It waits for nothing any more.
    pub fn over(&mut self) -> impl Iterator<Item = DriverEvent> {
        self.pending.drain().map(|(id, _)| DriverEvent::AskGone(id))
    }

    /// Whether it waits for a person.
    pub fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// A person's answer, as it is written to its standard input.
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
                    // A yes is no answer to a question.
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
        // A refusal has no room for its reason, so that is said in the turn besides. Only when it is
        // taken in does the refusal follow: else the model might read on before it is there.
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

    /// A request of ours is answered, well or badly: if it said why something is refused, the refusal.
    pub fn said(&mut self, id: u64) -> Option<DriverEvent> {
        self.refusals.remove(&id).map(DriverEvent::Reply)
    }
}

/// Of a request what changes nothing of what is allowed: which one it is, when it came, how it may be answered.
/// An amendment that is proposed is never taken up: a yes is for once.
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

/// A request, as it is shown to a person.
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

/// `None` where a yes would not be enough.
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
        // Only its name and what it is called with are told here; whatever else there is stays to be shown.
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
