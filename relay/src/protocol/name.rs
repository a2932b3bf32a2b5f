//! The rules for names, ids and thread ids.

/// Reserved names, in any case.
const RESERVED: [&str; 6] = ["all", "here", "everyone", "me", "you", "system"];

/// Whether `name` is valid for a member, a room or an agent: 1 to 32 of `A-Z a-z 0-9 _ -`, and not reserved. ASCII only, so
/// that no look-alike of a name can join.
pub fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(is_word_byte)
        && !RESERVED.iter().any(|word| same_name(word, name))
}

/// Whether two names are the same, ignoring ASCII case.
pub fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Whether `id` is valid for a message or a stream: 1 to 64 of `A-Z a-z 0-9 _ -`.
pub fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(is_word_byte)
}

/// Whether `thread` is a valid thread id: 1 to 128 printable ASCII characters.
pub fn is_thread(thread: &str) -> bool {
    (1..=128).contains(&thread.len()) && thread.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// Whether `token` is valid as a relay's secret: printable ASCII without spaces, so that it fits into an invite.
pub fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let longest = "x".repeat(32);
        for good in ["a", "alice", "Alice_B-2", "0", "-", longest.as_str()] {
            assert!(is_name(good), "{good}");
        }
        let too_long = "x".repeat(33);
        for bad in [
            "",
            "a b",
            "ål",
            "a.b",
            "ALL",
            "Here",
            "me",
            "You",
            "system",
            "everyone",
            "a\n",
            too_long.as_str(),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn ids_and_threads() {
        assert!(is_id("0190-aZ_") && is_id(&"x".repeat(64)));
        assert!(!is_id("") && !is_id("a/b") && !is_id(&"x".repeat(65)));
        assert!(is_thread("any thing: v1!") && is_thread(&"~".repeat(128)));
        assert!(!is_thread("") && !is_thread("a\tb") && !is_thread("é") && !is_thread(&"x".repeat(129)));
    }
}
