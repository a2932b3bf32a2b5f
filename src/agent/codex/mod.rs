//! Codex: `codex exec --json`, and `codex app-server` where its person is asked.

mod app;
mod reader;

use std::ffi::OsString;

use super::{
    Run,
    driver::{Invocation, Reader, is_session_id},
};
use crate::core::runs::settings::{Permissions, Project};

use reader::CodexReader;

/// Nexscope's own tools, where a person has them: a run that answers a room does not speak in it besides.
/// A whole table, because the one key alone is an error where there is no such server.
const NO_NEXSCOPE: &str = "mcp_servers.nexscope={command=\"false\",enabled=false}";

/// How to start it, and its reader; says why where it cannot be.
///
/// A folder's `.codex/config.toml` takes part only where its person has trusted that folder with Codex
/// itself; nothing here changes that.
pub(super) fn driver(run: &Run) -> Result<(Invocation, Box<dyn Reader>), String> {
    let mut program: Vec<OsString> = run.agent.command.iter().map(Into::into).collect();
    if program.is_empty() {
        program.push("codex".into());
    }
    let mut overrides: Vec<OsString> = ["-c", NO_NEXSCOPE].map(Into::into).into();
    if run.agent.project == Project::None {
        // Its memory file, AGENTS.md.
        overrides.extend(["-c", "project_doc_max_bytes=0"].map(Into::into));
    }
    let sandbox = match run.agent.permissions {
        Permissions::Allow => "workspace-write",
        Permissions::ReadOnly => "read-only",
        // `exec` can ask nobody.
        Permissions::Ask => {
            let (invocation, reader) = app::driver(run, program, overrides)?;
            return Ok((invocation, Box::new(reader)));
        }
    };
    // The sandbox is not remembered by a session: it is said each time, and before the word `resume`.
    let flags = ["exec", "--json", "--skip-git-repo-check", "--sandbox", sandbox];
    program.extend(flags.map(Into::into));
    if run.agent.permissions == Permissions::ReadOnly {
        // What its person has allowed for good in Codex itself leaves the sandbox; nothing is to, here.
        program.push("--ignore-rules".into());
    }
    program.extend(overrides);
    if let Some(session) = &run.resume {
        if !is_session_id(session) {
            return Err("the session to go on from has no valid id".to_owned());
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
