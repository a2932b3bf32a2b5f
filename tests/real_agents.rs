//! The main workflow with everything real except the model: the binaries in a pseudo-terminal, a relay,
//! Claude Code and Codex.
mod support;

#[path = "real_agents/asking.rs"]
mod asking;
#[path = "real_agents/borders.rs"]
mod borders;
#[path = "real_agents/failures.rs"]
mod failures;
#[path = "real_agents/growing.rs"]
mod growing;
#[path = "real_agents/hands.rs"]
mod hands;
#[path = "real_agents/stopping.rs"]
mod stopping;
#[path = "real_agents/threads.rs"]
mod threads;
