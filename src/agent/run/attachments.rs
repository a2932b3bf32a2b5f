//! Files attached to an agent's answer: lines of the answer name them, and the person reviews them first.

use std::path::{Path, PathBuf};

use crate::core::{
    files::AgentFile,
    runs::{Ending, Outcome, attached_path, may_bring_files},
};

/// The maximum number of files attached to one answer.
const MOST: usize = 10;

/// Takes the lines that name files out of an answer. Files that may not be attached stay in it as text.
pub(crate) fn take(ending: Ending, folder: &Path) -> Ending {
    let Outcome::Answer(answer) = &ending.outcome else {
        return ending;
    };
    if !may_bring_files(answer) {
        return ending;
    }
    let (mut lines, mut files): (Vec<String>, Vec<AgentFile>) = (Vec::new(), Vec::new());
    let mut fenced = false;
    for line in answer.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let Some(named) = attached_path(line).filter(|_| !fenced) else {
            lines.push(line.to_owned());
            continue;
        };
        match AgentFile::find(&folder.join(named), folder) {
            Ok(_) if files.len() == MOST => lines.push(format!("(Not attached, more than {MOST}: {named})")),
            Ok(file) if files.contains(&file) => {}
            Ok(file) => files.push(file),
            Err(why) => lines.push(format!("(Not attached: {why})")),
        }
    }
    let mut text = lines.join("\n").trim().to_owned();
    if text.is_empty() && !files.is_empty() {
        let paths: Vec<PathBuf> = files.iter().map(AgentFile::path).collect();
        let names = paths.iter().filter_map(|path| path.file_name());
        let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
        text = crate::text::one_line(&names.join(", "), 600);
    }
    Ending {
        outcome: Outcome::Answer(text.into()),
        files,
        ..ending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Failure, runs::Failed};

    #[test]
    fn answers_table() {
        let world = tempfile::tempdir().unwrap();
        let dir = world.path().join("work");
        std::fs::create_dir_all(dir.join("out")).unwrap();
        std::fs::write(dir.join("out/report.md"), "r").unwrap();
        std::fs::write(dir.join("a b.txt"), "a").unwrap();
        std::fs::write(world.path().join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(world.path().join("secret"), dir.join("link")).unwrap();
        let table = [
            ("no file", "no file", vec![]),
            (
                "See it.\n[[attach: out/report.md]]",
                "See it.",
                vec!["out/report.md"],
            ),
            ("[[attach:a b.txt]]\n", "a b.txt", vec!["a b.txt"]),
            (
                "x\n[[attach: out/report.md]]\n[[attach: ./out/report.md]]\ny",
                "x\ny",
                vec!["out/report.md"],
            ),
            (
                "in `[[attach: out/report.md]]` words",
                "in `[[attach: out/report.md]]` words",
                vec![],
            ),
            (
                "```\n[[attach: out/report.md]]\n```",
                "```\n[[attach: out/report.md]]\n```",
                vec![],
            ),
            ("x\n[[attach: ]]", "x\n[[attach: ]]", vec![]),
        ];
        let taken = |answer: &str| {
            let ending = Ending {
                outcome: Outcome::Answer(answer.into()),
                ..Ending::failed(Failed::new(Failure::Other, ""))
            };
            let ending = take(ending, &dir);
            let Outcome::Answer(text) = ending.outcome else {
                panic!()
            };
            let files: Vec<PathBuf> = ending.files.iter().map(AgentFile::path).collect();
            (text, files)
        };
        for (answer, text, files) in table {
            let real = dir.canonicalize().unwrap();
            let files: Vec<PathBuf> = files.into_iter().map(|file| real.join(file)).collect();
            assert_eq!(taken(answer), (text.into(), files), "{answer:?}");
        }
        let elsewhere = world.path().join("secret").display().to_string();
        for path in [
            "../secret",
            "link",
            &elsewhere,
            "out",
            "gone",
            "/etc/passwd",
            "/dev/null",
        ] {
            let (text, files) = taken(&format!("x\n[[attach: {path}]]"));
            assert!(
                files.is_empty() && text.starts_with("x\n(Not attached: "),
                "{path}: {text}"
            );
        }
    }
}
