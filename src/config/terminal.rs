//! Settings of the terminal.

use serde::{Deserialize, Serialize};

/// A way to notify the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Notify {
    Bell,
    /// A count in the terminal's title.
    Title,
    /// A notification by the terminal (OSC 9).
    Osc9,
}

/// The number of colours that a terminal has, or may use (`NO_COLOR`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Colors {
    #[serde(rename = "none")]
    None,
    #[serde(rename = "16")]
    Sixteen,
    #[serde(rename = "256")]
    Palette,
    #[default]
    #[serde(rename = "24bit")]
    Full,
}

/// Capabilities of the terminal that the person sets; the others are detected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TerminalOverrides {
    pub(crate) colors: Option<Colors>,
    pub(crate) links: Option<bool>,
    /// The kitty keyboard protocol, which tells Alt from Esc.
    pub(crate) keyboard: Option<bool>,
}
