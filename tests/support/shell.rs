//! The program without a terminal: shell commands, and sessions in plain mode.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Output, Stdio},
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

/// A shell command of an agent: with the mark that tools of Claude Code have in their environment.
pub fn agents_shell(home: &Home, arguments: &[&str]) -> Output {
    program(home, arguments).env("CLAUDECODE", "1").output().unwrap()
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

/// A decision by a program that may decide: it reads everything pending, then decides.
#[track_caller]
pub fn decide(home: &Home, arguments: &[&str]) -> Value {
    ask(home, &["inbox"]);
    ask(home, arguments)
}

/// A shell command that fails: its exit code and error message.
#[track_caller]
pub fn fails(home: &Home, arguments: &[&str]) -> (i32, String) {
    let output = shell(home, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A running program, and the lines that it prints.
pub struct Running {
    pub child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: RefCell<Vec<String>>,
}

impl Running {
    pub fn start(home: &Home, arguments: &[&str]) -> Self {
        Self::start_with(home, arguments, &[])
    }

    /// Starts with additional variables.
    pub fn start_with(home: &Home, arguments: &[&str], more: &[(&str, &str)]) -> Self {
        let mut child = program(home, arguments)
            .envs(more.iter().copied())
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
        Self {
            input: child.stdin.take(),
            child,
            lines,
            seen: RefCell::default(),
        }
    }

    /// A headless session that has joined.
    pub fn headless(home: &Home) -> Self {
        let running = Self::start(home, &["start", "--headless"]);
        running.wait_for("in #lobby as");
        running
    }

    /// A session in plain mode that has joined.
    pub fn lines(home: &Home) -> Self {
        let running = Self::start(home, &[]);
        running.wait_for("-- in #lobby as");
        running
    }

    /// Sends the program a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for a line that contains a text, and returns it.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("waited for {text:?}, saw {:#?}", self.seen.borrow()));
            self.seen.borrow_mut().push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Whether a line contains a text, among those already read or available.
    pub fn has_seen(&self, text: &str) -> bool {
        self.seen.borrow_mut().extend(self.lines.try_iter());
        self.seen.borrow().iter().any(|line| line.contains(text))
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Writes bytes that need not be text.
    pub fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Ends the input and waits for the end. Returns the exit code and the error output.
    pub fn end(mut self) -> (i32, String) {
        drop(self.input.take());
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (self.child.wait().unwrap().code().unwrap(), errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
