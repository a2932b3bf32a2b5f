//! The shell commands for audit logs: verify them, and show the history of an item.

mod format;

use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use crate::{
    config::Paths,
    control::policy::Rule,
    store::{self, Line, Verified},
};

/// Verify the audit logs of this computer's rooms, or show the history of an item
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    word: Word,
}

#[derive(Debug, Subcommand)]
enum Word {
    /// Check the logs for changed, missing, moved or added lines; exit 1 if there are any
    Verify(Which),
    /// Print the history of an item, from the question to what was sent
    Show {
        /// An item (m12, d3, p4, f5), or the ID of a run or a message
        id: String,
        #[command(flatten)]
        which: Which,
    },
}

/// Choose the logs (default: all)
#[derive(Debug, Args)]
struct Which {
    /// Only logs of this room
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// Only logs of this member
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
    /// Print JSON, one object per line
    #[arg(long)]
    json: bool,
}

impl Audit {
    /// The rule of the subcommand.
    pub(super) fn rule(&self) -> Rule {
        match self.word {
            Word::Verify(_) => Rule::Open,
            Word::Show { .. } => Rule::AuditShow,
        }
    }
}

/// Verifies or prints the logs.
pub(super) fn run(audit: &Audit, paths: &Paths) -> Result<ExitCode, Failure> {
    let (Word::Verify(which) | Word::Show { which, .. }) = &audit.word;
    let logs = find(&paths.state, which);
    if logs.is_empty() {
        return Err(Failure::Words(
            "there is no such audit log here; each joined room has one".to_owned(),
        ));
    }
    match &audit.word {
        Word::Verify(_) => verify(&logs, which.json),
        Word::Show { id, .. } => show(&logs, id, which.json),
    }
}

/// The logs below `state`, most recently written first.
fn find(state: &Path, which: &Which) -> Vec<PathBuf> {
    let below = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    };
    let is = |folder: &Path, wanted: &Option<String>| {
        wanted.as_ref().is_none_or(|wanted| {
            let name = folder.file_name().unwrap_or_default();
            name.to_string_lossy().eq_ignore_ascii_case(wanted)
        })
    };
    let relays = below(state.join("nexscope"));
    let rooms = relays.flat_map(below).filter(|room| is(room, &which.room));
    let members = rooms.flat_map(below).filter(|member| is(member, &which.member));
    let mut logs: Vec<PathBuf> = members
        .map(|member| member.join("audit.jsonl"))
        .filter(|log| log.is_file())
        .collect();
    let written = |log: &PathBuf| fs::metadata(log).and_then(|file| file.modified()).ok();
    logs.sort_by_cached_key(|log| std::cmp::Reverse(written(log)));
    logs
}

fn verify(logs: &[PathBuf], json: bool) -> Result<ExitCode, Failure> {
    let (mut out, mut code) = (io::stdout().lock(), ExitCode::SUCCESS);
    for log in logs {
        let checked = store::verify(log).map_err(|error| unreadable(log, &error))?;
        let Verified { lines, problems } = &checked;
        if !problems.is_empty() {
            code = ExitCode::FAILURE;
        }
        // The reader may close the pipe early.
        let _ = match (json, problems.as_slice()) {
            (true, _) => writeln!(
                out,
                "{}",
                json!({ "log": log, "lines": lines, "problems": problems })
            ),
            (false, []) => writeln!(out, "{}: OK, {lines} entries", log.display()),
            (false, problems) => writeln!(out, "{}: BROKEN\n  {}", log.display(), problems.join("\n  ")),
        };
    }
    Ok(code)
}

fn show(logs: &[PathBuf], id: &str, json: bool) -> Result<ExitCode, Failure> {
    for log in logs {
        let chain = chain_of(log, id).map_err(|error| unreadable(log, &error))?;
        if chain.is_empty() {
            continue;
        }
        let mut out = io::stdout().lock();
        for line in &chain {
            // The reader may close the pipe early.
            let _ = match json {
                true => writeln!(out, "{}", serde_json::to_string(line).unwrap_or_default()),
                false => writeln!(out, "{}", format::in_words(line)),
            };
        }
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Words(format!(
        "no audit log here has {id}: give m12, d3, p4, f5, or the id of a run or a message"
    )))
}

/// All lines of a log that are related to `id`. Reads the log several times to keep little in memory. Fails
/// if it cannot be read.
fn chain_of(log: &Path, id: &str) -> io::Result<Vec<Line>> {
    // If a journal was lost, its numbers start over, and some occur twice in the log: use the newest.
    let mut ids: HashSet<String> = HashSet::new();
    for line in store::lines(log)? {
        if line
            .entry
            .item()
            .is_some_and(|item| item.eq_ignore_ascii_case(id))
        {
            ids = line.entry.ids().into_iter().collect();
        } else if line.entry.ids().iter().any(|one| one == id) {
            ids.insert(id.to_owned());
        }
    }
    let joins = |line: &Line, ids: &HashSet<String>| line.entry.ids().iter().any(|one| ids.contains(one));
    loop {
        let before = ids.len();
        for line in store::lines(log)? {
            if joins(&line, &ids) {
                ids.extend(line.entry.ids());
            }
        }
        if ids.len() == before {
            return Ok(store::lines(log)?.filter(|line| joins(line, &ids)).collect());
        }
    }
}

fn unreadable(log: &Path, error: &io::Error) -> Failure {
    Failure::Words(format!("cannot read {}: {error}", log.display()))
}
