//! Phrases that must not appear on the screen, in errors, comments or documents. `language.md` of the design
//! has the rules; a phrase that a reader stumbled over is added here once it is gone.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each phrase with its replacement.
const BANNED: &[(&str, &str)] = &[
    ("anew", "again"),
    ("for ever", "forever, or how long"),
    ("how manieth", "position"),
    ("our person", "the person"),
    ("beware", "warning"),
    ("in vain", "without result, or what failed"),
    ("all the same", "anyway"),
    ("no face", "headless"),
    ("without a face", "headless"),
    ("goes on on", "continues on"),
    ("it is written /", "Usage:"),
    ("is called so", "No match"),
    ("a mistake of its own", "a bug"),
    ("how to mend", "how to fix"),
    ("to be mended", "to be fixed"),
    ("says how to", "and how to"),
    ("who are played", "simulated"),
    ("thereof", "of it"),
    ("whereof", "of which"),
    ("what is looser", "looser settings"),
    ("own affair", "not limited"),
    ("three times enter", "press Enter three times"),
];

/// Files that contain such phrases on purpose: this list, and texts that stand for other people's words.
const EXCEPT: &[&str] = &["tests/language.rs", "tests/harmless"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if EXCEPT.iter().any(|one| name.ends_with(one)) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else if [".rs", ".md", ".toml"].iter().any(|end| name.ends_with(end)) {
            found.push(path);
        }
    }
}

#[test]
fn no_banned_phrase_comes_back() {
    let mut all = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "relay/README.md",
        "relay/PROTOCOL.md",
    ]
    .map(PathBuf::from)
    .to_vec();
    for folder in ["src", "relay/src", "tests", "keymaps", "themes"] {
        files(Path::new(folder), &mut all);
    }
    let mut found = Vec::new();
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            for (phrase, instead) in BANNED {
                let at = line.find(phrase).filter(|at| {
                    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                    !is_word(line[..*at].chars().next_back())
                        && !is_word(line[at + phrase.len()..].chars().next())
                });
                if at.is_some() {
                    let number = number + 1;
                    found.push(format!(
                        "{}:{number}: \"{phrase}\": write {instead}",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
