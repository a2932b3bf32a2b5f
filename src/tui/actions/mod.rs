//! The effects of keys, by subject.

pub(crate) mod clipboard;
pub(crate) mod lists;
pub(crate) mod navigation;
pub(crate) mod reload;
pub(crate) mod review;
pub(crate) mod submit;
pub(crate) mod unknown_name;
