//! The common part of programs that write one JSON object a line; each kind adds its [`Protocol`].

use std::fmt::Debug;

use serde_json::Value;

use super::{
    Run,
    driver::{Conclusion, DriverEvent, Exit, Reader},
    lines::Lines,
};
use crate::{
    core::runs::{Failed, Outcome, ToolAnswer},
    text,
};

/// Interprets the messages of one kind of program. Methods without a comment are as in [`Reader`].
pub(super) trait Protocol: Debug + Send {
    fn object(&mut self, message: &Value, steps: &mut Vec<DriverEvent>);

    /// The last error that it reported, or its last output that is not a JSON object.
    fn complaint(&mut self) -> &mut String;

    fn reply(&mut self, _request: &str, _answer: &ToolAnswer) -> Option<String> {
        None
    }

    fn interrupt(&self) -> Option<String> {
        None
    }

    fn answer(&self) -> &str;

    fn written(&self) -> String {
        self.answer().to_owned()
    }

    /// The result of the turn, once it has ended: an answer, which may be empty, or the failure.
    fn end(&self) -> Option<Result<String, Failed>>;

    /// The result of the run, with this outcome.
    fn conclusion(&self, outcome: Outcome) -> Conclusion;

    fn go_on(&mut self, _run: &Run) -> Option<String> {
        None
    }
}

/// Reads one run of a program that writes one JSON object a line.
#[derive(Debug, Default)]
pub(super) struct JsonLines<T> {
    lines: Lines,
    talk: T,
}

impl<T: Protocol> JsonLines<T> {
    /// Creates a reader that passes each object to `talk`.
    pub fn around(talk: T) -> Self {
        Self {
            lines: Lines::default(),
            talk,
        }
    }
}

fn line(talk: &mut impl Protocol, line: &str, steps: &mut Vec<DriverEvent>) {
    match serde_json::from_str::<Value>(line) {
        Ok(message @ Value::Object(_)) => talk.object(&message, steps),
        _ if line.trim().is_empty() => {}
        _ => text::first_bytes(line, 1024).clone_into(talk.complaint()),
    }
}

impl<T: Protocol> Reader for JsonLines<T> {
    fn feed(&mut self, bytes: &[u8], steps: &mut Vec<DriverEvent>) {
        let Self { lines, talk } = self;
        lines.feed(bytes, |one| line(talk, one, steps));
    }

    fn reply(&mut self, request: &str, answer: &ToolAnswer) -> Option<String> {
        self.talk.reply(request, answer)
    }

    fn interrupt(&self) -> Option<String> {
        self.talk.interrupt()
    }

    fn answer(&self) -> &str {
        self.talk.answer()
    }

    fn written(&self) -> String {
        self.talk.written()
    }

    fn conclude(&mut self, exit: &Exit) -> Conclusion {
        let (Self { lines, talk }, mut steps) = (self, Vec::new());
        lines.finish(|one| line(talk, one, &mut steps));
        let outcome = match talk.end() {
            // It reports success without an answer: standard error may give the reason.
            Some(Ok(answer)) if answer.trim().is_empty() => Outcome::Failed(exit.no_answer()),
            Some(Ok(answer)) => Outcome::Answer(answer.into()),
            Some(Err(failed)) => Outcome::Failed(failed),
            None => Outcome::Failed(exit.failed(talk.complaint())),
        };
        talk.conclusion(outcome)
    }

    fn rest(&mut self) -> Option<Conclusion> {
        let answer = self.talk.end()?.ok().filter(|answer| !answer.trim().is_empty())?;
        Some(self.talk.conclusion(Outcome::Answer(answer.into())))
    }

    fn go_on(&mut self, run: &Run) -> Option<String> {
        self.talk.go_on(run)
    }
}
