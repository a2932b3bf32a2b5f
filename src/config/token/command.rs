//! Runs `token_command`: waits for its output and its end, neither of which may take forever.

use std::{
    io::{self, Read},
    os::fd::AsFd,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process},
};

use crate::procfs;

/// How often to look whether the command has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long a command may go on after it has closed its output.
const CLOSED: Duration = Duration::from_secs(2);
/// How long output may still arrive after a command has ended: it may have left a process that keeps the output open.
const LATE: Duration = Duration::from_millis(100);
/// The longest output, in bytes.
const OUTPUT_MAX: usize = 64 << 10;

/// Runs a command and returns its output. Fails with the reason if it fails, takes too long, or closes its output and
/// does not end: then it is ended, with everything that it has started.
pub(super) fn output_of(command: &mut Command, patience: Duration) -> Result<Vec<u8>, String> {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut out = child.stdout.take();
    match watch(&mut child, &mut out, Instant::now() + patience, patience) {
        Ok((status, printed)) => match status.success() {
            true => Ok(printed),
            false => Err(status.to_string()),
        },
        Err(why) => {
            end(&mut child);
            Err(why)
        }
    }
}

/// Reads the output until the command has ended. Fails with the reason if it does not, until `deadline`.
fn watch(
    child: &mut Child,
    out: &mut Option<ChildStdout>,
    deadline: Instant,
    patience: Duration,
) -> Result<(ExitStatus, Vec<u8>), String> {
    let mut printed = Vec::new();
    let (mut ended, mut closed) = (None, None);
    loop {
        let now = Instant::now();
        if ended.is_none() {
            let status = child.try_wait().map_err(|error| error.to_string())?;
            ended = status.map(|status| (status, now));
        }
        match (ended, closed) {
            (Some((status, at)), closed) if closed.is_some() || now >= at + LATE => {
                return Ok((status, printed));
            }
            (None, Some(at)) if now >= at + CLOSED => {
                return Err("it closed its output and did not end".to_owned());
            }
            (None, _) if now >= deadline => {
                return Err(format!(
                    "it printed no token in {patience:?}; run it in a terminal to see what it waits for"
                ));
            }
            _ => {}
        }
        match out {
            None => std::thread::sleep(LOOK),
            Some(open) => match read(open, &mut printed) {
                Ok(true) => {}
                Ok(false) => (*out, closed) = (None, Some(now)),
                Err(error) => return Err(error.to_string()),
            },
        }
        if printed.len() > OUTPUT_MAX {
            return Err("it printed more than a token".to_owned());
        }
    }
}

/// Reads what is there, or waits a moment for it. Returns whether the output is still open.
fn read(out: &mut ChildStdout, printed: &mut Vec<u8>) -> io::Result<bool> {
    let pause = Timespec {
        tv_sec: 0,
        tv_nsec: LOOK.subsec_nanos().into(),
    };
    let mut polled = [PollFd::from_borrowed_fd(out.as_fd(), PollFlags::IN)];
    match poll(&mut polled, Some(&pause)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(true),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let mut bytes = [0; 4096];
    let count = out.read(&mut bytes)?;
    printed.extend_from_slice(&bytes[..count]);
    Ok(count > 0)
}

/// Ends the command and what it has started.
fn end(child: &mut Child) {
    let started = child.id().try_into().map(descendants).unwrap_or_default();
    // Each may have ended meanwhile.
    let _ = child.kill();
    for pid in started.into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = child.wait();
}

/// The processes that a process has started, and those that they have, where the system lists them.
fn descendants(pid: i32) -> Vec<i32> {
    let parents: Vec<(i32, i32)> = procfs::pids()
        .into_iter()
        .filter_map(|pid| Some((pid, procfs::process(pid)?.parent)))
        .collect();
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| pid));
        at += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shell(script: &str, patience: Duration) -> Result<String, String> {
        let printed = output_of(Command::new("sh").args(["-c", script]), patience);
        printed.map(|printed| String::from_utf8(printed).unwrap())
    }

    /// Waits until no process with this command line runs: a signal takes a moment.
    fn wait_gone(line: &str) {
        let since = Instant::now();
        while runs(line) {
            assert!(since.elapsed() < Duration::from_secs(20), "{line} still runs");
            std::thread::yield_now();
        }
    }

    fn runs(line: &str) -> bool {
        let all = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        all.into_iter().any(|entry| {
            let line_of = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line_of)
                .trim_end_matches('\0')
                .replace('\0', " ")
                == line
        })
    }

    #[test]
    fn a_command_that_closes_its_output_or_hangs_is_ended_with_what_it_started() {
        let long = Duration::from_secs(60);
        let began = Instant::now();
        let error = shell("echo token; exec >&-; sleep 4001.1; true", long).unwrap_err();
        assert_eq!(error, "it closed its output and did not end");
        assert!(began.elapsed() < long / 2);
        wait_gone("sleep 4001.1");
        let error = shell("sleep 4001.2; echo token", Duration::from_millis(300)).unwrap_err();
        assert!(error.contains("printed no token"), "{error}");
        wait_gone("sleep 4001.2");
        let error = shell("yes", long).unwrap_err();
        assert_eq!(error, "it printed more than a token");
    }

    #[test]
    fn a_process_that_it_leaves_behind_is_not_waited_for() {
        let began = Instant::now();
        let printed = shell("sleep 30 & echo $!", Duration::from_secs(20)).unwrap();
        assert!(began.elapsed() < Duration::from_secs(10));
        let pid = Pid::from_raw(printed.trim().parse().unwrap()).unwrap();
        // It was not ended: it may be an agent that keeps a password store open.
        kill_process(pid, Signal::KILL).unwrap();
        assert_eq!(
            shell("exec >&-; exit 3", Duration::from_secs(20)),
            Err("exit status: 3".into())
        );
    }
}
