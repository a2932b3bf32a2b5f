//! Requests of Claude Code to the person: permission to use a tool, and questions.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    super::{
        driver::{DriverEvent, folder_inside},
        shown::Shown,
        workspace_guard,
    },
    reader::str_at,
};
use crate::core::runs::{GrantRule, ToolAnswer, ToolRequest};

/// The name of its tool for questions to a person.
const QUESTION: &str = "AskUserQuestion";

/// Pending requests.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// The run's folder, if a person can be asked.
    dir: Option<PathBuf>,
    /// The tool and input of each request; the input is sent back with an approval.
    pending: HashMap<String, (String, Value)>,
}

impl Asking {
    pub fn new(dir: Option<PathBuf>) -> Self {
        Self {
            dir,
            pending: HashMap::new(),
        }
    }

    /// The run's folder, if a person can be asked.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Refuses a `control_request` when nobody is asked any more.
    pub fn refuse(event: &Value) -> DriverEvent {
        Self::default().request(event)
    }

    /// Handles a `control_request`: a question for the person, or a request that we do not support, which is
    /// refused at once so that it does not wait.
    pub fn request(&mut self, event: &Value) -> DriverEvent {
        let (id, request) = (str_at(event, "request_id"), &event["request"]);
        let tool = str_at(request, "tool_name");
        match (&self.dir, str_at(request, "subtype")) {
            (Some(dir), "can_use_tool") if !id.is_empty() => {
                let input = &request["input"];
                let asked = asked(id, tool, input, dir);
                self.pending
                    .insert(id.to_owned(), (tool.to_owned(), input.clone()));
                DriverEvent::Ask(asked)
            }
            (None, "can_use_tool") => DriverEvent::Reply(denial(id, "No person can be asked in this run.")),
            _ => DriverEvent::Reply(line(json!({
                "subtype": "error", "request_id": id, "error": "not supported",
            }))),
        }
    }

    /// Handles a `control_cancel_request`: it no longer waits.
    pub fn withdrawn(&mut self, event: &Value) -> Option<DriverEvent> {
        let id = str_at(event, "request_id");
        self.pending
            .remove(id)
            .map(|_| DriverEvent::AskGone(id.to_owned()))
    }

    /// Encodes a person's answer for standard input.
    pub fn reply(&mut self, id: &str, answer: &ToolAnswer) -> Option<String> {
        let (tool, input) = self.pending.remove(id)?;
        Some(match answer {
            // An approval does not answer a question.
            ToolAnswer::Allow if tool == QUESTION => denial(id, "Decide that yourself, as you think best."),
            ToolAnswer::Allow => line(json!({
                "subtype": "success",
                "request_id": id,
                // Older versions need the input back.
                "response": { "behavior": "allow", "updatedInput": input },
            })),
            ToolAnswer::Deny(reason) if tool == QUESTION => {
                denial(id, &format!("The person answers: {reason}"))
            }
            ToolAnswer::Deny(reason) => denial(id, &format!("The person said no: {reason}")),
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

/// The request for the person who decides on a call of `tool`, with the whole call.
fn asked(id: &str, tool: &str, input: &Value, dir: &Path) -> ToolRequest {
    let mut shown = Shown::new(input);
    let rule = match tool {
        "Bash" => {
            let told = shown.command("command");
            shown.says("description");
            told.then_some(WiderRule::Call)
        }
        "Write" | "Edit" | "NotebookEdit" => {
            let file = ["file_path", "notebook_path"]
                .iter()
                .find_map(|key| input[*key].as_str());
            if tool != "NotebookEdit" {
                change(&mut shown, input);
            }
            // Options other than the text and its place cannot be granted with the folder.
            let known = tool == "NotebookEdit" || !shown.has_more_than(&["replace_all"]);
            file.filter(|_| known)
                .map(|file| WiderRule::Folder(file.to_owned()))
        }
        QUESTION => {
            questions(&mut shown, input);
            None
        }
        _ => tool.starts_with("mcp__").then_some(WiderRule::Call),
    };
    let whole = shown.finish();
    let rule = rule.and_then(|rule| match rule {
        WiderRule::Call => Some(whole.rule(tool)),
        WiderRule::Folder(file) => folder_inside(dir, &file).map(GrantRule::Below),
    });
    whole.request(
        id.to_owned(),
        tool.to_owned(),
        workspace_guard::places(input),
        rule,
    )
}

/// A grant for the rest of the thread: this exact call, or writing below the folder of this file inside the
/// run's folder.
enum WiderRule {
    Call,
    Folder(String),
}

/// Shows a file that is written, or a part of it that is replaced.
fn change(shown: &mut Shown, input: &Value) {
    let path = input["file_path"].as_str();
    let (content, old, new) = (&input["content"], &input["old_string"], &input["new_string"]);
    // If one of these is missing, it is shown as JSON.
    let Some(path) = path.filter(|path| !path.trim().is_empty()) else {
        return;
    };
    match (content.as_str(), old.as_str(), new.as_str()) {
        (Some(content), None, None) => {
            shown.labelled("", path);
            shown.lines(content.split('\n').map(|line| ("+", line)));
        }
        (None, Some(old), Some(new)) => {
            shown.labelled("", path);
            let (old, new) = (old.split('\n'), new.split('\n'));
            shown.lines(old.map(|line| ("-", line)).chain(new.map(|line| ("+", line))));
        }
        _ => return,
    }
    shown.skip_all(&["file_path", "content", "old_string", "new_string"]);
    shown.skip_unset(&["replace_all"]);
}

/// Shows questions to a person. They are answered in free text.
fn questions(shown: &mut Shown, input: &Value) {
    for question in input["questions"].as_array().into_iter().flatten() {
        shown.block(str_at(question, "question"));
        let options = question["options"].as_array().into_iter().flatten();
        let options: Vec<String> = options
            .map(|one| match str_at(one, "description") {
                "" => str_at(one, "label").to_owned(),
                description => format!("{}: {description}", str_at(one, "label")),
            })
            .collect();
        let lines = options.iter().flat_map(|one| one.split('\n'));
        shown.lines(lines.map(|line| ("-", line)));
    }
    shown.skip("questions");
    shown.labelled("(Reject, and write your answer as the reason.)", "");
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
        let DriverEvent::Ask(request) = asking.request(&asks("Bash", input.clone())) else {
            panic!()
        };
        assert_eq!(
            (request.tool.as_str(), request.what.as_str()),
            ("Bash", "echo hi > x\n\n(it says: writes)")
        );
        assert_eq!(
            request.rule,
            Some(GrantRule::Call {
                tool: "Bash".into(),
                input: "echo hi > x".into()
            })
        );
        let reply: Value = serde_json::from_str(&asking.reply("r1", &ToolAnswer::Allow).unwrap()).unwrap();
        let response = json!({ "behavior": "allow", "updatedInput": input });
        assert_eq!(reply["response"]["response"], response);
        assert_eq!(asking.reply("r1", &ToolAnswer::Allow), None);
    }

    #[test]
    fn a_no_says_why_and_what_is_withdrawn_is_gone() {
        let mut asking = Asking::new(Some("/".into()));
        asking.request(&asks("Bash", json!({ "command": "ls" })));
        let no = asking.reply("r1", &ToolAnswer::Deny("not today".into())).unwrap();
        assert!(no.contains("\"deny\"") && no.contains("not today"), "{no}");
        asking.request(&asks("Bash", json!({ "command": "ls" })));
        assert_eq!(
            asking.withdrawn(&json!({ "request_id": "r1" })),
            Some(DriverEvent::AskGone("r1".into()))
        );
        assert_eq!(asking.withdrawn(&json!({ "request_id": "r1" })), None);
    }

    #[test]
    fn where_nobody_can_be_asked_it_is_refused_at_once() {
        let mut asking = Asking::default();
        let DriverEvent::Reply(no) = asking.request(&asks("Bash", json!({}))) else {
            panic!()
        };
        assert!(no.contains("No person can be asked"));
        let unknown = json!({ "request_id": "r", "request": { "subtype": "hook_callback" } });
        let DriverEvent::Reply(no) = asking.request(&unknown) else {
            panic!()
        };
        assert!(no.contains("not supported"));
    }

    fn of(tool: &str, input: Value) -> ToolRequest {
        asked("r", tool, &input, Path::new("/nowhere"))
    }

    #[test]
    fn what_is_shown_is_the_whole_of_it() {
        let table = [
            ("Bash", json!({ "command": "ls src" }), "ls src"),
            (
                "Bash",
                json!({ "command": "ls src \u{1b}]0; touch X; echo #\u{7}" }),
                "ls src \\e]0; touch X; echo #\\x07",
            ),
            (
                "Bash",
                json!({ "command": "ls", "run_in_background": true, "dangerouslyDisableSandbox": true }),
                "ls\n\n{\n  \"dangerouslyDisableSandbox\": true,\n  \"run_in_background\": true\n}",
            ),
            ("Bash", json!({ "command": "a\n\nb" }), "| a\n| \n| b"),
            (
                "Bash",
                json!({ "command": ["./evil.sh", "-c", "ls src"] }),
                "./evil.sh -c 'ls src'\n\n(given as a list of arguments)",
            ),
            (
                "Bash",
                json!({ "command": [1] }),
                "{\n  \"command\": [\n    1\n  ]\n}",
            ),
            ("Bash", json!({}), "{\n}"),
            ("Bash", json!("ls"), "input:\n\"ls\""),
            (
                "Write",
                json!({ "file_path": "/a/b", "content": "x\ny" }),
                "/a/b\n\n+ x\n+ y",
            ),
            (
                "Write",
                json!({ "file_path": "/a", "content": "x\r\n", "mode": "0777" }),
                "/a\n\n+ x\\r\n+ \n\n{\n  \"mode\": \"0777\"\n}",
            ),
            (
                "Edit",
                json!({ "file_path": "/a", "old_string": "one", "new_string": "two\nthree", "replace_all": true }),
                "/a\n\n- one\n+ two\n+ three\n\n{\n  \"replace_all\": true\n}",
            ),
            (
                "Edit",
                json!({ "file_path": "/a", "edits": [] }),
                "{\n  \"edits\": [],\n  \"file_path\": \"/a\"\n}",
            ),
            ("Odd", json!({ "k": 1 }), "{\n  \"k\": 1\n}"),
        ];
        for (tool, input, expected) in table {
            assert_eq!(of(tool, input.clone()).what, expected, "{input}");
        }
        let input = json!({ "questions": [{ "question": "Which?", "options": [{ "label": "A" }] }] });
        assert!(of(QUESTION, input).what.starts_with("Which?\n\n- A\n\n(Reject"));
        assert_eq!(of("Bash", json!({ "command": "a\u{9d}b" })).hidden, 1);
    }

    /// A grant covers a command with all its arguments.
    #[test]
    fn a_grant_binds_every_argument() {
        let plain = of("Bash", json!({ "command": "ls" })).rule;
        assert!(plain.is_some());
        for more in [
            json!({ "command": "ls", "dangerouslyDisableSandbox": true }),
            json!({ "command": "ls", "run_in_background": true }),
            json!({ "command": "ls", "timeout": 1 }),
            json!({ "command": ["ls"] }),
            json!({ "command": "ls\u{200b}" }),
            json!({}),
        ] {
            assert_ne!(of("Bash", more.clone()).rule, plain, "{more}");
        }
        let said = json!({ "command": "ls", "description": "lists" });
        assert_eq!(of("Bash", said).rule, plain);
        let poke = |who: &str| of("mcp__x__poke", json!({ "who": who })).rule;
        assert_ne!(poke("bob"), poke("eve"));
        assert_eq!(of("WebFetch", json!({ "url": "x" })).rule, None);
    }

    #[test]
    fn a_folder_can_be_granted_only_inside_the_runs_own() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("app");
        std::fs::create_dir_all(dir.join("src")).unwrap();
        std::os::unix::fs::symlink(outer.path(), dir.join("out")).unwrap();
        let of = |path: &str| asked("r", "Write", &json!({ "file_path": path, "content": "x" }), &dir).rule;
        let inside = dir.canonicalize().unwrap();
        assert_eq!(of("src/new.rs"), Some(GrantRule::Below(inside.join("src"))));
        assert_eq!(
            of(&dir.join("new.rs").display().to_string()),
            Some(GrantRule::Below(inside))
        );
        for outside in ["../x", "out/x", "/etc/x", "src/../../x", "missing/x"] {
            assert_eq!(of(outside), None, "{outside}");
        }
    }
}
