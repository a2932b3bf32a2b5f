//! The HTTP request at the start of a connection: it is answered, or accepted for a WebSocket.

mod date;
pub(crate) mod http;
pub(crate) mod proxy;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tracing::{debug, info};

use self::http::{HeadError, RequestHead};
use crate::{metrics::Gauges, server::Shared, v1::Query};

/// Time for a peer to receive the response to a plain request.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum bytes that are read and discarded from a peer that continues to send.
const MAX_DISCARD: usize = 1024 * 1024;

/// A request that was accepted for a WebSocket.
pub struct Accepted {
    /// Bytes that were read behind the head.
    pub rest: Vec<u8>,
    /// The client's address: the peer's, or the one that a trusted proxy names.
    pub client: IpAddr,
    /// Set for a version 1 client.
    pub v1: Option<Query>,
}

/// Reads a request and answers it. Returns `None` if the connection is over.
pub async fn accept<S>(shared: &Shared, stream: &mut S, peer: SocketAddr) -> Option<Accepted>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = match timeout(shared.config.hello_timeout, RequestHead::read(stream)).await {
        Ok(Ok(head)) => head,
        Ok(Err(HeadError::TooLong)) => {
            respond(shared, stream, "431 Request Header Fields Too Large", "", "").await;
            return None;
        }
        Ok(Err(HeadError::Malformed)) => {
            respond(shared, stream, "400 Bad Request", "", "").await;
            return None;
        }
        Ok(Err(HeadError::Io)) | Err(_) => return None,
    };
    let upgrade = route(shared, stream, &head, peer).await?;
    stream.write_all(upgrade.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let trusted = &shared.config.trusted_proxy;
    Some(Accepted {
        client: proxy::client(trusted, peer.ip(), &head.headers("x-forwarded-for")),
        v1: Query::parse(&head.query),
        rest: head.rest,
    })
}

/// Answers a plain request. Returns the response that accepts a WebSocket.
async fn route<S>(shared: &Shared, stream: &mut S, head: &RequestHead, peer: SocketAddr) -> Option<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    debug!(%peer, method = head.method, path = head.path, "request");
    let config = &shared.config;
    let is_get = head.method == "GET";
    let is_read = is_get || head.method == "HEAD";
    let is_allowed = |origin: &&str| {
        let mut allowed = config.allow_origin.iter();
        allowed.any(|one| one.eq_ignore_ascii_case(origin))
    };
    if !head.headers("origin").iter().all(is_allowed) {
        info!(%peer, "refused an origin");
        let body = "Web pages may not connect to this relay.\n";
        respond(shared, stream, "403 Forbidden", "", body).await;
    } else if is_read && head.path == "/healthz" {
        send_and_close(shared, stream, &http::response("200 OK", "", "ok", is_get)).await;
    } else if is_read && head.path == "/metrics" && (config.metrics_public || is_local(head, peer)) {
        let (rooms, members) = shared.hub.count();
        let connections = shared.conn_limits.count();
        let text = shared.metrics.render(&Gauges {
            connections,
            members,
            rooms,
        });
        send_and_close(shared, stream, &http::response("200 OK", "", &text, is_get)).await;
    } else if is_get && head.path == "/ws" {
        let upgrade = head.upgrade_response();
        if upgrade.is_none() {
            let headers = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
            let body = "Connect with a WebSocket.\n";
            respond(shared, stream, "426 Upgrade Required", headers, body).await;
        }
        return upgrade;
    } else {
        respond(shared, stream, "404 Not Found", "", "Not found.\n").await;
    }
    None
}

/// Whether a request comes from a program on this machine. A web page whose name resolves to a loopback address (DNS
/// rebinding) comes from there too, but its browser names that page's host.
fn is_local(head: &RequestHead, peer: SocketAddr) -> bool {
    let names_loopback = head.headers("host").into_iter().all(is_loopback_host);
    peer.ip().to_canonical().is_loopback() && !head.is_forwarded() && names_loopback
}

/// Whether the value of a `Host` header is `localhost` or a loopback address, with or without a port.
fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.is_empty() => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address: Result<IpAddr, _> = address.unwrap_or(name).parse();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

async fn respond(
    shared: &Shared,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    status: &str,
    headers: &str,
    body: &str,
) {
    send_and_close(shared, stream, &http::response(status, headers, body, true)).await;
}

/// Sends the last bytes of a connection, and waits a little for the peer to close. If bytes of the peer were left
/// unread, the system would drop the response.
async fn send_and_close(shared: &Shared, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), response: &str) {
    let send = async {
        stream.write_all(response.as_bytes()).await?;
        stream.shutdown().await?;
        shared.drainer.discard(stream, MAX_DISCARD, |_| false).await;
        std::io::Result::Ok(())
    };
    // The peer is too slow or gone, and there is nothing more to do for it.
    let _ = timeout(RESPONSE_TIMEOUT, send).await;
}
