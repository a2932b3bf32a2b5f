//! The worked examples of CONTRIBUTING.md fit the sources: what a patch removes, and what is around it, is there.

use std::path::Path;

/// A hunk of a patch: its file, and the lines that it expects there. A new file expects none.
struct Hunk {
    file: String,
    expected: Vec<String>,
}

/// The hunks of all patches in a Markdown text.
fn hunks(text: &str) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    let (mut inside, mut file) = (false, None);
    for line in text.lines() {
        if let Some(fence) = line.strip_prefix("```") {
            inside = fence == "diff";
        } else if !inside || line.starts_with("+++ ") {
        } else if let Some(name) = line.strip_prefix("--- ") {
            file = name.strip_prefix("a/").map(str::to_owned);
        } else if line.starts_with("@@ ") {
            hunks.extend(file.clone().map(|file| Hunk {
                file,
                expected: Vec::new(),
            }));
        } else if let Some(expected) = line.strip_prefix([' ', '-'])
            && file.is_some()
            && let Some(hunk) = hunks.last_mut()
        {
            hunk.expected.push(expected.to_owned());
        }
    }
    hunks
}

#[test]
fn they_fit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let hunks = hunks(&text);
    let of = |folder: &str| hunks.iter().any(|hunk| hunk.file.starts_with(folder));
    for folder in ["src/config", "src/control", "src/agent", "src/tui/theme.rs"] {
        assert!(of(folder), "no example changes {folder}");
    }
    for Hunk { file, expected } in &hunks {
        assert!(!expected.is_empty(), "{file}");
        let source = std::fs::read_to_string(root.join(file)).unwrap();
        let lines: Vec<&str> = source.lines().collect();
        assert!(
            lines
                .windows(expected.len())
                .any(|window| window == expected.as_slice()),
            "{file} has no longer what an example expects:\n{}",
            expected.join("\n")
        );
    }
}
