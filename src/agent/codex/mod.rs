//! Codex: `codex exec --json`, and `codex app-server` where its person is asked.

mod app;
mod reader;

use std::ffi::OsString;

use super::{
    Run,
    driver::{Driver, Invocation, Output, Profile, is_session_id},
    environment::CODEX,
    start_error::StartError,
};
use crate::core::runs::settings::{Permissions, Project};

use reader::CodexReader;

/// Disables Nexscope's own tools, if installed: a run that answers in a room must not also post to it. A
/// whole table, because the single key is an error if there is no such server.
const NO_NEXSCOPE: &str = "mcp_servers.nexscope={command=\"false\",enabled=false}";

const PROGRAM: &str = "codex";

pub(super) const PROFILE: Profile = Profile {
    program: Some(PROGRAM),
    variables: &[CODEX],
    // It has its own timeout for a silent connection, after which it retries and reports it.
    output: Output::Items,
    sends_late: true,
    starts_slowly: false,
    driver,
};

/// Builds the invocation and the reader; fails with the reason if it cannot be started.
///
/// A folder's `.codex/config.toml` applies only if the person has trusted that folder in Codex itself;
/// nothing here changes that.
fn driver(run: &Run) -> Result<Driver, StartError> {
    let mut program: Vec<OsString> = run.command();
    if program.is_empty() {
        program.push(PROGRAM.into());
    }
    let mut overrides: Vec<OsString> = ["-c", NO_NEXSCOPE].map(Into::into).into();
    if run.agent.project == Project::None {
        // Disables its memory file, AGENTS.md.
        overrides.extend(["-c", "project_doc_max_bytes=0"].map(Into::into));
    }
    let sandbox = match run.agent.permissions {
        Permissions::Allow => "workspace-write",
        Permissions::ReadOnly => "read-only",
        // `exec` cannot ask anyone.
        Permissions::Ask => {
            let (invocation, reader) = app::driver(run, program, overrides)?;
            return Ok((invocation, Box::new(reader)));
        }
    };
    // A session does not remember its sandbox: it is passed every time, and before the word `resume`.
    let flags = ["exec", "--json", "--skip-git-repo-check", "--sandbox", sandbox];
    program.extend(flags.map(Into::into));
    if run.agent.permissions == Permissions::ReadOnly {
        // Rules that the person has allowed permanently in Codex itself bypass the sandbox; ignore them here.
        program.push("--ignore-rules".into());
    }
    program.extend(overrides);
    if let Some(session) = &run.resume {
        if !is_session_id(session) {
            return Err(StartError::SessionId);
        }
        program.extend(["resume".into(), session.into()]);
    }
    program.push("-".into());
    let invocation = Invocation {
        program,
        input: run.prompt.without_skills(),
        ..Invocation::default()
    };
    let reader = CodexReader::new(run.resume.clone(), run.before);
    Ok((invocation, Box::new(reader)))
}
