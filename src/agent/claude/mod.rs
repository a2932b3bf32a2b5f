//! Claude Code: `claude -p` with JSON events in and out.

mod ask;
mod reader;

use std::{ffi::OsString, fs, path::Path, path::PathBuf};

use serde_json::json;

use super::{
    Run,
    driver::{Driver, Invocation, Output, Profile, is_session_id},
    environment::CLAUDE,
    start_error::StartError,
};
use crate::core::runs::settings::{Permissions, Project};

use reader::ClaudeReader;

const PROGRAM: &str = "claude";

pub(super) const PROFILE: Profile = Profile {
    program: Some(PROGRAM),
    variables: &[CLAUDE],
    output: Output::Continuous,
    sends_late: false,
    starts_slowly: false,
    driver,
};

/// Always set: events in both directions (its text mode does not stream, and prints API errors as answers).
const FLAGS: [&str; 8] = [
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--include-partial-messages",
    // Reports when it starts on a message, so that earlier output is known to belong to an earlier one.
    "--replay-user-messages",
];

/// Keeps a project's hooks and servers from running: in this mode Claude Code asks nobody whether the folder
/// is trusted. This also disables its `CLAUDE.md` and every slash command.
const NO_PROJECT: [&str; 4] = [
    "--setting-sources",
    "user",
    "--strict-mcp-config",
    "--disable-slash-commands",
];

/// The tools that change nothing and reach nobody. The default mode keeps them inside the folder, even if a
/// link leads out of it.
const READ_ONLY: [&str; 4] = ["--tools", "Read,Grep,Glob", "--permission-mode", "default"];

/// Requests permission on standard output for what it may not do by itself.
const ASK: [&str; 4] = [
    "--permission-mode",
    "default",
    "--permission-prompt-tool",
    "stdio",
];

/// Each tool by name: the mode without questions is refused to root.
const ALLOW: [&str; 4] = [
    "--permission-mode",
    "acceptEdits",
    "--allowedTools",
    "Read,Grep,Glob,Bash,Edit,Write,NotebookEdit,WebFetch,WebSearch",
];

/// Disables Nexscope's own tools, if installed: a run that answers in a room must not also post to it.
const NO_NEXSCOPE: [&str; 2] = ["--disallowedTools", "mcp__nexscope,mcp__plugin_nexscope_nexscope"];
pub(super) const NEXSCOPE: [&str; 2] = ["mcp__nexscope", "mcp__plugin_nexscope_nexscope"];

pub(super) const ENV: [(&str, &str); 6] = [
    // An `@path` in its input inserts that file without asking. The prompt is defused as well; version
    // 2.1.330 knows the first, 2.1.197 the second.
    ("CLAUDE_CODE_DISABLE_FILE_MENTIONS", "1"),
    ("CLAUDE_CODE_DISABLE_ATTACHMENTS", "1"),
    // A background task would keep the process running after the answer.
    ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    // What a person might type next, which costs a request that nobody sees.
    ("CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION", "false"),
    ("DISABLE_AUTOUPDATER", "1"),
];

/// The largest `CLAUDE.md` that is passed on, in bytes.
const MAX_MEMORY: u64 = 256 << 10;

/// Builds the invocation and the reader; fails with the reason if it cannot be started.
fn driver(run: &Run) -> Result<Driver, StartError> {
    let mut program: Vec<OsString> = run.command();
    if program.is_empty() {
        program.push(PROGRAM.into());
    }
    let mut notices = Vec::new();
    program.extend(FLAGS.map(Into::into));
    match run.agent.project {
        Project::Full => program.extend(NO_NEXSCOPE.map(Into::into)),
        Project::Memory => {
            program.extend(NO_PROJECT.map(Into::into));
            if let Some(memory) = memory(&run.dir, &mut notices) {
                program.extend(["--append-system-prompt-file".into(), memory.into_os_string()]);
            }
        }
        Project::None => program.extend(NO_PROJECT.map(Into::into)),
    }
    match run.agent.permissions {
        Permissions::Allow => program.extend(ALLOW.map(Into::into)),
        Permissions::ReadOnly => program.extend(READ_ONLY.map(Into::into)),
        Permissions::Ask => program.extend(ASK.map(Into::into)),
    }
    let mut folders: Vec<&Path> = run.files.iter().filter_map(|file| file.parent()).collect();
    folders.dedup();
    for folder in folders {
        program.extend(["--add-dir".into(), folder.into()]);
    }
    if let Some(session) = &run.resume {
        if !is_session_id(session) {
            return Err(StartError::SessionId);
        }
        program.extend(["--resume".into(), session.into()]);
    }
    let invocation = Invocation {
        program,
        env: ENV.to_vec(),
        input: message(run, None),
        stays_open: true,
        goes_on: true,
        notices,
        ..Invocation::default()
    };
    let asks = (run.agent.permissions == Permissions::Ask).then(|| run.dir.clone());
    let reader = ClaudeReader::new(run.resume.clone(), run.before, asks);
    Ok((invocation, Box::new(reader)))
}

/// Encodes the prompt of `run` as a line of input; `id` is echoed when it is taken up.
fn message(run: &Run, id: Option<&str>) -> String {
    let mut message = json!({
        "type": "user",
        "message": { "role": "user", "content": run.prompt.as_str() },
    });
    if let Some(id) = id {
        message["uuid"] = id.into();
    }
    format!("{message}\n")
}

/// The folder's `CLAUDE.md`, passed on as it is: an `@` in a system prompt reads no file. Ignored if it is a
/// link out of the folder, with which a project could choose any file of the person's.
pub(super) fn memory(dir: &Path, notices: &mut Vec<String>) -> Option<PathBuf> {
    let dir = fs::canonicalize(dir).ok()?;
    let path = ["CLAUDE.md", ".claude/CLAUDE.md"]
        .iter()
        .find_map(|name| fs::canonicalize(dir.join(name)).ok())?;
    let why_not = match fs::metadata(&path) {
        _ if !path.starts_with(&dir) => "leads out of its folder",
        Ok(file) if file.is_file() && file.len() <= MAX_MEMORY => return Some(path),
        Ok(file) if file.is_file() => "is larger than 256 KiB",
        _ => "is not a file",
    };
    notices.push(format!("its CLAUDE.md {why_not} and is left out"));
    None
}
