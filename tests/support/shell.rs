//! The program without a terminal: shell commands, and sessions that print lines.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
};

use serde_json::Value;

use super::{Home, PATIENCE};

pub fn program(home: &Home, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nexscope-tui"));
    command
        .args(arguments)
        .env_clear()
        .envs(home.variables())
        .current_dir(home.work())
        .stdin(Stdio::null());
    command
}

/// Runs a shell command to its end.
pub fn shell(home: &Home, arguments: &[&str]) -> Output {
    program(home, arguments).output().unwrap()
}

/// A shell command that succeeds, as JSON.
#[track_caller]
pub fn ask(home: &Home, arguments: &[&str]) -> Value {
    let mut with: Vec<&str> = arguments.to_vec();
    with.insert(1, "--json");
    let output = shell(home, &with);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?}: {text}"))
}

/// A shell command that fails: its exit code, and what it says.
#[track_caller]
pub fn fails(home: &Home, arguments: &[&str]) -> (i32, String) {
    let output = shell(home, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A program that runs on, with its lines.
pub struct Running {
    pub child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut child = program(home, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines_in, lines) = channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if lines_in.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// A session without a face that has joined.
    pub fn headless(home: &Home) -> Self {
        let running = Self::start(home, &["start", "--headless"]);
        running.wait_for("in #lobby as");
        running
    }

    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("waited for {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
