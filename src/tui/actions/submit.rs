//! Sending what is written, and showing what comes of it.

use std::time::{Duration, Instant};

use crate::{
    command::{self, Front, Line},
    control::{Request, render},
    core::{Command, ItemId, Person, Reply},
    tui::{
        Screen,
        input::{Next, pressed::DecisionKey},
        modal::Modal,
        state::{Pane, Tone},
        view,
    },
};

/// How long a first press of the leaving key counts.
const LEAVE_TWICE: Duration = Duration::from_secs(2);

impl Screen {
    pub(crate) fn leave(&mut self, now: Instant) -> Next {
        let asked = self
            .state
            .questions
            .leave
            .is_some_and(|asked| now.duration_since(asked) < LEAVE_TWICE);
        if asked || self.state.attached {
            return Next::Leave;
        }
        self.state.questions.leave = Some(now);
        let runs = if self.client.room.runs.is_empty() {
            ""
        } else {
            "; this stops the running agent"
        };
        self.state.say(format!("Press again to quit{runs}."), Tone::Good);
        Next::Go
    }

    /// Sends what is written, or does what it was written for.
    pub(crate) fn send(&mut self, now: Instant) -> Next {
        match self.state.modals.top() {
            Some(Modal::Palette(_)) => {
                let Some(Modal::Palette(palette)) = self.state.modals.close() else {
                    return Next::Go;
                };
                return self.do_chosen(&palette, now);
            }
            Some(Modal::Search(_)) => {
                self.state.modals.close();
                // What was found stays marked, and one goes on among the messages.
                if self.state.selected.post.is_some() {
                    self.state.go(Pane::Timeline);
                }
                return Next::Go;
            }
            Some(Modal::Prompt(_)) => {
                self.send_asked(now);
                return Next::Go;
            }
            Some(Modal::Item(_) | Modal::Text(_)) | None => {}
        }
        if self.state.composer.continues() || self.state.composer.text().trim().is_empty() {
            return Next::Go;
        }
        let text = self.state.composer.whole();
        let line = match command::parse(text.trim_end()) {
            Ok(line) => self.in_thread(line, &text),
            Err(error) => {
                self.state.say(error, Tone::Bad);
                return Next::Go;
            }
        };
        let result = match line {
            Line::Command(Command::Retry(ItemId::Mention(number))) => {
                self.press(DecisionKey::Retry(number), None, now);
                return Next::Go;
            }
            Line::Command(mut command) => {
                if !self.may_be_sent(&mut command, &text, now) {
                    return Next::Go;
                }
                self.client.perform_as_person(command, &Person::at_keyboard())
            }
            Line::Intent(intent) => {
                self.press(DecisionKey::Written(intent), None, now);
                return Next::Go;
            }
            Line::Front(Front::Join(_)) if self.state.deciding.gate.is_in_burst(now) => {
                let words = "That arrived together with other input. Press Enter to join.";
                self.state.say(words, Tone::Good);
                return Next::Go;
            }
            Line::Front(Front::Join(invite)) => {
                self.dial_invite(&invite, text);
                return Next::Go;
            }
            Line::Front(front) => {
                self.state.composer.take();
                return self.front(front);
            }
            Line::Request(request) => {
                self.request(request);
                return Next::Go;
            }
        };
        // What did not work stays, to be corrected.
        if result.is_ok() {
            self.state.composer.take();
            self.state.popup = None;
            self.state.reading.scroll.go_to_end();
        }
        if matches!(result, Ok(Reply::Said(_))) {
            self.state.reading.unread.wrote();
        }
        self.show(result);
        self.state.tidy(&self.client.room);
        Next::Go
    }

    /// Has the client answer a request, and shows the reply.
    fn request(&mut self, request: Request) {
        let name = request.definition().name;
        match self.client.answer_person(request) {
            Ok(reply) => {
                self.state.composer.take();
                let lines = render::lines(&reply);
                let lines = lines.into_iter().map(|line| crate::text::clean_line(&line, 500));
                let lines = lines.map(ratatui::text::Line::from).collect();
                self.state.read(name, lines);
            }
            Err(error) => self.state.say(error, Tone::Bad),
        }
    }

    /// While a thread is open, words without a `/` before them belong into it.
    fn in_thread(&self, line: Line, text: &str) -> Line {
        let open = self.state.reading.thread.as_ref();
        let number = open.and_then(|open| Some(self.client.room.chat.threads().get(&open.id)?.number));
        match line {
            Line::Command(Command::Say {
                to,
                text: words,
                thread: None,
                public,
                note,
                files,
                force,
            }) if number.is_some() && (!text.starts_with('/') || text.starts_with("//")) => {
                Line::Command(Command::Say {
                    to,
                    text: words,
                    thread: number,
                    public,
                    note,
                    files,
                    force,
                })
            }
            line => line,
        }
    }

    pub(crate) fn front(&mut self, front: Front) -> Next {
        match front {
            Front::Help => self.help(),
            Front::Start => self.client.dial_now(),
            Front::Join(invite) => self.dial_invite(&invite, String::new()),
            Front::StartAs(_) if self.state.attached => {
                let words = "Only the session's own screen can join under another name.";
                self.state.say(words, Tone::Bad);
            }
            Front::StartAs(name) => match self.client.start_as(name) {
                Ok(()) => return Next::Leave,
                Err(why) => self.state.say(why, Tone::Bad),
            },
            Front::Quit
                if self.state.attached
                    || self.client.room.runs.is_empty()
                    || self.state.questions.leave.is_some() =>
            {
                return Next::Leave;
            }
            Front::Quit => {
                self.state.questions.leave = Some(Instant::now());
                self.state
                    .say("An agent is running. /quit again stops it and quits.", Tone::Good);
            }
        }
        Next::Go
    }

    pub(crate) fn help(&mut self) {
        let lines = view::help_lines(&self.look());
        self.state.read("Help", lines);
    }

    /// Shows what a command answered.
    pub(crate) fn show(&mut self, result: Result<Reply, String>) {
        match result {
            Ok(Reply::Text(words)) => self.state.say(words, Tone::Good),
            Ok(Reply::Files) => self.state.go(Pane::Files),
            Ok(reply) => {
                let invite = self.client.invite.to_string();
                if let Some((title, lines)) = view::reply_lines(&self.look(), &reply, Some(invite)) {
                    self.state.read(title, lines);
                }
            }
            Err(error) => self.state.say(error, Tone::Bad),
        }
    }
}
