//! A tool call, as the protocol tells of it: its name, what it would do, and what could be granted.

use std::path::Path;

use agent_client_protocol_schema::v1::{ContentBlock, Diff, ToolCall, ToolCallContent, ToolKind};
use serde_json::{Map, Value};

use super::super::{Rule, outside, step::common_folder};

/// Of a call's input what says nothing of what is done: the agents' own bookkeeping.
const BOOKKEEPING: [&str; 12] = [
    "auto_approved",
    "available_decisions",
    "call_id",
    "completed_at_ms",
    "description",
    "parsed_cmd",
    "process_id",
    "proposed_execpolicy_amendment",
    "reason",
    "source",
    "started_at_ms",
    "turn_id",
];
/// Of a command's input what is shown in words of our own.
const OF_COMMAND: [&str; 2] = ["command", "cwd"];
/// Of a change's input what its differences show.
const OF_CHANGE: [&str; 6] = [
    "changes",
    "content",
    "file_path",
    "new_string",
    "old_string",
    "path",
];

/// The tool's name: its own, where it is told; else what kind it is.
pub(super) fn name(call: &ToolCall) -> String {
    let told = call.name.as_deref();
    let claudes = || call.meta.as_ref()?.get("claudeCode")?["toolName"].as_str();
    let kind = match call.kind {
        ToolKind::Read => "read",
        ToolKind::Edit => "edit",
        ToolKind::Delete => "delete",
        ToolKind::Move => "move",
        ToolKind::Search => "search",
        ToolKind::Execute => "shell",
        ToolKind::Fetch => "fetch",
        _ => "tool",
    };
    told.or_else(claudes).unwrap_or(kind).to_owned()
}

/// What it is used on.
pub(super) fn detail(call: &ToolCall) -> String {
    command(call).unwrap_or_else(|| call.title.clone())
}

/// Whether enough is told of it: some are announced before their input is known.
pub(super) fn is_told(call: &ToolCall) -> bool {
    !input(call).is_none_or(Map::is_empty) || !call.content.is_empty() || !call.locations.is_empty()
}

/// The places that it names.
pub(super) fn places(call: &ToolCall) -> Vec<String> {
    let input = call.raw_input.as_ref().map(outside::places);
    files(call).chain(input.into_iter().flatten()).collect()
}

/// What it gave back.
pub(super) fn gave(call: &ToolCall) -> String {
    let mut all = texts(call);
    if let Some(output) = &call.raw_output {
        strings(output, &mut all);
    }
    all.join("\n")
}

/// What it would do, for a person who decides: the whole of it.
pub(super) fn what(call: &ToolCall, dir: &Path) -> String {
    let mut what = Vec::new();
    let changes: Vec<&Diff> = diffs(call).collect();
    match (command(call), &*changes) {
        (Some(command), _) => what.push(command),
        (None, []) => {
            what.push(call.title.clone());
            what.extend(texts(call));
        }
        (None, changes) => what.extend(changes.iter().map(|change| difference(change))),
    }
    if let Some(cwd) = elsewhere(call, dir) {
        what.push(format!("in {cwd}"));
    }
    let more = more(call);
    if !more.is_empty() {
        what.push(serde_json::to_string_pretty(&more).unwrap_or_default());
    }
    let said = ["reason", "description"].iter();
    let said = said.filter_map(|key| input(call)?.get(*key)?.as_str());
    what.extend(said.map(|said| format!("(it says: {said})")));
    what.retain(|part| !part.trim().is_empty());
    match what.is_empty() {
        true => "(it does not say what)".to_owned(),
        false => what.join("\n\n"),
    }
}

/// What could be allowed for the rest of the thread: this very command, writing below the folder of these files
/// inside the run's own, or a tool of a server. Nothing where it wants more than that.
pub(super) fn rule(call: &ToolCall, dir: &Path) -> Option<Rule> {
    let name = name(call);
    if name.starts_with("mcp__") {
        return Some(Rule::Tool(name));
    }
    if !more(call).is_empty() || elsewhere(call, dir).is_some() {
        return None;
    }
    if let Some(command) = command(call) {
        return Some(Rule::Command(command));
    }
    diffs(call).next()?;
    let files: Vec<String> = files(call).collect();
    common_folder(dir, files.iter().map(String::as_str)).map(Rule::Below)
}

fn input(call: &ToolCall) -> Option<&Map<String, Value>> {
    call.raw_input.as_ref()?.as_object()
}

/// The command that it runs. One that is given to a shell is told as the shell reads it.
fn command(call: &ToolCall) -> Option<String> {
    let command = input(call)?.get("command")?;
    if let Some(command) = command.as_str() {
        return Some(command.to_owned());
    }
    let words: Vec<&str> = command.as_array()?.iter().filter_map(Value::as_str).collect();
    match words[..] {
        [shell, "-c" | "-lc", line] if shell.ends_with("sh") => Some(line.to_owned()),
        _ => Some(command.to_string()),
    }
}

/// The folder that it works in, where that is not the run's.
fn elsewhere<'a>(call: &'a ToolCall, dir: &Path) -> Option<&'a str> {
    let cwd = input(call)?.get("cwd")?.as_str()?;
    (Path::new(cwd).canonicalize().ok() != dir.canonicalize().ok()).then_some(cwd)
}

/// What of its input is not told in other words.
fn more(call: &ToolCall) -> Map<String, Value> {
    let told: &[&str] = match (command(call), diffs(call).next()) {
        (Some(_), _) => &OF_COMMAND,
        (None, Some(_)) => &OF_CHANGE,
        (None, None) => &[],
    };
    let says_nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let fields = input(call).into_iter().flatten();
    fields
        .filter(|(key, value)| {
            !told.contains(&key.as_str()) && !BOOKKEEPING.contains(&key.as_str()) && !says_nothing(value)
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn diffs(call: &ToolCall) -> impl Iterator<Item = &Diff> {
    call.content.iter().filter_map(|content| match content {
        ToolCallContent::Diff(diff) => Some(diff),
        _ => None,
    })
}

fn files(call: &ToolCall) -> impl Iterator<Item = String> {
    let changed = diffs(call).map(|diff| &diff.path);
    let named = call.locations.iter().map(|location| &location.path);
    changed.chain(named).map(|path| path.display().to_string())
}

fn texts(call: &ToolCall) -> Vec<String> {
    let content = call.content.iter().filter_map(|content| match content {
        ToolCallContent::Content(content) => Some(&content.content),
        _ => None,
    });
    content
        .filter_map(|block| match block {
            ContentBlock::Text(text) => Some(text.text.clone()),
            _ => None,
        })
        .collect()
}

/// Every text in `value`, however deep.
fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| strings(field, out)),
        _ => {}
    }
}

/// A change of one file: the lines that go and those that come, without those at either end that stay.
fn difference(diff: &Diff) -> String {
    let old: Vec<&str> = diff.old_text.as_deref().unwrap_or_default().lines().collect();
    let new: Vec<&str> = diff.new_text.lines().collect();
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let head = same(&mut old.iter().zip(&new));
    let tail = same(&mut old[head..].iter().rev().zip(new[head..].iter().rev()));
    let marked = |mark: &str, lines: &[&str]| -> Vec<String> {
        let lines = lines[head..lines.len() - tail].iter();
        lines.map(|line| format!("{mark} {line}")).collect()
    };
    let kind = if diff.old_text.is_none() { " (new)" } else { "" };
    let change = [marked("-", &old), marked("+", &new)].concat().join("\n");
    format!("{}{kind}\n\n{change}", diff.path.display())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(fields: Value) -> ToolCall {
        let mut call = json!({ "toolCallId": "c", "title": "a title" });
        call.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        serde_json::from_value(call).unwrap()
    }

    #[test]
    fn what_is_shown_is_the_whole_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().display().to_string();
        let diff = |old: Value, new: &str| json!({ "content": [{ "type": "diff", "path": "/w/a", "oldText": old, "newText": new }] });
        let table = [
            // As the adapters for Codex and for Claude Code tell of them.
            (
                json!({ "rawInput": { "command": ["/bin/bash", "-lc", "make all"], "cwd": here, "call_id": "x", "reason": "it builds" } }),
                "make all\n\n(it says: it builds)",
                Some(Rule::Command("make all".into())),
            ),
            (
                json!({ "rawInput": { "command": "make", "description": "" } }),
                "make\n\n(it says: )",
                Some(Rule::Command("make".into())),
            ),
            (
                json!({ "rawInput": { "command": "make", "run_in_background": true } }),
                "make\n\n{\n  \"run_in_background\": true\n}",
                None,
            ),
            (
                json!({ "rawInput": { "command": ["rm", "a b"], "cwd": "/" } }),
                "[\"rm\",\"a b\"]\n\nin /",
                None,
            ),
            (diff(Value::Null, "x\ny\n"), "/w/a (new)\n\n+ x\n+ y", None),
            (diff("a\nb\nc\nd".into(), "a\nB\nc\nd"), "/w/a\n\n- b\n+ B", None),
            (diff("a\na".into(), "a"), "/w/a\n\n- a", None),
            (
                json!({ "name": "mcp__x__poke", "rawInput": { "who": "bob" } }),
                "a title\n\n{\n  \"who\": \"bob\"\n}",
                Some(Rule::Tool("mcp__x__poke".into())),
            ),
            (json!({}), "a title", None),
            (json!({ "title": "" }), "(it does not say what)", None),
        ];
        for (fields, want, granted) in table {
            let call = call(fields.clone());
            assert_eq!(what(&call, dir.path()), want, "{fields}");
            assert_eq!(rule(&call, dir.path()), granted, "{fields}");
        }
    }

    #[test]
    fn a_folder_can_be_granted_only_inside_the_runs_own() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("app");
        std::fs::create_dir_all(dir.join("src")).unwrap();
        let of = |path: &str, also: &str, more: Value| {
            let diff = json!({ "type": "diff", "path": path, "newText": "x" });
            let fields = json!({ "content": [diff], "locations": [{ "path": also }], "rawInput": more });
            rule(&call(fields), &dir)
        };
        let inside = dir.canonicalize().unwrap();
        assert_eq!(
            of("src/a", "src/b", json!({})),
            Some(Rule::Below(inside.join("src")))
        );
        assert_eq!(of("src/a", "b", json!({})), Some(Rule::Below(inside)));
        for (path, also, more) in [
            ("../a", "src/a", json!({})),
            ("src/a", "/etc/a", json!({})),
            ("src/a", "src/a", json!({ "grant_root": "/" })),
        ] {
            assert_eq!(of(path, also, more), None, "{path} {also}");
        }
    }

    #[test]
    fn what_it_touches_and_gives_back() {
        let call = call(json!({
            "rawInput": { "command": ["sh", "-c", "cat /etc/passwd"] },
            "locations": [{ "path": "/w/a" }],
            "rawOutput": { "stdout": "root:x", "exit": 0, "more": ["y"] },
            "_meta": { "claudeCode": { "toolName": "Bash" } },
        }));
        let places = places(&call);
        assert!(places.contains(&"/w/a".to_owned()) && places.contains(&"/etc/passwd".to_owned()));
        assert_eq!(gave(&call), "root:x\ny");
        assert_eq!(
            (name(&call).as_str(), detail(&call).as_str()),
            ("Bash", "cat /etc/passwd")
        );
    }
}
