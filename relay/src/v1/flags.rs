//! Command-line flags for version 1.

use clap::{Args, builder::FalseyValueParser};

use super::Version1;
use crate::program::values::{room, size, size_u64};

#[derive(Debug, Args)]
#[command(next_help_heading = "Version 1")]
pub(crate) struct V1Flags {
    /// Refuse clients of protocol version 1
    #[arg(long, env = "NEXSCOPE_NO_V1", value_parser = FalseyValueParser::new())]
    no_v1: bool,

    /// Room that clients of version 1 join
    #[arg(long, env = "NEXSCOPE_V1_ROOM", value_name = "ROOM", default_value = "lobby", value_parser = room)]
    v1_room: String,

    /// Maximum frame of version 1
    #[arg(long, env = "NEXSCOPE_MAX_PAYLOAD", value_name = "SIZE", default_value = "10MiB", value_parser = size)]
    max_payload: usize,

    /// Maximum file of version 1; 0 is no limit
    #[arg(long, env = "NEXSCOPE_MAX_FILE", value_name = "SIZE", default_value = "100MiB", value_parser = size_u64)]
    max_file: u64,

    /// Maximum members of version 1; 0 is no limit
    #[arg(long, env = "NEXSCOPE_MAX_USERS", value_name = "N", default_value_t = 50)]
    max_users: usize,
}

impl V1Flags {
    pub(crate) fn config(self) -> Version1 {
        Version1 {
            enabled: !self.no_v1,
            room: self.v1_room,
            max_payload: self.max_payload,
            max_file: self.max_file,
            max_users: self.max_users,
            ..Version1::default()
        }
    }
}
