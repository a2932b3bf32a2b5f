//! The arguments of the words on the socket.

use nexscope_relay::protocol::{Mode, is_id, is_name};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{control::RpcError, core::Steady};

/// The longest that `watch` and `wait` wait, in seconds.
pub(super) const LONGEST: u64 = 120;

/// One or several of something.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    pub fn all(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(all) => all,
        }
    }
}

/// `t3`, as a string or a number.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Ref {
    Number(u32),
    Name(String),
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Say {
    pub to: OneOrMany<String>,
    pub text: String,
    pub thread: Option<Ref>,
    pub public: bool,
    pub note: bool,
    pub files: OneOrMany<std::path::PathBuf>,
    /// Also to a name that nobody here has or had.
    pub force: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    pub id: Ref,
    /// Instructions, or a reason; heard only from who decides.
    #[serde(default)]
    pub words: Option<String>,
    /// The agent, where it is not the default one; as the words.
    #[serde(default)]
    pub agent: Option<String>,
    /// Whether the answer waits as a draft; as the words.
    #[serde(default)]
    pub review: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub words: String,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    pub limit: Option<usize>,
    pub thread: Option<Ref>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Watch {
    pub client: Option<String>,
    pub timeout: Option<u64>,
    pub r#for: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ModeArgs {
    pub mode: Option<Mode>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Id {
    pub id: Option<String>,
}

pub(super) fn read<T: serde::de::DeserializeOwned>(args: Value) -> Result<T, RpcError> {
    let args = if args.is_null() { json!({}) } else { args };
    serde_json::from_value(args).map_err(|error| {
        // It may quote what was given, which is the caller's own.
        usage(crate::text::clean_line(
            &format!("those arguments are wrong: {error}"),
            300,
        ))
    })
}

pub(super) fn usage(message: impl Into<String>) -> RpcError {
    RpcError::new("usage", message)
}

pub(super) fn refused(message: impl Into<String>) -> RpcError {
    RpcError::new("refused", message)
}

pub(super) fn names(names: Vec<String>) -> Result<Vec<String>, RpcError> {
    let each = names.into_iter().map(|name| {
        let plain = name.trim_start_matches('@');
        match is_name(plain) {
            true => Ok(plain.to_owned()),
            false => Err(usage(format!(
                "{} is no name: 1 to 32 of a-z, 0-9, _ and -",
                short(&name)
            ))),
        }
    });
    each.collect()
}

pub(super) fn thread(given: Ref) -> Result<u32, RpcError> {
    match given {
        Ref::Number(number) => Ok(number),
        Ref::Name(name) => name
            .strip_prefix(['t', 'T'])
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| usage(format!("{} is no thread: t3, for example", short(&name)))),
    }
}

pub(super) fn client(given: Option<String>) -> Result<String, RpcError> {
    let client = given.unwrap_or_else(|| "shell".to_owned());
    match is_id(&client) {
        true => Ok(client),
        false => Err(usage("client is 1 to 64 of a-z, 0-9, _ and -")),
    }
}

pub(super) fn until(seconds: u64, now: Steady) -> Result<Steady, RpcError> {
    match seconds {
        1..=LONGEST => Ok(now.plus(seconds * 1000)),
        _ => Err(usage(format!("timeout is 1 to {LONGEST} seconds"))),
    }
}

pub(super) fn short(text: &str) -> String {
    crate::text::clean_line(text, 40)
}
