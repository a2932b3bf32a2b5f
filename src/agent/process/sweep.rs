//! Finds and signals every process that carries a run's mark.
//!
//! Both Claude Code and Codex start their tools in separate sessions, which no signal to their group reaches;
//! but everything that they start inherits their environment, including `NEXSCOPE_RUN_ID`. A process started
//! with an emptied environment is found as long as its parent is.

use std::{collections::HashSet, fs};

use rustix::{
    fd::OwnedFd,
    io::Errno,
    process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open, pidfd_send_signal},
};

use crate::procfs;

/// A pid, as in `/proc`.
type Raw = i32;

/// Sends `signal` to every process of the run and returns how many there were.
pub(super) fn signal_all(run: &str, signal: Signal) -> usize {
    let mark = format!("{}={run}", super::MARK).into_bytes();
    let pids = others();
    let mut found: HashSet<Raw> = pids.iter().copied().filter(|pid| carries(*pid, &mark)).collect();
    if found.is_empty() {
        return 0;
    }
    add_descendants(&pids, &mut found);
    // All are pinned before the first is signalled: children of a parent that exits are reparented.
    let pinned: Vec<Pinned> = found
        .iter()
        .filter_map(|pid| pin(*pid, || carries(*pid, &mark) || descends(*pid, &found)))
        .collect();
    for process in &pinned {
        // Processes that may not be signalled (another user's) or are gone by now count anyway: the next scan
        // will tell.
        let _ = match process {
            Pinned::Process(fd) => pidfd_send_signal(fd, signal),
            Pinned::Number(pid) => kill_process(*pid, signal),
        };
    }
    pinned.len()
}

/// The number of the run's processes outside the session led by `leader`.
pub(super) fn strangers(run: &str, leader: Pid) -> usize {
    let mark = format!("{}={run}", super::MARK).into_bytes();
    let pids = others();
    let mut found: HashSet<Raw> = pids.iter().copied().filter(|pid| carries(*pid, &mark)).collect();
    add_descendants(&pids, &mut found);
    let outside = |pid: &&Raw| living(**pid).is_some_and(|(_, session)| session != leader.as_raw_pid());
    found.iter().filter(outside).count()
}

/// A process pinned so that only it can be signalled.
enum Pinned {
    Process(OwnedFd),
    /// On a kernel before 5.3: only as reliable as pids are.
    Number(Pid),
}

/// Pins the process if `still` holds once it is pinned, so that a reused pid is not hit.
fn pin(pid: Raw, still: impl FnOnce() -> bool) -> Option<Pinned> {
    let pid = Pid::from_raw(pid)?;
    let pinned = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => Pinned::Process(fd),
        Err(Errno::SRCH) => return None,
        Err(_) => Pinned::Number(pid),
    };
    still().then_some(pinned)
}

fn add_descendants(pids: &[Raw], found: &mut HashSet<Raw>) {
    let parents: Vec<(Raw, Raw)> = pids
        .iter()
        .filter_map(|pid| Some((*pid, living_parent(*pid)?)))
        .collect();
    loop {
        let before = found.len();
        for (pid, parent) in &parents {
            if found.contains(parent) {
                found.insert(*pid);
            }
        }
        if found.len() == before {
            return;
        }
    }
}

fn others() -> Vec<Raw> {
    let me = getpid().as_raw_pid();
    let mut pids = procfs::pids();
    pids.retain(|pid| *pid != me);
    pids
}

/// Whether the process was started with the mark. False if it is another user's, gone, or a zombie, which no
/// longer has an environment.
fn carries(pid: Raw, mark: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == mark))
}

fn descends(pid: Raw, found: &HashSet<Raw>) -> bool {
    living_parent(pid).is_some_and(|parent| found.contains(&parent))
}

fn living_parent(pid: Raw) -> Option<Raw> {
    living(pid).map(|(parent, _)| parent)
}

/// The parent and the session of a process that is not a zombie.
fn living(pid: Raw) -> Option<(Raw, Raw)> {
    let process = procfs::process(pid)?;
    (!process.is_zombie).then_some((process.parent, process.session))
}
