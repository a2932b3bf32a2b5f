//! A server process, and the resources that it uses.

use std::{
    ffi::OsStr,
    process::{Child, Command},
};

/// The core for a process of a measurement.
#[derive(Clone, Copy)]
pub enum Core {
    /// The first core, for the measured relay.
    Relays,
    /// The second core.
    Others,
    /// The second core, behind all others there.
    Last,
}

impl Core {
    /// The command that starts a program there.
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        let words: &[&str] = match self {
            Core::Relays => &["-c", "0"],
            Core::Others => &["-c", "1"],
            // Ahead of other programs' processes, the measured ones are ahead of a normal one too. An idle one would
            // get no time beside those programs.
            Core::Last if is_realtime() => &["-c", "1", "chrt", "-o", "0"],
            Core::Last => &["-c", "1", "chrt", "-i", "0"],
        };
        let mut command = Command::new("taskset");
        command.args(words).arg(program);
        command
    }
}

/// Whether this program was started with `chrt -f`.
fn is_realtime() -> bool {
    const FIFO: &str = "1";
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().nth(38) == Some(FIFO)
}

/// Killed when dropped.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Process {
        Process(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("{command:?}: {error}")),
        )
    }

    /// Its standard output, if piped.
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
