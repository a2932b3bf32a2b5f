//! Runs any program: the prompt on its standard input, the answer on its standard output.

use super::{
    Run,
    driver::{AnswerProgress, Conclusion, DriverEvent, Exit, Invocation, Output, Profile, Reader, Signals},
    environment::{CLAUDE, CODEX},
    lines::Utf8Decoder,
    start_error::StartError,
};
use crate::core::runs::{Outcome, Totals};
use nexscope_relay::protocol::body::Activity;

pub(super) const PROFILE: Profile = Profile {
    program: None,
    variables: &[CLAUDE, CODEX],
    output: Output::AtEnd,
    sends_late: false,
    starts_slowly: false,
    driver: |run| Ok((invocation(run)?, Box::new(CommandReader::default()))),
};

/// Builds the invocation; fails with the reason if the agent's settings name no usable program.
fn invocation(run: &Run) -> Result<Invocation, StartError> {
    if run.agent.command.is_empty() {
        return Err(StartError::NoCommand);
    }
    Ok(Invocation {
        program: run.command(),
        input: run.prompt.as_str().to_owned(),
        signals: Signals::ANY,
        ..Invocation::default()
    })
}

/// Reads the answer as it grows.
#[derive(Debug, Default)]
pub(super) struct CommandReader {
    utf8: Utf8Decoder,
    answer: AnswerProgress,
}

impl Reader for CommandReader {
    fn feed(&mut self, bytes: &[u8], steps: &mut Vec<DriverEvent>) {
        self.answer.push(&self.utf8.feed(bytes));
        steps.extend([DriverEvent::State(Activity::Writing), DriverEvent::Grew]);
    }

    fn answer(&self) -> &str {
        self.answer.as_str()
    }

    fn conclude(&mut self, exit: &Exit) -> Conclusion {
        self.answer.push(&self.utf8.finish());
        let answer = self.answer.finished().trim().to_owned();
        let outcome = if exit.ok && answer.is_empty() {
            Outcome::Failed(exit.no_answer())
        } else if exit.ok {
            Outcome::Answer(answer.into())
        } else {
            // `claude -p` prints its API errors on standard output: with a bad exit code that is
            // no answer, but it may be the reason.
            Outcome::Failed(exit.failed(self.answer.as_str()))
        };
        Conclusion {
            outcome,
            usd: None,
            tokens: None,
            totals: Totals::default(),
            session_lost: false,
        }
    }
}
