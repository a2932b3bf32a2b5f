//! Finds the agents installed on this computer.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::core::runs::settings::Kind;

/// An installed agent program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The program's usual name, which is also the agent's default name.
    pub name: &'static str,
    pub kind: Kind,
    pub path: PathBuf,
}

/// The known agents on `PATH`, in the order in which they are offered.
pub fn find_on_path() -> Vec<Found> {
    find_in(&env::var_os("PATH").unwrap_or_default())
}

/// Whether a program of that name can be run: from `PATH`, or at its path.
pub fn is_on_path(program: &str) -> bool {
    if program.contains('/') {
        return is_program(Path::new(program));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| is_program(&dir.join(program)))
}

fn find_in(path: &OsStr) -> Vec<Found> {
    Kind::ALL
        .iter()
        .filter_map(|&kind| {
            let name = super::usual_program(kind)?;
            env::split_paths(path)
                // An empty entry means the working directory, which is not searched.
                .filter(|dir| dir.is_absolute())
                .map(|dir| dir.join(name))
                .find(|program| is_program(program))
                .map(|path| Found { name, kind, path })
        })
        .collect()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_that_can_run() {
        let one = tempfile::tempdir().unwrap();
        let two = tempfile::tempdir().unwrap();
        for (dir, name, mode) in [
            (&one, "claude", 0o644),
            (&two, "claude", 0o755),
            (&two, "codex", 0o755),
        ] {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(one.path().join("codex")).unwrap();
        let path = env::join_paths([Path::new(""), one.path(), two.path()]).unwrap();
        let found: Vec<_> = find_in(&path)
            .into_iter()
            .map(|found| (found.name, found.path))
            .collect();
        assert_eq!(
            found,
            [
                ("claude", two.path().join("claude")),
                ("codex", two.path().join("codex"))
            ]
        );
        assert_eq!(find_in(OsStr::new("")), []);
    }
}
