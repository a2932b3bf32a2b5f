//! Views over the timeline: lists, dialogs, long texts.

pub(crate) mod choices;
pub(crate) mod dialogs;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod pager;
