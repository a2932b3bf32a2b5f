//! Runs of agents: what one is given, what it reports, and how it ends.

mod event;
mod markers;
mod prompt;
mod request;
pub mod settings;

pub use event::{Ending, ExternalAccess, Failed, Outcome, RunEvent, Totals};
pub use markers::{attached_path, ends_exchange, may_bring_files};
pub use prompt::Prompt;
pub(crate) use prompt::{defuse, without_skills};
pub use request::{GrantRule, ToolAnswer, ToolRequest};
