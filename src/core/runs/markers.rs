//! Markers that an agent writes in its answer for Nexscope, as the prompt explains.

/// Prefix of a line that names a file to attach.
const ATTACH: &str = "[[attach:";
/// The whole answer that ends an exchange.
const END: &str = "[[end]]";

/// Whether an answer says that there is nothing more to say.
pub fn ends_exchange(answer: &str) -> bool {
    answer.trim() == END
}

/// Whether an answer may attach files, so that the person has to review it first.
pub fn may_bring_files(answer: &str) -> bool {
    answer.contains(ATTACH)
}

/// The path in a line that names a file to attach.
pub fn attached_path(line: &str) -> Option<&str> {
    let path = line.trim().strip_prefix(ATTACH)?.strip_suffix("]]")?.trim();
    (!path.is_empty()).then_some(path)
}
