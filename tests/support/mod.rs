//! Helpers for the journeys: real binaries, a real relay, a pseudo-terminal. Nothing sleeps for a fixed time;
//! helpers wait for expected output, and show the last screen if it does not appear.
#![allow(dead_code, missing_docs, reason = "each journey uses its part of it")]

pub mod connect_proxy;
pub mod mcp;
#[cfg(feature = "real-agents")]
pub mod models;
pub mod proxy;
pub mod relay;
#[cfg(feature = "real-agents")]
pub mod scene;
pub mod shell;
pub mod svg;
pub mod term;
pub mod v1;
pub mod v2;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

pub use relay::Relay;
pub use term::Term;

/// The longest time to wait for anything expected. Long, for a busy machine; tests never wait for all of it.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const TOKEN: &str = "a-token-for-the-journeys";

/// A person with a separate home.
pub struct Home {
    pub name: String,
    dir: tempfile::TempDir,
    /// Additional variables of this person.
    more: Vec<(String, String)>,
}

impl Home {
    /// A home whose config joins `relay` as `name`, followed by more TOML.
    pub fn new(name: &str, relay: &Relay, more: &str) -> Self {
        let home = Self::empty(name);
        home.join(relay, more);
        home
    }

    /// Writes a config that joins `relay`, followed by more TOML.
    pub fn join(&self, relay: &Relay, more: &str) {
        let (name, url) = (&self.name, relay.url());
        self.configure(&format!(
            "name = \"{name}\"\nrelay = \"{url}\"\ntoken = \"{TOKEN}\"\n{more}"
        ));
    }

    /// An empty home.
    pub fn empty(name: &str) -> Self {
        let home = Self {
            name: name.to_owned(),
            dir: tempfile::tempdir().unwrap(),
            more: Vec::new(),
        };
        fs::create_dir_all(home.path().join("work")).unwrap();
        home
    }

    pub fn configure(&self, text: &str) {
        let path = self.path().join("config/nexscope/config.toml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Sets a variable for programs that are started later.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.more.push((name.to_owned(), value.into()));
    }

    /// Removes such a variable.
    pub fn unset(&mut self, name: &str) {
        self.more.retain(|(known, _)| known != name);
    }

    /// All variables that this person's programs get.
    pub fn variables(&self) -> Vec<(String, String)> {
        let path = |below: &str| self.path().join(below).display().to_string();
        [
            ("HOME", path("")),
            ("XDG_CONFIG_HOME", path("config")),
            ("XDG_STATE_HOME", path("state")),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("USER", self.name.clone()),
            ("TERM", "xterm-256color".into()),
            ("COLORTERM", "truecolor".into()),
            ("LANG", "C.UTF-8".into()),
            ("TZ", "UTC".into()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(self.more.iter().cloned())
        .collect()
    }

    /// Opens the screen in a pseudo-terminal.
    pub fn screen(&self, columns: u16, rows: u16) -> Term {
        Term::spawn(self, &[], columns, rows)
    }

    /// At the screen, the person lets auto mode answer a member in the room.
    pub fn trusts(&self, name: &str) {
        let screen = self.screen(120, 30);
        screen.wait_for(&format!("● {name}"));
        screen.command(&format!("/trust {name}"));
        screen.wait_for(&format!("{name} is trusted"));
        screen.say("/quit");
        screen.end();
    }

    /// A folder in which the person's programs are started.
    pub fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// Writes a program for an agent of kind `command`.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

/// The config of an agent that runs a program.
pub fn command_agent(name: &str, program: &Path) -> String {
    format!(
        "agent = \"{name}\"\n[agents.{name}]\nkind = \"command\"\ncommand = [\"{}\"]\n",
        program.display()
    )
}

/// Times in the format that the benchmarks print.
pub fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let ms = |at: usize| format!("{:.2} ms", times[at].as_secs_f64() * 1000.0);
    let last = times.len() - 1;
    match last {
        0 => ms(0),
        _ => format!(
            "p50 {}, p99 {}, most {}",
            ms(last / 2),
            ms(last * 99 / 100),
            ms(last)
        ),
    }
}

/// Memory of a process in kB: `VmRSS` is the current value, `VmHWM` the peak.
pub fn memory(pid: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
