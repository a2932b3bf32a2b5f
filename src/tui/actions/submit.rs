//! Sending what is written, and showing what comes of it.

use std::time::{Duration, Instant};

use crate::{
    client::ClientError,
    command::{self, Front, Line},
    control::{Request, render},
    core::{Command, ItemId, Person, Reply},
    tui::{
        Screen,
        actions::{review, unknown_name},
        input::{Next, pressed::DecisionKey},
        joining,
        modal::Modal,
        state::{Pane, Tone},
        view,
    },
};

/// How long a first press of the leaving key counts.
const LEAVE_TWICE: Duration = Duration::from_secs(2);

pub(crate) fn leave(screen: &mut Screen, now: Instant) -> Next {
    let asked = screen
        .state
        .questions
        .leave
        .is_some_and(|asked| now.duration_since(asked) < LEAVE_TWICE);
    if asked || screen.state.attached {
        return Next::Leave;
    }
    screen.state.questions.leave = Some(now);
    let runs = if screen.client.program().runs().is_empty() {
        ""
    } else {
        "; this stops the running agent"
    };
    screen
        .state
        .say(format!("Press again to quit{runs}."), Tone::Good);
    Next::Go
}

/// Sends what is written, or does what it was written for.
pub(crate) fn send(screen: &mut Screen, now: Instant) -> Next {
    match screen.state.modals.top() {
        Some(Modal::Palette(_)) => {
            if let Some(Modal::Palette(palette)) = screen.state.modals.close() {
                return screen.do_chosen(&palette, now);
            }
        }
        Some(Modal::Search(_)) => {
            screen.state.modals.close();
            // What was found stays marked, and one goes on among the messages.
            if screen.state.selected.post.is_some() {
                screen.state.go(Pane::Timeline);
            }
        }
        Some(Modal::Prompt(_)) => review::send_asked(screen, now),
        Some(Modal::Item(_) | Modal::Text(_)) | None => return send_composed(screen, now),
    }
    Next::Go
}

/// Sends the composer's text, or does what its command says.
fn send_composed(screen: &mut Screen, now: Instant) -> Next {
    let composer = &mut screen.state.composer;
    if composer.continues() || composer.text().trim().is_empty() {
        return Next::Go;
    }
    let text = composer.whole();
    let line = match command::parse(text.trim_end()) {
        Ok(line) => in_thread(screen, line, &text),
        Err(error) => {
            screen.state.say(error, Tone::Bad);
            return Next::Go;
        }
    };
    match line {
        Line::Command(Command::Retry(ItemId::Mention(number))) => {
            review::press(screen, DecisionKey::Retry(number), None, now);
        }
        Line::Command(mut command) => {
            if unknown_name::may_be_sent(screen, &mut command, &text, now) {
                perform(screen, command);
            }
        }
        Line::Intent(intent) => review::press(screen, DecisionKey::Written(intent), None, now),
        Line::Front(Front::Join(_)) if screen.state.deciding.gate.is_in_burst(now) => {
            let words = "That arrived together with other input. Press Enter to join.";
            screen.state.say(words, Tone::Good);
        }
        Line::Front(Front::Join(invite)) => joining::dial_invite(screen, &invite, text),
        Line::Front(command) => {
            screen.state.composer.take();
            return front(screen, command);
        }
        Line::Request(asked) => request(screen, asked),
    }
    Next::Go
}

/// Has the room perform a command that was written.
fn perform(screen: &mut Screen, command: Command) {
    let result = screen.client.perform_as_person(command, &Person::at_keyboard());
    // What did not work stays, to be corrected.
    if result.is_ok() {
        screen.state.composer.take();
        screen.state.popup = None;
        screen.state.reading.scroll.go_to_end();
    }
    if matches!(result, Ok(Reply::Said(_))) {
        screen.state.reading.unread.wrote();
    }
    show(screen, result);
    screen.state.tidy(screen.client.room());
}

/// Has the client answer a request, and shows the reply.
fn request(screen: &mut Screen, request: Request) {
    let name = request.definition().name;
    match screen.client.answer_person(request) {
        Ok(reply) => {
            screen.state.composer.take();
            let lines = render::lines(&reply);
            let lines = lines.into_iter().map(|line| crate::text::clean_line(&line, 500));
            let lines = lines.map(ratatui::text::Line::from).collect();
            screen.state.read(name, lines);
        }
        Err(error) => screen.state.say(error, Tone::Bad),
    }
}

/// While a thread is open, words without a `/` before them belong into it.
fn in_thread(screen: &Screen, line: Line, text: &str) -> Line {
    let open = screen.state.reading.thread.as_ref();
    let number = open.and_then(|open| Some(screen.client.room().chat.threads().get(&open.id)?.number));
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

pub(crate) fn front(screen: &mut Screen, front: Front) -> Next {
    match front {
        Front::Help => help(screen),
        Front::Start => screen.client.dial_now(),
        Front::Join(invite) => joining::dial_invite(screen, &invite, String::new()),
        Front::StartAs(_) if screen.state.attached => {
            let words = "Only the session's own screen can join under another name.";
            screen.state.say(words, Tone::Bad);
        }
        Front::StartAs(name) => match screen.client.start_as(name) {
            Ok(()) => return Next::Leave,
            Err(why) => screen.state.say(why, Tone::Bad),
        },
        Front::Quit
            if screen.state.attached
                || screen.client.program().runs().is_empty()
                || screen.state.questions.leave.is_some() =>
        {
            return Next::Leave;
        }
        Front::Quit => {
            screen.state.questions.leave = Some(Instant::now());
            screen
                .state
                .say("An agent is running. /quit again stops it and quits.", Tone::Good);
        }
    }
    Next::Go
}

pub(crate) fn help(screen: &mut Screen) {
    let lines = view::help_lines(&screen.look());
    screen.state.read("Help", lines);
}

/// Shows what a command answered.
pub(crate) fn show(screen: &mut Screen, result: Result<Reply, ClientError>) {
    match result {
        Ok(Reply::Text(words)) => screen.state.say(words, Tone::Good),
        Ok(Reply::Files) => screen.state.go(Pane::Files),
        Ok(reply) => {
            let invite = screen.client.invite.to_string();
            if let Some((title, lines)) = view::reply_lines(&screen.look(), &reply, Some(invite)) {
                screen.state.read(title, lines);
            }
        }
        Err(error) => screen.state.say(error, Tone::Bad),
    }
}
