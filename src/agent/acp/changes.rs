//! Checks the extra copy of a change that Codex's adapter and opencode send. If it equals the diffs, it is not shown
//! twice.

use agent_client_protocol_schema::v1::Diff;
use serde_json::Value;

/// Whether `changes` describe exactly what `diffs` show.
pub(super) fn are_shown_by(changes: &Value, diffs: &[&Diff]) -> bool {
    let Some(changes) = changes.as_object() else {
        return false;
    };
    let shown = |(path, change): (&String, &Value)| {
        let mut of_path = diffs.iter().filter(|diff| diff.path.to_str() == Some(path));
        of_path.next().is_some_and(|diff| is_shown_by(change, diff)) && of_path.next().is_none()
    };
    changes.len() == diffs.len() && changes.iter().all(shown)
}

fn is_shown_by(change: &Value, diff: &Diff) -> bool {
    let Some(fields) = change.as_object() else {
        return false;
    };
    let has_only = |known: &[&str]| {
        let mut set = fields.iter().filter(|(_, value)| !value.is_null());
        set.all(|(key, _)| known.contains(&key.as_str()))
    };
    let text = |key: &str| change[key].as_str();
    match (text("type"), &diff.old_text) {
        (Some("add"), None) => has_only(&["type", "content"]) && text("content") == Some(&*diff.new_text),
        (Some("update"), Some(old)) => {
            let new = text("unified_diff").and_then(|diff| patched(old, diff));
            has_only(&["type", "unified_diff"]) && new.as_deref() == Some(&*diff.new_text)
        }
        _ => false,
    }
}

/// Whether `patch`, a unified diff with the header of opencode, describes exactly what `diff` shows.
pub(super) fn is_patch_of(patch: &Value, diff: &Diff) -> bool {
    let (Some(patch), Some(path)) = (patch.as_str(), diff.path.to_str()) else {
        return false;
    };
    let header = format!("Index: {path}\n{}\n--- {path}\n+++ {path}\n", "=".repeat(67));
    let new = patch
        .strip_prefix(&header)
        .and_then(|patch| patched(diff.old_text.as_deref().unwrap_or_default(), patch));
    new.as_deref() == Some(&*diff.new_text)
}

/// Applies a unified diff to `old`, if it fits exactly.
fn patched(old: &str, diff: &str) -> Option<String> {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let (mut out, mut at) = (String::new(), 0);
    for line in diff.split_inclusive('\n') {
        match line.split_at_checked(1)? {
            ("@", _) => {
                let begin = line.strip_prefix("@@ -")?.split_once(' ')?.0;
                let (first, count) = begin.split_once(',').unwrap_or((begin, "1"));
                let first: usize = first.parse().ok()?;
                // If no line is removed, this is the line after which lines are inserted.
                let to = first.checked_sub(usize::from(count != "0"))?;
                out.extend(old.get(at..to)?.iter().copied());
                at = to;
            }
            (" ", same) if old.get(at) == Some(&same) => {
                out.push_str(same);
                at += 1;
            }
            ("-", gone) if old.get(at) == Some(&gone) => at += 1,
            ("+", new) => out.push_str(new),
            _ => return None,
        }
    }
    out.extend(old.get(at..)?.iter().copied());
    Some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_applied_or_not_at_all() {
        let old = "a\nb\nc\nd\n";
        for (diff, new) in [
            ("", Some(old)),
            ("@@ -2,1 +2,1 @@\n-b\n+B\n", Some("a\nB\nc\nd\n")),
            ("@@ -2 +2 @@\n-b\n+B\n", Some("a\nB\nc\nd\n")),
            (
                "@@ -1,2 +1,3 @@\n a\n b\n+x\n@@ -4 +5 @@\n-d\n+D\n",
                Some("a\nb\nx\nc\nD\n"),
            ),
            ("@@ -2,0 +3 @@\n+x\n", Some("a\nb\nx\nc\nd\n")),
            ("@@ -2,1 +2,1 @@\n-x\n+B\n", None),
            ("@@ -9,1 +2,1 @@\n-b\n", None),
            ("@@ -4 +1 @@\n-d\n@@ -1 +1 @@\n-a\n", None),
            ("@@ x\n", None),
            ("\\ No newline at end of file\n", None),
            ("\u{e9}\n", None),
        ] {
            assert_eq!(patched(old, diff).as_deref(), new, "{diff:?}");
        }
    }

    #[test]
    fn a_patch_is_of_the_change_that_it_describes() {
        let rule = "=".repeat(67);
        let patch = |path: &str, new: &str| {
            Value::from(format!(
                "Index: {path}\n{rule}\n--- {path}\n+++ {path}\n@@ -0,0 +1,1 @@\n+{new}\n"
            ))
        };
        let diff = Diff::new("/a", "x\n").old_text(String::new());
        assert!(is_patch_of(&patch("/a", "x"), &diff));
        assert!(!is_patch_of(&patch("/a", "y"), &diff));
        assert!(!is_patch_of(&patch("/b", "x"), &diff));
        assert!(!is_patch_of(&"@@ -0,0 +1,1 @@\n+x\n".into(), &diff));
    }

    #[test]
    fn only_the_very_same_is_shown_already() {
        let diff = |old: Value, new: &str| -> Diff {
            serde_json::from_value(json!({ "path": "/a", "oldText": old, "newText": new })).unwrap()
        };
        let update = |diff: &str, moved: Value| json!({ "/a": { "type": "update", "unified_diff": diff, "move_path": moved } });
        let added = diff(Value::Null, "x\n");
        let changed = diff("a\n".into(), "b\n");
        let patch = "@@ -1 +1 @@\n-a\n+b\n";
        for (changes, diff, same) in [
            (json!({ "/a": { "type": "add", "content": "x\n" } }), &added, true),
            (
                json!({ "/a": { "type": "add", "content": "y\n" } }),
                &added,
                false,
            ),
            (
                json!({ "/a": { "type": "add", "content": "x\n", "mode": "0777" } }),
                &added,
                false,
            ),
            (
                json!({ "/b": { "type": "add", "content": "x\n" } }),
                &added,
                false,
            ),
            (update(patch, Value::Null), &changed, true),
            (update(patch, "/etc/a".into()), &changed, false),
            (update("@@ -1 +1 @@\n-a\n+c\n", Value::Null), &changed, false),
            (json!([]), &changed, false),
            (json!({}), &changed, false),
        ] {
            assert_eq!(are_shown_by(&changes, &[diff]), same, "{changes}");
        }
    }
}
