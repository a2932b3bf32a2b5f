//! Copying: a message, its code, several messages, or what the mouse has marked.

use std::{
    io::{self, Write},
    process::Stdio,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::tui::{Screen, state::Tone, view};

/// Longest text that terminals take, in bytes; many stop reading behind 100,000 characters of its code.
const MOST: usize = 74_000;

/// Copies the selected message, or all that are marked, with who said each.
pub(crate) fn copy(screen: &mut Screen) {
    let Some(selected) = screen.state.selected.post else {
        return screen.state.say("Select a message first.", Tone::Good);
    };
    let room = screen.client.room();
    let marked = screen.state.selected.marked.take();
    let text = match marked {
        None => room
            .chat
            .timeline()
            .post_numbered(selected)
            .map(|post| post.text.to_string()),
        Some(marked) => {
            let range = marked.min(selected)..=marked.max(selected);
            let posts = range.filter_map(|number| room.chat.timeline().post_numbered(number));
            let posts = posts.filter(|post| screen.state.reading.shows(room, post));
            let lines: Vec<String> = posts
                .map(|post| format!("{}: {}", post.speaker().in_words(), post.text))
                .collect();
            Some(lines.join("\n"))
        }
    };
    set(screen, text.unwrap_or_default());
}

/// Copies the last code block of the selected message.
pub(crate) fn copy_code(screen: &mut Screen) {
    let number = screen.state.selected.post.unwrap_or_default();
    let post = screen.client.room().chat.timeline().post_numbered(number);
    match post.and_then(|post| view::code_blocks(&post.text).pop()) {
        Some(code) => set(screen, code),
        None => screen
            .state
            .say("There is no code block in this message.", Tone::Good),
    }
}

/// Marks messages from the selected one on, or ends it.
pub(crate) fn mark(screen: &mut Screen) {
    screen.state.selected.marked = match screen.state.selected.marked {
        None => screen.state.selected.post,
        Some(_) => None,
    };
}

pub(crate) fn set(screen: &mut Screen, text: String) {
    let count = text.chars().count();
    if text.len() > MOST {
        let words = format!("That is {count} characters, more than terminals take: copy less of it.");
        return screen.state.say(words, Tone::Bad);
    }
    let what = if count == 1 { "character" } else { "characters" };
    screen.state.say(format!("Copied {count} {what}."), Tone::Good);
    screen.clipboard = Some(text);
}

/// Puts a text on the terminal's clipboard: through tmux where it runs, whose usual settings keep programs
/// from doing it themselves; else by OSC 52, which works over ssh as well.
pub(crate) fn put(text: &str, in_tmux: bool, out: &mut dyn Write) -> io::Result<()> {
    if in_tmux && through_tmux(text).is_ok() {
        return Ok(());
    }
    write!(out, "\x1b]52;c;{}\x07", STANDARD.encode(text))?;
    out.flush()
}

fn through_tmux(text: &str) -> io::Result<()> {
    let mut tmux = std::process::Command::new("tmux")
        .args(["load-buffer", "-w", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut into) = tmux.stdin.take() {
        into.write_all(text.as_bytes())?;
    }
    match tmux.wait()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("tmux refuses it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_is_coded_and_carries_no_escape() {
        let mut out = Vec::new();
        put("日 \u{1b}]0;x\u{7}", false, &mut out).unwrap();
        let sent = String::from_utf8(out).unwrap();
        let code = sent
            .strip_prefix("\x1b]52;c;")
            .unwrap()
            .strip_suffix('\x07')
            .unwrap();
        assert!(
            code.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        );
        assert_eq!(STANDARD.decode(code).unwrap(), "日 \u{1b}]0;x\u{7}".as_bytes());
    }
}
