//! Splits a command line of the composer: options, names, and a text that stays as it was written.

use super::{CommandError, Entry};
use crate::core::leading_names;

/// The arguments of a command.
pub(super) struct Words {
    /// Names at the start of the text, if the command takes any.
    pub to: Vec<String>,
    /// In clap's order: options, `--`, then the rest.
    pub words: Vec<String>,
}

/// Parses the arguments of a command. Options of a command that ends in a text must precede the text, so that
/// a text never widens its audience; options of other commands may be anywhere.
///
/// # Errors
///
/// If the command has no such option, or a name is invalid.
pub(super) fn words(entry: &Entry, arguments: &str) -> Result<Words, CommandError> {
    let positionals: Vec<_> = entry.command.get_positionals().collect();
    let ends_in_text = positionals
        .last()
        .is_some_and(|last| last.is_trailing_var_arg_set());
    let before_text = positionals.len().saturating_sub(1);
    let (mut options, mut values, mut to) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rest, mut names_read, mut raw) = (arguments.trim(), false, None);
    loop {
        let (word, behind) = split_word(rest);
        if word.is_empty() {
            break;
        }
        if let Some(option) = find(entry, word) {
            options.push(word.to_owned());
            rest = behind;
            if option.get_action().takes_values() {
                let (value, behind) = value_of(entry, word, rest)?;
                options.push(value);
                rest = behind;
            }
        } else if ends_in_text && values.len() == before_text {
            if word == "--" {
                values.push(behind.to_owned());
                break;
            }
            if word.len() > 2 && word.starts_with("--") {
                return Err(CommandError::NoOption {
                    command: entry.name.clone(),
                    option: word.to_owned(),
                    usage: entry.usage(),
                });
            }
            if entry.has_names && !names_read {
                (to, rest) = leading_names(rest)?;
                names_read = true;
                continue;
            }
            values.push(rest.to_owned());
            break;
        } else {
            if values.len() == before_text {
                raw = Some((rest, options.len()));
            }
            values.push(word.to_owned());
            rest = behind;
        }
    }
    // Without an option in it the text stays as it was written, including line breaks.
    if let Some((text, options_then)) = raw
        && options_then == options.len()
    {
        values.truncate(before_text);
        values.push(text.to_owned());
    }
    let words = options.into_iter().chain(["--".to_owned()]).chain(values);
    Ok(Words {
        to,
        words: words.collect(),
    })
}

/// Splits the value of an option from what follows it.
fn value_of<'a>(entry: &Entry, option: &str, rest: &'a str) -> Result<(String, &'a str), CommandError> {
    match quoted_word(rest) {
        (value, _) if value.is_empty() => Err(CommandError::NoValue {
            option: option.to_owned(),
            usage: entry.usage(),
        }),
        found => Ok(found),
    }
}

fn find<'a>(entry: &'a Entry, word: &str) -> Option<&'a clap::Arg> {
    let is = |arg: &&clap::Arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => {
            let short = word.strip_prefix('-').and_then(|short| short.parse().ok());
            short.is_some() && arg.get_short() == short
        }
    };
    entry.command.get_arguments().find(is)
}

/// Splits off the first word.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// Splits off the first word, in which quotes and backslashes keep spaces.
fn quoted_word(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let (mut word, mut quote, mut chars) = (String::new(), None, text.char_indices());
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            ('\\', None | Some('"')) => word.extend(chars.next().map(|(_, next)| next)),
            (c, None) if c.is_whitespace() => return (word, text[at..].trim_start()),
            (c, _) => word.push(c),
        }
    }
    (word, "")
}
