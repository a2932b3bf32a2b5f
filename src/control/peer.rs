//! Identifies the process at the other end of the socket.

use std::{fs, path::Path};

use tokio::net::{UnixStream, unix::UCred};

/// The maximum number of ancestors checked.
const GENERATIONS: usize = 64;

/// Variables that the tools of coding agents have in their environment.
const MARKS: [&str; 6] = [
    "NEXSCOPE_RUN_ID=",
    "CLAUDECODE=",
    "GEMINI_CLI=",
    "OPENCODE=",
    "CODEX_SANDBOX=",
    "CODEX_SANDBOX_NETWORK_DISABLED=",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its pid, if the system reports it.
    pub pid: Option<u32>,
    /// Its process's name, cleaned: `nexscope-tui (4711)`.
    pub process: String,
    /// It is a person at a terminal: its standard input is one, and it is not [`Caller::of_agent`]. A
    /// good-faith guess, not proof: an agent with a shell can pretend to be its person.
    pub person: bool,
    /// It or an ancestor carries the mark of an agent's tool, or that cannot be determined.
    pub of_agent: bool,
}

impl Caller {
    /// The caller that runs this very program.
    pub fn here() -> Self {
        let pid = std::process::id();
        let of_agent = is_marked(pid);
        Self {
            person: !of_agent && has_terminal(pid),
            of_agent,
            pid: Some(pid),
            process: format!("process {pid}"),
        }
    }

    /// Identifies a connected process. `None` if it belongs to another user.
    pub(super) fn of(stream: &UnixStream) -> Option<Self> {
        let credentials: UCred = stream.peer_cred().ok()?;
        if credentials.uid() != rustix::process::geteuid().as_raw() {
            return None;
        }
        let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
        let name = pid.and_then(parent_name);
        let process = match (pid, name) {
            (Some(pid), Some(name)) => format!("{name} ({pid})"),
            (Some(pid), None) => format!("process {pid}"),
            (None, _) => "a program".to_owned(),
        };
        let of_agent = pid.is_none_or(is_marked);
        Some(Self {
            person: !of_agent && pid.is_some_and(has_terminal),
            of_agent,
            pid,
            process,
        })
    }
}

/// The name of the program that started the client: the client's own name is always ours.
fn parent_name(pid: u32) -> Option<String> {
    let parent = parent(pid)?;
    let name = fs::read_to_string(format!("/proc/{parent}/comm")).ok()?;
    Some(crate::text::clean_line(name.trim(), 32)).filter(|name| !name.is_empty())
}

/// Whether the standard input of a process is a terminal.
fn has_terminal(pid: u32) -> bool {
    let input = fs::read_link(format!("/proc/{pid}/fd/0"));
    input.is_ok_and(|path| {
        path.starts_with("/dev/pts/") || path.starts_with("/dev/tty") || path == Path::new("/dev/console")
    })
}

/// Whether a process or an ancestor carries the mark of an agent's tool. A process of our user that cannot be
/// read counts as marked.
fn is_marked(pid: u32) -> bool {
    let mut pid = pid;
    for _ in 0..GENERATIONS {
        match fs::read(format!("/proc/{pid}/environ")) {
            Ok(environ) => {
                let mut variables = environ.split(|byte| *byte == 0);
                if variables.any(|one| MARKS.iter().any(|mark| one.starts_with(mark.as_bytes()))) {
                    return true;
                }
            }
            // Another user's process, such as the terminal's or the login's: there is no agent above it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return false,
            Err(_) => return true,
        }
        match parent(pid) {
            Some(0 | 1) => return false,
            Some(parent) => pid = parent,
            None => return true,
        }
    }
    true
}

fn parent(pid: u32) -> Option<u32> {
    let process = crate::procfs::process(pid.try_into().ok()?)?;
    process.parent.try_into().ok()
}
