//! Runs of agents: what one is given, what it reports, and how it ends.

pub(super) mod agents;
pub(super) mod answer;
pub mod ask;
pub(super) mod begin;
mod event;
pub(super) mod failure;
pub(super) mod growing;
mod markers;
pub(super) mod own;
mod prompt;
mod request;
pub(super) mod run;
pub mod settings;

pub use event::{Ending, ExternalAccess, Failed, Outcome, RunEvent, Totals};
pub use markers::{attached_path, ends_exchange, may_bring_files};
pub use prompt::Prompt;
pub(crate) use prompt::{defuse, without_skills};
pub use request::{GrantRule, ToolAnswer, ToolRequest};
