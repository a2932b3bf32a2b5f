//! Reads the arguments of a request, and says what is wrong with them in plain words.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{control::RpcError, text::clean_line};

/// Reads arguments. Fails with `usage`, and a sentence that names the wrong argument.
pub(crate) fn read<T: DeserializeOwned>(args: Value) -> Result<T, RpcError> {
    let args = match args {
        Value::Null => Value::Object(Default::default()),
        Value::Object(_) => args,
        // serde would take a list as the fields of a struct.
        _ => {
            return Err(RpcError::usage(
                "Wrong arguments: expected an object with a field for each.",
            ));
        }
    };
    serde_json::from_value(args.clone()).map_err(|error| {
        let error = error.to_string();
        let wrong = wrong_one::<T>(&args, &error).map_or_else(String::new, |name| format!("{name}: "));
        let told = format!("Wrong arguments: {wrong}{}.", in_words(&error));
        // It may quote the arguments, which come from the caller.
        RpcError::usage(clean_line(&told, 300))
    })
}

/// The argument without which the error is another one: serde names the field only of some errors.
fn wrong_one<T: DeserializeOwned>(args: &Value, error: &str) -> Option<String> {
    let named = ["unknown field", "missing field", "duplicate field"];
    let args = args.as_object()?;
    if named.iter().any(|begin| error.starts_with(begin)) {
        return None;
    }
    let is_cause = |name: &&String| {
        let mut others = args.clone();
        others.remove(*name);
        let without = serde_json::from_value::<T>(Value::Object(others));
        without.err().is_none_or(|other| other.to_string() != error)
    };
    args.keys().find(is_cause).cloned()
}

/// An error of serde in plain words.
fn in_words(error: &str) -> String {
    if let Some((name, rest)) = quoted(error, "unknown field ") {
        return match listed(rest) {
            known if known.is_empty() => format!("there is no {name}, and it takes no arguments"),
            known => format!("there is no {name}; it takes {known}"),
        };
    }
    if let Some((name, rest)) = quoted(error, "unknown variant ") {
        return format!("{name} is not one of {}", listed(rest));
    }
    if let Some((name, _)) = quoted(error, "missing field ") {
        return format!("{name} is missing");
    }
    let typed = ["invalid type: ", "invalid value: "];
    let typed = typed.iter().find_map(|begin| error.strip_prefix(begin));
    match typed.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((given, expected)) => format!("expected {}, not {}", kind(expected), value(given)),
        None => error.to_owned(),
    }
}

/// The name in backticks behind `begin`, and what follows it.
fn quoted<'a>(error: &'a str, begin: &str) -> Option<(&'a str, &'a str)> {
    // The name is the caller's, and may contain one.
    error
        .strip_prefix(begin)?
        .strip_prefix('`')?
        .rsplit_once("`, expected ")
        .or_else(|| {
            let name = error.strip_prefix(begin)?.strip_prefix('`')?;
            Some((name.split('`').next()?, ""))
        })
}

/// The names of `` one of `a`, `b` `` as `a, b`.
fn listed(rest: &str) -> String {
    let names = rest.split('`').skip(1).step_by(2);
    names.collect::<Vec<_>>().join(", ")
}

/// What serde expects, for a person.
fn kind(expected: &str) -> &str {
    match expected {
        "a string" | "string or map" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        other if other.starts_with("struct") || other == "a map" => "named arguments",
        other => other,
    }
}

/// A given value, which serde describes as `` integer `7` ``, `string "x"` or `map`.
fn value(given: &str) -> &str {
    match given {
        "null" | "unit value" => "nothing",
        "map" => "an object",
        "sequence" => "a list",
        given => {
            let inner = given.split_once(['`', '"']).map(|(_, rest)| rest);
            inner.map_or(given, |inner| inner.trim_end_matches(['`', '"']))
        }
    }
}
