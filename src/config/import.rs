//! The settings of a folder's nexscope-plugin, for people who come from there.

use nexscope_relay::protocol::is_name;
use serde::Deserialize;

use super::{
    Paths,
    plain_file::{self, Links},
};
use crate::{core::Token, link::Target};

/// The plugin's settings that hold here as well.
#[derive(Debug, Clone)]
pub struct Plugin {
    pub(crate) relay: Target,
    pub(crate) token: Token,
    pub(crate) name: Option<String>,
    pub(crate) hop_limit: Option<u32>,
    /// Whether it answers automatically, which is not taken over.
    pub(crate) is_auto: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    relay_url: String,
    token: String,
    default_name: Option<String>,
    hop_limit: Option<u32>,
    mode: Option<serde_json::Value>,
}

/// Whether a value is the plugin's placeholder for one that is not set yet.
pub(super) fn is_placeholder(value: &str) -> bool {
    value.contains("REPLACE_ME")
}

pub(super) fn placeholder_warning(what: &str) -> String {
    format!("{what} is REPLACE_ME, a placeholder, so it counts as not set.")
}

/// Reads the plugin's settings in the folder that the program was started in. `None` where they are incomplete.
pub(crate) fn plugin(paths: &Paths) -> Option<Plugin> {
    let path = paths.here.join(".claude/plugin-data/nexscope/config.json");
    let file: File = serde_json::from_str(&plain_file::read(&path, Links::Refused).ok()?).ok()?;
    if file.token.is_empty() || is_placeholder(&file.relay_url) || is_placeholder(&file.token) {
        return None;
    }
    Some(Plugin {
        relay: file.relay_url.parse().ok()?,
        token: Token(file.token),
        name: file.default_name.filter(|name| is_name(name)),
        hop_limit: file.hop_limit,
        is_auto: file.mode.is_some_and(|mode| mode == "auto"),
    })
}
