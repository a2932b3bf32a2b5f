//! The composer's commands, `/name …`, for the screen and plain mode: parsed from the same definitions as
//! the shell's.

mod error;
mod lexer;

use std::sync::LazyLock;

use clap::{Args, FromArgMatches, Parser, Subcommand};
use nexscope_relay::protocol::{Mode, is_name};

use crate::{
    control::{
        Request,
        protocol::{Append, COMPOSER, ModeName, NAMES, Say, usage},
    },
    core::{AcceptOptions, Command, Intent, leading_names},
    text::{distance, nearest},
};
pub use error::CommandError;
use lexer::split_word;

/// The meaning of a person's line.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// A command for the room.
    Command(Command),
    /// A decision for the room, which only a person at a screen may make.
    Intent(Intent),
    /// A command for the front end.
    Front(Front),
    /// A request for the client, which replies with lines to show.
    Request(Request),
}

/// A command that a front end carries out by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Front {
    /// Leave the room and end.
    Quit,
    /// Show commands and keys.
    Help,
    /// Reconnect now.
    Start,
    /// Join under another name, if the name is taken.
    StartAs(String),
    /// Join another room by its invite.
    Join(String),
}

/// All commands of the composer.
#[derive(Debug, Parser)]
#[command(name = "/", disable_help_flag = true, disable_help_subcommand = true)]
enum Composer {
    #[command(flatten)]
    Request(Request),
    /// Send a note to a person; asks no agent
    Tell(Tell),
    /// Trust the key that a name has now; auto mode answers it
    Trust {
        /// The name
        #[arg(value_name = "NAME", value_parser = name)]
        name: String,
    },
    /// Reconnect now; -n joins under another name
    Start {
        /// The other name
        #[arg(short, value_name = "NAME", value_parser = name)]
        name: Option<String>,
    },
    /// Leave this room for another one
    Join {
        /// Its invite
        #[arg(value_name = "INVITE")]
        invite: String,
    },
    /// Show commands and keys
    Help,
}

#[derive(Debug, Args)]
struct Tell {
    /// Send it even to a name that no member has or had
    #[arg(long)]
    force: bool,
    /// The note
    #[arg(value_name = "@NAME… TEXT", required = true, trailing_var_arg = true)]
    words: Vec<String>,
}

fn name(given: &str) -> Result<String, String> {
    let name = given.trim_start_matches('@');
    if !is_name(name) {
        return Err("a name is 1 to 32 of a-z, 0-9, _ and -".to_owned());
    }
    Ok(name.to_owned())
}

/// A command as shown by help and completion.
#[derive(Debug)]
pub struct Entry {
    /// Its name, without the slash.
    pub name: String,
    /// Its arguments, such as `ID [REASON]`.
    pub arguments: String,
    /// Its short description.
    pub summary: String,
    command: clap::Command,
    has_names: bool,
}

/// The composer's commands, in help order.
pub static COMMANDS: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let all = Composer::augment_subcommands(clap::Command::new("/").disable_help_flag(true));
    let own = |name: &str| !Request::ALL.iter().any(|one| one.name == name);
    let traits = |name: &str, wanted| Request::ALL.iter().any(|one| one.name == name && one.has(wanted));
    all.get_subcommands()
        .filter(|command| own(command.get_name()) || traits(command.get_name(), COMPOSER))
        .map(|command| {
            let name = command.get_name();
            let has_names = traits(name, NAMES) || name == "tell";
            Entry {
                name: name.to_owned(),
                arguments: usage(command, traits(name, NAMES), true),
                summary: command.get_about().map_or_else(String::new, ToString::to_string),
                command: command.clone().disable_help_flag(true),
                has_names,
            }
        })
        .collect()
});

impl Entry {
    fn usage(&self) -> String {
        format!("Usage: /{} {}", self.name, self.arguments)
    }
}

/// Parses a line: `/command …`, or a message, which a leading `@name` directs. `//` begins a message with a
/// slash.
///
/// # Errors
///
/// If the command or its arguments are wrong.
pub fn parse(line: &str) -> Result<Line, CommandError> {
    match line.strip_prefix('/') {
        Some(rest) if !rest.starts_with('/') => {
            let (name, arguments) = split_word(rest);
            parse_command(name, arguments)
        }
        rest => message(rest.unwrap_or(line)),
    }
}

fn message(text: &str) -> Result<Line, CommandError> {
    let (to, text) = leading_names(text)?;
    let say = Say {
        to,
        words: vec![text.trim().to_owned()],
        ..Say::default()
    };
    if say.words[0].is_empty() {
        return Err(CommandError::Usage(entry("say")?.usage()));
    }
    Ok(line(Request::Say(say)))
}

fn entry(name: &str) -> Result<&'static Entry, CommandError> {
    let name = name.to_ascii_lowercase();
    let is =
        |entry: &&Entry| entry.name == name || entry.command.get_all_aliases().any(|alias| alias == name);
    COMMANDS.iter().find(is).ok_or_else(|| {
        let names = COMMANDS.iter().map(|entry| entry.name.as_str());
        let near = nearest(&name, names).filter(|near| distance(&name, near) <= 2);
        CommandError::Unknown { name, near }
    })
}

fn parse_command(name: &str, arguments: &str) -> Result<Line, CommandError> {
    let entry = entry(name)?;
    let lexer::Words { to, words } = lexer::words(entry, arguments)?;
    let command = clap::Command::new("/").disable_help_subcommand(true);
    let command = command.subcommand(entry.command.clone());
    let matches = command.try_get_matches_from(
        ["/", &entry.name]
            .into_iter()
            .chain(words.iter().map(String::as_str)),
    );
    let parsed = matches.and_then(|matches| Composer::from_arg_matches(&matches));
    let composer = parsed.map_err(|error| match std::error::Error::source(&error) {
        Some(why) => CommandError::Argument {
            why: why.to_string(),
            usage: entry.usage(),
        },
        None => CommandError::Usage(entry.usage()),
    })?;
    Ok(match composer {
        Composer::Request(Request::Say(say)) => {
            let say = Say { to, ..say };
            if say.words.is_empty() && say.files.is_empty() {
                return Err(CommandError::Usage(entry.usage()));
            }
            line(Request::Say(say))
        }
        Composer::Request(request) => line(request),
        Composer::Tell(_) if to.is_empty() => return Err(CommandError::Usage(entry.usage())),
        Composer::Tell(Tell { force, words }) => line(Request::Say(Say {
            to,
            words,
            force,
            note: true,
            ..Say::default()
        })),
        Composer::Trust { name } => Line::Intent(Intent::Trust(name)),
        Composer::Start { name: None } => Line::Front(Front::Start),
        Composer::Start { name: Some(name) } => Line::Front(Front::StartAs(name)),
        Composer::Join { invite } => Line::Front(Front::Join(invite)),
        Composer::Help => Line::Front(Front::Help),
    })
}

/// Converts a person's request for the core: a command or a decision. The client answers all others.
fn line(request: Request) -> Line {
    match request {
        Request::Say(say) => Line::Command(Command::Say {
            to: say.to,
            text: say.words.join(" "),
            thread: say.thread.map(|thread| thread.0.0),
            public: say.public,
            note: say.note,
            files: say.files,
            force: say.force,
        }),
        Request::Append(Append { thread, words }) => line(Request::Say(Say {
            thread: Some(thread),
            words,
            note: true,
            ..Say::default()
        })),
        Request::Who(_) => Line::Command(Command::Who),
        Request::Inbox(_) => Line::Command(Command::Inbox),
        Request::Status(_) => Line::Command(Command::Status),
        Request::Files(_) => Line::Command(Command::Files),
        Request::Retry(item) => Line::Command(Command::Retry(item.id.0)),
        Request::Cancel(cancel) => Line::Command(Command::Cancel(cancel.id.map(|id| id.0))),
        Request::History(history) => Line::Command(Command::History {
            limit: history.limit.unwrap_or(20).into(),
            thread: history.thread.map(|thread| thread.0.0),
        }),
        Request::Mode(mode) => match mode.mode {
            Some(ModeName::Auto) => Line::Intent(Intent::Auto),
            mode => Line::Command(Command::Mode(mode.map(Mode::from))),
        },
        Request::Accept(accept) => {
            let instructions = accept.words.join(" ");
            Line::Intent(Intent::Accept {
                target: accept.id.0,
                how: AcceptOptions {
                    instructions: Some(instructions).filter(|words| !words.is_empty()),
                    agent: accept.agent,
                    review: accept.review,
                    text: None,
                },
            })
        }
        Request::Reject(reject) => Line::Intent(Intent::Reject {
            target: reject.id.0,
            reason: reject.words.join(" "),
        }),
        Request::Ask(ask) => Line::Intent(Intent::Ask {
            words: ask.words.join(" "),
        }),
        Request::Stop(_) => Line::Front(Front::Quit),
        request => Line::Request(request),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{
        control::protocol::NoArguments,
        core::{ItemId, Target},
    };

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
            ("/update", Line::Request(Request::Update(NoArguments {}))),
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
            ("/append m3 x", "/append THREAD"),
            ("/say --loud x", "--loud"),
            ("/say @bob --file", "A value follows"),
            ("/history --limit 0", "/history"),
            ("   ", "/say"),
        ];
        for (line, expected) in table {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    /// clap checks a command when it parses with it, and only in builds for tests.
    #[test]
    fn every_command_can_be_parsed() {
        for entry in COMMANDS.iter() {
            // Some need arguments: it is enough that they say so.
            let _ = parse(&format!("/{}", entry.name));
            let _ = parse(&format!("/{} x", entry.name));
        }
        assert!(parse("/help").is_ok());
    }
}
