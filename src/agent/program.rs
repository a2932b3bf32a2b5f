//! An agent's program while it is there: its process, what it is talked to through, and how it is read. It serves
//! one run, or several, one after the other.

use std::{path::PathBuf, time::Duration};

use tokio::{
    process::ChildStdout,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{
    Run,
    driver::{Reader, Signals},
    environment,
    process::{Pipes, Process, Start},
};
use crate::{
    agent::run::{
        pipes::{read, tail, write},
        runner::{HostEnvironment, driver},
    },
    config::Agent,
};

/// An agent's program, with what it was started for.
#[derive(Debug)]
pub(super) struct Program {
    /// The run that it was started for: its id is the mark of everything that it starts.
    pub began_with: String,
    pub process: Process,
    pub stdout: Option<ChildStdout>,
    pub stderr: JoinHandle<String>,
    /// What to write to standard input, as long as it is open. Full (an agent that asks without
    /// reading the answers): the line is dropped, or the run ended.
    pub input: Option<mpsc::Sender<String>>,
    pub signals: Signals,
    pub stays_there: bool,
    /// It can be asked again in the same session.
    pub goes_on: bool,
    pub reader: Box<dyn Reader>,
    setup: Setup,
}

/// What must be the same for a program to serve another run.
#[derive(Debug, Clone, PartialEq)]
struct Setup {
    name: String,
    agent: Agent,
    dir: PathBuf,
    /// Folders of accepted files, which it was told that it may read.
    folders: Vec<PathBuf>,
}

impl Setup {
    fn of(run: &Run) -> Self {
        let folders = run.files.iter().filter_map(|file| file.parent());
        Self {
            name: run.name.clone(),
            agent: run.agent.clone(),
            dir: run.dir.clone(),
            folders: folders.map(Into::into).collect(),
        }
    }
}

impl Program {
    /// Starts the program for `run`, with things to tell its person; says why where it cannot be.
    pub async fn start(run: &Run, around: &HostEnvironment) -> Result<(Self, Vec<String>), String> {
        let (invocation, reader) = driver(run)?;
        if !run.dir.is_dir() {
            return Err(format!("its folder {} does not exist", run.dir.display()));
        }
        let mut env = environment::environment(around.env.clone(), run.agent.kind, &run.agent.env);
        let own = invocation.env.iter();
        env.extend(own.map(|(name, value)| (name.into(), value.into())));
        let program = invocation.program.first();
        let name = program.map(|p| p.display().to_string()).unwrap_or_default();
        let (process, pipes) = Process::start(Start {
            run: &run.id,
            program: &invocation.program,
            dir: &run.dir,
            env,
            at_our_end: invocation.signals.at_our_end,
        })
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("`{name}` was not found: install it, or set `command` to where it is")
            }
            _ => format!("`{name}` could not be started: {error}"),
        })?;
        let Pipes {
            stdin,
            stdout,
            stderr,
        } = pipes;
        let (input, lines) = mpsc::channel(8);
        tokio::spawn(write(stdin, invocation.input, lines));
        let program = Self {
            began_with: run.id.clone(),
            process,
            stdout: Some(stdout),
            stderr: tokio::spawn(tail(stderr)),
            input: invocation.stays_open.then_some(input),
            signals: invocation.signals,
            stays_there: invocation.stays_there,
            goes_on: invocation.goes_on,
            reader,
            setup: Setup::of(run),
        };
        Ok((program, invocation.notices))
    }

    /// Whether it can serve `run`, in its session: it was started just so.
    pub fn suits(&self, run: &Run) -> bool {
        let wanted = Setup::of(run);
        let has = |folder: &PathBuf| self.setup.folders.contains(folder);
        wanted.folders.iter().all(has)
            && self.setup
                == Setup {
                    folders: self.setup.folders.clone(),
                    ..wanted
                }
    }

    pub fn name(&self) -> &str {
        &self.setup.name
    }

    /// How the agent was set up when it was started.
    pub fn agent(&self) -> &Agent {
        &self.setup.agent
    }

    /// Ends it, with everything that it started; says how many processes could not be ended. It is given `grace`
    /// for each step.
    pub async fn finish(mut self, grace: Duration) -> usize {
        let mut buffer = vec![0; 64 << 10];
        // Its input ends, and most end with it.
        self.input = None;
        let mut ladder = self.signals.ladder;
        let mut next = Instant::now();
        if !self.stays_there {
            next += grace;
        }
        loop {
            tokio::select! {
                biased;
                _ = self.process.wait() => break,
                () = sleep_until(next) => {
                    if let [signal, harder @ ..] = ladder {
                        self.process.signal(*signal);
                        // The last one is given again and again.
                        if !harder.is_empty() {
                            ladder = harder;
                        }
                    }
                    next = Instant::now() + grace;
                }
                // What it still has to say must not hold it up.
                read = read(&mut self.stdout, &mut buffer) => {
                    if !matches!(read, Ok(1..)) {
                        self.stdout = None;
                    }
                }
            }
        }
        self.process.sweep(grace).await
    }
}
