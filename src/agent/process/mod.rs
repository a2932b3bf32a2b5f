//! An agent's process with everything that it starts: begun, signalled, and really ended.

mod detach;
mod spawner;
#[cfg(target_os = "linux")]
mod sweep;

use std::{ffi::OsString, io, path::Path, process::ExitStatus, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep},
};

/// The variable whose value, the run's id, every process of a run carries.
pub(super) const MARK: &str = "NEXSCOPE_RUN_ID";

/// How long leftovers that ignore SIGKILL (stuck in the kernel, or forking faster than they are found)
/// are hunted before the run ends without them.
const HUNT: Duration = Duration::from_secs(3);

/// What to start, and in what surroundings.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub run: &'a str,
    /// The program and its arguments.
    pub program: &'a [OsString],
    pub dir: &'a Path,
    /// Its whole environment, but for the mark.
    pub env: Vec<(OsString, OsString)>,
    /// What it gets when this program dies.
    pub at_our_end: Signal,
}

/// The three ends that a process talks through.
#[derive(Debug)]
pub(super) struct Pipes {
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
}

/// A process of a run. Dropping it before [`Process::wait`] is done kills it, its group, and what
/// carries its mark.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// The leader of its group and session; `None` once it is reaped, when the number may be another's.
    leader: Option<Pid>,
    run: String,
}

impl Process {
    /// Starts a process in a session of its own.
    pub async fn start(start: Start<'_>) -> io::Result<(Self, Pipes)> {
        let (program, arguments) = start
            .program
            .split_first()
            .ok_or_else(|| io::Error::other("no program is named"))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(start.dir)
            .env_clear()
            .envs(start.env)
            .env(MARK, start.run)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        detach::detach(&mut command, start.at_our_end);
        let mut child = spawner::spawn(command).await?;
        let pipes = child
            .stdin
            .take()
            .zip(child.stdout.take())
            .zip(child.stderr.take());
        let process = Self {
            leader: child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)),
            child,
            run: start.run.to_owned(),
        };
        let ((stdin, stdout), stderr) = pipes.ok_or_else(|| io::Error::other("no pipes"))?;
        Ok((
            process,
            Pipes {
                stdin,
                stdout,
                stderr,
            },
        ))
    }

    /// Waits for its end. May be dropped and called again.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.leader = None;
        Ok(status)
    }

    /// Whether nothing that it started is left but what lives in its own session: tools are given sessions of their
    /// own, its servers are not.
    pub async fn is_alone(&self) -> bool {
        let (run, leader) = (self.run.clone(), self.leader);
        tokio::task::spawn_blocking(move || leader.is_some_and(|leader| is_alone(&run, leader)))
            .await
            .unwrap_or(false)
    }

    /// Sends `signal` to its group.
    pub fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // It may have ended on its own this moment; then there is nothing to signal.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Ends everything that still carries the run's mark: asked first, then killed after `grace`. Says
    /// how many are left, which is 0 but for processes that nothing can end.
    pub async fn sweep(&self, grace: Duration) -> usize {
        sweep(&self.run, grace).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The ordinary way is to wait and sweep; this is for a runtime that shuts down under a run.
        if self.leader.is_some() {
            self.signal(Signal::KILL);
            signal_marked(&self.run, Signal::KILL);
        }
    }
}

/// Ends what a run of an earlier life of this program left behind, after a crash; says how many
/// processes could not be ended.
pub async fn end_leftovers(run: &str) -> usize {
    sweep(run, Duration::from_millis(500)).await
}

async fn sweep(run: &str, grace: Duration) -> usize {
    let started = Instant::now();
    let mut pause = Duration::from_millis(5);
    let mut looks_in_vain = 0;
    loop {
        let waited = started.elapsed();
        // Each look signals: a second SIGTERM does no harm, and what was forked since gets its first.
        let signal = if waited < grace {
            Signal::TERM
        } else {
            Signal::KILL
        };
        let marked = run.to_owned();
        let found = tokio::task::spawn_blocking(move || signal_marked(&marked, signal))
            .await
            .unwrap_or(0);
        // One look can miss a child whose parent ended while it looked; two in a row hardly do.
        looks_in_vain = if found == 0 { looks_in_vain + 1 } else { 0 };
        if looks_in_vain == 2 || waited > grace + HUNT {
            return found;
        }
        // The ordinary run leaves nothing behind, and ends without a pause.
        if found > 0 || waited > Duration::from_millis(100) {
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

#[cfg(target_os = "linux")]
fn is_alone(run: &str, leader: Pid) -> bool {
    sweep::strangers(run, leader) == 0
}

/// Elsewhere nothing can be known of it, and nothing is kept.
#[cfg(not(target_os = "linux"))]
fn is_alone(_: &str, _: Pid) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn signal_marked(run: &str, signal: Signal) -> usize {
    sweep::signal_all(run, signal)
}

/// Elsewhere the environment of a process cannot be read: the group is all that is ended.
#[cfg(not(target_os = "linux"))]
fn signal_marked(_: &str, _: Signal) -> usize {
    0
}
