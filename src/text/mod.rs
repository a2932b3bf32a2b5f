//! Text from outside: cleaned once at the border, then measured and wrapped.

mod bytes;
mod clean;
pub mod lossless;
mod wrap;

pub use bytes::{bytes, hex, parse_bytes};
pub use clean::{Cleaned, clean, clean_line, clean_with_tabs};
pub use wrap::{cut, split_at_width, width, wrap, wrap_at_most};
