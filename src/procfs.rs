//! The processes of this computer, as proc(5) lists them.

use std::fs;

/// A process that has not been waited for.
pub(crate) struct Process {
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// It has ended.
    pub(crate) is_zombie: bool,
}

/// The pids of all processes; none if the system does not list them.
pub(crate) fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Fields 3, 4 and 6 of proc_pid_stat(5), counted from the end of the preceding name, which may contain anything.
pub(crate) fn process(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Process {
        is_zombie: matches!(state, "Z" | "X"),
        parent: fields.next()?.parse().ok()?,
        session: fields.nth(1)?.parse().ok()?,
    })
}
