//! An agent's process with everything that it starts: spawned, signalled, and reliably ended.

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

/// The variable, set to the run's id, that every process of a run carries.
pub(super) const MARK: &str = "NEXSCOPE_RUN_ID";

/// How long leftovers that ignore SIGKILL (stuck in the kernel, or forking faster than they are found) are
/// hunted before the run ends without them.
const HUNT: Duration = Duration::from_secs(3);

/// The command and environment of a process to start.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub run: &'a str,
    /// The program and its arguments.
    pub program: &'a [OsString],
    pub dir: &'a Path,
    /// Its whole environment, except the mark.
    pub env: Vec<(OsString, OsString)>,
    /// The signal sent to it when this program dies.
    pub at_our_end: Signal,
}

/// The three pipes of a process.
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
    /// The leader of its group and session; `None` once it is reaped, when the pid may be reused.
    leader: Option<Pid>,
    run: String,
}

impl Process {
    /// Starts a process in its own session. Fails if it cannot be spawned.
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

    /// Waits for its exit. Cancel safe.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.leader = None;
        Ok(status)
    }

    /// Whether everything else it started and that still runs is in its own session: tools get sessions of
    /// their own, its servers do not.
    pub async fn is_alone(&self) -> bool {
        let (run, leader) = (self.run.clone(), self.leader);
        tokio::task::spawn_blocking(move || leader.is_some_and(|leader| is_alone(&run, leader)))
            .await
            .unwrap_or(false)
    }

    /// Sends `signal` to its process group.
    pub fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // It may have exited just now; then there is nothing to signal.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Ends everything that still carries the run's mark: SIGTERM first, then SIGKILL after `grace`. Returns
    /// how many are left, which is 0 except for processes that nothing can end.
    pub async fn sweep(&self, grace: Duration) -> usize {
        sweep(&self.run, grace).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The normal way is to wait and sweep; this is for a runtime that shuts down during a run.
        if self.leader.is_some() {
            self.signal(Signal::KILL);
            signal_marked(&self.run, Signal::KILL);
        }
    }
}

/// Ends what a run of an earlier process of this program left behind after a crash; returns how many
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
        // Each scan signals: a second SIGTERM does no harm, and newly forked processes get their first.
        let signal = if waited < grace {
            Signal::TERM
        } else {
            Signal::KILL
        };
        let marked = run.to_owned();
        let found = tokio::task::spawn_blocking(move || signal_marked(&marked, signal))
            .await
            .unwrap_or(0);
        // One scan can miss a child whose parent exited during it; two in a row hardly do.
        looks_in_vain = if found == 0 { looks_in_vain + 1 } else { 0 };
        if looks_in_vain == 2 || waited > grace + HUNT {
            return found;
        }
        // A normal run leaves nothing behind, and ends without a pause.
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

/// Not available on other systems, where nothing is kept.
#[cfg(not(target_os = "linux"))]
fn is_alone(_: &str, _: Pid) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn signal_marked(run: &str, signal: Signal) -> usize {
    sweep::signal_all(run, signal)
}

/// Other systems do not let us read a process's environment: only the group is ended.
#[cfg(not(target_os = "linux"))]
fn signal_marked(_: &str, _: Signal) -> usize {
    0
}
