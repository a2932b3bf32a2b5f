//! Kinds of values: each is read from a file, compared, shown and described in its own way.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, de::IntoDeserializer};
use serde_json::{Value as Json, json};
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue},
};

use super::AGENT;
use crate::{
    config::file::{self, At},
    core::runs::settings::parse_duration,
    link::Target,
    text,
};
use nexscope_relay::protocol::is_name;

/// The values of a setting.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// A name of a member, a room or an agent.
    Name,
    Relay,
    Address,
    Flag,
    /// A whole number from 0 to this one.
    Number(i64),
    /// A sum that can be used up.
    Amount,
    /// In a file such as `"4 GiB"`, then in bytes.
    Size,
    /// In a file such as `"10m"`, then as a [`Duration`] is serialized.
    Time,
    /// The same, or `"0s"`.
    TimeOrNone,
    /// One of these words; where their order matters, the safest first.
    Word(&'static [&'static str]),
    List(&'static Kind),
    /// The `[agents.NAME]` tables.
    Agents,
}

impl Kind {
    /// Reads a value as it is written in a file. Fails with the place and what is wrong.
    pub(crate) fn read(&self, key: &str, written: &Spanned<DeValue>) -> Result<Value, At<String>> {
        let start = written.span().start;
        if let (Kind::Agents, Some(agents)) = (self, written.get_ref().as_table()) {
            return read_agents(agents);
        }
        Value::deserialize(written.clone().into_deserializer())
            .map_err(|error| error.message().to_owned())
            .and_then(|value| self.check(key, value))
            .map_err(|what| At(start, what))
    }

    /// Reads the value of a variable or a flag.
    pub(crate) fn read_text(&self, name: &str, text: &str) -> Result<Value, String> {
        let number = text.parse().map(Value::Integer).ok();
        let number = number.filter(|_| matches!(self, Kind::Number(_)));
        self.check(name, number.unwrap_or_else(|| text.into()))
    }

    /// Checks a value. Returns it in the one form in which values are kept and compared.
    fn check(&self, key: &str, value: Value) -> Result<Value, String> {
        let checked = match (self, &value) {
            (Kind::List(kind), Value::Array(items)) => {
                let items = items.iter().map(|item| kind.check(key, item.clone()));
                return items.collect::<Result<_, _>>().map(Value::Array);
            }
            (Kind::Size, Value::String(text)) => {
                let size = text::parse_bytes(text).ok();
                size.and_then(|size| i64::try_from(size).ok()).map(Value::Integer)
            }
            (Kind::Time | Kind::TimeOrNone, Value::String(text)) => {
                let none = matches!((self, text.trim()), (Kind::TimeOrNone, "0" | "0s"));
                let time = parse_duration(text).or(none.then_some(Duration::ZERO));
                time.and_then(|time| Value::try_from(time).ok())
            }
            (Kind::Amount, Value::Integer(number)) if *number >= 0 => Some(Value::Float(*number as f64)),
            _ => self.has(&value).then(|| value.clone()),
        };
        let found = || text::clean_line(&show(&value), 100);
        checked.ok_or_else(|| format!("{key} must be {}, not {}", self.expected(), found()))
    }

    /// Tells whether a value that is kept as it is written is one of these.
    fn has(&self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Text, Value::String(_)) | (Kind::Flag, Value::Boolean(_)) => true,
            (Kind::Name, Value::String(text)) => is_name(text),
            (Kind::Relay, Value::String(text)) => text.parse::<Target>().is_ok(),
            (Kind::Address, Value::String(text)) => text.parse::<SocketAddr>().is_ok(),
            (Kind::Word(words), Value::String(text)) => words.contains(&text.as_str()),
            (Kind::Number(most), Value::Integer(number)) => (0..=*most).contains(number),
            (Kind::Amount, Value::Float(amount)) => amount.is_finite() && *amount >= 0.0,
            _ => false,
        }
    }

    fn expected(&self) -> String {
        match self {
            Kind::Text => "text in quotes".into(),
            Kind::Name => {
                "1 to 32 of a-z, A-Z, 0-9, _ and -, other than all, here, everyone, me, you and system".into()
            }
            Kind::Relay => "ws://HOST:PORT/ws or wss://HOST/ws".into(),
            Kind::Address => "an address such as \"127.0.0.1:8080\"".into(),
            Kind::Flag => "true or false".into(),
            Kind::Number(most) => format!("a whole number from 0 to {most}"),
            Kind::Amount => "an amount such as 5.0".into(),
            Kind::Size => "a size such as \"100 MB\" or \"4 GiB\"".into(),
            Kind::Time | Kind::TimeOrNone => "a time such as \"60s\", \"10m\" or \"24h\"".into(),
            Kind::Word(words) => words.join(" or "),
            Kind::List(kind) => format!("a list of {}", kind.expected()),
            Kind::Agents => "tables [agents.NAME]".into(),
        }
    }

    /// A value as a file has it. What would not be seen is escaped.
    pub(crate) fn show(&self, value: &Value) -> String {
        match (self, value) {
            (Kind::Size, Value::Integer(size)) => format!("\"{}\"", text::bytes(size.unsigned_abs())),
            (Kind::Time | Kind::TimeOrNone, Value::Table(_)) => {
                let time: Duration = value.clone().try_into().unwrap_or_default();
                format!("\"{time:?}\"")
            }
            _ => show(value),
        }
    }

    /// A number that is larger for looser values.
    pub(crate) fn rank(&self, value: &Value) -> f64 {
        match (self, value) {
            (Kind::Word(words), Value::String(word)) => {
                let rank = words.iter().position(|one| one == word);
                rank.unwrap_or_default() as f64
            }
            (_, Value::Boolean(on)) => f64::from(u8::from(*on)),
            (_, Value::Integer(number)) => *number as f64,
            (_, Value::Float(amount)) => *amount,
            _ => 0.0,
        }
    }

    /// The JSON schema of these values.
    pub(crate) fn schema(&self) -> Json {
        let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
        match self {
            Kind::Text => json!({ "type": "string" }),
            Kind::Name => pattern("^[A-Za-z0-9_-]{1,32}$"),
            Kind::Relay => pattern("^\\s*wss?://."),
            Kind::Address => pattern(":[0-9]+$"),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Number(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
            Kind::Amount => json!({ "type": "number", "minimum": 0 }),
            Kind::Size => pattern("^\\s*[0-9]+\\s*([KMGTkmgt]?[Bb]?|[KMGTkmgt][Ii][Bb])\\s*$"),
            Kind::Time => pattern("^[0-9]+\\s*(ms|s|m|h|d)\\s*$"),
            Kind::TimeOrNone => pattern("^\\s*[0-9]+\\s*(ms|s|m|h|d)?\\s*$"),
            Kind::Word(words) => json!({ "enum": words }),
            Kind::List(kind) => json!({ "type": "array", "items": kind.schema() }),
            Kind::Agents => json!({
                "type": "object",
                "propertyNames": Kind::Name.schema(),
                "additionalProperties": super::document::object(AGENT, ""),
            }),
        }
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn read_agents(agents: &DeTable) -> Result<Value, At<String>> {
    let mut all = toml::Table::new();
    for (name, agent) in agents {
        let named = Kind::Name.check("the agent's name", name.get_ref().as_ref().into());
        named.map_err(|what| At(name.span().start, what))?;
        let table = agent.get_ref().as_table();
        let settings = table.map_or(Ok(Vec::new()), |table| file::read_table(AGENT, "", table))?;
        let settings = settings
            .into_iter()
            .map(|(setting, value)| (setting.key.to_owned(), value.1));
        let settings: toml::Table = settings.collect();
        if !settings.contains_key("kind") {
            let what = "an agent needs a kind, such as kind = \"claude\"";
            return Err(At(agent.span().start, what.to_owned()));
        }
        all.insert(name.get_ref().to_string(), Value::Table(settings));
    }
    Ok(Value::Table(all))
}
