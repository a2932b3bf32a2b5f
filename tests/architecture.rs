//! The allowed dependencies between modules: arrows point down only, without cycles.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Every module of the client, from the bottom up, and the modules that it may use. A module that is missing
/// here, or that uses one not listed, fails the test.
const MAY_USE: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("clock", &[]),
    ("procfs", &[]),
    ("core", &["text"]),
    ("link", &["core", "text", "clock"]),
    ("transfer", &["core", "text", "link"]),
    ("store", &["core", "text"]),
    ("config", &["core", "text", "procfs", "link", "store"]),
    ("agent", &["core", "text", "procfs", "config"]),
    ("control", &["core", "text", "procfs", "store", "config"]),
    ("command", &["core", "control", "text"]),
    (
        "client",
        &[
            "core", "text", "clock", "agent", "link", "transfer", "store", "config", "control",
        ],
    ),
    (
        "tui",
        &[
            "core", "text", "clock", "command", "client", "control", "config", "store", "link", "agent",
        ],
    ),
    (
        "frontends",
        &[
            "core", "text", "command", "client", "control", "config", "link", "tui",
        ],
    ),
    (
        "cli",
        &[
            "core",
            "text",
            "clock",
            "agent",
            "link",
            "store",
            "config",
            "control",
            "client",
            "tui",
            "frontends",
        ],
    ),
];

/// The module that a file is part of.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix("src").unwrap();
    let first = inside.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Tests may use any module.
        if name.starts_with("tests") || name.ends_with("_tests.rs") || name == "real_tests" {
            continue;
        }
        match path.is_dir() {
            true => files(&path, found),
            false if name.ends_with(".rs") => found.push(path),
            false => {}
        }
    }
}

/// A file's code: without comments, and without the tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    code.lines()
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The modules that a text names after `crate::`, alone or in braces.
fn named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, begin) in code.match_indices("crate::") {
        // `$crate::` of a macro, and `some_crate::`.
        if code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + begin.len()..];
        match rest.strip_prefix('{') {
            None => found.extend(first_word(rest)),
            Some(list) => {
                let (mut depth, mut starts) = (0, true);
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => starts = true,
                        c if starts && depth == 0 && !c.is_whitespace() => {
                            found.extend(first_word(&list[at..]));
                            starts = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn first_word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let word = &text[..end.unwrap_or(text.len())];
    (!word.is_empty()).then(|| word.to_owned())
}

#[test]
fn every_arrow_points_down() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut all = Vec::new();
    files(Path::new("src"), &mut all);
    assert!(all.len() > 100, "the sources are not where they were");
    let mut wrong = Vec::new();
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    for path in &all {
        let from = module(path);
        // The crate's root, and the program, which only calls it.
        if from == "lib" || from == "main" {
            continue;
        }
        let Some(may) = table.get(from.as_str()) else {
            wrong.push(format!("{from} is not in the table"));
            continue;
        };
        for to in named(&code(path)) {
            if to == from {
                continue;
            }
            // Only modules: skip macros and items of the root.
            if table.contains_key(to.as_str()) {
                used.insert((from.clone(), to.clone()));
                if !may.contains(&to.as_str()) {
                    wrong.push(format!("{} uses {to}, which {from} may not", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (from, may) in MAY_USE {
        for to in *may {
            let arrow = ((*from).to_owned(), (*to).to_owned());
            assert!(
                used.contains(&arrow),
                "{from} does not use {to} any more: take it out of the table"
            );
        }
    }
}

/// The table lists each module after those that it may use, so it has no cycle.
#[test]
fn the_table_has_no_cycle() {
    let mut below = BTreeSet::new();
    for (module, may) in MAY_USE {
        for one in *may {
            assert!(below.contains(one), "{module} uses {one}, which stands above it");
        }
        below.insert(*module);
    }
}

#[test]
fn names_are_found() {
    let table: [(&str, &[&str]); 5] = [
        ("use crate::text;", &["text"]),
        (
            "use crate::{\n    core::{Room, runs::Ending},\n    text,\n};",
            &["core", "text"],
        ),
        ("let x = crate::clock::now();", &["clock"]),
        ("pub(in crate::core) fn x() {}", &["core"]),
        ("$crate::text::x() other_crate::y", &[]),
    ];
    for (code, expected) in table {
        let found: Vec<String> = named(code).into_iter().collect();
        assert_eq!(found, expected, "{code}");
    }
}
