//! What words are made of.

use super::usage;
use crate::core::{ItemId, Target};

pub(super) fn target<'a>(name: &str, arguments: &'a str) -> Result<(Target, &'a str), String> {
    let (id, rest) = split_word(arguments);
    Ok((id.parse().map_err(|()| usage(name))?, rest))
}

/// `m12` or `12`: a message's run; `f3`: a file.
pub(super) fn job(id: &str) -> Option<ItemId> {
    id.parse()
        .ok()
        .filter(|id| matches!(id, ItemId::Mention(_) | ItemId::File(_)))
}

/// `t3`.
pub(super) fn thread_number(id: &str) -> Option<u32> {
    id.strip_prefix(['t', 'T'])?.parse().ok()
}

/// The first word, and what stands behind it.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// The first word, where quotes and backslashes keep spaces in it, and what stands behind it.
pub(super) fn quoted_word(text: &str) -> (String, &str) {
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
