//! The command line: the words and their flags, and how each ends.

mod admitted;
mod attach;
mod audit;
mod audit_format;
mod client;
mod config;
mod connector;
mod demo;
mod doctor;
mod hook;
mod invite;
mod log;
mod render;
mod setup;
mod start;

use std::{
    io::{ErrorKind, Write, stdout},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use admitted::Admitted;

use crate::{
    client::StartError,
    config::{ConfigError, Paths},
    control::{SocketError, mcp},
};

/// A room in your terminal where coding agents talk, with people in charge at both ends.
///
/// Without a command it opens the screen. With nothing configured, a first screen asks for a name and hosts
/// a room here, or joins one by invite. The other commands ask the session that runs: the one that was started in
/// this folder, or the only one.
#[derive(Debug, Parser)]
#[command(name = "nexscope-tui", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    start: start::Start,
    #[command(subcommand)]
    command: Option<Word>,
}

#[derive(Debug, Subcommand)]
enum Word {
    /// Joins the room and opens the screen (so does no command at all), lines, or no face.
    Start(Box<start::Start>),
    #[command(flatten)]
    Room(client::Word),
    /// Opens the screen on a session that runs headless; it goes on when you leave the screen.
    Attach(attach::Attach),
    /// Prints the invite with which others join your relay; it holds the relay's token.
    Invite {
        /// Print it as one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Runs a relay here: as nexscope-relay, with its flags (`nexscope-tui relay --help`).
    #[command(disable_help_flag = true)]
    Relay {
        /// The relay's flags.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Speaks the Model Context Protocol on standard input and output: for Claude Code and Codex.
    Mcp,
    /// Registers Nexscope with Claude Code or Codex; shows what it changes.
    Setup(setup::Setup),
    /// Checks configuration, relay, token, terminal and agents, and says how to mend each.
    Doctor {
        /// Print what is found as one line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Describe the settings: a JSON schema, an example, which files are read.
    #[command(subcommand)]
    Config(config::Config),
    /// Checks the audit logs, or prints how something came to be.
    Audit(audit::Audit),
    /// Opens a room with two teammates who are played: everything can be tried in a minute.
    Demo,
    /// Prints completions for a shell.
    Completions {
        /// Which.
        shell: Shell,
    },
    /// What Claude Code runs at its hooks.
    #[command(hide = true)]
    Hook {
        /// Which.
        hook: hook::Hook,
    },
    /// The agent of the demo's.
    #[command(hide = true)]
    DemoAgent,
}

/// Why the program could not do its job; each says what to do.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Client(#[from] SocketError),
    #[error("{0}")]
    Words(String),
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    #[error("the input cannot be read: {0}")]
    Input(#[source] std::io::Error),
    #[error("the answer cannot be printed: {0}")]
    Output(#[source] std::io::Error),
    #[error("the terminal cannot be used: {0}; try --plain")]
    Terminal(#[source] std::io::Error),
    #[error("cannot save {0}: {1}")]
    Save(PathBuf, std::io::Error),
    #[error("the program cannot start: {0}")]
    Runtime(#[source] std::io::Error),
}

/// Runs the program. Exit 0 where it did its job, 1 where it did not, 2 for a wrong command line.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let word = cli.command.unwrap_or_else(|| Word::Start(Box::new(cli.start)));
    match Admitted::new(word).and_then(carry_out) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("nexscope-tui: {failure}");
            match failure {
                Failure::Usage(_) => ExitCode::from(2),
                // What is said wrongly is wrong on the command line.
                Failure::Client(SocketError::Problem(problem)) if problem.code == "usage" => {
                    ExitCode::from(2)
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Carries out what has passed the table.
fn carry_out(admitted: Admitted) -> Result<ExitCode, Failure> {
    let (word, who) = admitted.into_parts();
    match word {
        Word::Start(start) => return start::run(&start, who),
        Word::Room(word) => return client::run(word, &Paths::usual()?),
        Word::Attach(attach) => return attach::run(&attach, &Paths::usual()?),
        Word::Invite { json } => invite::run(json, &Paths::usual()?)?,
        Word::Relay { flags } => {
            let name = "nexscope-tui relay";
            let arguments = std::iter::once(name.to_owned()).chain(flags);
            return Ok(nexscope_relay::program::main(name, arguments));
        }
        Word::Mcp => {
            let door = connector::DefaultConnector::new(Paths::usual()?);
            let runtime = tokio::runtime::Runtime::new().map_err(Failure::Runtime)?;
            let served = runtime.block_on(mcp::serve(std::sync::Arc::new(door)));
            runtime.shutdown_background();
            served.map_err(Failure::Words)?;
        }
        Word::Setup(setup) => setup::run(&setup, &Paths::usual()?)?,
        Word::Doctor { json } => return doctor::run(json, &Paths::usual()?),
        Word::Config(config) => config::run(&config, &Paths::usual()?)?,
        Word::Audit(audit) => return audit::run(&audit, &Paths::usual()?),
        Word::Demo => return demo::run(),
        Word::DemoAgent => demo::answer()?,
        Word::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "nexscope-tui", &mut script);
            print(&String::from_utf8_lossy(&script))?;
        }
        Word::Hook { hook } => return hook::run(hook, &Paths::usual()?),
    }
    Ok(ExitCode::SUCCESS)
}

/// JSON on one line, with no control character in it, also where a terminal would take one for its own (C1).
fn json_line(value: &serde_json::Value) -> String {
    let text = value.to_string();
    let plain = |c: char| match c.is_control() {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    text.chars().map(plain).collect()
}

/// Prints to standard output. Who reads no further, as `head`, has enough; fails where it cannot be written.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// The same, a line.
fn say(line: &str) -> Result<(), Failure> {
    print(&format!("{line}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
