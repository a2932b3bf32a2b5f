//! The words: one parser for the composer, for plain mode, and for whatever else takes them.

mod parts;
mod say;

use nexscope_relay::protocol::{Mode, is_name};

use crate::{
    core::{AcceptOptions, Command, Intent},
    text,
};
use parts::{job, split_word, target, thread_number};
use say::{say, say_with_options, some_text, tell};

/// What a line of a person's means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// For the room.
    Command(Command),
    /// For the room, and only a person at a screen may.
    Intent(Intent),
    /// For the front end.
    Front(Front),
}

/// What a front end does by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Front {
    /// Leave the room and end.
    Quit,
    /// Show the words and the keys.
    Help,
    /// Dial the relay again now.
    Start,
    /// Join under another name, where the name is taken.
    StartAs(String),
    /// Go on in another room: its invite.
    Join(String),
}

/// A word of the composer: how it is written, and what it does.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// What stands behind it.
    pub arguments: &'static str,
    /// What it does, in a few words.
    pub does: &'static str,
}

/// All words, in the order in which help lists them.
pub const WORDS: &[Word] = &[
    word(
        "say",
        "[@NAME…] [--file PATH] [--thread tN] [--public] [--note] [--force] TEXT",
        "asks the agents of those named, or tells everyone; offers files",
    ),
    word(
        "tell",
        "[--force] @NAME… TEXT",
        "a note for a person; asks no agent",
    ),
    word("who", "", "who is here, with agents and modes"),
    word("inbox", "", "what waits for you"),
    word(
        "accept",
        "ID [INSTRUCTIONS] [--agent NAME] [--review]",
        "lets it be: a mention, a draft, a permission",
    ),
    word("reject", "ID [REASON]", "does not; who waits for it is told"),
    word(
        "retry",
        "mN|fN",
        "sends a failed message again, lets your agent try again, or asks for a file again",
    ),
    word("files", "", "files that come, go, or wait for you"),
    word(
        "cancel",
        "[mN|fN]",
        "ends what your agent is doing, or a file's way",
    ),
    word(
        "mode",
        "[manual|auto]",
        "shows or sets whether mentions wait for you",
    ),
    word(
        "ask",
        "[AGENT] TEXT",
        "asks your own agent; everyone sees it, and the answer",
    ),
    word(
        "trust",
        "NAME",
        "takes the key that a name has now as its own; auto mode answers it",
    ),
    word("append", "tN TEXT", "your own words into a thread"),
    word(
        "history",
        "[--limit N] [--thread tN]",
        "what was said, from this computer's log",
    ),
    word("status", "", "connection, agents, what is waiting"),
    word(
        "start",
        "[-n NAME]",
        "dials the relay again now; -n joins as NAME if yours is taken",
    ),
    word("join", "INVITE", "leaves this room for another one"),
    word("help", "", "the words and the keys"),
    word("update", "", "which versions run, and how to update"),
    word("stop", "", "leaves the room; so does /quit"),
];

const fn word(name: &'static str, arguments: &'static str, does: &'static str) -> Word {
    Word {
        name,
        arguments,
        does,
    }
}

/// Reads a line: `/word …`, or words for the room, which a leading `@name` directs. `//` begins a text with
/// a slash. Fails with a sentence that says how it is written.
pub fn parse(line: &str) -> Result<Line, String> {
    match line.strip_prefix('/') {
        Some(rest) if rest.starts_with('/') => say(rest),
        Some(rest) => {
            let (name, arguments) = split_word(rest);
            parse_word(name, arguments)
        }
        None => say(line),
    }
}

/// Reads the arguments of a word.
pub fn parse_word(name: &str, arguments: &str) -> Result<Line, String> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "say" => say_with_options(arguments),
        "tell" => tell(arguments),
        "who" => Ok(Line::Command(Command::Who)),
        "update" => Ok(Line::Command(Command::Update)),
        "inbox" => Ok(Line::Command(Command::Inbox)),
        "accept" => accept(arguments),
        "reject" => {
            let (target, reason) = target("reject", arguments)?;
            Ok(Line::Intent(Intent::Reject {
                target,
                reason: reason.to_owned(),
            }))
        }
        "retry" => match arguments.trim() {
            "" => Err(usage("retry")),
            id => Ok(Line::Command(Command::Retry(
                job(id).ok_or_else(|| usage("retry"))?,
            ))),
        },
        "cancel" => match arguments.trim() {
            "" => Ok(Line::Command(Command::Cancel(None))),
            id => Ok(Line::Command(Command::Cancel(Some(
                job(id).ok_or_else(|| usage("cancel"))?,
            )))),
        },
        "mode" => match arguments.trim().to_ascii_lowercase().as_str() {
            "" => Ok(Line::Command(Command::Mode(None))),
            "manual" => Ok(Line::Command(Command::Mode(Some(Mode::Manual)))),
            "auto" => Ok(Line::Intent(Intent::Auto)),
            _ => Err(usage("mode")),
        },
        "ask" => Ok(Line::Intent(Intent::Ask {
            words: some_text(arguments, "ask")?,
        })),
        "trust" => match arguments.trim().trim_start_matches('@') {
            name if is_name(name) => Ok(Line::Intent(Intent::Trust(name.to_owned()))),
            _ => Err(usage("trust")),
        },
        "append" => {
            let (id, text) = split_word(arguments);
            let thread = thread_number(id).ok_or_else(|| usage("append"))?;
            let text = some_text(text, "append")?;
            Ok(Line::Command(Command::Say {
                to: vec![],
                text,
                thread: Some(thread),
                public: false,
                note: true,
                files: vec![],
                force: false,
            }))
        }
        "history" => history(arguments),
        "status" => Ok(Line::Command(Command::Status)),
        "files" => Ok(Line::Command(Command::Files)),
        "start" => match arguments.split_whitespace().collect::<Vec<_>>()[..] {
            [] => Ok(Line::Front(Front::Start)),
            ["-n", name] if is_name(name) => Ok(Line::Front(Front::StartAs(name.to_owned()))),
            _ => Err(usage("start")),
        },
        "join" => match arguments.trim() {
            "" => Err(usage("join")),
            invite => Ok(Line::Front(Front::Join(invite.to_owned()))),
        },
        "help" => Ok(Line::Front(Front::Help)),
        "quit" | "stop" => Ok(Line::Front(Front::Quit)),
        _ => Err(unknown(&name)),
    }
}

fn accept(arguments: &str) -> Result<Line, String> {
    let (target, rest) = target("accept", arguments)?;
    let (mut instructions, mut agent, mut review) = (Vec::new(), None, false);
    let mut words = rest.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "--agent" => agent = Some(words.next().ok_or_else(|| usage("accept"))?.to_owned()),
            "--review" => review = true,
            other => instructions.push(other),
        }
    }
    // Without an option the words stay as they were written, line breaks too.
    let plain = agent.is_none() && !review;
    let instructions = if plain {
        rest.trim().to_owned()
    } else {
        instructions.join(" ")
    };
    let instructions = Some(instructions).filter(|words| !words.is_empty());
    let how = AcceptOptions {
        instructions,
        agent,
        review,
        text: None,
    };
    Ok(Line::Intent(Intent::Accept { target, how }))
}

fn history(arguments: &str) -> Result<Line, String> {
    let (mut limit, mut thread) = (20, None);
    let mut words = arguments.split_whitespace();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| usage("history"))?;
        match word {
            "--limit" => {
                limit = value
                    .parse()
                    .ok()
                    .filter(|n| *n > 0)
                    .ok_or_else(|| usage("history"))?
            }
            "--thread" => thread = Some(thread_number(value).ok_or_else(|| usage("history"))?),
            _ => return Err(usage("history")),
        }
    }
    Ok(Line::Command(Command::History { limit, thread }))
}

fn usage(name: &str) -> String {
    let word = WORDS.iter().find(|word| word.name == name);
    let arguments = word.map_or("", |word| word.arguments);
    format!("It is written /{name} {arguments}")
}

fn unknown(name: &str) -> String {
    match text::nearest(name, WORDS.iter().map(|word| word.name)) {
        Some(word) if text::distance(word, name) <= 2 => {
            format!("There is no /{name}; did you mean /{word}?")
        }
        _ => format!("There is no /{name}; /help lists the words, and // begins a text with a slash."),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::core::{ItemId, Target};

    fn accepted(target: Target, how: AcceptOptions) -> Line {
        Line::Intent(Intent::Accept { target, how })
    }

    fn said(to: &[&str], text: &str) -> Line {
        say_as(to, text, None, false, false)
    }

    fn say_as(to: &[&str], text: &str, thread: Option<u32>, public: bool, note: bool) -> Line {
        let to = to.iter().map(|name| (*name).to_owned()).collect();
        Line::Command(Command::Say {
            to,
            text: text.into(),
            thread,
            public,
            note,
            files: vec![],
            force: false,
        })
    }

    fn offered(to: &[&str], text: &str, paths: &[&str]) -> Line {
        Line::Command(Command::Say {
            to: to.iter().map(|name| (*name).to_owned()).collect(),
            text: text.into(),
            thread: None,
            public: false,
            note: false,
            files: paths.iter().map(PathBuf::from).collect(),
            force: false,
        })
    }

    #[test]
    fn lines_table() {
        let table = [
            ("hello all", said(&[], "hello all")),
            ("@bob look", said(&["bob"], "look")),
            ("@bob: look", said(&["bob"], "look")),
            ("@bob, @carol look\nhere", said(&["bob", "carol"], "look\nhere")),
            ("@bob,@carol look", said(&["bob", "carol"], "look")),
            ("@scope/package is out", said(&[], "@scope/package is out")),
            ("mail a@b", said(&[], "mail a@b")),
            ("//etc is a path", said(&[], "/etc is a path")),
            ("/say @bob hi", said(&["bob"], "hi")),
            ("/say --public @bob hi", say_as(&["bob"], "hi", None, true, false)),
            (
                "/say --thread t3 --note hi",
                say_as(&[], "hi", Some(3), false, true),
            ),
            ("/say --file a.txt", offered(&[], "", &["a.txt"])),
            (
                "/say @bob --file a.txt look",
                offered(&["bob"], "look", &["a.txt"]),
            ),
            (
                r#"/say --file "my file" @bob --file x\ y.txt --file 'q"z' see all"#,
                offered(&["bob"], "see all", &["my file", "x y.txt", "q\"z"]),
            ),
            ("/files", Line::Command(Command::Files)),
            ("/tell @bob lunch?", say_as(&["bob"], "lunch?", None, false, true)),
            (
                "/append t2 and more",
                say_as(&[], "and more", Some(2), false, true),
            ),
            ("/who", Line::Command(Command::Who)),
            ("/update", Line::Command(Command::Update)),
            ("/stop", Line::Front(Front::Quit)),
            ("/cancel", Line::Command(Command::Cancel(None))),
            (
                "/cancel m4",
                Line::Command(Command::Cancel(Some(ItemId::Mention(4)))),
            ),
            (
                "/cancel f4",
                Line::Command(Command::Cancel(Some(ItemId::File(4)))),
            ),
            ("/retry 4", Line::Command(Command::Retry(ItemId::Mention(4)))),
            ("/mode", Line::Command(Command::Mode(None))),
            ("/mode auto", Line::Intent(Intent::Auto)),
            ("/MODE manual", Line::Command(Command::Mode(Some(Mode::Manual)))),
            (
                "/history --limit 5",
                Line::Command(Command::History {
                    limit: 5,
                    thread: None,
                }),
            ),
            ("/quit", Line::Front(Front::Quit)),
            ("/stop", Line::Front(Front::Quit)),
            (
                "/accept m12 be brief --agent codex",
                accepted(
                    Target::Item(ItemId::Mention(12)),
                    AcceptOptions {
                        instructions: Some("be brief".into()),
                        agent: Some("codex".into()),
                        ..AcceptOptions::default()
                    },
                ),
            ),
            (
                "/accept 7 --review",
                accepted(
                    Target::Item(ItemId::Mention(7)),
                    AcceptOptions {
                        review: true,
                        ..AcceptOptions::default()
                    },
                ),
            ),
            (
                "/accept d3",
                accepted(Target::Item(ItemId::Draft(3)), AcceptOptions::default()),
            ),
            (
                "/accept t3",
                accepted(Target::Thread(3), AcceptOptions::default()),
            ),
            (
                "/reject P4 too busy",
                Line::Intent(Intent::Reject {
                    target: Target::Item(ItemId::Permission(4)),
                    reason: "too busy".into(),
                }),
            ),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn mistakes_say_how_it_is_written() {
        let table = [
            ("@bob", "/say"),
            ("@all hi", "everyone"),
            ("@ hi", "A name follows"),
            ("@bob,carol hi", "@bob @NAME"),
            ("/accpet m1", "/accept"),
            ("/xyzzyxyz", "/help"),
            ("/accept", "/accept ID"),
            ("/accept mx", "/accept ID"),
            ("/accept mm1", "/accept ID"),
            ("/tell hi", "/tell [--force] @NAME"),
            ("/mode fast", "manual|auto"),
            ("/append m3 x", "/append tN"),
            ("/say --loud x", "--loud"),
            ("/say @bob --file", "A path follows"),
            ("/history --limit 0", "/history"),
            ("   ", "/say"),
        ];
        for (line, expected) in table {
            let error = parse(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
