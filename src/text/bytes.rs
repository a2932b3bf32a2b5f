//! Formats and parses sizes, and formats bytes as hex.

/// `840 B`, `12 KB`, `1.4 GB`: powers of a thousand, as file managers show them.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if size < 1000 {
        return format!("{size} B");
    }
    let mut value = size as f64 / 1000.0;
    let mut unit = 0;
    // A value that would round up to a thousand is shown in the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    match value < 9.95 {
        true => format!("{value:.1} {}", UNITS[unit]),
        false => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Parses a size: a number with or without `KB`, `MB`, `GB`, `TB` (thousands) or `KiB`, `MiB`, `GiB`, `TiB`.
/// Fails with a sentence that describes the format.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size; write for example \"100 MB\" or \"4 GiB\"");
    let text_trimmed = text.trim();
    let end = text_trimmed
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text_trimmed.len());
    let (number, unit) = text_trimmed.split_at(end);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" | "k" => 1000,
        "mb" | "m" => 1_000_000,
        "gb" | "g" => 1_000_000_000,
        "tb" | "t" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_table() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (12_345, "12 KB"),
            (999_499, "999 KB"),
            (999_999, "1.0 MB"),
            (1_400_000_000, "1.4 GB"),
            (u64::MAX, "18447 PB"),
        ];
        for (size, words) in table {
            assert_eq!(bytes(size), words);
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, size) in [
            ("0", 0),
            ("12", 12),
            ("100 MB", 100_000_000),
            ("4 GiB", 4 << 30),
            ("1kb", 1000),
        ] {
            assert_eq!(parse_bytes(text), Ok(size), "{text}");
        }
        for wrong in ["", "MB", "-1", "4 GIB B", "99999999999 TB", "1.5 GB"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
