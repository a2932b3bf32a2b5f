//! Words for the room: whom they ask, and what goes with them.

use std::path::PathBuf;

use super::{
    Line,
    parts::{quoted_word, split_word, thread_number},
    usage,
};
use crate::core::{Command, leading_names};

/// Plain words: whom they name at their beginning, they ask.
pub(super) fn say(text: &str) -> Result<Line, String> {
    let (to, text) = leading_names(text)?;
    let text = some_text(text, "say")?;
    Ok(Line::Command(Command::Say {
        to,
        text,
        thread: None,
        public: false,
        note: false,
        files: vec![],
        force: false,
    }))
}

/// What stands between `say` and its text.
#[derive(Default)]
struct SayOptions {
    thread: Option<u32>,
    public: bool,
    note: bool,
    files: Vec<PathBuf>,
    force: bool,
}

impl SayOptions {
    /// Reads options from the beginning of `rest`; gives what stands behind them.
    fn read<'a>(&mut self, mut rest: &'a str) -> Result<&'a str, String> {
        loop {
            let (first, after) = split_word(rest);
            match first {
                "--public" => self.public = true,
                "--note" => self.note = true,
                "--force" => self.force = true,
                "--thread" => {
                    let (id, behind) = split_word(after);
                    self.thread = Some(thread_number(id).ok_or_else(|| usage("say"))?);
                    rest = behind;
                    continue;
                }
                "--file" => {
                    let (path, behind) = quoted_word(after);
                    if path.is_empty() {
                        return Err(
                            "A path follows --file, as in --file report.pdf or --file \"my report.pdf\"."
                                .into(),
                        );
                    }
                    self.files.push(PathBuf::from(path));
                    rest = behind;
                    continue;
                }
                option if option.starts_with("--") && option.len() > 2 => {
                    return Err(format!("say has no {option}. {}", usage("say")));
                }
                _ => return Ok(rest),
            }
            rest = after;
        }
    }
}

pub(super) fn say_with_options(arguments: &str) -> Result<Line, String> {
    let mut options = SayOptions::default();
    let rest = options.read(arguments.trim_start())?;
    let (to, rest) = leading_names(rest)?;
    let text = options.read(rest)?.trim();
    if text.is_empty() && options.files.is_empty() {
        return Err(usage("say"));
    }
    Ok(Line::Command(Command::Say {
        to,
        text: text.to_owned(),
        thread: options.thread,
        public: options.public,
        note: options.note,
        files: options.files,
        force: options.force,
    }))
}

pub(super) fn tell(arguments: &str) -> Result<Line, String> {
    let (first, behind) = split_word(arguments.trim_start());
    let force = first == "--force";
    let (to, text) = leading_names(if force { behind } else { arguments })?;
    if to.is_empty() {
        return Err(usage("tell"));
    }
    let text = some_text(text, "tell")?;
    Ok(Line::Command(Command::Say {
        to,
        text,
        thread: None,
        public: false,
        note: true,
        files: vec![],
        force,
    }))
}

pub(super) fn some_text(text: &str, name: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err(usage(name)),
        text => Ok(text.to_owned()),
    }
}
