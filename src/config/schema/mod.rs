//! The table of settings: each key with its values, default, variable, flag, rules and help. Files, layers, reloads,
//! the example file and the JSON schema go by it: a new setting is a row and a field here, and its use elsewhere.

mod agent;
mod document;
mod kind;

use serde::de::DeserializeOwned;
use toml::{Value, de::DeValue};

#[cfg(test)]
pub(crate) use document::tests::assert_schema_accepts;
pub(crate) use document::{example, schema};
pub(crate) use kind::Kind;
pub(crate) use table::{AGENT, Agent, Config, SETTINGS};

/// A row of the table, for a setting that is stored in a `T`.
pub(crate) struct Setting<T> {
    /// With its table, such as `files.max`.
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    /// In TOML.
    pub(crate) default: Option<&'static str>,
    /// A value for the example file, if there is no default.
    pub(crate) sample: &'static str,
    pub(crate) in_project: InProject,
    pub(crate) on_reload: OnReload,
    pub(crate) looser: Looser,
    pub(crate) variable: Option<&'static str>,
    pub(crate) flag: Option<&'static str>,
    pub(crate) help: &'static str,
    /// The value; `None` where it is not set.
    pub(crate) get: fn(&T) -> Option<Value>,
    /// Stores a value. Fails where the value does not fit the other settings.
    pub(crate) put: fn(&mut T, &Value) -> Result<(), String>,
    pub(crate) copy: fn(&mut T, &T),
}

/// The treatment of a setting in a project's file that nobody has trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InProject {
    Ignored,
    Tightens,
    Allowed,
}

/// The treatment of a setting that is saved while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnReload {
    Live,
    /// At once; a looser value once the person has confirmed it.
    Confirmed,
    /// At the next start.
    Restart,
}

/// The new values that are looser than the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looser {
    Never,
    /// Larger numbers, `true`, later words.
    Larger,
    /// All other values.
    Other,
    /// All other values that are not empty.
    OtherSet,
    /// Lists with another item.
    MoreItems,
}

impl<T> Setting<T> {
    pub(crate) fn is_looser(&self, new: &T, old: &T) -> bool {
        let (new, old) = ((self.get)(new), (self.get)(old));
        fn items(value: &Option<Value>) -> impl Iterator<Item = &Value> {
            value.iter().filter_map(Value::as_array).flatten()
        }
        let rank = |value: &Option<Value>| value.as_ref().map_or(0.0, |value| self.kind.rank(value));
        match self.looser {
            Looser::Never => false,
            Looser::Larger => rank(&new) > rank(&old),
            Looser::Other => new != old,
            Looser::OtherSet => new != old && new.is_some() && new != Some(Value::Array(Vec::new())),
            Looser::MoreItems => items(&new).any(|item| items(&old).all(|old| old != item)),
        }
    }

    pub(crate) fn show(&self, from: &T) -> String {
        (self.get)(from).map_or("not set".to_owned(), |value| self.kind.show(&value))
    }
}

/// Every setting at its default. A test makes sure that all defaults can be read.
pub(crate) fn defaults<T: Default>(settings: &[Setting<T>]) -> T {
    let mut all = T::default();
    for setting in settings {
        let written = setting.default.and_then(|text| DeValue::parse(text).ok());
        let value = written.and_then(|written| setting.kind.read(setting.key, &written).ok());
        let put = value.map_or(Ok(()), |value| (setting.put)(&mut all, &value));
        debug_assert_eq!(put, Ok(()), "{}", setting.key);
    }
    all
}

/// Makes rows of `"key" => field: kind, = default or ? sample, in a project, on a reload(looser), …; help`.
macro_rules! settings {
    (@or [$given:expr] $usual:expr) => { $given };
    (@or [] $usual:expr) => { $usual };
    ($all:ty; $($key:literal => $($field:ident).+: $kind:expr, $(= $default:literal)? $(? $sample:literal)?,
        $in_project:ident, $on_reload:ident $(($looser:ident))? $(, variable $variable:literal)? $(, flag $flag:literal)?
        $(, get $get:expr)? $(, put $put:path)?; $help:literal)*) => {
        &[$(Setting {
            key: $key,
            kind: $kind,
            default: settings!(@or [$(Some($default))?] None),
            sample: concat!($($sample)?),
            in_project: InProject::$in_project,
            on_reload: OnReload::$on_reload,
            looser: settings!(@or [$(Looser::$looser)?] Looser::Never),
            variable: settings!(@or [$(Some($variable))?] None),
            flag: settings!(@or [$(Some($flag))?] None),
            help: $help,
            get: settings!(@or [$($get)?] |all: &$all| Value::try_from(&all.$($field).+).ok()),
            put: settings!(@or [$($put)?] |all: &mut $all, value: &Value| {
                all.$($field).+ = read(value)?;
                Ok(())
            }),
            copy: |to, from| to.$($field).+.clone_from(&from.$($field).+),
        }),*]
    };
}

pub(crate) mod table;

pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    let read: Result<T, toml::de::Error> = value.clone().try_into();
    read.map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests;
