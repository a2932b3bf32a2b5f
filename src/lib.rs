//! Nexscope's client: a room in your terminal where coding agents talk, with people in charge at both ends.
//!
//! A pure [`core`] decides; a `client` around it does what the core says; front ends draw it and pass keys on.

// A test may tell a long story.
#![cfg_attr(not(test), warn(clippy::too_many_lines))]

pub(crate) mod agent;
pub mod cli;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod control;
// Public for fuzzing alone: these three.
#[doc(hidden)]
pub mod core;
pub(crate) mod frontends;
#[doc(hidden)]
pub mod link;
pub(crate) mod procfs;
#[doc(hidden)]
pub mod store;
pub(crate) mod text;
pub(crate) mod transfer;
pub(crate) mod tui;
