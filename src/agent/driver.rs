//! What every driver gives: how to start its program, and a reader that turns output into steps.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use nexscope_relay::protocol::body::Activity;
use rustix::process::Signal;

use super::Run;
use crate::{
    core::{
        Failure,
        runs::{Failed, Outcome, ToolAnswer, ToolRequest, Totals},
    },
    text,
};

/// The longest answer, in bytes; what is beyond is cut off, and said so.
pub(super) const MAX_ANSWER: usize = 1 << 20;

/// How to start a program and talk with it.
#[derive(Debug, Default)]
pub(super) struct Invocation {
    /// The program and its arguments.
    pub program: Vec<OsString>,
    /// Variables on top of what passes the allow-list.
    pub env: Vec<(&'static str, &'static str)>,
    /// What is written to its standard input at once.
    pub input: String,
    /// Whether its input stays open after that, for [`Reader::interrupt`] and [`DriverEvent::Reply`], until
    /// [`DriverEvent::TurnOver`].
    pub stays_open: bool,
    /// It can be asked again when it has answered: see [`Reader::rest`].
    pub goes_on: bool,
    /// It stays when its input ends: it is signalled when its turn is over.
    pub stays_there: bool,
    pub signals: Signals,
    /// Things to tell the person before it starts.
    pub notices: Vec<String>,
}

/// The signals that end a program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signals {
    /// One after the other, the mildest first; the last is given again and again.
    pub ladder: &'static [Signal],
    /// What it gets when this program dies.
    pub at_our_end: Signal,
}

impl Signals {
    /// For what ends its tools at SIGINT.
    pub const INTERRUPT: Self = Self {
        ladder: &[Signal::INT, Signal::TERM, Signal::KILL],
        at_our_end: Signal::INT,
    };
    /// For what ends its tools at SIGTERM, and leaves them behind at SIGINT.
    pub const TERMINATE: Self = Self {
        ladder: &[Signal::TERM, Signal::KILL],
        at_our_end: Signal::TERM,
    };
    /// For what nothing is known of.
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

/// One thing that an agent's output says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DriverEvent {
    /// It works, and there is nothing to show of it.
    Life,
    Session(String),
    State(Activity),
    Tool {
        /// The call's id, as the program numbers it.
        id: String,
        name: String,
        /// What it is used on.
        detail: String,
    },
    /// A tool call names places, which may be paths.
    Touches {
        id: String,
        places: Vec<String>,
    },
    /// A tool call gave something back.
    Gave {
        id: String,
        text: String,
    },
    /// A tool call is over.
    ToolDone(String),
    /// Every tool call is over.
    ToolsDone,
    /// [`Reader::answer`] has changed.
    Grew,
    /// It tries again, and why; not a sign of life.
    Retry(String),
    /// Something for its person; not a sign of life.
    Notice(String),
    /// It asks whether it may use a tool, and waits.
    Ask(ToolRequest),
    /// It no longer waits for an answer to that request.
    AskGone(String),
    /// Something to write to its standard input.
    Reply(String),
    /// It has said its last, or so it seems: it should end by itself now.
    TurnOver,
}

/// Makes sense of one program's output. Takes bytes as they come and never fails: what it cannot read
/// is skipped, for the programs' formats grow.
pub(super) trait Reader: std::fmt::Debug + Send {
    fn feed(&mut self, bytes: &[u8], steps: &mut Vec<DriverEvent>);

    /// How a person's answer to a request is written to its standard input; `None` where it did not ask.
    fn reply(&mut self, _request: &str, _answer: &ToolAnswer) -> Option<String> {
        None
    }

    /// What to write to its standard input to make it stop by itself; without it, or where that is closed,
    /// a signal is the first thing tried.
    fn interrupt(&self) -> Option<String> {
        None
    }

    /// The answer so far; not cleaned.
    fn answer(&self) -> &str;

    /// All that it has written of an answer until now; not cleaned. Kept where there is no answer at its end.
    fn written(&self) -> String {
        self.answer().to_owned()
    }

    /// The program is gone and its output read to the end: what came of it.
    fn conclude(&mut self, exit: &Exit) -> Conclusion;

    /// The turn is over and the program stays: what came of it, where that is an answer. Asked only where
    /// [`Invocation::goes_on`].
    fn rest(&mut self) -> Option<Conclusion> {
        None
    }

    /// Begins another turn in the same session, for `run`, after a [`Reader::rest`]: what to write to its standard
    /// input. From then on it reads that run alone; what is said of an earlier one is left out, as far as it can
    /// be told apart.
    fn go_on(&mut self, _run: &Run) -> Option<String> {
        None
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exit {
    pub ok: bool,
    /// In words: `exit code 3`, `signal 9`.
    pub how: String,
    /// The end of what it wrote to standard error.
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

    /// The best that can be said about an end without an answer.
    pub fn failed(&self, stdout: &str) -> Failed {
        let why = match self.ok {
            true => Failure::NoAnswer,
            false => Failure::Exited,
        };
        let said = [&*self.stderr, stdout]
            .into_iter()
            .find(|text| !text.trim().is_empty());
        let details = match said {
            Some(said) => format!("it ended with {}: {}", self.how, tail(said)),
            None if self.ok => why.in_words().to_owned(),
            None => format!("it ended with {} and said nothing", self.how),
        };
        Failed { why, details }
    }

    /// It ended well, and there is no answer: what it wrote to standard error may tell why.
    pub fn no_answer(&self) -> Failed {
        let why = Failure::NoAnswer;
        let details = match self.stderr.trim() {
            "" => why.in_words().to_owned(),
            _ => self.failed("").details,
        };
        Failed { why, details }
    }
}

/// The messages of one turn: the last one is the answer, the others lead to it.
#[derive(Debug, Default)]
pub(super) struct Messages {
    earlier: AnswerProgress,
    last: AnswerProgress,
}

impl Messages {
    /// What comes now is another message.
    pub fn begin(&mut self) {
        let last = std::mem::take(&mut self.last);
        if !last.as_str().trim().is_empty() {
            if !self.earlier.as_str().is_empty() {
                self.earlier.push("\n\n");
            }
            self.earlier.push(last.as_str());
        }
    }

    /// More of the last message.
    pub fn push(&mut self, more: &str) {
        self.last.push(more);
    }

    pub fn set(&mut self, text: &str) {
        self.last.set(text);
    }

    pub fn last(&self) -> &AnswerProgress {
        &self.last
    }

    /// All of them: kept where the last one is no answer.
    pub fn all(&self) -> String {
        joined(&[&self.earlier.finished(), &self.last.finished()])
    }
}

/// Those of `parts` that have any text, an empty line between them.
pub(super) fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.trim().is_empty())
        .collect();
    parts.join("\n\n")
}

/// The last lines of `text` in one, short enough for a sentence.
fn tail(text: &str) -> String {
    const LINES: usize = 4;
    const CHARS: usize = 400;
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join(" ");
    text::one_line(text::last_bytes(&last, 4 * CHARS), CHARS)
}

/// What came of a run. The texts are not cleaned yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conclusion {
    pub outcome: Outcome,
    /// This run's cost, where it is known.
    pub usd: Option<f64>,
    /// This run's tokens, where they are known.
    pub tokens: Option<u64>,
    /// The session's use with this run.
    pub totals: Totals,
    /// The session to resume was not there.
    pub session_lost: bool,
}

/// An answer that grows up to [`MAX_ANSWER`].
#[derive(Debug, Default)]
pub(super) struct AnswerProgress {
    text: String,
    cut: bool,
}

impl AnswerProgress {
    /// Adds `more`, as far as there is room.
    pub fn push(&mut self, more: &str) {
        if self.cut {
            return;
        }
        let fits = text::first_bytes(more, MAX_ANSWER - self.text.len());
        self.text.push_str(fits);
        self.cut = fits.len() < more.len();
    }

    /// Begins again with `text`.
    pub fn set(&mut self, text: &str) {
        self.text.clear();
        self.cut = false;
        self.push(text);
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text as it is posted: one that was cut says so.
    pub fn finished(&self) -> String {
        if self.cut {
            format!("{}\n\n[cut here: the answer is longer than 1 MiB]", self.text)
        } else {
            self.text.clone()
        }
    }
}

/// An id of a session that can be stored and put on a command line without being taken for an option.
pub(super) fn is_session_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && !id.starts_with('-')
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The folder in which `file`, as seen from `dir`, is written, where that lies inside of `dir`. Links are
/// followed first, so that one inside does not lead out.
pub(super) fn folder_inside(dir: &Path, file: &str) -> Option<PathBuf> {
    let file = dir.join(file);
    // One that is not there yet has no link to follow but those of its folder.
    let folder = match file.symlink_metadata() {
        Ok(_) => file.canonicalize().ok()?.parent()?.to_owned(),
        Err(_) => file.parent()?.canonicalize().ok()?,
    };
    folder.starts_with(dir.canonicalize().ok()?).then_some(folder)
}

/// The folder that holds all of `files`, where that lies inside of `dir`.
pub(super) fn common_folder<'a>(dir: &Path, files: impl IntoIterator<Item = &'a str>) -> Option<PathBuf> {
    let mut common: Option<PathBuf> = None;
    for file in files {
        let folder = folder_inside(dir, file)?;
        common = Some(match common {
            None => folder,
            // Both are inside of `dir`, and so is the last ancestor that they share.
            Some(other) => other
                .ancestors()
                .find(|shared| folder.starts_with(shared))?
                .to_owned(),
        });
    }
    common
}

/// Said where something of an earlier turn comes in a later one.
pub(super) const LATE: &str = "it said something about an earlier request that is over; that is left out";

/// Said where a session could not be resumed and the program began another without a word.
pub(super) const NEW_SESSION: &str =
    "its earlier session is gone; it started a new one, which knows nothing of the thread";
