//! The items of a turn that are tool calls.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::super::step::common_folder;
use super::super::reader::str_at;

/// The name of a tool call, and what it is used on; `None` for what is none.
pub(super) fn tool(item: &Value) -> Option<(String, String)> {
    Some(match str_at(item, "type") {
        "commandExecution" => ("shell".to_owned(), str_at(item, "command").to_owned()),
        "fileChange" => {
            let paths: Vec<&str> = changes(item).map(|change| str_at(change, "path")).collect();
            ("edit".to_owned(), paths.join(" "))
        }
        "mcpToolCall" => {
            let name = format!("{}.{}", str_at(item, "server"), str_at(item, "tool"));
            (name, item["arguments"].to_string())
        }
        "dynamicToolCall" => (str_at(item, "tool").to_owned(), item["arguments"].to_string()),
        "collabAgentToolCall" => ("agent".to_owned(), str_at(item, "prompt").to_owned()),
        "webSearch" => ("web search".to_owned(), str_at(item, "query").to_owned()),
        "imageView" => ("view".to_owned(), str_at(item, "path").to_owned()),
        _ => return None,
    })
}

/// A change to files, for a person who decides: the whole of it.
pub(super) fn change(item: &Value) -> String {
    let all: Vec<String> = changes(item).map(one_change).collect();
    all.join("\n\n")
}

fn one_change(change: &Value) -> String {
    let (path, diff) = (str_at(change, "path"), str_at(change, "diff"));
    let kind = &change["kind"];
    let marked = |mark: &str| -> String {
        let lines: Vec<String> = diff.lines().map(|line| format!("{mark} {line}")).collect();
        lines.join("\n")
    };
    match (str_at(kind, "type"), kind["move_path"].as_str()) {
        // Of these two the difference is the bare text.
        ("add", _) => format!("{path} (new)\n\n{}", marked("+")),
        ("delete", _) => format!("{path} (deleted)\n\n{}", marked("-")),
        (_, Some(to)) => format!("{path} (becomes {to})\n\n{diff}"),
        (_, None) => format!("{path}\n\n{diff}"),
    }
}

/// The folder that holds all that a change touches, where that lies inside of `dir`.
pub(super) fn folder(item: &Value, dir: &Path) -> Option<PathBuf> {
    let paths = changes(item)
        .flat_map(|change| [change["path"].as_str(), change["kind"]["move_path"].as_str()])
        .flatten();
    common_folder(dir, paths)
}

fn changes(item: &Value) -> impl Iterator<Item = &Value> {
    item["changes"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(changes: Value) -> Value {
        json!({ "type": "fileChange", "id": "c", "changes": changes })
    }

    #[test]
    fn a_change_is_shown_whole() {
        let changed = item(json!([
            { "path": "/w/new", "kind": { "type": "add" }, "diff": "one\ntwo\n" },
            { "path": "/w/old", "kind": { "type": "delete" }, "diff": "gone\n" },
            { "path": "/w/a", "kind": { "type": "update", "move_path": null }, "diff": "@@ -1 +1 @@\n-x\n+y\n" },
            { "path": "/w/b", "kind": { "type": "update", "move_path": "/w/c" }, "diff": "" },
        ]));
        assert_eq!(
            change(&changed),
            "/w/new (new)\n\n+ one\n+ two\n\n/w/old (deleted)\n\n- gone\n\n\
             /w/a\n\n@@ -1 +1 @@\n-x\n+y\n\n\n/w/b (becomes /w/c)\n\n"
        );
        assert_eq!(
            tool(&changed),
            Some(("edit".to_owned(), "/w/new /w/old /w/a /w/b".to_owned()))
        );
    }

    #[test]
    fn a_folder_can_be_granted_only_where_all_of_it_is_inside() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("app");
        std::fs::create_dir_all(dir.join("src/deep")).unwrap();
        std::fs::create_dir_all(dir.join("docs")).unwrap();
        let inside = dir.canonicalize().unwrap();
        let of = |paths: &[&str]| {
            let changes: Vec<Value> = paths.iter().map(|path| json!({ "path": path })).collect();
            folder(&item(changes.into()), &dir)
        };
        assert_eq!(of(&["src/a"]), Some(inside.join("src")));
        assert_eq!(of(&["src/deep/a", "src/b"]), Some(inside.join("src")));
        assert_eq!(of(&["src/deep/a", "docs/b"]), Some(inside.clone()));
        assert_eq!(of(&["src/a", "../b"]), None);
        assert_eq!(of(&[]), None);
        let moved = item(json!([{ "path": "src/a", "kind": { "type": "update", "move_path": "/etc/a" } }]));
        assert_eq!(folder(&moved, &dir), None);
    }
}
