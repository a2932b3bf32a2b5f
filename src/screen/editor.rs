//! What is written, in the person's own editor.

use std::{env, fs, io, path::Path};

/// Lets the person write on in their editor (`$VISUAL`, `$EDITOR`, else vi), and gives what is written then; the
/// text lies in `folder` meanwhile. Nothing else may read the terminal until it returns. Fails where the editor
/// cannot be started or did not end well.
pub(super) async fn write(text: &str, folder: &Path) -> io::Result<String> {
    let set = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let command = set("VISUAL")
        .or_else(|| set("EDITOR"))
        .unwrap_or_else(|| "vi".into());
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or("vi");

    let path = folder.join("unsent.md");
    crate::store::write_private(&path, text.as_bytes())?;
    let ended = tokio::process::Command::new(program)
        .args(words)
        .arg(&path)
        .status()
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    let written = fs::read_to_string(&path);
    fs::remove_file(&path)?;
    match ended.success() {
        true => Ok(crate::text::clean(written?.trim_end_matches('\n')).text),
        false => Err(io::Error::other(format!("{program} ended with {ended}"))),
    }
}
