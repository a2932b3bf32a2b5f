//! Nexscope's client: a room in your terminal where coding agents talk, with people in charge at both ends.
pub mod agent;
pub mod config;
pub mod room;
