//! Front ends other than the full screen.

pub mod headless;
pub mod plain;
