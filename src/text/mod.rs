//! Untrusted text: cleaned once on input, then measured and wrapped.

mod bytes;
mod clean;
mod clean_text;
mod escape;
mod nearest;
pub mod path_serde;
mod sentence;
mod shorten;
mod wrap;

pub use bytes::{bytes, hex, parse_bytes};
pub use clean::{clean, clean_line, clean_with_tabs, is_hidden};
pub use clean_text::Clean;
pub use escape::{Escaped, escape, escape_json, escape_line};
pub(crate) use nearest::{distance, nearest};
pub use sentence::sentence;
pub use shorten::{escaped_line, first_bytes, last_bytes, one_line};
pub use wrap::{cut, split_at_width, width, wrap, wrap_at_most};
