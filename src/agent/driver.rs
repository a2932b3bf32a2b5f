//! The interface of a driver: how to start the program, and a reader that turns its output into events.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use nexscope_relay::protocol::body::Activity;
use rustix::process::Signal;

use super::{Run, complaint, environment::VariableSet, start_error::StartError};
use crate::{
    core::{
        Failure,
        runs::{Failed, Outcome, ToolAnswer, ToolRequest, Totals},
    },
    text,
};

/// What a kind of agent has of its own.
#[derive(Debug)]
pub(super) struct Profile {
    /// The usual name of its program, if it has one.
    pub program: Option<&'static str>,
    /// The variables of its providers and logins.
    pub variables: &'static [VariableSet],
    pub output: Output,
    /// Whether it may send more after its turn.
    pub sends_late: bool,
    /// Whether it may be silent for long before its first sign of life.
    pub starts_slowly: bool,
    /// Builds the invocation and the reader; fails with the reason if the program cannot be started.
    pub driver: fn(&Run) -> Result<Driver, StartError>,
}

pub(super) type Driver = (Invocation, Box<dyn Reader>);

/// When a working program shows something. A silence in between does not count as a stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Nothing before its end.
    AtEnd,
    /// Whole items, with minutes of silent thinking between two.
    Items,
    Continuous,
}

/// The maximum length of an answer, in bytes; the rest is cut off, with a note.
pub(super) const MAX_ANSWER: usize = 1 << 20;

/// The command line, environment and input with which a program is started.
#[derive(Debug, Default)]
pub(super) struct Invocation {
    /// The program and its arguments.
    pub program: Vec<OsString>,
    /// Variables to set in addition to those on the allow-list.
    pub env: Vec<(&'static str, &'static str)>,
    /// Written to its standard input right after the start.
    pub input: String,
    /// Whether standard input stays open after that, for [`Reader::interrupt`] and [`DriverEvent::Reply`],
    /// until [`DriverEvent::TurnOver`].
    pub stays_open: bool,
    /// Whether it accepts another prompt after its answer: see [`Reader::rest`].
    pub goes_on: bool,
    /// Whether it keeps running when its input is closed; then it is signalled after its turn.
    pub stays_there: bool,
    pub signals: Signals,
    /// Notices for the person, shown before it starts.
    pub notices: Vec<String>,
}

/// The signals that end a program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signals {
    /// The signals in order, mildest first; the last one is repeated.
    pub ladder: &'static [Signal],
    /// The signal sent to it when this program dies.
    pub at_our_end: Signal,
}

impl Signals {
    /// For programs that end their tools on SIGINT.
    pub const INTERRUPT: Self = Self {
        ladder: &[Signal::INT, Signal::TERM, Signal::KILL],
        at_our_end: Signal::INT,
    };
    /// For programs that end their tools on SIGTERM but leave them behind on SIGINT.
    pub const TERMINATE: Self = Self {
        ladder: &[Signal::TERM, Signal::KILL],
        at_our_end: Signal::TERM,
    };
    /// For unknown programs.
    pub const ANY: Self = Self {
        ladder: Self::INTERRUPT.ladder,
        at_our_end: Signal::TERM,
    };
}

impl Default for Signals {
    fn default() -> Self {
        Self::INTERRUPT
    }
}

/// An event parsed from an agent's output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DriverEvent {
    /// A sign of life with nothing to show.
    Life,
    Session(String),
    State(Activity),
    Tool {
        /// The call's id, as assigned by the program.
        id: String,
        name: String,
        /// The tool's target, such as a file or a command.
        detail: String,
    },
    /// A tool call names places, which may be paths.
    Touches {
        id: String,
        places: Vec<String>,
    },
    /// A tool call returned something.
    Gave {
        id: String,
        text: String,
    },
    /// A tool call has ended.
    ToolDone(String),
    /// All tool calls have ended.
    ToolsDone,
    /// [`Reader::answer`] has changed.
    Grew,
    /// It retries, with the reason; not a sign of life.
    Retry(String),
    /// A notice for the person; not a sign of life.
    Notice(String),
    /// It asks for permission to use a tool, and waits.
    Ask(ToolRequest),
    /// It has withdrawn that request.
    AskGone(String),
    /// Something to write to its standard input.
    Reply(String),
    /// Its turn seems to be over: it should exit by itself now.
    TurnOver,
}

/// Parses one program's output. Takes bytes as they arrive and never fails: unknown input is skipped, because
/// the programs' formats grow.
pub(super) trait Reader: std::fmt::Debug + Send {
    fn feed(&mut self, bytes: &[u8], steps: &mut Vec<DriverEvent>);

    /// Encodes a person's answer to a request for standard input; `None` if there is no such request.
    fn reply(&mut self, _request: &str, _answer: &ToolAnswer) -> Option<String> {
        None
    }

    /// The input that interrupts it; if there is none, or standard input is closed, it is signalled instead.
    fn interrupt(&self) -> Option<String> {
        None
    }

    /// The answer so far; not cleaned.
    fn answer(&self) -> &str;

    /// All text written so far; not cleaned. Kept if the run ends without an answer.
    fn written(&self) -> String {
        self.answer().to_owned()
    }

    /// Returns the result once the program has exited and its output is read to the end.
    fn conclude(&mut self, exit: &Exit) -> Conclusion;

    /// Returns the result of a turn whose program keeps running, if there is an answer. Called only if
    /// [`Invocation::goes_on`].
    fn rest(&mut self) -> Option<Conclusion> {
        None
    }

    /// Begins another turn in the same session, for `run`, after a [`Reader::rest`]; returns the input to
    /// write. From then on only that run is read; late events of an earlier turn are dropped as far as they
    /// can be told apart.
    fn go_on(&mut self, _run: &Run) -> Option<String> {
        None
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exit {
    pub ok: bool,
    /// Readable form: `exit code 3`, `signal 9`.
    pub how: String,
    /// The tail of its standard error.
    pub stderr: String,
}

impl Exit {
    pub fn new(status: ExitStatus, stderr: String) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "an unknown status".to_owned(),
        };
        Self {
            ok: status.success(),
            how,
            stderr,
        }
    }

    /// The best explanation of an end without an answer.
    pub fn failed(&self, stdout: &str) -> Failed {
        let why = match self.ok {
            true => Failure::NoAnswer,
            false => Failure::Exited,
        };
        let said = [&*self.stderr, stdout]
            .into_iter()
            .find(|text| !text.trim().is_empty());
        let details = match said {
            Some(said) => format!("it ended with {}: {}", self.how, complaint::reason(said)),
            None if self.ok => why.in_words().to_owned(),
            None => format!("it ended with {} and said nothing", self.how),
        };
        Failed { why, details }
    }

    /// A clean exit without an answer: standard error may give the reason.
    pub fn no_answer(&self) -> Failed {
        let why = Failure::NoAnswer;
        let details = match self.stderr.trim() {
            "" => why.in_words().to_owned(),
            _ => self.failed("").details,
        };
        Failed { why, details }
    }
}

/// The messages of one turn: the last one is the answer, the others lead up to it.
#[derive(Debug, Default)]
pub(super) struct Messages {
    earlier: AnswerProgress,
    last: AnswerProgress,
}

impl Messages {
    /// Starts a new message.
    pub fn begin(&mut self) {
        let last = std::mem::take(&mut self.last);
        if !last.as_str().trim().is_empty() {
            if !self.earlier.as_str().is_empty() {
                self.earlier.push("\n\n");
            }
            self.earlier.push(last.as_str());
        }
    }

    /// Appends to the last message.
    pub fn push(&mut self, more: &str) {
        self.last.push(more);
    }

    pub fn set(&mut self, text: &str) {
        self.last.set(text);
    }

    pub fn last(&self) -> &AnswerProgress {
        &self.last
    }

    /// All messages joined: kept if the last one is no answer.
    pub fn all(&self) -> String {
        joined(&[&self.earlier.finished(), &self.last.finished()])
    }
}

/// Joins the non-blank `parts` with an empty line between them.
pub(super) fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.trim().is_empty())
        .collect();
    parts.join("\n\n")
}

/// The result of a run. Its texts are not cleaned yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conclusion {
    pub outcome: Outcome,
    /// This run's cost, if known.
    pub usd: Option<f64>,
    /// This run's tokens, if known.
    pub tokens: Option<u64>,
    /// The session's usage including this run.
    pub totals: Totals,
    /// The session to resume was not found.
    pub session_lost: bool,
}

/// An answer that grows up to [`MAX_ANSWER`].
#[derive(Debug, Default)]
pub(super) struct AnswerProgress {
    text: String,
    cut: bool,
}

impl AnswerProgress {
    /// Appends `more`, up to the limit.
    pub fn push(&mut self, more: &str) {
        if self.cut {
            return;
        }
        let fits = text::first_bytes(more, MAX_ANSWER - self.text.len());
        self.text.push_str(fits);
        self.cut = fits.len() < more.len();
    }

    /// Replaces the text with `text`.
    pub fn set(&mut self, text: &str) {
        self.text.clear();
        self.cut = false;
        self.push(text);
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text to post, with a note if it was cut.
    pub fn finished(&self) -> String {
        if self.cut {
            format!("{}\n\n[cut here: the answer is longer than 1 MiB]", self.text)
        } else {
            self.text.clone()
        }
    }
}

/// Whether `id` can be stored and passed on a command line without being parsed as an option.
pub(super) fn is_session_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && !id.starts_with('-')
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The folder that contains `file` (relative to `dir`), if it lies inside `dir`. Links are resolved first, so
/// that a link inside cannot lead out.
pub(super) fn folder_inside(dir: &Path, file: &str) -> Option<PathBuf> {
    let file = dir.join(file);
    // A file that does not exist yet has only its folder's links to follow.
    let folder = match file.symlink_metadata() {
        Ok(_) => file.canonicalize().ok()?.parent()?.to_owned(),
        Err(_) => file.parent()?.canonicalize().ok()?,
    };
    folder.starts_with(dir.canonicalize().ok()?).then_some(folder)
}

/// The folder that contains all of `files`, if it lies inside `dir`.
pub(super) fn common_folder<'a>(dir: &Path, files: impl IntoIterator<Item = &'a str>) -> Option<PathBuf> {
    let mut common: Option<PathBuf> = None;
    for file in files {
        let folder = folder_inside(dir, file)?;
        common = Some(match common {
            None => folder,
            // Both are inside `dir`, and so is their closest common ancestor.
            Some(other) => other
                .ancestors()
                .find(|shared| folder.starts_with(shared))?
                .to_owned(),
        });
    }
    common
}

/// Notice for output of an earlier turn that arrives in a later one.
pub(super) const LATE: &str = "it said something about an earlier request that is over; that is left out";

/// Notice for a session that could not be resumed, where the program silently started a new one.
pub(super) const NEW_SESSION: &str =
    "its earlier session is gone; it started a new one, which knows nothing of the thread";
