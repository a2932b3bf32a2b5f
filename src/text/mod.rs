//! Text from outside: cleaned once at the border, then measured and wrapped.

mod clean;
mod wrap;

pub use clean::{Cleaned, clean, clean_line, hidden_marks};
pub use wrap::{cut, width, wrap};
