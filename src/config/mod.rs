//! Settings: layers of TOML, variables and flags.
pub mod agents;
