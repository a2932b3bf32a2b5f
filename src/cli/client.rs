//! The shell commands that send a request to a running session and print its reply.

use std::{
    io::{IsTerminal, Read, stdin},
    process::ExitCode,
};

use clap::{ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};

use super::Failure;
use crate::{
    config::Paths,
    control::{
        Reply, Request, SessionRegistry, SocketClient, find,
        protocol::{Append, Ask, Say},
        render,
    },
    core::leading_names,
};

// Selects the session and the output format. Not a doc comment: it would become every command's help.
#[derive(Debug, Default, Args)]
pub(super) struct Connect {
    /// Print the reply as one line of JSON
    #[arg(long)]
    json: bool,
    /// Ask the session of this member, if several run
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
}

/// A request to a running session. Each command of [`Request`] takes the flags of [`Connect`], too.
#[derive(Debug)]
pub(super) struct ClientCommand {
    request: Request,
    connect: Connect,
}

impl Subcommand for ClientCommand {
    fn augment_subcommands(command: Command) -> Command {
        let requests = Request::augment_subcommands(Command::new("requests"));
        requests
            .get_subcommands()
            .cloned()
            .fold(command, |command, request| {
                command.subcommand(Connect::augment_args(request))
            })
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Request::has_subcommand(name)
    }
}

impl FromArgMatches for ClientCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let connect = matches
            .subcommand()
            .map(|(_, of_request)| Connect::from_arg_matches(of_request));
        Ok(Self {
            request: Request::from_arg_matches(matches)?,
            connect: connect.transpose()?.unwrap_or_default(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Arguments of `say` that follow its names.
#[derive(Debug, Parser)]
#[command(name = "nexscope-tui say", no_binary_name = true)]
struct AfterNames {
    #[command(flatten)]
    say: Say,
    #[command(flatten)]
    connect: Connect,
}

impl ClientCommand {
    /// Builds the request for the socket, with its text checked.
    ///
    /// # Errors
    ///
    /// If the command line is wrong, or the input cannot be read.
    fn read(self) -> Result<(Request, Connect), Failure> {
        let Self {
            mut request,
            mut connect,
        } = self;
        if let Request::Say(say) = &mut request {
            read_after_names(say, &mut connect);
        }
        match &mut request {
            Request::Say(Say { words, .. })
            | Request::Append(Append { words, .. })
            | Request::Ask(Ask { words }) => {
                connect.read_last(words);
                *words = as_text(std::mem::take(words))?;
            }
            Request::Accept(accept) => connect.read_last(&mut accept.words),
            Request::Reject(reject) => connect.read_last(&mut reject.words),
            _ => {}
        }
        if let Request::Say(say) = &mut request {
            complete(say)?;
        }
        Ok((request, connect))
    }
}

/// Parses the options of `say` that follow its names, as in the composer. The text begins at the first word
/// that is neither, and stays as it is.
fn read_after_names(say: &mut Say, connect: &mut Connect) {
    let is_name =
        |word: &String| leading_names(word).is_ok_and(|(to, text)| !to.is_empty() && text.is_empty());
    let names = say.words.iter().take_while(|word| is_name(word)).count();
    if names == 0 || !say.words.get(names).is_some_and(|word| word.starts_with("--")) {
        return;
    }
    let mut rest = say.words.split_off(names);
    let text = rest
        .iter()
        .position(|word| word == "--")
        .map(|at| rest.split_off(at));
    let after = AfterNames::parse_from(rest);
    say.words.extend(after.say.words);
    say.words.extend(text.into_iter().flatten());
    say.files.extend(after.say.files);
    say.thread = after.say.thread.or(say.thread);
    say.public |= after.say.public;
    say.note |= after.say.note;
    say.force |= after.say.force;
    connect.json |= after.connect.json;
    connect.member = after.connect.member.or(connect.member.take());
}

/// Parses the names at the start of the words, reads the text from standard input if there is none, and makes
/// paths absolute. Fails if the input cannot be read.
fn complete(say: &mut Say) -> Result<(), Failure> {
    let text = text_of(std::mem::take(&mut say.words), !say.files.is_empty())?;
    let (to, text) = leading_names(&text).map_err(|error| Failure::Usage(error.to_string()))?;
    if text.trim().is_empty() && say.files.is_empty() {
        let how = "There is nothing to say: nexscope-tui say [@NAME…] TEXT, or a text on standard input.";
        return Err(Failure::Usage(how.to_owned()));
    }
    (say.to, say.words) = (to, vec![text.trim_end().to_owned()]);
    for path in &mut say.files {
        *path = std::path::absolute(&*path).map_err(Failure::Input)?;
    }
    Ok(())
}

impl Connect {
    /// Treats `--json` as the last of several words as the output flag, not as text.
    fn read_last(&mut self, words: &mut Vec<String>) {
        if words.len() > 1 && words.last().is_some_and(|word| word == "--json") {
            words.pop();
            self.json = true;
        }
    }
}

/// Joins the words of a text. A word that looks like an option is an error: it may be mistyped, or in the
/// wrong place. After `--` everything is text; so it is if the first word looks like an option, which clap
/// only accepts after `--`.
fn as_text(mut words: Vec<String>) -> Result<Vec<String>, Failure> {
    let is_option = |word: &String| {
        word.len() > 1
            && word.starts_with('-')
            && !word.contains(char::is_whitespace)
            && word.parse::<f64>().is_err()
    };
    let end = words.iter().position(|word| word == "--");
    let before = &words[..end.unwrap_or(words.len())];
    if before.first().is_some_and(is_option) {
        return Ok(words);
    }
    if let Some(option) = before.iter().find(|word| is_option(word)) {
        return Err(Failure::Usage(format!(
            "{option} is not an option here: options stand before the text. If it is text, write -- before the text."
        )));
    }
    if let Some(at) = end {
        words.remove(at);
    }
    Ok(words)
}

/// Sends the request to the running session, and prints its reply.
pub(super) fn run(command: ClientCommand, paths: &Paths) -> Result<ExitCode, Failure> {
    let (request, connect) = command.read()?;
    let reply = open(paths, connect.member.as_deref())?.ask(&request)?;
    let lines = if connect.json {
        vec![super::json_line(&super::json(&reply)?)]
    } else {
        let lines = render::lines(&reply).into_iter();
        lines.map(|line| crate::text::clean(&line).text.into()).collect()
    };
    let each: String = lines.iter().map(|line| format!("{line}\n")).collect();
    super::print(&each)?;
    if let Request::Update(_) = request {
        super::setup::refresh(paths, !connect.json)?;
    }
    Ok(match reply {
        Reply::Wait(waited) if waited.timed_out => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// Connects to the session to use. Fails if none matches or answers.
pub(super) fn open(paths: &Paths, member: Option<&str>) -> Result<SocketClient, Failure> {
    let registries = registries(paths);
    Ok(find(&registries, &paths.here, member)?)
}

/// The registries to search for sessions: a program started by an agent may lack some of the environment.
pub(super) fn registries(paths: &Paths) -> Vec<SessionRegistry> {
    let user = format!("/run/user/{}", rustix::process::geteuid().as_raw());
    let mut registries = vec![SessionRegistry::usual(paths.runtime.as_deref(), &paths.state)];
    if paths.runtime.is_none() {
        registries.push(SessionRegistry::usual(Some(&user), &paths.state));
    } else {
        registries.push(SessionRegistry::usual(None, &paths.state));
    }
    registries
}

/// The text of a message: the given words, or standard input. Fails if it cannot be read.
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
    use clap::CommandFactory;

    use super::*;
    use crate::control::protocol::SHELL;

    #[derive(Debug, Parser)]
    struct Shell {
        #[command(subcommand)]
        command: ClientCommand,
    }

    fn request(arguments: &[&str]) -> (Request, bool) {
        let line = std::iter::once(&"nexscope-tui").chain(arguments);
        let (request, connect) = Shell::parse_from(line).command.read().unwrap();
        (request, connect.json)
    }

    #[test]
    fn every_command_is_listed_with_what_it_does() {
        let shell = Shell::command();
        for definition in Request::ALL.iter().filter(|one| one.has(SHELL)) {
            let about = shell
                .find_subcommand(definition.name)
                .and_then(Command::get_about);
            assert_eq!(about.unwrap().to_string(), definition.summary());
        }
    }

    #[test]
    fn options_of_say_stand_before_or_behind_the_names_and_never_in_the_text() {
        // (arguments, names, text, remaining options)
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
            // Options inside a text have no effect.
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
            let (request, json) = request(arguments);
            let has = |option: &str| options.split(' ').any(|one| one == option);
            let expected = Request::Say(Say {
                to: to.iter().map(|name| (*name).to_owned()).collect(),
                words: vec![text.to_owned()],
                thread: has("t3").then(|| "t3".parse().unwrap()),
                public: has("public"),
                note: has("note"),
                force: has("force"),
                ..Say::default()
            });
            assert_eq!((request, json), (expected, has("json")), "{arguments:?}");
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
                Ok(shell) => matches!(shell.command.read(), Err(Failure::Usage(_))),
                Err(error) => error.exit_code() == 2,
            };
            assert!(refused, "{arguments:?}");
        }
    }

    #[test]
    fn json_may_follow_the_words_of_a_command() {
        let table: [(&[&str], &str); 5] = [
            (&["append", "t1", "and more", "--json"], "append"),
            (&["ask", "what", "now", "--json"], "ask"),
            (&["reject", "m1", "too", "busy", "--json"], "reject"),
            (&["before_stop", "--json"], "before_stop"),
            (&["before-stop", "--json"], "before_stop"),
        ];
        for (arguments, expected) in table {
            let (request, json) = request(arguments);
            assert_eq!(
                (request.definition().name, json),
                (expected, true),
                "{arguments:?}"
            );
            assert!(!format!("{request:?}").contains("--json"), "{request:?}");
        }
    }
}
