//! The limits that keep the sources readable: methods and public fields of a struct, files of a folder, lines of a
//! file. Tests are not counted. The sources are read as rustfmt writes them.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
};

const METHODS: usize = 40;
const PUBLIC_FIELDS: usize = 15;
const FILES: usize = 15;
const MEDIAN_LINES: usize = 200;

/// Structs that may have more public fields, each with the reason.
const MANY_FIELDS: &[(&str, &str)] = &[
    ("src/core/settings.rs", "settings: one field each"),
    ("relay/src/config.rs", "settings: one field each"),
    ("relay/src/protocol/", "frames: the fields of PROTOCOL.md"),
];

struct Source {
    path: PathBuf,
    lines: Vec<String>,
}

fn read(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "tests" || name == "tests.rs" || name.ends_with("_tests.rs") || name == "real_tests" {
            continue;
        }
        if path.is_dir() {
            read(&path, found);
        } else if name.ends_with(".rs") {
            let lines = without_tests(&fs::read_to_string(&path).unwrap());
            found.push(Source { path, lines });
        }
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["src", "relay/src"] {
        read(Path::new(folder), &mut found);
    }
    assert!(found.len() > 200, "the sources are not where they were");
    found
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The lines of a file, without items under `#[cfg(test)]`.
fn without_tests(text: &str) -> Vec<String> {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push(line.to_owned());
            continue;
        }
        // The item ends at a `;` or `}` that is indented as it is.
        let ends = |item: &&str| {
            let code = item.trim();
            indent(item) == indent(line) && (code.ends_with([';', '}', ',']) && !code.starts_with(['#', '/']))
        };
        lines.by_ref().find(ends);
    }
    kept
}

/// The line without its visibility, and whether it is `pub` without restriction.
fn split_visibility(line: &str) -> (bool, &str) {
    let code = line.trim_start();
    match code.strip_prefix("pub(").and_then(|rest| rest.split_once(") ")) {
        Some((_, rest)) => (false, rest),
        None => code
            .strip_prefix("pub ")
            .map_or((false, code), |rest| (true, rest)),
    }
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

/// The lines inside the braces that open at `start`.
fn body(lines: &[String], start: usize) -> &[String] {
    let close = format!("{}}}", " ".repeat(indent(&lines[start])));
    let inside = &lines[start + 1..];
    match lines[start].ends_with('{') {
        true => &inside[..inside.iter().position(|line| *line == close).unwrap_or(0)],
        false => &[],
    }
}

/// Every struct as (name, number of its public fields).
fn structs(source: &Source) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, line) in source.lines.iter().enumerate() {
        if let Some(rest) = split_visibility(line).1.strip_prefix("struct ") {
            let fields = body(&source.lines, at);
            let public = fields
                .iter()
                .filter(|field| indent(field) == indent(line) + 4 && split_visibility(field).0);
            found.push((first_word(rest).to_owned(), public.count()));
        }
    }
    found
}

/// The type of an inherent `impl`: `Room` of `impl<'a> super::Room<'a> {`.
fn inherent_type(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?;
    if rest.contains(" for ") {
        return None;
    }
    let mut depth = 0;
    let generics = rest.find(|c| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        depth == 0
    })?;
    let path = rest[generics..].trim_start_matches(['>', ' ']);
    path.split(['<', ' ']).next()?.rsplit("::").next()
}

/// Every inherent `impl` as (type, number of its methods).
fn methods(source: &Source) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    for (at, line) in source.lines.iter().enumerate() {
        let Some(name) = inherent_type(line) else { continue };
        let is_method = |line: &&String| {
            let mut code = split_visibility(line).1;
            for word in ["const ", "async ", "unsafe "] {
                code = code.strip_prefix(word).unwrap_or(code);
            }
            indent(line) == 4 && code.starts_with("fn ")
        };
        let count = body(&source.lines, at).iter().filter(is_method).count();
        found.push((name, count));
    }
    found
}

/// Fails with all that are above the limit, by name.
fn at_most<N: Display>(limit: usize, what: &str, counts: impl IntoIterator<Item = (N, usize)>) {
    let above: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > limit)
        .map(|(name, count)| format!("{name}: {count} {what}, at most {limit} are allowed"))
        .collect();
    assert!(above.is_empty(), "{}", above.join("\n"));
}

#[test]
fn no_struct_has_too_many_methods() {
    let all = sources();
    let declared: Vec<(String, &Path)> = all
        .iter()
        .flat_map(|source| structs(source).into_iter().map(|(name, _)| (name, &*source.path)))
        .collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for source in &all {
        for (name, count) in methods(source) {
            // Of several structs with that name, it is the nearest one.
            let shared = |path: &Path| {
                path.iter()
                    .zip(source.path.iter())
                    .take_while(|(a, b)| a == b)
                    .count()
            };
            let nearest = declared
                .iter()
                .filter(|(other, _)| other == name)
                .max_by_key(|(_, path)| shared(path));
            if let Some((name, path)) = nearest {
                *counts.entry(format!("{name} of {}", path.display())).or_default() += count;
            }
        }
    }
    at_most(METHODS, "methods", counts);
}

#[test]
fn no_struct_has_too_many_public_fields() {
    let all = sources();
    let limited = all.iter().filter(|source| {
        let path = source.path.to_string_lossy();
        !MANY_FIELDS.iter().any(|(exempt, _)| path.starts_with(exempt))
    });
    let counts = limited.flat_map(|source| {
        structs(source)
            .into_iter()
            .map(|(name, public)| (format!("{name} of {}", source.path.display()), public))
    });
    at_most(PUBLIC_FIELDS, "public fields", counts);
}

#[test]
fn no_folder_has_too_many_files() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources() {
        let folder = source.path.parent().unwrap().display().to_string();
        *counts.entry(folder).or_default() += 1;
    }
    at_most(FILES, "files", counts);
}

#[test]
fn most_files_are_short() {
    let mut lengths: Vec<usize> = sources().iter().map(|source| source.lines.len()).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median < MEDIAN_LINES, "the median file has {median} lines");
}

#[test]
fn sources_are_read_as_written() {
    let text = "pub struct A<T> {\n    pub a: T,\n    pub(crate) b: u8,\n    c: u8,\n}\n\nstruct B;\n\nimpl<T> A<T> {\n    \
                pub const fn a() {}\n    #[cfg(test)]\n    fn b() {\n    }\n    pub(crate) async fn c() {}\n}\n\nimpl \
                Drop for B {\n    fn drop() {}\n}\n\n#[cfg(test)]\n#[path = \"b.rs\"]\nmod tests;\nimpl super::B {\n    \
                fn x() {}\n}";
    let source = Source {
        path: PathBuf::new(),
        lines: without_tests(text),
    };
    assert_eq!(structs(&source), [("A".to_owned(), 1), ("B".to_owned(), 0)]);
    assert_eq!(methods(&source), [("A", 2), ("B", 1)]);
}
