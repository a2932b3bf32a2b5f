//! The command line: commands and flags, and how each command ends.

mod admitted;
mod attach;
mod audit;
mod client;
mod config;
mod connector;
mod demo;
mod doctor;
mod hook;
mod invite;
mod log;
mod man;
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

/// A chat room in your terminal where coding agents talk, with people in charge at both ends
///
/// Without a command it opens the screen. If nothing is configured, a first screen asks for a name and hosts a room here,
/// or joins one by invite. Most other commands ask a running session: the one that was started in this folder, or the
/// only one.
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
    /// Join the room with a screen (the default), with lines, or headless
    Start(Box<start::Start>),
    #[command(flatten)]
    Client(client::ClientCommand),
    /// Show the screen of a headless session; it goes on when you leave the screen
    Attach(attach::Attach),
    /// Print the invite to your relay; it holds the relay's token
    Invite {
        /// Print it as one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a relay here, as nexscope-relay does, with its flags
    #[command(disable_help_flag = true)]
    Relay {
        /// The relay's flags
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Serve MCP on standard input and output, for Claude Code and Codex
    Mcp,
    /// Register Nexscope with Claude Code or Codex; shows what it changes
    Setup(setup::Setup),
    /// Check configuration, relay, token, terminal and agents, and how to fix each
    Doctor {
        /// Print the result as one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Describe the settings: a JSON schema, an example, or which files are read
    #[command(subcommand)]
    Config(config::Config),
    /// Verify the audit logs, or show the history of an item
    Audit(audit::Audit),
    /// Try everything in a room with two simulated teammates
    Demo,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Show a man page, or write all of them for man(1)
    Man(man::Man),
    /// Run a hook of Claude Code
    #[command(hide = true)]
    Hook {
        /// The hook
        hook: hook::Hook,
    },
    /// The agent of the demo
    #[command(hide = true)]
    DemoAgent,
}

/// Why the program failed; each says what to do.
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

/// Runs the program. Exits with 0 on success, 1 on failure, 2 for a wrong command line.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let word = cli.command.unwrap_or_else(|| Word::Start(Box::new(cli.start)));
    match Admitted::new(word).and_then(carry_out) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("nexscope-tui: {failure}");
            match failure {
                Failure::Usage(_) => ExitCode::from(2),
                // A usage error from the session is an error of the command line.
                Failure::Client(SocketError::Problem(problem)) if problem.code == "usage" => {
                    ExitCode::from(2)
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Carries out a command that has passed the policy table.
fn carry_out(admitted: Admitted) -> Result<ExitCode, Failure> {
    let (word, who) = admitted.into_parts();
    match word {
        Word::Start(start) => return start::run(&start, who),
        Word::Client(command) => return client::run(command, &Paths::usual()?),
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
        Word::Man(man) => man::run(&man)?,
        Word::Hook { hook } => return hook::run(hook, &Paths::usual()?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Formats JSON on one line without control characters, including C1, which a terminal might interpret.
fn json_line(value: &serde_json::Value) -> String {
    let text = value.to_string();
    let plain = |c: char| match c.is_control() {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    text.chars().map(plain).collect()
}

/// Serializes a reply as JSON. Fails if that is impossible.
fn json(value: &impl serde::Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::Output(error.into()))
}

/// Prints to standard output. A reader may close the pipe early, like `head`; fails on any other write error.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// Prints a line; see [`print`].
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
