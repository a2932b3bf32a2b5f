//! The items of a turn that are tool calls.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::super::{driver::common_folder, shown::Shown};
use super::super::reader::str_at;

/// The name and target of a tool call; `None` if the item is not one.
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

/// Shows a whole file change to the person who decides.
pub(super) fn change(shown: &mut Shown, item: &Value) {
    let changes = &item["changes"];
    let Some(all) = changes
        .as_array()
        .filter(|all| !all.is_empty() && all.iter().all(is_known))
    else {
        return shown.json(&json!({ "changes": changes }));
    };
    for one in all {
        one_change(shown, one);
    }
}

/// Whether a change has only the fields that are shown.
fn is_known(change: &Value) -> bool {
    let known = |value: &Value, keys: &[&str]| {
        let fields = value.as_object();
        fields.is_some_and(|fields| fields.keys().all(|key| keys.contains(&key.as_str())))
    };
    let (kind, moved) = (&change["kind"], &change["kind"]["move_path"]);
    let kinds = matches!(str_at(kind, "type"), "add" | "delete" | "update");
    let moves = moved.is_null() || moved.is_string() && str_at(kind, "type") == "update";
    known(change, &["path", "kind", "diff"])
        && known(kind, &["type", "move_path"])
        && (kinds && moves)
        && (change["path"].is_string() && change["diff"].is_string())
}

fn one_change(shown: &mut Shown, change: &Value) {
    let (path, diff, kind) = (str_at(change, "path"), str_at(change, "diff"), &change["kind"]);
    // For two of these kinds the diff is the plain text.
    let (does, mark) = match str_at(kind, "type") {
        "add" => ("new: ", "+"),
        "delete" => ("deleted: ", "-"),
        _ => ("changed: ", ""),
    };
    shown.labelled(does, path);
    if let Some(to) = kind["move_path"].as_str() {
        shown.labelled("becomes: ", to);
    }
    shown.lines(diff.split('\n').map(|line| (mark, line)));
}

/// The folder that contains all paths of a change, if it lies inside `dir`.
pub(super) fn folder(item: &Value, dir: &Path) -> Option<PathBuf> {
    common_folder(dir, paths(item))
}

/// All paths of a change.
pub(super) fn paths(item: &Value) -> impl Iterator<Item = &str> {
    changes(item)
        .flat_map(|change| [change["path"].as_str(), change["kind"]["move_path"].as_str()])
        .flatten()
}

fn changes(item: &Value) -> impl Iterator<Item = &Value> {
    item["changes"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
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
        let shown = |item: &Value| {
            let mut shown = Shown::new(&Value::Null);
            change(&mut shown, item);
            shown.finish().what
        };
        assert_eq!(
            shown(&changed),
            "new: /w/new\n\n+ one\n+ two\n+ \n\ndeleted: /w/old\n\n- gone\n- \n\n\
             changed: /w/a\n\n @@ -1 +1 @@\n -x\n +y\n \n\nchanged: /w/b\n\nbecomes: /w/c\n\n "
        );
        // Unknown fields are shown as JSON.
        let odd = item(json!([{ "path": "/w/a", "kind": { "type": "add" }, "diff": "", "mode": "0777" }]));
        assert!(shown(&odd).contains("\"mode\": \"0777\""));
        assert_eq!(shown(&item(json!([]))), "{\n  \"changes\": []\n}");
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
