//! Starts a child in its own session that does not outlive this program. The only `unsafe` code.

use std::io;

use rustix::process::{Signal, getpid, setsid};
use tokio::process::Command;

/// Makes `command` start in its own session, so that the terminal's Ctrl-C reaches only this program; on
/// Linux the system sends `at_our_end` when the thread that spawned it ends.
#[expect(
    unsafe_code,
    reason = "setsid(2) and prctl(2) must run in the child between fork and exec; the standard library \
              has no safe way to say so"
)]
pub(super) fn detach(command: &mut Command, at_our_end: Signal) {
    let parent = getpid();
    // SAFETY: the closure runs after fork in a program with threads, so it may only do what is
    // async-signal-safe: three system calls, which rustix makes without libc or a lock, and errors made
    // from numbers. It allocates nothing and touches nothing that another thread could hold.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            die_with(parent, at_our_end)
        });
    }
}

#[cfg(target_os = "linux")]
fn die_with(parent: rustix::process::Pid, signal: Signal) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(signal))?;
    // The parent may have died before the line above: then no signal would be sent.
    if rustix::process::getppid() == Some(parent) {
        Ok(())
    } else {
        Err(rustix::io::Errno::SRCH.into())
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with(_: rustix::process::Pid, _: Signal) -> io::Result<()> {
    Ok(())
}
