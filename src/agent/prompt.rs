//! What an agent reads (stub).
use crate::room::ask::Ask;
/// x
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt(String);
impl Prompt {
    /// x
    pub fn new(ask: &Ask) -> Self {
        Self(ask.text.as_str().replace("@", "@\u{200b}"))
    }
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
