//! What is written, in the person's own editor.

use std::{env, fs, io};

use crate::session::Session;

/// Lets the person write on in their editor (`$VISUAL`, `$EDITOR`, else vi), and gives what is written then;
/// the room goes on meanwhile. Nothing else may read the terminal until it returns. Fails where the editor
/// cannot be started or did not end well: what was written stays as it was.
pub(super) async fn write(text: &str, session: &mut Session) -> io::Result<String> {
    let set = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let command = set("VISUAL")
        .or_else(|| set("EDITOR"))
        .unwrap_or_else(|| "vi".into());
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or("vi");

    let path = session.state_folder().join("unsent.md");
    crate::store::write_private(&path, text.as_bytes())?;
    let mut editor = tokio::process::Command::new(program)
        .args(words)
        .arg(&path)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    let ended = loop {
        tokio::select! {
            ended = editor.wait() => break ended?,
            () = session.step() => {}
        }
    };
    let written = fs::read_to_string(&path);
    fs::remove_file(&path)?;
    match ended.success() {
        true => Ok(crate::text::clean(written?.trim_end_matches('\n')).text),
        false => Err(io::Error::other(format!("{program} ended with {ended}"))),
    }
}
