//! Writes a list of arguments in shell syntax.

/// Joins `words`, quoting each that a shell would change.
pub(super) fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    words.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_the_same_words() {
        let table: &[&[&str]] = &[
            &["./evil.sh", "-c", "ls src"],
            &[
                "a b", "", "it's", "$HOME", "*", "~", "a=b", "\\", "\"", "`id`", "a\nb", "!x", "#",
            ],
        ];
        assert_eq!(quoted(table[0]), "./evil.sh -c 'ls src'");
        for words in table {
            let script = format!("printf '%s\\0' {}", quoted(words));
            let read = Command::new("sh").args(["-c", &script]).output().unwrap();
            let expected: String = words.iter().flat_map(|word| [word, "\0"]).collect();
            assert_eq!(String::from_utf8(read.stdout).unwrap(), expected);
        }
    }
}
