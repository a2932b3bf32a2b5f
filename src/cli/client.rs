//! The words of the room in a shell: each asks the session that runs, and prints its answer.

use std::{
    io::{IsTerminal, Read, stdin},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Failure, render};
use crate::{
    config::Paths,
    control::{SessionRegistry, SocketClient, find},
    core::leading_names,
};

/// How a session is reached, and how its answer is printed.
#[derive(Debug, Args)]
pub(super) struct Reach {
    /// Print the answer as one line of JSON.
    #[arg(long)]
    json: bool,
    /// The session of this member, where several run.
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
}

/// A word with its arguments.
#[derive(Debug, Subcommand)]
pub(super) enum Word {
    /// Says something: to everyone, or to those whose @NAME it begins with, whose agents are asked.
    Say(Say),
    /// Who is here.
    Who(Reach),
    /// What waits for review, without its text: that is on the screen.
    Inbox(Reach),
    /// Asks the person at the screen to accept something that waits; on a session that runs with
    /// --allow-remote-decisions, accepts it.
    Accept {
        /// The agent that works on it, where it is not the default one.
        #[arg(long)]
        agent: Option<String>,
        /// Its answer waits as a draft.
        #[arg(long)]
        review: bool,
        #[command(flatten)]
        item: Item,
    },
    /// Asks the person at the screen to reject something that waits; on a session that runs with
    /// --allow-remote-decisions, rejects it.
    Reject(Item),
    /// Adds your own words to a thread; asks no agent.
    Append {
        /// The thread, as t3.
        thread: String,
        /// The words.
        #[arg(required = true, trailing_var_arg = true)]
        words: Vec<String>,
        #[command(flatten)]
        reach: Reach,
    },
    /// Shows the mode, or goes back to manual; auto is turned on at the screen.
    Mode {
        /// manual or auto.
        mode: Option<ModeWord>,
        #[command(flatten)]
        reach: Reach,
    },
    /// What was said: your own side's words, accepted ones, and of the rest who and how much.
    History {
        /// How many messages, up to 500.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Of this thread alone, as t3.
        #[arg(long, value_name = "ID")]
        thread: Option<String>,
        #[command(flatten)]
        reach: Reach,
    },
    /// Which versions run here and at the others, and how to update.
    Update(Reach),
    /// What is new since this was asked last.
    Poll(Reach),
    /// As poll, but waits until something is new.
    Watch {
        /// For at most so many seconds, up to 120.
        #[arg(long, default_value_t = 30)]
        timeout: u64,
        #[command(flatten)]
        reach: Reach,
    },
    /// Waits until something happens: for scripts. Exit 1 where it did not.
    Wait {
        /// What is waited for.
        #[arg(long = "for", value_enum, default_value = "mention")]
        what: Wish,
        /// For at most so many seconds, up to 120.
        #[arg(long, default_value_t = 120)]
        timeout: u64,
        #[command(flatten)]
        reach: Reach,
    },
    /// Whether something that was handed to an agent's session still waits for an answer.
    #[command(name = "before_stop", alias = "before-stop")]
    BeforeStop(Reach),
    /// Ends a run (m12) or a file's way (f3); without an id the only one.
    Cancel {
        /// m12 or f3.
        id: Option<String>,
        #[command(flatten)]
        reach: Reach,
    },
    /// Asks your own agent; only at the screen, or with --allow-remote-decisions.
    Ask {
        /// The words.
        #[arg(required = true, trailing_var_arg = true)]
        words: Vec<String>,
        #[command(flatten)]
        reach: Reach,
    },
    /// Files that come, go, or wait.
    Files(Reach),
    /// Connection, agents, what waits.
    Status(Reach),
    /// Asks the person at the screen to try something again.
    Retry(Item),
    /// Leaves the room and ends the session.
    Stop(Reach),
}

/// What is said. Options stand before the text or behind the names; `--json` may stand last as well. `--` before the
/// text says that all of it is text.
#[derive(Debug, Args)]
pub(super) struct Say {
    /// `@NAME…` and the text; without a text it is read from standard input.
    #[arg(trailing_var_arg = true)]
    words: Vec<String>,
    /// A file that is offered with it; may be given several times.
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// The thread that it belongs to, as t3.
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
    /// Everyone sees it, although somebody is named.
    #[arg(long)]
    public: bool,
    /// For the person; no agent is asked.
    #[arg(long)]
    note: bool,
    /// Also to a name that nobody here has or had.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    reach: Reach,
}

/// What stands behind the names of `say`: its options, and the text.
#[derive(Debug, Parser)]
#[command(name = "nexscope-tui say", no_binary_name = true)]
struct BehindNames {
    #[command(flatten)]
    say: Say,
}

impl Say {
    /// Takes the options that stand behind the names, as in the room. The text begins with the first word that is
    /// neither, and stays as it is, whatever it says.
    fn read_behind_names(mut self) -> Self {
        let is_name =
            |word: &String| leading_names(word).is_ok_and(|(to, text)| !to.is_empty() && text.is_empty());
        let names = self.words.iter().take_while(|word| is_name(word)).count();
        if names == 0 || !self.words.get(names).is_some_and(|word| word.starts_with("--")) {
            return self;
        }
        let mut rest = self.words.split_off(names);
        let text = rest
            .iter()
            .position(|word| word == "--")
            .map(|at| rest.split_off(at));
        let behind = BehindNames::parse_from(rest).say;
        self.words.extend(behind.words);
        self.words.extend(text.into_iter().flatten());
        self.files.extend(behind.files);
        Self {
            thread: behind.thread.or(self.thread),
            public: self.public || behind.public,
            note: self.note || behind.note,
            force: self.force || behind.force,
            reach: Reach {
                json: self.reach.json || behind.reach.json,
                member: behind.reach.member.or(self.reach.member),
            },
            ..self
        }
    }
}

impl Reach {
    /// `--json` as the last of several words is how the answer is printed, not what is said: it may stand behind
    /// the words of every other command, too.
    fn read_last(&mut self, words: &mut Vec<String>) {
        if words.len() > 1 && words.last().is_some_and(|word| word == "--json") {
            words.pop();
            self.json = true;
        }
    }
}

/// The words of a text. One that looks like an option is none, and no text either: it may be mistyped, or stand in the
/// wrong place. Behind `--` all is text; so it is where the first word looks like an option, which only `--` lets
/// through.
fn as_text(words: Vec<String>) -> Result<Vec<String>, Failure> {
    let is_option = |word: &String| {
        word.len() > 1
            && word.starts_with('-')
            && !word.contains(char::is_whitespace)
            && word.parse::<f64>().is_err()
    };
    let end = words.iter().position(|word| word == "--");
    let before = &words[..end.unwrap_or(words.len())];
    let found = before.iter().find(|word| is_option(word)).cloned();
    let let_through = before.first().is_some_and(is_option);
    if let Some(option) = found.filter(|_| !let_through) {
        return Err(Failure::Usage(format!(
            "{option} is no option here: options stand before the text. Where it is text, write -- before the text."
        )));
    }
    let mut words = words;
    if let Some(at) = end.filter(|_| !let_through) {
        words.remove(at);
    }
    Ok(words)
}

/// Something that waits for the person.
#[derive(Debug, Args)]
pub(super) struct Item {
    /// m12, d3, p4, f5, or a thread: t6.
    id: String,
    /// Instructions, or a reason. The person at the screen writes their own.
    words: Vec<String>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ModeWord {
    Manual,
    Auto,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Wish {
    /// Something that asks your agent.
    Mention,
    /// Any message.
    Message,
    /// A decision of the person's.
    Decision,
}

impl Item {
    fn args(&self) -> Value {
        json!({ "id": self.id, "words": self.words.join(" ") })
    }
}

impl Word {
    /// The word and its arguments as the socket takes them, and how to reach it. Fails in words.
    fn request(self) -> Result<(&'static str, Value, Reach), Failure> {
        let said = |value: Value, word, reach| Ok((word, value, reach));
        match self {
            Word::Say(say) => {
                let Say {
                    mut words,
                    files,
                    thread,
                    public,
                    note,
                    force,
                    mut reach,
                } = say.read_behind_names();
                reach.read_last(&mut words);
                let text = text_of(as_text(words)?, !files.is_empty())?;
                let (to, text) = leading_names(&text).map_err(Failure::Usage)?;
                if text.trim().is_empty() && files.is_empty() {
                    let how = "There is nothing to say: nexscope-tui say [@NAME…] TEXT, or a text on standard input.";
                    return Err(Failure::Usage(how.to_owned()));
                }
                let files = files.into_iter().map(std::path::absolute);
                let files: Vec<PathBuf> = files.collect::<Result<_, _>>().map_err(Failure::Input)?;
                let args = json!({
                    "to": to, "text": text.trim_end(), "files": files, "thread": thread, "public": public, "note": note,
                    "force": force,
                });
                said(args, "say", reach)
            }
            Word::Append {
                thread,
                mut words,
                mut reach,
            } => {
                reach.read_last(&mut words);
                said(
                    json!({ "thread": thread, "text": as_text(words)?.join(" ") }),
                    "append",
                    reach,
                )
            }
            Word::Accept { item, agent, review } => {
                let mut args = item.args();
                (args["agent"], args["review"]) = (json!(agent), json!(review));
                said(args, "accept", item.reach)
            }
            Word::Reject(item) => said(item.args(), "reject", item.reach),
            Word::Retry(item) => said(item.args(), "retry", item.reach),
            Word::Mode { mode, reach } => {
                let mode = mode.map(|mode| match mode {
                    ModeWord::Manual => "manual",
                    ModeWord::Auto => "auto",
                });
                said(json!({ "mode": mode }), "mode", reach)
            }
            Word::History { limit, thread, reach } => {
                said(json!({ "limit": limit, "thread": thread }), "history", reach)
            }
            Word::Watch { timeout, reach } => said(json!({ "timeout": timeout }), "watch", reach),
            Word::Wait { what, timeout, reach } => {
                let what = match what {
                    Wish::Mention => "mention",
                    Wish::Message => "message",
                    Wish::Decision => "decision",
                };
                said(json!({ "for": what, "timeout": timeout }), "wait", reach)
            }
            Word::Cancel { id, reach } => said(json!({ "id": id }), "cancel", reach),
            Word::Ask { mut words, mut reach } => {
                reach.read_last(&mut words);
                said(json!({ "words": as_text(words)?.join(" ") }), "ask", reach)
            }
            Word::Who(reach) => said(json!({}), "who", reach),
            Word::Inbox(reach) => said(json!({}), "inbox", reach),
            Word::Update(reach) => said(json!({}), "update", reach),
            Word::Poll(reach) => said(json!({}), "poll", reach),
            Word::BeforeStop(reach) => said(json!({}), "before_stop", reach),
            Word::Files(reach) => said(json!({}), "files", reach),
            Word::Status(reach) => said(json!({}), "status", reach),
            Word::Stop(reach) => said(json!({}), "stop", reach),
        }
    }
}

/// Asks the session that runs, and prints its answer.
pub(super) fn run(word: Word, paths: &Paths) -> Result<ExitCode, Failure> {
    let (word, args, reach) = word.request()?;
    let answer = open(paths, reach.member.as_deref())?.ask(word, args)?;
    let lines = match reach.json {
        true => vec![super::json_line(&answer)],
        false => render::in_words(word, &answer)
            .iter()
            .map(|line| crate::text::clean(line).text)
            .collect(),
    };
    let each: String = lines.iter().map(|line| format!("{line}\n")).collect();
    super::print(&each)?;
    if word == "update" {
        super::setup::refresh(paths, !reach.json)?;
    }
    Ok(match word == "wait" && answer["timed_out"] == json!(true) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// A connection to the session that is meant.
pub(super) fn open(paths: &Paths, member: Option<&str>) -> Result<SocketClient, Failure> {
    let halls = halls(paths);
    Ok(find(&halls, &paths.here, member)?)
}

/// Where sessions are looked for: a program that an agent starts may know less of the environment.
pub(super) fn halls(paths: &Paths) -> Vec<SessionRegistry> {
    let user = format!("/run/user/{}", rustix::process::geteuid().as_raw());
    let mut halls = vec![SessionRegistry::usual(paths.runtime.as_deref(), &paths.state)];
    if paths.runtime.is_none() {
        halls.push(SessionRegistry::usual(Some(&user), &paths.state));
    } else {
        halls.push(SessionRegistry::usual(None, &paths.state));
    }
    halls
}

/// The words of a message: those given, else what standard input holds.
fn text_of(words: Vec<String>, may_be_empty: bool) -> Result<String, Failure> {
    if !words.is_empty() || may_be_empty || stdin().is_terminal() {
        return Ok(words.join(" "));
    }
    let mut text = String::new();
    stdin()
        .take(1 << 20)
        .read_to_string(&mut text)
        .map_err(Failure::Input)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Shell {
        #[command(subcommand)]
        word: Word,
    }

    fn request(arguments: &[&str]) -> (&'static str, Value, bool) {
        let line = std::iter::once(&"nexscope-tui").chain(arguments);
        let (word, args, reach) = Shell::parse_from(line).word.request().unwrap();
        (word, args, reach.json)
    }

    #[test]
    fn options_of_say_stand_before_or_behind_the_names_and_never_in_the_text() {
        // (arguments, names, text, options that hold)
        let table: [(&[&str], &[&str], &str, &str); 13] = [
            (&["say", "hi", "all"], &[], "hi all", ""),
            (&["say", "--public", "@bob", "hi"], &["bob"], "hi", "public"),
            (&["say", "@bob", "--public", "hi"], &["bob"], "hi", "public"),
            (
                &["say", "@bob", "@eve", "--note", "--thread", "t3", "--json", "hi"],
                &["bob", "eve"],
                "hi",
                "note t3 json",
            ),
            // What a text speaks of widens nothing.
            (
                &["say", "@bob", "--", "why", "--public", "?"],
                &["bob"],
                "why --public ?",
                "",
            ),
            (&["say", "--", "--room", "dev", "-x"], &[], "--room dev -x", ""),
            (&["say", "@bob", "--note", "--", "--x"], &["bob"], "--x", "note"),
            (&["say", "see", "--", "--room"], &[], "see --room", ""),
            (&["say", "@bob why --public"], &["bob"], "why --public", ""),
            (&["say", "--force", "--", "- one"], &[], "- one", "force"),
            (&["say", "it", "is", "-5", "and", "-"], &[], "it is -5 and -", ""),
            (&["say", "hi", "--json"], &[], "hi", "json"),
            (&["say", "what does --json"], &[], "what does --json", ""),
        ];
        for (arguments, to, text, options) in table {
            let (word, args, json) = request(arguments);
            let has = |option: &str| options.split(' ').any(|one| one == option);
            let thread = has("t3").then_some("t3");
            let expected = json!({
                "to": to, "text": text, "files": [], "thread": thread,
                "public": has("public"), "note": has("note"), "force": has("force"),
            });
            assert_eq!(
                (word, args, json),
                ("say", expected, has("json")),
                "{arguments:?}"
            );
        }
    }

    /// Issue 14, 28: `say --room dev hello` posted the flag as text.
    #[test]
    fn an_unknown_option_is_an_error_and_never_text() {
        let table: [&[&str]; 7] = [
            &["say", "--room", "dev", "hello"],
            &["say", "hello", "--room", "dev"],
            &["say", "@bob", "hello", "--public"],
            &["say", "-v", "hello"],
            &["append", "t1", "--public", "hello"],
            &["append", "t1", "hello", "--public"],
            &["ask", "what", "--now"],
        ];
        for arguments in table {
            let line = std::iter::once(&"nexscope-tui").chain(arguments);
            let refused = match Shell::try_parse_from(line) {
                Ok(shell) => matches!(shell.word.request(), Err(Failure::Usage(_))),
                Err(error) => error.exit_code() == 2,
            };
            assert!(refused, "{arguments:?}");
        }
    }

    #[test]
    fn every_word_is_written_as_everywhere_and_takes_json_behind_its_words() {
        let table: [(&[&str], &str); 5] = [
            (&["append", "t1", "and more", "--json"], "append"),
            (&["ask", "what", "now", "--json"], "ask"),
            (&["reject", "m1", "too", "busy", "--json"], "reject"),
            (&["before_stop", "--json"], "before_stop"),
            (&["before-stop", "--json"], "before_stop"),
        ];
        for (arguments, expected) in table {
            let (word, args, json) = request(arguments);
            assert_eq!((word, json), (expected, true), "{arguments:?}");
            assert!(!args.to_string().contains("--json"), "{args}");
        }
    }
}
