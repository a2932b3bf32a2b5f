//! A tool call as the protocol describes it: its name, what it would do, and which grants are possible.

use std::{fs, path::Path};

use agent_client_protocol_schema::v1::{ContentBlock, Diff, ToolCall, ToolCallContent, ToolKind};
use serde_json::{Map, Value};

use super::super::{driver::common_folder, shell, shown::Shown, workspace_guard};
use super::changes;
use crate::core::runs::{GrantRule, ToolRequest};

/// Fields of a command or change that Codex's adapter adds as notes and that have no effect.
const CODEX_NOTES: [&str; 10] = [
    "auto_approved",
    "available_decisions",
    "call_id",
    "completed_at_ms",
    "parsed_cmd",
    "process_id",
    "proposed_execpolicy_amendment",
    "source",
    "started_at_ms",
    "turn_id",
];
/// Unchanged lines shown around a change.
const AROUND: usize = 3;
/// The largest file compared with a change's description of it, in bytes.
const COMPARED: u64 = 4 << 20;

/// The tool's name if it is given, otherwise its kind.
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

/// The tool's target.
pub(super) fn detail(call: &ToolCall) -> String {
    command(call).unwrap_or_else(|| call.title.clone())
}

/// Whether the call is described well enough: some are announced before their input is known.
pub(super) fn is_told(call: &ToolCall) -> bool {
    !input(call).is_none_or(Map::is_empty) || !call.content.is_empty() || !call.locations.is_empty()
}

/// The places that the call names.
pub(super) fn places(call: &ToolCall) -> Vec<String> {
    let input = call.raw_input.as_ref().map(workspace_guard::places);
    files(call).chain(input.into_iter().flatten()).collect()
}

pub(super) fn gave(call: &ToolCall) -> String {
    let mut all = texts(call);
    if let Some(output) = &call.raw_output {
        strings(output, &mut all);
    }
    all.join("\n")
}

/// The request for the person who decides, with the whole call.
pub(super) fn asked(id: String, call: &ToolCall, dir: &Path) -> ToolRequest {
    let tool = name(call);
    let mut shown = Shown::new(call.raw_input.as_ref().unwrap_or(&Value::Null));
    let is_command = shown.command("command");
    let changes: Vec<&Diff> = diffs(call).collect();
    if is_command || !changes.is_empty() {
        if shown.peek("call_id").is_string() && shown.peek("turn_id").is_string() {
            shown.skip_all(&CODEX_NOTES);
        }
        shown.says("reason");
        shown.says("description");
    }
    if is_command && is_here(shown.peek("cwd"), dir) {
        shown.skip("cwd");
    }
    for change in &changes {
        difference(&mut shown, change, dir);
    }
    if let [change] = changes[..] {
        skip_what_it_shows(&mut shown, change);
    }
    if changes::are_shown_by(shown.peek("changes"), &changes) {
        shown.skip("changes");
    }
    let bare = show_other_content(&mut shown, call);
    let mut told: Vec<&Path> = changes.iter().map(|change| change.path.as_path()).collect();
    for location in &call.locations {
        if !told.contains(&location.path.as_path()) {
            told.push(&location.path);
            shown.labelled("at: ", &location.path.display().to_string());
        }
    }
    let names_the_change = changes
        .iter()
        .any(|change| change.path.as_os_str() == &*call.title);
    if !is_command && !names_the_change {
        shown.note(&call.title);
    }
    let is_edit = bare && call.kind == ToolKind::Edit && !shown.has_more_than(&[]);
    let whole = shown.finish();
    let files: Vec<String> = files(call).collect();
    let rule = match (is_command, &changes[..]) {
        (true, _) => Some(whole.rule(&tool)),
        (false, [_, ..]) if is_edit => {
            common_folder(dir, files.iter().map(String::as_str)).map(GrantRule::Below)
        }
        (false, []) if tool.starts_with("mcp__") && input(call).is_some() => Some(whole.rule(&tool)),
        _ => None,
    };
    whole.request(id, tool, places(call), rule)
}

/// Shows the content that is no change. Returns whether it was text only.
fn show_other_content(shown: &mut Shown, call: &ToolCall) -> bool {
    let mut bare = true;
    for content in &call.content {
        match content {
            ToolCallContent::Diff(_) => {}
            ToolCallContent::Content(content) if is_text(&content.content) => {
                if let ContentBlock::Text(text) = &content.content {
                    shown.note(&text.text);
                }
            }
            other => {
                bare = false;
                shown.json(&serde_json::to_value(other).unwrap_or_default());
            }
        }
    }
    bare
}

fn input(call: &ToolCall) -> Option<&Map<String, Value>> {
    call.raw_input.as_ref()?.as_object()
}

/// The command that the call runs, as it is executed.
fn command(call: &ToolCall) -> Option<String> {
    let command = input(call)?.get("command")?;
    if let Some(command) = command.as_str() {
        return Some(command.to_owned());
    }
    let words: Option<Vec<&str>> = command.as_array()?.iter().map(Value::as_str).collect();
    words.map(|words| shell::quoted(&words))
}

/// Whether `cwd` is the run's folder.
fn is_here(cwd: &Value, dir: &Path) -> bool {
    let real = cwd.as_str().and_then(|cwd| Path::new(cwd).canonicalize().ok());
    real.is_some_and(|real| dir.canonicalize().is_ok_and(|dir| dir == real))
}

/// Drops the fields of an input that `change` already shows exactly.
fn skip_what_it_shows(shown: &mut Shown, change: &Diff) {
    let path = change.path.to_str();
    for (key, told) in [
        ("file_path", path),
        ("filepath", path),
        ("path", path),
        ("content", Some(&*change.new_text)),
        ("new_string", Some(&*change.new_text)),
        ("old_string", change.old_text.as_deref()),
    ] {
        if told.is_some() && shown.peek(key).as_str() == told {
            shown.skip(key);
        }
    }
    shown.skip_unset(&["replace_all"]);
    if changes::is_patch_of(shown.peek("diff"), change) {
        shown.skip("diff");
    }
}

fn is_text(content: &ContentBlock) -> bool {
    matches!(content, ContentBlock::Text(_))
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

/// Collects every string in `value`, at any depth.
fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| strings(field, out)),
        _ => {}
    }
}

/// Shows the change of one file: removed and added lines. Unchanged lines are left out only if they are known
/// to be unchanged: the file's content is what the agent says it is.
fn difference(shown: &mut Shown, diff: &Diff, dir: &Path) {
    let kind = match diff.old_text.as_deref() {
        None => "new: ",
        Some("") if !dir.join(&diff.path).exists() => "new: ",
        Some(_) => "changed: ",
    };
    shown.labelled(kind, &diff.path.to_string_lossy());
    let old: Vec<&str> = diff.old_text.iter().flat_map(|text| text.split('\n')).collect();
    let new: Vec<&str> = diff.new_text.split('\n').collect();
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let head = same(&mut old.iter().zip(&new));
    let tail = same(&mut old[head..].iter().rev().zip(new[head..].iter().rev()));
    let around = match is_there(diff, dir) {
        true => AROUND,
        false => usize::MAX,
    };
    let first = head.saturating_sub(around);
    let line = format!("line {}", first + 1);
    let begin = (first > 0).then_some(("@", line.as_str()));
    let before = old[first..head].iter().map(|line| ("", *line));
    let goes = old[head..old.len() - tail].iter().map(|line| ("-", *line));
    let comes = new[head..new.len() - tail].iter().map(|line| ("+", *line));
    let after = old[old.len() - tail..]
        .iter()
        .take(around)
        .map(|line| ("", *line));
    shown.lines(
        begin
            .into_iter()
            .chain(before)
            .chain(goes)
            .chain(comes)
            .chain(after),
    );
}

/// Whether the file's content is the old text of the change.
fn is_there(diff: &Diff, dir: &Path) -> bool {
    let path = dir.join(&diff.path);
    let Some(old) = &diff.old_text else { return false };
    let small = path
        .metadata()
        .is_ok_and(|file| file.is_file() && file.len() <= COMPARED);
    small && fs::read(&path).is_ok_and(|bytes| bytes == old.as_bytes())
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

    fn of(fields: Value, dir: &Path) -> ToolRequest {
        asked("q".to_owned(), &call(fields), dir)
    }

    #[test]
    fn what_is_shown_is_the_whole_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().display().to_string();
        let diff = |old: Value, new: &str| json!({ "content": [{ "type": "diff", "path": "/w/a", "oldText": old, "newText": new }] });
        let mut both = diff("x".into(), "y");
        both["rawInput"] = json!({ "path": "/etc/b", "new_string": "y", "edits": [1] });
        let mut one = diff("x".into(), "y");
        one["rawInput"] =
            json!({ "file_path": "/w/a", "old_string": "x", "new_string": "y", "replace_all": false });
        let list = "(given as a list of arguments)";
        let table = [
            // In the format of the adapters for Codex and for Claude Code.
            (
                json!({ "rawInput": { "command": ["/bin/bash", "-lc", "make all"], "cwd": here, "call_id": "x",
                    "turn_id": "t", "parsed_cmd": [{}], "reason": "it builds" } }),
                format!("/bin/bash -lc 'make all'\n\n{list}\n\n(it says: it builds)"),
            ),
            (json!({ "rawInput": { "command": "make", "description": "" } }), "make".to_owned()),
            (
                json!({ "rawInput": { "command": "make", "run_in_background": true } }),
                "make\n\n{\n  \"run_in_background\": true\n}".to_owned(),
            ),
            (
                json!({ "rawInput": { "command": ["./evil.sh", "-c", "ls src"] } }),
                format!("./evil.sh -c 'ls src'\n\n{list}"),
            ),
            (
                json!({ "rawInput": { "command": ["rm", "a b"], "cwd": "/", "source": "x" } }),
                format!("rm 'a b'\n\n{list}\n\n{{\n  \"cwd\": \"/\",\n  \"source\": \"x\"\n}}"),
            ),
            (
                json!({ "rawInput": { "command": "ls \u{1b}]0;x\u{7}" } }),
                "ls \\e]0;x\\x07".to_owned(),
            ),
            (diff(Value::Null, "x\ny\n"), "new: /w/a\n\n+ x\n+ y\n+ \n\n(it says: a title)".to_owned()),
            (
                diff("a\nb\nc\nd".into(), "a\nB\nc\nd"),
                "changed: /w/a\n\n a\n- b\n+ B\n c\n d\n\n(it says: a title)".to_owned(),
            ),
            (one, "changed: /w/a\n\n- x\n+ y\n\n(it says: a title)".to_owned()),
            (
                both,
                "changed: /w/a\n\n- x\n+ y\n\n{\n  \"edits\": [\n    1\n  ],\n  \"path\": \"/etc/b\"\n}\n\n(it says: a title)"
                    .to_owned(),
            ),
            (
                json!({ "name": "mcp__x__poke", "rawInput": { "who": "bob", "description": "d" } }),
                "{\n  \"description\": \"d\",\n  \"who\": \"bob\"\n}\n\n(it says: a title)".to_owned(),
            ),
            (
                json!({ "locations": [{ "path": "/etc/x" }] }),
                "at: /etc/x\n\n(it says: a title)".to_owned(),
            ),
            (json!({}), "{\n}\n\n(it says: a title)".to_owned()),
            (json!({ "title": "" }), "{\n}".to_owned()),
        ];
        for (fields, want) in table {
            assert_eq!(of(fields.clone(), dir.path()).what, want, "{fields}");
        }
    }

    /// If the file is what the agent says it is, lines far from the change are known to be unchanged.
    #[test]
    fn a_change_of_a_large_file_is_shown_with_what_is_around_it() {
        let dir = tempfile::tempdir().unwrap();
        let lines: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
        let (old, new) = (lines.join("\n"), lines.join("\n").replace("\n10\n", "\nten\n"));
        let fields = json!({ "content": [{ "type": "diff", "path": "a", "oldText": old, "newText": new }] });
        let whole = of(fields.clone(), dir.path()).what;
        assert!(whole.contains("\n 1\n") && whole.contains("\n 20\n"), "{whole}");
        fs::write(dir.path().join("a"), &old).unwrap();
        assert_eq!(
            of(fields, dir.path()).what,
            "changed: a\n\n@ line 7\n 7\n 8\n 9\n- 10\n+ ten\n 11\n 12\n 13\n\n(it says: a title)"
        );
    }

    #[test]
    fn a_grant_binds_the_whole_call() {
        let dir = tempfile::tempdir().unwrap();
        let rule = |fields: Value| of(fields, dir.path()).rule;
        let input = |input: Value| rule(json!({ "rawInput": input }));
        let plain = input(json!({ "command": "ls" }));
        assert!(plain.is_some());
        assert_eq!(input(json!({ "command": "ls", "description": "lists" })), plain);
        for other in [
            json!({ "command": ["bash", "-lc", "ls"] }),
            json!({ "command": ["./evil.sh", "-c", "ls"] }),
            json!({ "command": "ls", "cwd": "/" }),
            json!({ "command": "ls", "env": { "PATH": "." } }),
            json!({}),
        ] {
            assert_ne!(input(other.clone()), plain, "{other}");
        }
        let ssh = json!({ "name": "ssh", "rawInput": { "command": "ls" } });
        assert_ne!(rule(ssh), plain);
        let poke = |who: &str| rule(json!({ "name": "mcp__x__poke", "rawInput": { "who": who } }));
        assert!(poke("bob").is_some());
        assert_ne!(poke("bob"), poke("eve"));
        assert_eq!(rule(json!({ "name": "mcp__x__poke" })), None);
    }

    #[test]
    fn a_folder_can_be_granted_only_inside_the_runs_own() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("app");
        std::fs::create_dir_all(dir.join("src")).unwrap();
        let of = |path: &str, also: &str, more: Value, kind: &str| {
            let diff = json!({ "type": "diff", "path": path, "newText": "x" });
            let fields =
                json!({ "content": [diff], "locations": [{ "path": also }], "rawInput": more, "kind": kind });
            of(fields, &dir).rule
        };
        let inside = dir.canonicalize().unwrap();
        assert_eq!(
            of("src/a", "src/b", json!({}), "edit"),
            Some(GrantRule::Below(inside.join("src")))
        );
        assert_eq!(
            of("src/a", "b", json!({}), "edit"),
            Some(GrantRule::Below(inside))
        );
        for (path, also, more, kind) in [
            ("../a", "src/a", json!({}), "edit"),
            ("src/a", "/etc/a", json!({}), "edit"),
            ("src/a", "src/a", json!({ "grant_root": "/" }), "edit"),
            ("src/a", "src/a", json!({ "path": "/etc/a" }), "edit"),
            ("src/a", "src/a", json!({}), "delete"),
        ] {
            assert_eq!(of(path, also, more, kind), None, "{path} {also}");
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
            ("Bash", "sh -c 'cat /etc/passwd'")
        );
    }
}
