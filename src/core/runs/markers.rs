//! What an agent writes in its answer for Nexscope, as the prompt tells it.

/// The beginning of a line that names a file to be sent along.
const ATTACH: &str = "[[attach:";
/// The whole of an answer that ends an exchange.
const END: &str = "[[end]]";

/// Whether an answer says that there is nothing more to say.
pub fn ends_exchange(answer: &str) -> bool {
    answer.trim() == END
}

/// Whether an answer may bring files, so that its person is to see it first.
pub fn may_bring_files(answer: &str) -> bool {
    answer.contains(ATTACH)
}

/// The path in a line that names a file to be sent along.
pub fn attached_path(line: &str) -> Option<&str> {
    let path = line.trim().strip_prefix(ATTACH)?.strip_suffix("]]")?.trim();
    (!path.is_empty()).then_some(path)
}
