//! The first moments of a connection: its HTTP request is answered, or becomes a WebSocket.

pub(crate) mod http;
pub(crate) mod proxy;

use http::{HeadError, RequestHead};
pub use proxy::Network;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tracing::{debug, info};

use crate::{metrics::Gauges, server::Shared, v1::Query};

/// How long a peer may take for the answer to a plain request.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// What is read and thrown away of a peer that goes on sending, in bytes.
const MAX_DISCARD: usize = 1024 * 1024;

/// A request that was accepted for a WebSocket.
pub struct Accepted {
    /// What was read behind its head.
    pub rest: Vec<u8>,
    /// Whom the connection is for: the peer, or who a trusted proxy says.
    pub client: IpAddr,
    /// Where it is of version 1: what it asks for.
    pub v1: Option<Query>,
}

/// Reads a request and answers it. `None` where that was all.
pub async fn accept<S>(shared: &Shared, stream: &mut S, peer: SocketAddr) -> Option<Accepted>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = match timeout(shared.config.hello_timeout, RequestHead::read(stream)).await {
        Ok(Ok(head)) => head,
        Ok(Err(HeadError::TooLong)) => {
            reply(shared, stream, "431 Request Header Fields Too Large", "", "").await;
            return None;
        }
        Ok(Err(HeadError::Malformed)) => {
            reply(shared, stream, "400 Bad Request", "", "").await;
            return None;
        }
        Ok(Err(HeadError::Io)) | Err(_) => return None,
    };
    let accepted = route(shared, stream, &head, peer).await?;
    stream.write_all(accepted.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let trusted = &shared.config.trusted_proxy;
    Some(Accepted {
        client: proxy::client(trusted, peer.ip(), &head.headers("x-forwarded-for")),
        v1: Query::parse(&head.query),
        rest: head.rest,
    })
}

/// Answers plain requests; gives the answer that accepts a WebSocket.
async fn route<S>(shared: &Shared, stream: &mut S, head: &RequestHead, peer: SocketAddr) -> Option<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    debug!(%peer, method = head.method, path = head.path, "request");
    let config = &shared.config;
    let get = head.method == "GET";
    let read = get || head.method == "HEAD";
    let allowed = |origin: &&str| {
        config
            .allow_origin
            .iter()
            .any(|one| one.eq_ignore_ascii_case(origin))
    };
    if !head.headers("origin").iter().all(allowed) {
        info!(%peer, "refused an origin");
        reply(
            shared,
            stream,
            "403 Forbidden",
            "",
            "Web pages may not connect to this relay.\n",
        )
        .await;
    } else if read && head.path == "/healthz" {
        send_and_close(shared, stream, &http::response("200 OK", "", "ok", get)).await;
    } else if read && head.path == "/metrics" && (config.metrics_public || is_local(head, peer)) {
        let (rooms, members) = shared.hub.count();
        let connections = shared.conn_limits.count();
        let text = shared.metrics.render(&Gauges {
            connections,
            members,
            rooms,
        });
        send_and_close(shared, stream, &http::response("200 OK", "", &text, get)).await;
    } else if get && head.path == "/ws" {
        let accepted = head.upgrade_response();
        if accepted.is_none() {
            let headers = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
            reply(
                shared,
                stream,
                "426 Upgrade Required",
                headers,
                "Connect with a WebSocket.\n",
            )
            .await;
        }
        return accepted;
    } else {
        reply(shared, stream, "404 Not Found", "", "There is nothing here.\n").await;
    }
    None
}

fn is_local(head: &RequestHead, peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback() && !head.is_forwarded()
}

async fn reply(
    shared: &Shared,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    status: &str,
    headers: &str,
    body: &str,
) {
    send_and_close(shared, stream, &http::response(status, headers, body, true)).await;
}

/// Sends the last bytes of a connection, and waits a little for the peer to close: with something of it
/// unread, closing would take the answer away from it.
async fn send_and_close(shared: &Shared, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), answer: &str) {
    let last = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        shared.drainer.discard(stream, MAX_DISCARD, |_| false).await;
        std::io::Result::Ok(())
    };
    // Too slow or gone: there is nothing more to do for it.
    let _ = timeout(RESPONSE_TIMEOUT, last).await;
}
