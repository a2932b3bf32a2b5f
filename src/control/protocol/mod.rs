//! The protocol's requests and replies, and the definition of each command.

pub(crate) mod arguments;
mod commands;
mod requests;

use std::{fmt, str::FromStr, sync::LazyLock};

use clap::Subcommand as _;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::{RpcError, policy::Rule};
use crate::{
    core::{ItemId, Target},
    text::clean_line,
};
pub(crate) use commands::*;
pub(crate) use requests::*;

/// The flags of a command: a combination of the constants below.
type Traits = u16;

/// A shell command.
pub(crate) const SHELL: Traits = 1;
/// A composer command: `/name`.
pub(crate) const COMPOSER: Traits = 1 << 1;
/// An MCP tool: `nexscope_name`.
pub(crate) const TOOL: Traits = 1 << 2;
/// A command of the Claude Code plugin: `/nexscope:name`.
pub(crate) const PLUGIN: Traits = 1 << 3;
/// In Claude Code only the person runs it, never the model by itself.
pub(crate) const PERSON_ONLY: Traits = 1 << 4;
/// It changes nothing.
pub(crate) const READS: Traits = 1 << 5;
/// Its text may begin with names: `@bob, @carol`.
pub(crate) const NAMES: Traits = 1 << 6;

/// The definition of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition {
    pub name: &'static str,
    traits: Traits,
    pub rule: Rule,
    /// The JSON schema of its arguments.
    pub schema: fn() -> schemars::Schema,
}

/// The commands as clap definitions, for help and usage.
static COMMANDS: LazyLock<clap::Command> =
    LazyLock::new(|| Request::augment_subcommands(clap::Command::new("")));

impl Definition {
    /// Its help: a sentence, and further paragraphs.
    pub(crate) fn help(&self) -> String {
        let command = COMMANDS.find_subcommand(self.name);
        let help = command.and_then(|command| command.get_long_about().or(command.get_about()));
        help.map_or_else(String::new, ToString::to_string)
    }

    /// The first sentence of its help.
    pub(crate) fn summary(&self) -> String {
        let about = COMMANDS
            .find_subcommand(self.name)
            .and_then(clap::Command::get_about);
        about.map_or_else(String::new, ToString::to_string)
    }

    /// Its arguments without the options: `ID [REASON]`.
    pub(crate) fn usage(&self) -> String {
        let command = COMMANDS.find_subcommand(self.name);
        command.map_or_else(String::new, |command| usage(command, self.has(NAMES), false))
    }

    /// Its arguments without a flag, in order.
    pub(crate) fn positionals(&self) -> Vec<String> {
        let command = COMMANDS.find_subcommand(self.name).into_iter();
        command
            .flat_map(clap::Command::get_positionals)
            .map(|argument| argument.get_id().to_string())
            .collect()
    }

    pub(crate) fn has(&self, all: Traits) -> bool {
        self.traits & all == all
    }
}

/// Declares the commands: `/// help` `"name" Variant(Arguments) -> Reply: traits, rule;`.
macro_rules! declare {
    ($($(#[$attribute:meta])* $name:literal $variant:ident($args:ty) -> $reply:ty: $traits:expr, $rule:expr;)*) => {
        /// What a running client is asked to do. The doc comments are the help.
        #[derive(Debug, Clone, PartialEq, Subcommand)]
        pub(crate) enum Request {
            $($(#[$attribute])* #[command(name = $name)] $variant($args),)*
        }

        /// The reply to a [`Request`], in the variant of the same name.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub(crate) enum Reply {
            $($variant($reply),)*
        }

        impl Request {
            /// All commands, in listing order.
            pub(crate) const ALL: &[Definition] = &[
                $(Definition {
                    name: $name,
                    traits: $traits,
                    rule: $rule,
                    schema: || schemars::schema_for!($args),
                },)*
            ];

            pub(crate) fn definition(&self) -> &'static Definition {
                let name = match self {
                    $(Request::$variant(_) => $name,)*
                };
                Self::ALL.iter().find(|one| one.name == name).expect("each variant has an entry in ALL")
            }

            /// Parses a command from its name and arguments.
            ///
            /// # Errors
            ///
            /// `unknown_command` or `usage`, with a sentence.
            pub(crate) fn read(name: &str, args: Value) -> Result<Self, RpcError> {
                match name {
                    $($name => super::arguments::read(args).map(Request::$variant),)*
                    name => Err(super::unknown(name)),
                }
            }

            pub(crate) fn arguments(&self) -> serde_json::Result<Value> {
                match self {
                    $(Request::$variant(args) => serde_json::to_value(args),)*
                }
            }

            /// Parses the reply to this request. Fails if it does not match the request's reply type.
            pub(crate) fn reply(&self, value: Value) -> serde_json::Result<Reply> {
                match self {
                    $(Request::$variant(_) => serde_json::from_value(value).map(Reply::$variant),)*
                }
            }
        }
    };
}
pub(crate) use declare;

/// The usage of a command's arguments: `ID [REASON]`.
pub(crate) fn usage(command: &clap::Command, has_names: bool, with_options: bool) -> String {
    let value = |arg: &clap::Arg| match arg.get_possible_values() {
        values if !values.is_empty() && arg.get_action().takes_values() => {
            let names: Vec<&str> = values
                .iter()
                .map(clap::builder::PossibleValue::get_name)
                .collect();
            names.join("|")
        }
        _ => arg.get_value_names().map_or("", |names| &names[0]).to_owned(),
    };
    let positional = |arg: &clap::Arg| {
        let value = value(arg);
        if arg.is_required_set() || arg.is_trailing_var_arg_set() {
            value
        } else {
            format!("[{value}]")
        }
    };
    let option = |arg: &clap::Arg| {
        let name = match (arg.get_long(), arg.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, short) => format!("-{}", short.unwrap_or_default()),
        };
        if arg.get_action().takes_values() {
            format!("[{name} {}]", value(arg))
        } else {
            format!("[{name}]")
        }
    };
    let mut positionals: Vec<_> = command.get_positionals().collect();
    let text = positionals.pop_if(|last| last.is_trailing_var_arg_set());
    let options = command
        .get_arguments()
        .filter(|arg| with_options && !arg.is_positional() && !arg.is_hide_set());
    let parts = has_names
        .then(|| "[@NAME…]".to_owned())
        .into_iter()
        .chain(positionals.into_iter().map(positional))
        .chain(options.map(option))
        .chain(text.map(positional));
    parts.collect::<Vec<_>>().join(" ")
}

fn unknown(name: &str) -> RpcError {
    let name = clean_line(name, 40);
    RpcError::new(
        "unknown_command",
        format!("There is no command {name}. nexscope-tui --help lists them."),
    )
}

/// A value in text form, such as `m12` or `t3`. In JSON a bare number is accepted, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ref<T>(pub T);

/// The text form of a type's values.
pub(crate) trait Written: FromStr<Err = ()> + fmt::Display {
    const EXAMPLES: &str;
}

impl Written for Target {
    const EXAMPLES: &str = "m12, d3, p4, f5, t6, or a version such as m12.2";
}

impl Written for ItemId {
    const EXAMPLES: &str = "m12 or f3";
}

/// A thread, by its number in this room: `t3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadNumber(pub u32);

impl Written for ThreadNumber {
    const EXAMPLES: &str = "t3";
}

impl FromStr for ThreadNumber {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = text.strip_prefix(['t', 'T']).unwrap_or(text);
        number.parse().map(ThreadNumber).map_err(|_| ())
    }
}

impl fmt::Display for ThreadNumber {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

impl<T: Written> FromStr for Ref<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Ref)
            .map_err(|()| format!("{} is not an ID such as {}", clean_line(text, 40), T::EXAMPLES))
    }
}

impl<T: Written> Serialize for Ref<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de, T: Written> Deserialize<'de> for Ref<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(from)? {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text,
            _ => {
                return Err(de::Error::custom(format!(
                    "expected an ID such as {}",
                    T::EXAMPLES
                )));
            }
        };
        text.parse().map_err(de::Error::custom)
    }
}

impl<T: Written> JsonSchema for Ref<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

/// One text or several, for a schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

fn one_or_many<'de, D: Deserializer<'de>, T: de::DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let all = match Value::deserialize(from)? {
        Value::Null => Vec::new(),
        Value::Array(all) => all,
        one => vec![one],
    };
    let read: Result<_, _> = all.into_iter().map(serde_json::from_value).collect();
    read.map_err(|_| de::Error::custom("expected a text, or a list of texts"))
}

/// A number as text, which may also be given as text.
fn digits(given: Value) -> Option<String> {
    match given {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()),
        _ => None,
    }
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    let given = Option::<Value>::deserialize(from)?;
    let number = given.map(|given| digits(given).and_then(|text| text.parse().ok()));
    number
        .map(|number| number.ok_or_else(|| de::Error::custom("expected a number such as 20")))
        .transpose()
}

/// A time: a number of seconds, or a text such as `30s` or `2m`.
mod seconds {
    use super::*;

    pub(super) fn parse(text: &str) -> Result<u64, String> {
        let text = text.trim();
        if let Ok(seconds) = text.parse() {
            return Ok(seconds);
        }
        let time = crate::core::runs::settings::parse_duration(text);
        let time =
            time.ok_or_else(|| format!("{} is not a time such as 30, 30s or 2m", clean_line(text, 40)))?;
        Ok(u64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        let given = Option::<Value>::deserialize(from)?;
        let seconds = given.map(|given| match digits(given) {
            Some(text) => parse(&text),
            None => Err("expected a time such as 30, 30s or 2m".to_owned()),
        });
        seconds.transpose().map_err(de::Error::custom)
    }

    pub(super) fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["integer", "string"] })
    }
}

/// The words of a command line, which are a single text in JSON.
mod text {
    use super::*;

    pub(super) fn serialize<S: Serializer>(words: &[String], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&words.join(" "))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        let text = Option::<String>::deserialize(from)?.unwrap_or_default();
        Ok(if text.is_empty() { Vec::new() } else { vec![text] })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use serde_json::json;

    use super::*;

    #[derive(clap::Parser)]
    struct Shell {
        #[command(subcommand)]
        _request: Request,
    }

    /// A caller that gave up earlier would be told that nothing happens, while its decision is still carried out.
    #[test]
    fn a_caller_waits_at_least_as_long_as_the_session() {
        for (name, arguments, seconds) in [
            ("accept", json!({"threadId": "d1"}), SCAN_WAIT),
            ("say", json!({"text": "hello"}), ACK_WAIT),
            ("append", json!({"threadId": "t1", "text": "hello"}), ACK_WAIT),
            ("wait", json!({}), LONGEST_WAIT),
            ("wait", json!({"timeout": 7}), 7),
            ("who", json!({}), 0),
        ] {
            let request = Request::read(name, arguments).expect("a request");
            assert_eq!(request.waits().as_secs(), seconds, "{name}");
        }
    }

    #[test]
    fn every_command_of_the_shell_is_a_subcommand_with_help_and_no_other_one_is() {
        let shell = Shell::command();
        let of_clap: Vec<&str> = shell.get_subcommands().map(clap::Command::get_name).collect();
        let declared = Request::ALL.iter().filter(|one| one.has(SHELL));
        assert_eq!(of_clap, declared.map(|one| one.name).collect::<Vec<_>>());
        for command in shell.get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{argument}");
            }
        }
    }

    #[test]
    fn requests_are_read_as_they_are_written() {
        for (name, args) in [
            (
                "say",
                json!({"to": "bob", "text": "hi", "filePath": "a", "threadId": 3}),
            ),
            (
                "say",
                json!({"to": ["bob", "eve"], "role": "userAgent", "force": true}),
            ),
            ("who", Value::Null),
            ("accept", json!({"threadId": "m1.2", "extra": "be brief"})),
            ("wait", json!({"for": "decision", "timeout": 3})),
            ("history", json!({"limit": 5, "threadId": "t2"})),
            ("mode", json!({"mode": "auto"})),
        ] {
            let request = Request::read(name, args).unwrap();
            let again = Request::read(name, request.arguments().unwrap()).unwrap();
            assert_eq!(again, request);
            assert_eq!(request.definition().name, name);
        }
        // Issue 16, 35 and 43: a number may be a text, and a time may have a unit.
        for (name, args, as_number) in [
            ("history", json!({"limit": "5"}), json!({"limit": 5})),
            ("wait", json!({"timeout": "1m"}), json!({"timeout": 60})),
            ("wait", json!({"timeout": "90"}), json!({"timeout": 90})),
            (
                "watch",
                json!({"timeoutSeconds": "1500ms"}),
                json!({"timeoutSeconds": 2}),
            ),
        ] {
            assert_eq!(Request::read(name, args), Request::read(name, as_number));
        }
        for (name, args, says) in [
            (
                "watch",
                json!({"timeoutSeconds": "soon"}),
                "soon is not a time such as 30",
            ),
            ("history", json!({"limit": "many"}), "a number such as 20"),
            (
                "say",
                json!({"txt": 1}),
                "there is no txt; it takes to, text, threadId",
            ),
            ("accept", json!({}), "threadId is missing."),
            ("accept", json!({"threadId": "zz"}), "threadId: zz is not an ID"),
            (
                "who",
                json!({"x": 1}),
                "there is no x, and it takes no arguments.",
            ),
            ("who", json!([1]), "expected an object with a field for each."),
            // Issue 16, 35: these had serde's words, such as "any variant of untagged enum".
            (
                "say",
                json!({"to": 7, "text": "a"}),
                "to: expected a text, or a list of texts.",
            ),
            (
                "say",
                json!({"to": [{}], "text": "a"}),
                "to: expected a text, or a list of texts.",
            ),
            ("say", json!({"text": 7}), "text: expected a text, not 7."),
            (
                "say",
                json!({"text": {}}),
                "text: expected a text, not an object.",
            ),
            (
                "say",
                json!({"text": "a", "force": "yes"}),
                "force: expected true or false, not yes.",
            ),
            (
                "say",
                json!({"role": "`boss"}),
                "role: `boss is not one of user, userAgent.",
            ),
            (
                "accept",
                json!({"threadId": []}),
                "threadId: expected an ID such as m12",
            ),
            (
                "history",
                json!({"limit": 70000}),
                "limit: expected a number such as 20.",
            ),
            (
                "watch",
                json!({"timeoutSeconds": true}),
                "timeoutSeconds: expected a time such as 30",
            ),
            (
                "mode",
                json!({"mode": "fast"}),
                "mode: fast is not one of manual, auto.",
            ),
            ("wait", json!({"for": 3}), "for: "),
            ("whom", json!({}), "There is no command whom"),
        ] {
            let problem = Request::read(name, args).unwrap_err();
            assert!(problem.message.contains(says), "{problem:?}");
            for serde in ["untagged", "variant", "struct", "field `", "sequence"] {
                assert!(!problem.message.contains(serde), "{problem:?}");
            }
        }
    }
}
