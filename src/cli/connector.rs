//! Connects the MCP server to the session of its folder, and starts one if none runs.

use std::{
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::client::halls;
use crate::{
    config::{self, Flags, Paths},
    control::{
        Reply, Request, SocketClient, SocketError, find,
        mcp::SessionConnector,
        protocol::{Hello, NoArguments, SetMode},
    },
};

/// The timeout for a new session's first response.
const PATIENCE: Duration = Duration::from_secs(10);
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
        find(&halls(&self.paths), &self.paths.here, None)
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
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(["start", "--headless"]);
        if let Some(name) = name {
            command.args(["--name", name]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // It keeps running when the MCP client exits.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("the session cannot be started: {error}"))?;
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Ok(mut client) = self.open()
                && let Ok(Reply::Hello(Hello { online: true, .. })) =
                    client.ask(&Request::Hello(NoArguments {}))
            {
                let online = match client.ask(&Request::Who(NoArguments {})) {
                    Ok(Reply::Who(who)) => who.online,
                    _ => Vec::new(),
                };
                let mode = match client.ask(&Request::Mode(SetMode::default())) {
                    Ok(Reply::Mode(current)) => current.mode.name(),
                    _ => "unknown",
                };
                return Ok(format!(
                    "joined as {} (mode={mode}), online: {}",
                    client.entry.name,
                    online.join(", ")
                ));
            }
            std::thread::sleep(LOOK);
        }
        Err("the session was started and does not answer; its log is in the state folder".to_owned())
    }
}
