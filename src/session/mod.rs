//! Placeholder
/// Milliseconds since the Unix epoch, by the system's clock.
pub fn now() -> crate::room::Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
