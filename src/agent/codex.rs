//! Codex: not driven yet.
use super::{Run, command::CommandReader, step::Invocation};
pub(super) fn driver(_: &Run) -> Result<(Invocation, CommandReader), String> {
    Err("Codex cannot be driven yet".to_owned())
}
