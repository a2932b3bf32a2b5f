//! Parsers for the values of flags.

use std::{path::PathBuf, time::Duration};

/// Parses a number of bytes, optionally with KiB, MiB or GiB.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: usize = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err("a size is a number, optionally with KiB, MiB or GiB".into()),
    };
    let number: usize = digits
        .parse()
        .map_err(|_| "a size starts with a whole number".to_owned())?;
    number
        .checked_mul(unit)
        .ok_or_else(|| "the size is too large".into())
}

/// Like [`size`], for a size that may exceed the memory.
#[cfg(feature = "v1")]
pub(crate) fn size_u64(text: &str) -> Result<u64, String> {
    size(text).map(|size| size as u64)
}

/// Like [`size`], for a size that must not be 0.
pub(super) fn nonzero_size(text: &str) -> Result<usize, String> {
    size(text).and_then(nonzero)
}

/// Parses a number that must not be 0.
pub(super) fn nonzero_count(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "expected a whole number".to_owned());
    number.and_then(nonzero)
}

fn nonzero(number: usize) -> Result<usize, String> {
    let error = "must be 1 or more; 0 means no limit only for --rate, --burst, --per-address and --max-...";
    (number > 0).then_some(number).ok_or_else(|| error.to_owned())
}

/// Parses the name of a room.
#[cfg(feature = "v1")]
pub(crate) fn room(text: &str) -> Result<String, String> {
    let is_valid = crate::protocol::is_name(text);
    let error = || "a room name is 1 to 32 of A-Z a-z 0-9 _ -, and no reserved word".to_owned();
    is_valid.then(|| text.to_owned()).ok_or_else(error)
}

/// Parses a time: a number with ms, s, m, h or d, or a number of seconds. It may have a fraction.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let seconds_each = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err("a time is a number with ms, s, m, h or d, such as 30s or 10m".into()),
    };
    let number = text.strip_suffix(unit).unwrap_or(text).parse::<f64>();
    let number = number.map_err(|_| "a time starts with a number, such as 30s or 10m".to_owned())?;
    let seconds = number * seconds_each;
    if !(0.01..=1e6).contains(&seconds) {
        return Err("a time must be between 10ms and 1000000s".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Parses a path that must not be empty.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("the path is empty".into());
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(
            (size("7"), size("4 MiB"), size("1k")),
            (Ok(7), Ok(4 << 20), Ok(1024))
        );
        assert!(size("").is_err() && size("MiB").is_err() && size("1.5M").is_err() && size("-1").is_err());
        assert!(size("99999999999999999999").is_err() && size("99999999999GiB").is_err());
        assert!(nonzero_size("0").is_err() && nonzero_size("1").is_ok());
        assert!(nonzero_count("0").is_err() && nonzero_count("7") == Ok(7));
        for (text, ms) in [
            ("20", 20_000),
            ("0.2", 200),
            ("1s", 1_000),
            (" 10 m ", 600_000),
            ("2h", 7_200_000),
            ("1.5h", 5_400_000),
            ("1d", 86_400_000),
            ("250ms", 250),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "", "s", "0", "0s", "5ms", "-1", "1.2.3s", "NaN", "inf", "1e3", "10x", "1m30s", "12d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
