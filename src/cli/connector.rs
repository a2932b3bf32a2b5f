//! Connects the MCP server to the session of its folder, and starts one if none runs.

use std::{
    fs::File,
    io::{self, Read, Seek},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::client::registries;
use crate::{
    config::{self, Flags, Paths},
    control::{
        Reply, Request, SocketClient, SocketError, find,
        mcp::SessionConnector,
        offline::NAME_TAKEN,
        protocol::{ModeName, NoArguments},
    },
};

/// The timeout for a new session's first response.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest text of errors that is read, in bytes.
const ERRORS_MAX: u64 = 64 << 10;
/// The polling interval meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// Connects to the session of the current folder.
pub(super) struct DefaultConnector {
    paths: Paths,
}

impl DefaultConnector {
    pub(super) fn new(paths: Paths) -> Self {
        Self { paths }
    }
}

impl SessionConnector for DefaultConnector {
    fn open(&self) -> Result<SocketClient, SocketError> {
        find(&registries(&self.paths), &self.paths.here, None)
    }

    fn start(&self, name: Option<&str>) -> Result<String, String> {
        let flags = Flags {
            name: name.map(str::to_owned),
            ..Flags::default()
        };
        // Report errors here that would make the session fail.
        let config = config::load(&self.paths, |name| std::env::var(name).ok(), &flags)
            .map_err(|error| error.to_string())?;
        if !config.is_configured() {
            return Err(
                "nothing is configured yet: ask your person to start nexscope-tui once in a terminal"
                    .to_owned(),
            );
        }
        let mut session = NewSession::start(name)?;
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(end) = session.end() {
                return Err(end);
            }
            if let Ok(mut client) = self.open()
                && let Ok(Reply::Status(status)) = client.ask(&Request::Status(NoArguments {}))
                && status.connection != "connecting"
            {
                return match status.not_connected {
                    None => Ok(joined(&mut client, status.mode)),
                    // Nobody is there to choose another name, and as long as it runs, no other session is started.
                    Some(why) if why == NAME_TAKEN => {
                        session.stop();
                        let name = status.name;
                        Err(format!(
                            "{why} ({name}), so no session runs; start one with another name, such as {name}-2"
                        ))
                    }
                    Some(why) => Err(format!(
                        "the session runs as {}, but is not connected: {why}; it tries again by itself",
                        status.name
                    )),
                };
            }
            std::thread::sleep(LOOK);
        }
        Err("the session was started and does not answer; its log is in the state folder".to_owned())
    }
}

/// Describes a session that has joined.
fn joined(client: &mut SocketClient, mode: ModeName) -> String {
    let online = match client.ask(&Request::Who(NoArguments {})) {
        Ok(Reply::Who(who)) => who.online,
        _ => Vec::new(),
    };
    format!(
        "joined as {} (mode={}), online: {}",
        client.entry.name,
        mode.name(),
        online.join(", ")
    )
}

/// A headless session that was just started.
struct NewSession {
    child: Child,
    /// Its errors. A file, since it keeps running when this program exits.
    errors: File,
}

impl NewSession {
    fn start(name: Option<&str>) -> Result<Self, String> {
        let failed = |error: io::Error| format!("the session cannot be started: {error}");
        let errors = tempfile::tempfile().map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.args(["start", "--headless"]);
        if let Some(name) = name {
            command.args(["--name", name]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors.try_clone().map_err(failed)?)
            // It keeps running when the MCP client exits.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        Ok(Self { child, errors })
    }

    /// Why it has ended, if it has: its last error.
    fn end(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        let mut text = String::new();
        let read = self
            .errors
            .rewind()
            .and_then(|()| (&self.errors).take(ERRORS_MAX).read_to_string(&mut text));
        if let Err(error) = read {
            tracing::warn!(%error, "the errors of a session cannot be read");
        }
        let last = text.lines().rfind(|line| !line.trim().is_empty());
        let last = last.map(|line| line.strip_prefix("nexscope-tui: ").unwrap_or(line));
        let why = last.map_or_else(|| status.to_string(), |line| crate::text::clean_line(line, 400));
        Some(format!("the session has ended: {why}"))
    }

    /// Ends it, and waits until it has left.
    fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let ended = pid.map_or(Ok(()), |pid| kill_process(pid, Signal::TERM));
        if let Err(error) = ended.map_err(io::Error::from).and_then(|()| self.child.wait()) {
            tracing::warn!(%error, "a session cannot be ended");
        }
    }
}
