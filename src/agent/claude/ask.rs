//! What Claude Code asks its person: whether it may use a tool, and questions of its own.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    super::{
        Answer, Request, Rule,
        step::{Step, folder_inside},
    },
    reader::str_at,
};

/// Its tool for questions to a person.
const QUESTION: &str = "AskUserQuestion";

/// Requests that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// The folder that the run works in, where a person can be asked.
    dir: Option<PathBuf>,
    /// What each request was about: the tool, and its input, which goes back with a yes.
    pending: HashMap<String, (String, Value)>,
}

impl Asking {
    pub fn new(dir: Option<PathBuf>) -> Self {
        Self {
            dir,
            pending: HashMap::new(),
        }
    }

    /// The folder that the run works in, where a person can be asked.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// A `control_request` that nobody is asked about any more.
    pub fn refuse(event: &Value) -> Step {
        Self::default().request(event)
    }

    /// A `control_request`: a question for a person, or something that this program does not have, which is
    /// refused at once so that it does not wait.
    pub fn request(&mut self, event: &Value) -> Step {
        let (id, request) = (str_at(event, "request_id"), &event["request"]);
        let tool = str_at(request, "tool_name");
        match (&self.dir, str_at(request, "subtype")) {
            (Some(dir), "can_use_tool") if !id.is_empty() => {
                let input = &request["input"];
                let asked = Request {
                    id: id.to_owned(),
                    tool: tool.to_owned(),
                    what: what(tool, input),
                    rule: rule(tool, input, dir),
                };
                self.pending
                    .insert(id.to_owned(), (tool.to_owned(), input.clone()));
                Step::Ask(asked)
            }
            (None, "can_use_tool") => Step::Reply(denial(id, "Nobody can be asked in this run.")),
            _ => Step::Reply(line(json!({
                "subtype": "error", "request_id": id, "error": "not supported",
            }))),
        }
    }

    /// A `control_cancel_request`: it does not wait any more.
    pub fn withdrawn(&mut self, event: &Value) -> Option<Step> {
        let id = str_at(event, "request_id");
        self.pending.remove(id).map(|_| Step::AskGone(id.to_owned()))
    }

    /// A person's answer, as it is written to its standard input.
    pub fn reply(&mut self, id: &str, answer: &Answer) -> Option<String> {
        let (tool, input) = self.pending.remove(id)?;
        Some(match answer {
            // A yes is no answer to a question.
            Answer::Allow if tool == QUESTION => denial(id, "Decide that yourself, as you think best."),
            Answer::Allow => line(json!({
                "subtype": "success",
                "request_id": id,
                // Older versions want the input back.
                "response": { "behavior": "allow", "updatedInput": input },
            })),
            Answer::Deny(reason) if tool == QUESTION => denial(id, &format!("The person answers: {reason}")),
            Answer::Deny(reason) => denial(id, &format!("The person said no: {reason}")),
        })
    }
}

fn denial(id: &str, message: &str) -> String {
    line(json!({
        "subtype": "success",
        "request_id": id,
        "response": { "behavior": "deny", "message": message },
    }))
}

fn line(response: Value) -> String {
    format!(
        "{}\n",
        json!({ "type": "control_response", "response": response })
    )
}

/// What it would do, for a person who decides: the whole of it.
fn what(tool: &str, input: &Value) -> String {
    let text = |key: &str| str_at(input, key).to_owned();
    match tool {
        "Bash" => text("command"),
        "Write" => format!("{}\n\n{}", text("file_path"), text("content")),
        "Edit" => {
            let lines = |mark: &str, key: &str| -> Vec<String> {
                str_at(input, key)
                    .lines()
                    .map(|line| format!("{mark} {line}"))
                    .collect()
            };
            let all = if input["replace_all"] == true {
                " (everywhere in it)"
            } else {
                ""
            };
            let change = [lines("-", "old_string"), lines("+", "new_string")]
                .concat()
                .join("\n");
            format!("{}{all}\n\n{change}", text("file_path"))
        }
        QUESTION => {
            let questions = input["questions"].as_array().into_iter().flatten();
            let asked = questions.map(|question| {
                let options = question["options"].as_array().into_iter().flatten();
                let options: Vec<String> = options.map(|one| format!("- {}", str_at(one, "label"))).collect();
                format!("{}\n{}", str_at(question, "question"), options.join("\n"))
            });
            format!(
                "{}\n\n(Reject, and write your answer as the reason.)",
                asked.collect::<Vec<_>>().join("\n")
            )
        }
        _ => serde_json::to_string_pretty(input).unwrap_or_default(),
    }
}

/// What could be allowed for the rest of the thread: this very command, writing below this file's folder
/// inside the run's own, or a tool of a server.
fn rule(tool: &str, input: &Value, dir: &Path) -> Option<Rule> {
    match tool {
        "Bash" => Some(Rule::Command(str_at(input, "command").to_owned())),
        "Write" | "Edit" | "NotebookEdit" => {
            let file = ["file_path", "notebook_path"]
                .iter()
                .find_map(|key| input[*key].as_str())?;
            folder_inside(dir, file).map(Rule::Below)
        }
        tool if tool.starts_with("mcp__") => Some(Rule::Tool(tool.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(tool: &str, input: Value) -> Value {
        json!({ "type": "control_request", "request_id": "r1",
            "request": { "subtype": "can_use_tool", "tool_name": tool, "input": input } })
    }

    #[test]
    fn a_question_waits_and_is_answered_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut asking = Asking::new(Some(dir.path().to_owned()));
        let input = json!({ "command": "echo hi > x", "description": "writes" });
        let Step::Ask(request) = asking.request(&asks("Bash", input.clone())) else {
            panic!()
        };
        assert_eq!(
            (request.tool.as_str(), request.what.as_str()),
            ("Bash", "echo hi > x")
        );
        assert_eq!(request.rule, Some(Rule::Command("echo hi > x".into())));
        let reply: Value = serde_json::from_str(&asking.reply("r1", &Answer::Allow).unwrap()).unwrap();
        let response = json!({ "behavior": "allow", "updatedInput": input });
        assert_eq!(reply["response"]["response"], response);
        assert_eq!(asking.reply("r1", &Answer::Allow), None);
    }

    #[test]
    fn a_no_says_why_and_what_is_withdrawn_is_gone() {
        let mut asking = Asking::new(Some("/".into()));
        asking.request(&asks("Bash", json!({ "command": "ls" })));
        let no = asking.reply("r1", &Answer::Deny("not today".into())).unwrap();
        assert!(no.contains("\"deny\"") && no.contains("not today"), "{no}");
        asking.request(&asks("Bash", json!({ "command": "ls" })));
        assert_eq!(
            asking.withdrawn(&json!({ "request_id": "r1" })),
            Some(Step::AskGone("r1".into()))
        );
        assert_eq!(asking.withdrawn(&json!({ "request_id": "r1" })), None);
    }

    #[test]
    fn where_nobody_can_be_asked_it_is_refused_at_once() {
        let mut asking = Asking::default();
        let Step::Reply(no) = asking.request(&asks("Bash", json!({}))) else {
            panic!()
        };
        assert!(no.contains("Nobody can be asked"));
        let unknown = json!({ "request_id": "r", "request": { "subtype": "hook_callback" } });
        let Step::Reply(no) = asking.request(&unknown) else {
            panic!()
        };
        assert!(no.contains("not supported"));
    }

    #[test]
    fn what_is_shown_is_the_whole_of_it() {
        let table = [
            (
                "Write",
                json!({ "file_path": "/a/b", "content": "x\ny" }),
                "/a/b\n\nx\ny",
            ),
            (
                "Edit",
                json!({ "file_path": "/a", "old_string": "one", "new_string": "two\nthree", "replace_all": true }),
                "/a (everywhere in it)\n\n- one\n+ two\n+ three",
            ),
            ("Odd", json!({ "k": 1 }), "{\n  \"k\": 1\n}"),
        ];
        for (tool, input, expected) in table {
            assert_eq!(what(tool, &input), expected);
        }
        let input = json!({ "questions": [{ "question": "Which?", "options": [{ "label": "A" }] }] });
        assert!(what(QUESTION, &input).starts_with("Which?\n- A\n"));
    }

    #[test]
    fn a_folder_can_be_granted_only_inside_the_runs_own() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("app");
        std::fs::create_dir_all(dir.join("src")).unwrap();
        std::os::unix::fs::symlink(outer.path(), dir.join("out")).unwrap();
        let of = |path: &str| rule("Write", &json!({ "file_path": path }), &dir);
        let inside = dir.canonicalize().unwrap();
        assert_eq!(of("src/new.rs"), Some(Rule::Below(inside.join("src"))));
        assert_eq!(
            of(&dir.join("new.rs").display().to_string()),
            Some(Rule::Below(inside))
        );
        for outside in ["../x", "out/x", "/etc/x", "src/../../x", "missing/x"] {
            assert_eq!(of(outside), None, "{outside}");
        }
    }
}
