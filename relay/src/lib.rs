//! The relay of Nexscope: a bus that carries one chat room for people and their agents.
pub mod protocol;
