//! Runs against test programs: small shell scripts that behave well or badly.

pub(super) mod support;

mod acp;
mod codex_app;
mod commands;
mod drivers;
mod kept;
mod orders;
mod stopping;
mod turns;
