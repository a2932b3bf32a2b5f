//! What a folder's nexscope-plugin was set to, for who comes from there.

use nexscope_relay::protocol::is_name;
use serde::Deserialize;

use super::{
    Paths,
    plain_file::{self, Links},
};
use crate::{core::Token, link::Target};

/// The plugin's settings that hold here as well; `mode = auto` does not.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// The relay.
    pub relay: Target,
    /// Its secret.
    pub token: Token,
    /// The member's name.
    pub name: Option<String>,
    /// Auto mode's limit on answers in a row.
    pub hop_limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    relay_url: String,
    token: String,
    default_name: Option<String>,
    hop_limit: Option<u32>,
}

/// The settings of the plugin in the folder that the program was started in, where they are whole.
pub fn plugin(paths: &Paths) -> Option<Plugin> {
    let path = paths.here.join(".claude/plugin-data/nexscope/config.json");
    let file: File = serde_json::from_str(&plain_file::read(&path, Links::Refused).ok()?).ok()?;
    // What the plugin writes where nothing was set yet.
    if file.token.is_empty()
        || [&file.relay_url, &file.token]
            .iter()
            .any(|value| value.contains("REPLACE_ME"))
    {
        return None;
    }
    Some(Plugin {
        relay: file.relay_url.parse().ok()?,
        token: Token(file.token),
        name: file.default_name.filter(|name| is_name(name)),
        hop_limit: file.hop_limit,
    })
}
