//! The addressees of a text: the names at its beginning.

use nexscope_relay::protocol::is_name;

/// Why the names at the beginning of a text are wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("Write @{0} @NAME for several, or a space after the comma.")]
    Comma(String),
    #[error("A name follows the @, as in @bob.")]
    Missing,
    #[error("@{0} is not a member: write without a name to tell everyone.")]
    Everyone(String),
    #[error("@{0} is not a name: 1 to 32 of a-z, 0-9, _ and -.")]
    Invalid(String),
}

/// Splits the `@names` at the beginning of a text from the rest. A comma or a colon may follow each.
///
/// # Errors
///
/// Fails if an `@` is not followed by a valid name.
pub fn leading_names(text: &str) -> Result<(Vec<String>, &str), NameError> {
    let (mut names, mut rest) = (Vec::new(), text.trim_start());
    while let Some(after) = rest.strip_prefix('@') {
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        let (name, behind) = after.split_at(end.unwrap_or(after.len()));
        let behind_mark = behind.strip_prefix([',', ':']).unwrap_or(behind);
        if !(behind_mark.is_empty()
            || behind_mark.starts_with(char::is_whitespace)
            || behind_mark.starts_with('@'))
        {
            // `@alice,bob` is meant for two, and must not become a message to everybody.
            if behind.starts_with(',') && is_name(name) {
                return Err(NameError::Comma(name.to_owned()));
            }
            // An `@` of another kind, such as a package name: plain text.
            break;
        }
        if !is_name(name) {
            return Err(match name {
                "" => NameError::Missing,
                "all" | "everyone" | "here" => NameError::Everyone(name.to_owned()),
                _ => NameError::Invalid(name.to_owned()),
            });
        }
        names.push(name.to_owned());
        rest = behind_mark.trim_start();
    }
    Ok((names, rest))
}
