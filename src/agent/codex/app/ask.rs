//! What Codex asks its person: whether it may leave its sandbox, change files, use a server's tool, and
//! questions of its own.

use std::{collections::HashMap, path::PathBuf};

use serde_json::{Value, json};

use super::super::super::{Answer, Request, Rule, prompt::without_skills, step::Step};
use super::super::reader::str_at;
use super::{STEER, items, line, steer, unsupported};

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

/// A request that waits.
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
    /// Questions, by their ids.
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
    pub fn request(&mut self, message: &Value, changes: &HashMap<String, Value>) -> Step {
        let (id, params) = (&message["id"], &message["params"]);
        let asked = match str_at(message, "method") {
            "item/commandExecution/requestApproval" => self.command(params),
            "item/fileChange/requestApproval" => self.change(params, changes),
            "item/permissions/requestApproval" => permissions(params),
            "mcpServer/elicitation/request" => match elicitation(params) {
                Some(asked) => asked,
                // A form or a page to visit: nothing that a yes or a no would answer.
                None => return Step::Reply(result(id, &json!({ "action": "decline", "content": null }))),
            },
            "item/tool/requestUserInput" => questions(params),
            _ => return Step::Reply(unsupported(id)),
        };
        let (about, tool, what, rule) = asked;
        self.pending.insert(
            id.to_string(),
            Pending {
                id: id.clone(),
                thread: str_at(params, "threadId").to_owned(),
                turn: str_at(params, "turnId").to_owned(),
                about,
            },
        );
        Step::Ask(Request {
            id: id.to_string(),
            tool,
            what,
            rule,
        })
    }

    fn command(&self, params: &Value) -> Asked {
        let command = str_at(params, "command");
        let mut what = vec![command.to_owned()];
        let mut rule = (!command.is_empty()).then(|| Rule::Command(command.to_owned()));
        // Text for a program that runs already is no command of its own.
        if !matches!(str_at(params, "kind"), "" | "command") {
            rule = None;
            what.push("(input for a program that runs)".to_owned());
        }
        if let Some(cwd) = params["cwd"].as_str()
            && self.dir.canonicalize().ok() != PathBuf::from(cwd).canonicalize().ok()
        {
            rule = None;
            what.push(format!("in {cwd}"));
        }
        // Both would be allowed along with it, so a grant of the bare command must not do.
        for (key, title) in [
            ("networkApprovalContext", "it wants to reach"),
            ("additionalPermissions", "it wants besides"),
        ] {
            if !params[key].is_null() {
                rule = None;
                what.push(format!("{title} {}", params[key]));
            }
        }
        what.extend(reason(params));
        (About::Approval, "shell".to_owned(), what.join("\n\n"), rule)
    }

    fn change(&self, params: &Value, changes: &HashMap<String, Value>) -> Asked {
        let item = changes.get(str_at(params, "itemId"));
        let mut rule = item
            .and_then(|item| items::folder(item, &self.dir))
            .map(Rule::Below);
        let mut what = vec![item.map_or_else(|| "(it does not say what)".to_owned(), items::change)];
        if let Some(root) = params["grantRoot"].as_str() {
            rule = None;
            what.push(format!("and from then on to write below {root}"));
        }
        what.extend(reason(params));
        (About::Approval, "edit".to_owned(), what.join("\n\n"), rule)
    }

    /// It does not wait for an answer to that request any more.
    pub fn resolved(&mut self, id: &Value) -> Option<Step> {
        let id = id.to_string();
        self.pending.remove(&id).map(|_| Step::AskGone(id))
    }

    /// It waits for nothing any more.
    pub fn over(&mut self) -> impl Iterator<Item = Step> {
        self.pending.drain().map(|(id, _)| Step::AskGone(id))
    }

    /// Whether it waits for a person.
    pub fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// A person's answer, as it is written to its standard input.
    pub fn reply(&mut self, id: &str, answer: &Answer) -> Option<String> {
        let pending = self.pending.remove(id)?;
        let yes = *answer == Answer::Allow;
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
                    Answer::Allow => "Decide that yourself, as you think best.",
                    Answer::Deny(reason) => reason,
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
            Answer::Deny(reason) if !reason.trim().is_empty() => {
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
    pub fn said(&mut self, id: u64) -> Option<Step> {
        self.refusals.remove(&id).map(Step::Reply)
    }
}

/// What it is about, the tool, what it would do, and what could be granted.
type Asked = (About, String, String, Option<Rule>);

fn permissions(params: &Value) -> Asked {
    let mut wanted = params["permissions"].clone();
    if let Some(wanted) = wanted.as_object_mut() {
        wanted.retain(|_, one| !one.is_null());
    }
    let mut what = vec![serde_json::to_string_pretty(&wanted).unwrap_or_default()];
    what.push("until the end of this turn".to_owned());
    what.extend(reason(params));
    (
        About::Permissions(wanted),
        "permissions".to_owned(),
        what.join("\n\n"),
        None,
    )
}

/// `None` where a yes would not be enough.
fn elicitation(params: &Value) -> Option<Asked> {
    let fields = params["requestedSchema"]["properties"].as_object();
    if str_at(params, "mode") == "url" || fields.is_some_and(|fields| !fields.is_empty()) {
        return None;
    }
    let (server, meta) = (str_at(params, "serverName"), &params["_meta"]);
    let message = str_at(params, "message").to_owned();
    Some(match meta["tool_name"].as_str() {
        Some(tool) if meta["codex_approval_kind"] == "mcp_tool_call" => {
            let name = format!("{server}.{tool}");
            let input = serde_json::to_string_pretty(&meta["tool_params"]).unwrap_or_default();
            let rule = Rule::Tool(name.clone());
            (
                About::Elicitation,
                name,
                format!("{message}\n\n{input}"),
                Some(rule),
            )
        }
        _ => (About::Elicitation, server.to_owned(), message, None),
    })
}

fn questions(params: &Value) -> Asked {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let asked = array(&params["questions"]);
    let ids = asked
        .iter()
        .map(|question| str_at(question, "id").to_owned())
        .collect();
    let mut what: Vec<String> = asked
        .iter()
        .map(|question| {
            let options = array(&question["options"]);
            let options = options.iter().map(|one| format!("\n- {}", str_at(one, "label")));
            format!("{}{}", str_at(question, "question"), options.collect::<String>())
        })
        .collect();
    what.push("(Reject, and write your answer as the reason.)".to_owned());
    let tool = "question".to_owned();
    (About::Questions(ids), tool, what.join("\n\n"), None)
}

/// The model's own words on why it asks.
fn reason(params: &Value) -> Option<String> {
    let reason = str_at(params, "reason").trim();
    (!reason.is_empty()).then(|| format!("(it says: {reason})"))
}

fn result(id: &Value, result: &Value) -> String {
    line(&json!({ "id": id, "result": result }))
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
