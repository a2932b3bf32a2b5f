//! The end of a run: the steps that end its process, and the result.

use rustix::process::Signal;
use tokio::time::Instant;

use super::{DETAILS, Running};
use crate::{
    agent::{driver::Conclusion, program::Program},
    core::{
        Failure,
        runs::{Ending, Failed, Outcome, Totals},
    },
    text::{self, Clean},
};

/// Why we are ending a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum EndReason {
    Cancelled,
    Failed(Failed),
    /// It has finished its turn but does not exit.
    Lingers,
}

/// The state of a run that is being ended.
pub(super) struct End {
    pub(super) why: EndReason,
    /// The remaining signals, mildest first.
    pub(super) ladder: &'static [Signal],
    /// When the next step is due.
    pub(super) next: Instant,
}

impl Running {
    /// Closes its input, so that it exits, or signals it.
    pub(super) fn let_go(&mut self) {
        self.program.input = None;
        match &mut self.end {
            _ if !self.program.stays_there => {}
            // It has stopped, as requested.
            Some(end) => end.next = Instant::now(),
            None => self.end(EndReason::Lingers),
        }
    }

    /// Starts to end the run. A later reason changes nothing, and a stop after the answer does not discard
    /// the answer.
    pub(super) fn end(&mut self, why: EndReason) {
        if self.end.is_none() {
            let why = if self.watch.is_over() {
                EndReason::Lingers
            } else {
                why
            };
            self.end = Some(End {
                why,
                ladder: self.program.signals.ladder,
                next: Instant::now(),
            });
            self.harder();
        }
    }

    /// Takes the next step towards its end: an interrupt in its own protocol if it has one, then signals to
    /// its group.
    pub(super) fn harder(&mut self) {
        // Closed input also tells it that nothing more follows.
        let asked = self
            .program
            .input
            .take()
            .zip(self.program.reader.interrupt())
            .is_some_and(|(input, interrupt)| input.try_send(interrupt).is_ok());
        let Some(end) = &mut self.end else {
            return;
        };
        end.next = Instant::now() + self.grace;
        if asked {
            return;
        }
        if let [signal, harder @ ..] = end.ladder {
            self.program.process.signal(*signal);
            // The last one is repeated.
            if !harder.is_empty() {
                end.ladder = harder;
            }
        }
    }

    /// Sends the queued events, and the final state of the answer, if the reader is there.
    pub(super) async fn last_events(&mut self, reader_there: bool) {
        if self.partial_due.is_some() {
            self.report_answer();
        }
        while let Some(event) = self.outbox.pop() {
            if !reader_there || self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    pub(super) fn ending(self, conclusion: Conclusion) -> (Ending, Program) {
        let outcome = match self.end.map(|end| end.why) {
            Some(EndReason::Cancelled) => Outcome::Cancelled,
            Some(EndReason::Failed(failed)) => Outcome::Failed(failed),
            Some(EndReason::Lingers) | None => conclusion.outcome,
        };
        let outcome = match outcome {
            Outcome::Answer(_) if self.cut => Outcome::Failed(Failed::new(
                Failure::Unfinished,
                "it went on writing after its turn was over",
            )),
            Outcome::Answer(answer) if answer.trim().is_empty() => {
                Outcome::Failed(Failed::new(Failure::NoAnswer, Failure::NoAnswer.in_words()))
            }
            Outcome::Answer(answer) => Outcome::Answer(answer.trimmed()),
            Outcome::Failed(failed) => Outcome::Failed(Failed {
                details: text::one_line(&failed.details, DETAILS),
                ..failed
            }),
            Outcome::Cancelled => Outcome::Cancelled,
        };
        let unfinished = match &outcome {
            Outcome::Answer(_) => Clean::default(),
            _ => text::clean_with_tabs(&self.program.reader.written()).trimmed(),
        };
        let ending = Ending {
            outcome,
            // Text already written is not lost if the same request starts over.
            session_lost: conclusion.session_lost && unfinished.is_empty(),
            unfinished,
            files: Vec::new(),
            session: self.session,
            took: self.started.elapsed(),
            tools: self.tools,
            usd: conclusion.usd,
            tokens: conclusion.tokens,
            totals: conclusion.totals,
            outside: self.border.found(),
            stays: false,
        };
        (ending, self.program)
    }
}

/// The result when the system does not report the process's exit.
pub(super) fn unknown_end(error: &std::io::Error) -> Conclusion {
    Conclusion {
        outcome: Outcome::Failed(Failed::new(
            Failure::Internal,
            format!("its end could not be learned: {error}"),
        )),
        usd: None,
        tokens: None,
        totals: Totals::default(),
        session_lost: false,
    }
}
