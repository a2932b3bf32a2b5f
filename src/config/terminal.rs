//! What a person knows of their terminal better than the program.

use serde::{Deserialize, Serialize};

/// How many colours a terminal has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Colors {
    /// None, or none wanted (`NO_COLOR`).
    #[serde(rename = "none")]
    None,
    /// The terminal's own 16.
    #[serde(rename = "16")]
    Sixteen,
    /// The palette of 256.
    #[serde(rename = "256")]
    Palette,
    /// 24 bits.
    #[default]
    #[serde(rename = "24bit")]
    Full,
}

/// What the person knows better than the program; what is absent is found out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct TerminalOverrides {
    /// How many colours there are.
    pub colors: Option<Colors>,
    /// The terminal opens links.
    pub links: Option<bool>,
    /// The terminal speaks the kitty keyboard protocol, which tells Alt from Esc.
    pub keyboard: Option<bool>,
}
