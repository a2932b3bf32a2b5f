//! The room as one member sees it. PURE: no clock, no I/O, no async, no drawing.
pub mod ask;
