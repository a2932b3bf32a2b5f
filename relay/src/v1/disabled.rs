//! Stands in for version 1 in a build without it: version 1 clients are recognised and refused.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    config::Config,
    connection::{Connection, Socket, stream_queue::Scheduling},
    hub::Membership,
    protocol::{Code, ErrorFrame},
};

/// A request of a version 1 client.
pub struct Query;

impl Query {
    /// Recognises the query of a version 1 request. Returns `None` for version 2.
    pub fn parse(query: &str) -> Option<Query> {
        let mut keys = query
            .split('&')
            .map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key));
        keys.any(|key| matches!(key, "name" | "token" | "v"))
            .then_some(Query)
    }
}

pub(crate) fn transport(config: &Config) -> (usize, Scheduling) {
    (config.message_bytes, Scheduling::RoundRobin)
}

/// Cannot be made.
pub(crate) enum Client {}

impl Connection {
    pub(crate) async fn join_v1(&self, _query: Query) -> Option<(Membership, Client)> {
        let message = "This relay does not speak version 1. Use a client of version 2.";
        self.refuse(ErrorFrame::new(Code::BadVersion, message));
        None
    }

    pub(crate) async fn serve_v1_member<S>(&self, _: &mut Socket<S>, _: Membership, client: Client)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match client {}
    }
}
