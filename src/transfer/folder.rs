//! The folder of received files: a link in its place is followed once, at the start, and not later.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::KeepError;

/// The folder that `files.dir` names at the start of a session, and what to tell the person if it is a link.
pub fn resolve(dir: &Path) -> (PathBuf, Option<String>) {
    if !is_link(dir) {
        return (dir.to_owned(), None);
    }
    let shown = dir.display();
    match fs::canonicalize(dir) {
        Ok(real) => {
            let told = format!(
                "{shown} (files.dir) is a link: files that you accept go to {}.",
                real.display()
            );
            (real, Some(told))
        }
        Err(error) => {
            let told = format!(
                "{shown} (files.dir) is a link that leads nowhere ({error}), so no files can be received. Create its \
                 target, or set files.dir to another folder."
            );
            (dir.to_owned(), Some(told))
        }
    }
}

/// Checks that neither the folder of a room nor the one above it was replaced by a link. Fails with what to do.
pub(super) fn check(dir: &Path) -> Result<(), KeepError> {
    match [dir.parent(), Some(dir)]
        .into_iter()
        .flatten()
        .find(|dir| is_link(dir))
    {
        Some(link) => Err(KeepError::FolderIsLink(crate::text::clean_line(
            &link.to_string_lossy(),
            200,
        ))),
        None => Ok(()),
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Issue 16, 32c: a link in place of the folder was followed without a word.
    #[test]
    fn a_link_is_followed_once_and_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let (real, link, nowhere) = (
            dir.path().join("real"),
            dir.path().join("link"),
            dir.path().join("nowhere"),
        );
        fs::create_dir(&real).expect("a folder");
        symlink(&real, &link).expect("a link");
        symlink(dir.path().join("missing"), &nowhere).expect("a link");
        let missing = dir.path().join("not-yet");
        assert_eq!(resolve(&real), (real.clone(), None));
        assert_eq!(resolve(&missing), (missing.clone(), None));
        let (found, told) = resolve(&link);
        assert_eq!(found, fs::canonicalize(&real).expect("a path"));
        assert!(
            told.expect("a warning")
                .contains("is a link: files that you accept go to")
        );
        let told = resolve(&nowhere).1.expect("a warning");
        assert!(told.contains("leads nowhere"), "{told}");
        assert!(check(&real.join("lobby")).is_ok());
        assert!(
            check(&link.join("lobby"))
                .expect_err("a link")
                .to_string()
                .contains("link is a link")
        );
        assert!(check(&link).is_err());
    }
}
