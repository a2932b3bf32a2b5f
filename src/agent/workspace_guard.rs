//! Detects access outside a run's folder, as far as the tool events show it.

use std::{
    collections::HashSet,
    path::{Component, Path, PathBuf},
};

use serde_json::Value;

use crate::{core::runs::ExternalAccess, text};

const PATHS: usize = 16;
/// The maximum number of words checked in one command.
const WORDS: usize = 512;
/// The maximum number of open calls tracked.
const CALLS: usize = 1024;

/// Folders of programs and libraries, which hold no personal data.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/dev/null",
    "/dev/zero",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/stderr",
    "/dev/fd",
    "/dev/tty",
    "/System",
    "/Library",
];
/// The same below a home folder.
const AT_HOME: &[&str] = &[
    ".cargo/registry",
    ".cargo/bin",
    ".rustup/toolchains",
    "go/pkg/mod",
    ".nvm/versions",
];

/// The folders inside the workspace, and the accesses seen outside it.
#[derive(Debug)]
pub(super) struct WorkspaceGuard {
    dir: PathBuf,
    /// Files that the person has accepted for it.
    files: Vec<PathBuf>,
    home: Option<PathBuf>,
    /// Calls that named a place outside, until their result arrives.
    calls: HashSet<String>,
    found: ExternalAccess,
}

impl WorkspaceGuard {
    /// Creates a guard for a run that works in `dir` on `files`.
    pub fn new(dir: &Path, files: &[PathBuf]) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self {
            dir: real(dir),
            files: files.iter().map(|file| real(file)).collect(),
            home: std::env::var_os("HOME").map(PathBuf::from),
            calls: HashSet::new(),
            found: ExternalAccess::default(),
        }
    }

    /// Records the places that a tool call names.
    pub fn touches(&mut self, call: &str, places: &[String]) {
        for place in places {
            if self.is_outside(place) {
                if self.calls.len() < CALLS {
                    self.calls.insert(call.to_owned());
                }
                let place = text::escaped_line(place, 200);
                if self.found.paths.len() < PATHS && !self.found.paths.contains(&place) {
                    self.found.paths.push(place);
                }
            }
        }
    }

    /// Records the result of a tool call.
    pub fn gave(&mut self, call: &str, result: &str) {
        if self.calls.contains(call) {
            let room = ExternalAccess::MOST.saturating_sub(self.found.results.len());
            for line in text::first_bytes(result, room).lines() {
                self.found.results.push_str(without_number(line));
                self.found.results.push('\n');
            }
        }
    }

    /// The first place named outside the workspace.
    pub fn crossed(&self) -> Option<&String> {
        self.found.paths.first()
    }

    /// The `places` outside the workspace, for the person who decides.
    pub fn beyond(&self, places: &[String]) -> Vec<String> {
        let mut beyond: Vec<String> = Vec::new();
        for place in places.iter().filter(|place| self.is_outside(place)) {
            let place = crate::text::escape_line(text::first_bytes(place, 1024)).text;
            if beyond.len() < PATHS && !beyond.contains(&place) {
                beyond.push(place);
            }
        }
        beyond
    }

    pub fn found(self) -> ExternalAccess {
        self.found
    }

    fn is_outside(&self, place: &str) -> bool {
        let Some(path) = self.resolve(place) else {
            return false;
        };
        let system = SYSTEM.iter().any(|system| path.starts_with(system));
        let at_home = self.home.as_ref().is_some_and(|home| {
            let below = |one: &&str| path.starts_with(home.join(one));
            AT_HOME.iter().any(below)
        });
        !(path.starts_with(&self.dir) || self.files.contains(&path) || system || at_home)
    }

    /// Resolves a word of an event to a path, following links; `None` if no file exists or could be created
    /// there: it is no path then.
    fn resolve(&self, place: &str) -> Option<PathBuf> {
        let home = |rest: &str| Some(self.home.as_ref()?.join(rest.trim_start_matches('/')));
        let path = match place {
            "~" | "$HOME" | "${HOME}" => home("")?,
            _ => match ["~/", "$HOME/", "${HOME}/"]
                .iter()
                .find_map(|start| place.strip_prefix(start))
            {
                Some(rest) => home(rest)?,
                None => self.dir.join(place),
            },
        };
        if let Ok(real) = path.canonicalize() {
            return Some(real);
        }
        // A file to be created; its folder must exist, and must be a folder of its own.
        let folder = path
            .parent()?
            .canonicalize()
            .ok()
            .filter(|folder| folder != Path::new("/"))?;
        match path.components().next_back()? {
            Component::Normal(name) => Some(folder.join(name)),
            _ => None,
        }
    }
}

/// Strips the line number that a reading tool puts before a line.
fn without_number(line: &str) -> &str {
    let rest = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
    rest.strip_prefix(['→', '\t']).unwrap_or(line)
}

/// The words of a command that may be paths; the file system tells which ones are.
pub(super) fn words(command: &str) -> Vec<String> {
    let apart = |c: char| c.is_whitespace() || "\"'`;|&<>(),=[]{}\\".contains(c);
    // The split would break `${HOME}`.
    let command = command.replace("${HOME}", "$HOME");
    let words = command
        .split(apart)
        .filter(|word| !word.is_empty() && !word.contains("://"));
    words
        .map(|word| match word.find(['*', '?']) {
            Some(glob) => &word[..glob],
            None => word,
        })
        // `file:line`, `host:path`.
        .flat_map(|word| {
            [
                Some(word),
                word.split_once(':').map(|(_, path)| path),
                word.split_once(':').map(|(path, _)| path),
            ]
        })
        .flatten()
        .filter(|word| !word.is_empty() && word.len() <= 4096)
        .take(WORDS)
        .map(str::to_owned)
        .collect()
}

/// The places that a call names: whole paths, and the words of a command or of another text that contains
/// some.
pub(super) fn places(input: &Value) -> Vec<String> {
    /// Text of the model, or content of a file that it writes: no places.
    const WORDS: [&str; 6] = [
        "content",
        "old_string",
        "new_string",
        "description",
        "prompt",
        "new_source",
    ];
    let fields = input.as_object().into_iter().flatten();
    let fields = fields.filter(|(key, _)| !WORDS.contains(&key.as_str()));
    fields
        .flat_map(|(key, value)| match (key.as_str(), value.as_str()) {
            ("file_path" | "notebook_path" | "path", Some(path)) => vec![path.to_owned()],
            (_, Some(text)) => words(text),
            (_, None) if value.is_object() || value.is_array() => words(&value.to_string()),
            _ => Vec::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_outside() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("app");
        fs::create_dir_all(dir.join("src")).unwrap();
        fs::create_dir_all(outer.path().join("home/.cargo/registry")).unwrap();
        for file in [
            "secret",
            "given",
            "app/src/a.rs",
            "home/.netrc",
            "home/.cargo/registry/lib.rs",
        ] {
            fs::write(outer.path().join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink(outer.path().join("secret"), dir.join("link")).unwrap();
        let at = |path: &str| outer.path().join(path).display().to_string();
        let table = [
            ("ls".to_owned(), false),
            ("cat src/a.rs".to_owned(), false),
            (format!("cat {}", at("app/src/a.rs")), false),
            ("cat src/../src/a.rs".to_owned(), false),
            ("cat ../secret".to_owned(), true),
            ("cat src/../../secret".to_owned(), true),
            ("cat link".to_owned(), true),
            (format!("cat {}", at("secret")), true),
            (format!("cat '{}'", at("secret")), true),
            (format!("grep x <{}", at("secret")), true),
            (format!("cat --file={}", at("secret")), true),
            (format!("cat {}:3", at("secret")), true),
            (format!("cat {}/sec*", outer.path().display()), true),
            (format!("touch {}", at("new")), true),
            ("touch src/new".to_owned(), false),
            (format!("cat {}", at("given")), false),
            ("cat ~/.netrc".to_owned(), true),
            ("cat $HOME/.netrc".to_owned(), true),
            ("cat ${HOME}/.netrc".to_owned(), true),
            ("cat ~/.cargo/registry/lib.rs".to_owned(), false),
            ("cd .. && ls".to_owned(), true),
            ("/bin/bash -lc 'ls > /dev/null'".to_owned(), false),
            ("/usr/bin/env ls /usr/include".to_owned(), false),
            ("cat /etc/passwd".to_owned(), true),
            ("curl https://example.com/etc/passwd".to_owned(), false),
            ("sed s/a/b/ src/a.rs".to_owned(), false),
            ("grep /api/v1/users src/a.rs".to_owned(), false),
        ];
        for (command, outside) in table {
            let mut border = WorkspaceGuard::new(&dir, &[outer.path().join("given")]);
            border.home = Some(outer.path().join("home").canonicalize().unwrap());
            border.touches("c1", &words(&command));
            border.gave("c1", "     1→first\n     2\tsecond\nthird");
            border.gave("c2", "of another call");
            let found = border.found();
            assert_eq!(!found.paths.is_empty(), outside, "{command}: {found:?}");
            let results = if outside { "first\nsecond\nthird\n" } else { "" };
            assert_eq!(found.results, results, "{command}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut border = WorkspaceGuard::new(dir.path(), &[]);
        for call in 0..2 * CALLS {
            let place = format!("/etc/passwd{}", "/../passwd".repeat(call % 40));
            border.touches(&call.to_string(), &[place]);
            border.gave(&call.to_string(), &"é\n".repeat(1000));
        }
        assert!(border.calls.len() <= CALLS);
        let found = border.found();
        assert!(found.paths.len() <= PATHS && found.results.len() <= ExternalAccess::MOST + 1000);
        assert!(words(&"a ".repeat(10_000)).len() <= WORDS);
    }
}
