//! Turns a reason into a sentence.

/// Adds a capital letter and a full stop, for a reason that stands alone.
pub fn sentence(words: &str) -> String {
    let words = words.trim_end_matches('.');
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| {
        format!("{}{}.", first.to_uppercase(), characters.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn a_reason_is_a_sentence() {
        assert_eq!(sentence("cannot reach it"), "Cannot reach it.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), "");
    }
}
