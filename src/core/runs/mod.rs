//! Runs of agents: their input, their events, and their end.

pub(super) mod answer;
pub mod ask;
pub(super) mod direct;
mod event;
pub(super) mod failure;
mod markers;
pub(super) mod partial;
mod prompt;
pub(super) mod queue;
mod request;
pub mod settings;
pub(super) mod start;
pub(super) mod unprompted;

pub use event::{Ending, ExternalAccess, Failed, Outcome, RunEvent, Totals};
pub use markers::{attached_path, ends_exchange, may_bring_files};
pub use prompt::Prompt;
pub(crate) use prompt::{defuse, without_skills};
pub use request::{GrantRule, ToolAnswer, ToolRequest};
