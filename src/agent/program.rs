//! A running agent program: its process, its input, and the reader of its output. It serves one run, or
//! several in turn.

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
    profile,
    start_error::StartError,
};
use crate::{
    agent::run::{
        pipes::{read, tail, write},
        runner::HostEnvironment,
    },
    config::Agent,
};

/// An agent's program, with the settings it was started with.
#[derive(Debug)]
pub(super) struct Program {
    /// The run that it was started for; its id marks everything that it starts.
    pub began_with: String,
    pub process: Process,
    pub stdout: Option<ChildStdout>,
    pub stderr: JoinHandle<String>,
    /// Lines for its standard input, as long as it is open. If the channel is full (an agent that asks
    /// without reading the answers), the line is dropped, or the run ended.
    pub input: Option<mpsc::Sender<String>>,
    pub signals: Signals,
    pub stays_there: bool,
    /// It accepts another prompt in the same session.
    pub goes_on: bool,
    pub reader: Box<dyn Reader>,
    setup: Setup,
}

/// The settings that must match for a program to serve another run.
#[derive(Debug, Clone, PartialEq)]
struct Setup {
    name: String,
    agent: Agent,
    dir: PathBuf,
    /// Folders of accepted files that it was allowed to read.
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
    /// Starts the program for `run`; also returns notices for the person. Fails with the reason if it cannot
    /// be started.
    pub async fn start(run: &Run, around: &HostEnvironment) -> Result<(Self, Vec<String>), StartError> {
        let (invocation, reader) = (profile(run.agent.kind).driver)(run)?;
        if !run.dir.is_dir() {
            return Err(StartError::NoFolder(run.dir.clone()));
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
            std::io::ErrorKind::NotFound => StartError::NotFound(name),
            _ => StartError::NotStarted(name, error),
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

    /// Whether it can serve `run` in its session: it was started with the same settings.
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

    /// The agent's settings at its start.
    pub fn agent(&self) -> &Agent {
        &self.setup.agent
    }

    /// Ends it and everything that it started, with `grace` for each step; returns how many processes could
    /// not be ended.
    pub async fn finish(mut self, grace: Duration) -> usize {
        let mut buffer = vec![0; 64 << 10];
        // Most exit when their input closes.
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
                        // The last one is repeated.
                        if !harder.is_empty() {
                            ladder = harder;
                        }
                    }
                    next = Instant::now() + grace;
                }
                // Drain its output, so that it does not block.
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
