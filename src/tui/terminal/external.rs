//! Other programs of the person's, which have the terminal for a while: their editor, their pager.

use std::{env, fs, io, path::Path};

use tokio::process::Command;

use crate::control::ExternalProgram;

/// Does it, and gives what is written then; nothing where it is looked at. A text lies in `folder` meanwhile. Nothing
/// else may read the terminal until it returns. Fails where the program cannot be started or does not end well.
pub(crate) async fn run(errand: &ExternalProgram, folder: &Path) -> io::Result<String> {
    match errand {
        ExternalProgram::Write(text) => {
            let path = folder.join("unsent.md");
            crate::store::write_private(&path, text.as_bytes())?;
            let ended = start(&["VISUAL", "EDITOR"], "vi", &path).await;
            let written = fs::read_to_string(&path);
            fs::remove_file(&path)?;
            ended?;
            Ok(crate::text::clean(written?.trim_end_matches('\n')).text.into())
        }
        ExternalProgram::Look(path) => start(&["PAGER"], "less", path).await.map(|()| String::new()),
        ExternalProgram::Stop => {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
            Ok(String::new())
        }
    }
}

/// Runs the program that the first of the variables names that is set, on a file.
async fn start(variables: &[&str], usual: &str, path: &Path) -> io::Result<()> {
    let mut set = variables.iter().filter_map(|name| env::var(name).ok());
    let command = set.find(|value| !value.trim().is_empty());
    let command = command.as_deref().unwrap_or(usual);
    // As other programs do, so that quotes and `~` in the variable mean what they mean there.
    let ended = Command::new("sh")
        .arg("-c")
        .arg(format!("{command} \"$@\""))
        .arg("sh")
        .arg(path)
        // A file from elsewhere: less runs nothing for it, and shows its escapes as text.
        .env("LESSSECURE", "1")
        .env_remove("LESSOPEN")
        .status()
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("sh: {error}")))?;
    match ended.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{command} ended with {ended}"))),
    }
}
