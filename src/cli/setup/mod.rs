//! Registers Nexscope with Claude Code (a plugin) and Codex (an MCP server): shows the changes, keeps
//! existing settings, and can undo it.

mod claude;
mod codex;
mod plugin;

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write, stderr, stdin},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

use super::Failure;
use crate::{config::Paths, store::write_private};

/// Register Nexscope with Claude Code or Codex
#[derive(Debug, Args)]
pub(super) struct Setup {
    /// The program to register with
    program: Program,
    /// Undo the registration
    #[arg(long)]
    remove: bool,
    /// Show the changes without making them
    #[arg(long)]
    dry_run: bool,
    /// Codex: also remove the instructions that nexscope-plugin added to AGENTS.md
    #[arg(long, conflicts_with = "remove")]
    remove_instructions: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Program {
    Claude,
    Codex,
}

/// Registers or unregisters. Fails if a file cannot be read or written.
pub(super) fn run(setup: &Setup, paths: &Paths) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(Failure::Input)?;
    match setup.program {
        Program::Claude => claude::run(setup, paths, &program),
        Program::Codex => codex::run(setup, &program),
    }
}

/// Rewrites an installed plugin as this version writes it; if `tells`, reports it. Fails if a file
/// cannot be written.
pub(super) fn refresh(paths: &Paths, tells: bool) -> Result<(), Failure> {
    let market = paths.config.join("claude");
    if !market.exists() {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(Failure::Input)?;
    if plugin::write(&market, &program, false, tells)? && tells {
        super::say("The plugin was updated to this version; restart Claude Code.")?;
    }
    Ok(())
}

/// The folder of a program's settings: the variable's, otherwise the one in the home folder. Fails if there is
/// no home folder.
fn home_of(variable: &str, folder: &str) -> Result<PathBuf, Failure> {
    let set = std::env::var_os(variable).filter(|value| !value.is_empty());
    set.map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(folder)))
        .ok_or_else(|| Failure::Words("there is no home folder: set HOME and try again".into()))
}

/// The text of a file, if it exists. Fails if it cannot be read.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::Words(format!("cannot read {}: {error}", path.display()))),
    }
}

/// Writes a file that only its owner may read. A link to it stays a link.
fn save(path: &Path, text: &str) -> Result<(), Failure> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    write_private(&path, text.as_bytes()).map_err(|error| Failure::Save(path, error))
}

/// Asks the person at the terminal, if there is one. Without a terminal the answer is no.
fn is_confirmed(question: &str) -> Result<bool, Failure> {
    if !stdin().is_terminal() {
        return Ok(false);
    }
    let mut out = stderr();
    write!(out, "{question} [y/N] ")
        .and_then(|()| out.flush())
        .map_err(Failure::Output)?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).map_err(Failure::Input)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
