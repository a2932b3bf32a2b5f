//! Lines of input: commands, decisions, and the answers to questions.

use std::{
    borrow::Cow,
    io::{self, Write},
    time::{Duration, Instant},
};

use anyhow::{Error, anyhow, bail};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt},
    sync::mpsc,
};

use super::{Plain, item};
use crate::{
    command::{self, COMMANDS, Front, Line},
    control::render,
    core::{Command, Decision, Intent, Person, Reply, Shown, Target},
};

/// The number of lines read ahead. Full: reading pauses.
const READ_AHEAD: usize = 64;

/// The subject of a question at a terminal.
#[derive(Debug)]
pub(super) enum Asked {
    Decides(Decision),
    /// A message to a name that nobody here has or had.
    Sends(Command),
}

/// Lines closer together than this were pasted.
const BURST: Duration = Duration::from_millis(50);

/// The time that a question must be visible before it can be answered.
const WHOLE: Duration = Duration::from_millis(250);

/// The result of a line of input.
pub(super) enum Did {
    Go,
    Leave,
}

/// Reads lines, each with its arrival time, not the time at which it is handled. As bytes, since one invalid
/// line must not lose the next.
pub(super) fn read_lines(
    input: impl AsyncBufRead + Unpin + Send + 'static,
) -> mpsc::Receiver<(io::Result<Vec<u8>>, Instant)> {
    let (tell, lines) = mpsc::channel(READ_AHEAD);
    tokio::spawn(async move {
        let mut segments = input.split(b'\n');
        while let Some(line) = segments.next_segment().await.transpose() {
            let is_over = line.is_err();
            if tell.send((line, Instant::now())).await.is_err() || is_over {
                break;
            }
        }
    });
    lines
}

impl<O: Write, E: Write> Plain<O, E> {
    /// Handles a raw line. Invalid UTF-8 is replaced, with a notice.
    pub(super) fn bytes(&mut self, line: &[u8], came: Instant) -> Did {
        self.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        if let Cow::Owned(_) = text {
            let _ = writeln!(
                self.err,
                "nexscope-tui: line {} is not UTF-8. Its invalid bytes are sent as \u{fffd}.",
                self.lines
            );
        }
        self.line(&text, came)
    }

    /// Handles a line that arrived at `now`, which was before any output still to be printed.
    fn line(&mut self, line: &str, now: Instant) -> Did {
        let last = self.last_line.replace(now);
        let in_burst = last.is_some_and(|last| now.duration_since(last) < BURST);
        if line.trim().is_empty() {
            return Did::Go;
        }
        if let Some((asked, since)) = self.asked.take()
            && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
        {
            self.answered(asked, since, in_burst, now);
            return Did::Go;
        }
        let result = match command::parse(line) {
            Ok(Line::Command(command)) if self.options.person => match self.asks_about_name(&command) {
                true => return Did::Go,
                false => self
                    .client
                    .perform_as_person(command, &Person::at_keyboard())
                    .map_err(Error::from),
            },
            Ok(Line::Command(command)) => self.client.perform(command).map_err(Error::from),
            Ok(Line::Intent(intent)) => self.decide(intent, in_burst),
            Ok(Line::Request(request)) => self
                .client
                .answer_person(request)
                .map(|reply| {
                    for line in render::lines(&reply) {
                        let _ = writeln!(self.out, "{line}");
                    }
                    Reply::Nothing
                })
                .map_err(Error::from),
            Ok(Line::Front(Front::Quit)) => return Did::Leave,
            Ok(Line::Front(Front::Start)) => {
                self.client.dial_now();
                Ok(Reply::Nothing)
            }
            Ok(Line::Front(Front::StartAs(name))) => Err(anyhow!(
                "Lines cannot join under another name: leave with /quit, then run nexscope-tui -n {name}."
            )),
            Ok(Line::Front(Front::Join(_))) => Err(anyhow!(
                "Lines cannot join another room: leave with /quit, then run nexscope-tui with the invite in \
                 NEXSCOPE_INVITE."
            )),
            Ok(Line::Front(Front::Help)) => {
                self.print_help();
                Ok(Reply::Nothing)
            }
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(reply) => self.reply(&reply),
            Err(error) => {
                self.failed = !self.options.person;
                let _ = writeln!(self.err, "nexscope-tui: {error}");
            }
        }
        Did::Go
    }

    fn print_help(&mut self) {
        for command in COMMANDS.iter() {
            let _ = writeln!(
                self.out,
                "/{} {} - {}",
                command.name, command.arguments, command.summary
            );
        }
    }

    /// Prints the subject of a decision in full, and asks. Input from a pipe cannot decide: a program may
    /// have written it.
    fn decide(&mut self, intent: Intent, in_burst: bool) -> anyhow::Result<Reply> {
        if !self.options.person {
            bail!("Only a person at a terminal decides; open the screen there.");
        }
        self.client.look_again(&intent)?;
        let shown = match &intent {
            Intent::Accept { target, .. } | Intent::Reject { target, .. } => self.print_whole(*target)?,
            _ if !in_burst && self.client.room().doubt(&intent).is_none() => {
                let shown = Shown::written(&intent);
                let decision = self.client.check(Decision::new(intent, shown))?;
                return Ok(self.client.decide(decision, Person::at_keyboard())?);
            }
            _ => Shown::written(&intent),
        };
        let doubt = self.client.room().doubt(&intent);
        for words in doubt.into_iter().chain([item::question(&intent)]) {
            writeln!(self.out, "{words}")?;
        }
        self.asked = Some((Asked::Decides(Decision::new(intent, shown)), Instant::now()));
        Ok(Reply::Nothing)
    }

    /// Prints items in full. Fails if there are none, or they cannot be printed.
    fn print_whole(&mut self, target: Target) -> anyhow::Result<Shown> {
        let room = self.client.room();
        let ids = room.items(target)?;
        for item in ids.iter().filter_map(|id| room.review.inbox().get(*id)) {
            for line in item::lines(room, item) {
                writeln!(self.out, "{line}")?;
            }
        }
        Ok(room.shown(&ids))
    }

    /// Asks about a message to a name that nobody here has or had; returns whether it did.
    fn asks_about_name(&mut self, command: &Command) -> bool {
        let Command::Say { to, force: false, .. } = command else {
            return false;
        };
        let Some(unknown) = self.client.room().unknown_name(to) else {
            return false;
        };
        let _ = writeln!(
            self.out,
            "{}\nSend it to {} anyway? Type y, or write it again.",
            unknown.in_words(),
            unknown.name
        );
        let mut command = command.clone();
        if let Command::Say { force, .. } = &mut command {
            *force = true;
        }
        self.asked = Some((Asked::Sends(command), Instant::now()));
        true
    }

    /// Handles an answer to the question. Input sent before the question was shown is not a yes.
    fn answered(&mut self, asked: Asked, since: Instant, in_burst: bool, now: Instant) {
        if in_burst || now.duration_since(since) < WHOLE {
            let _ = writeln!(
                self.err,
                "nexscope-tui: that was too fast to be an answer. Read it, then type y."
            );
            self.asked = Some((asked, Instant::now()));
            return;
        }
        let result = match asked {
            Asked::Decides(decision) => {
                let checked = self.client.check(decision);
                checked.and_then(|decision| self.client.decide(decision, Person::at_keyboard()))
            }
            Asked::Sends(command) => self.client.perform_as_person(command, &Person::at_keyboard()),
        };
        match result {
            Ok(reply) => self.reply(&reply),
            Err(error) => {
                let _ = writeln!(self.err, "nexscope-tui: {error}");
            }
        }
    }
}
