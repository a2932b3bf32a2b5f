//! A server in a process of its own, and what it takes.

use std::{
    ffi::OsStr,
    process::{Child, Command},
};

/// Where a process runs that shares the machine with others of the same measurement.
#[derive(Clone, Copy)]
pub enum Core {
    /// The first core, for the relay that is measured.
    Relays,
    /// The second.
    Others,
    /// The second too, behind all others there.
    Last,
}

impl Core {
    /// What starts a program there.
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        let words: &[&str] = match self {
            Core::Relays => &["-c", "0"],
            Core::Others => &["-c", "1"],
            Core::Last => &["-c", "1", "chrt", "-i", "0"],
        };
        let mut command = Command::new("taskset");
        command.args(words).arg(program);
        command
    }
}

/// Killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Process {
        Process(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("{command:?}: {error}")),
        )
    }

    /// What it prints, where that is piped.
    pub fn output(&mut self) -> impl std::io::Read {
        self.0.stdout.take().expect("its output")
    }

    /// Its memory (resident set), in KiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0)
    }

    /// CPU time so far, in seconds, at 100 ticks a second.
    pub fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
