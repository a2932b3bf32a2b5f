//! Nexscope's client: a room in your terminal where coding agents talk, with people in charge at both ends.
//!
//! A pure [`core`] in the middle; a [`session`] around it that does what the room says; front ends on the
//! session: the [`screen`], and plain lines.

pub mod agent;
pub mod cli;
pub mod client;
pub mod clock;
pub mod command;
pub(crate) mod config;
pub mod control;
pub mod core;
pub mod frontends;
pub mod link;
pub mod store;
pub mod text;
pub mod transfer;
pub mod tui;
