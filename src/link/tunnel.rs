//! The TCP connection to a relay: direct, or through an HTTP proxy by CONNECT.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{End, Target, ending::plain, proxy::Proxy};

/// The timeout for a proxy's answer. Shorter than that of dialling, so that the proxy is named.
const PATIENCE: Duration = Duration::from_secs(8);
/// The longest answer of a proxy, in bytes.
const ANSWER_MAX: usize = 16 * 1024;

/// Connects to a relay. Fails with the reason, which names the proxy if it is one of the proxy's.
pub(super) async fn connect(target: &Target, proxy: Option<&Proxy>) -> Result<TcpStream, End> {
    let Some(proxy) = proxy else {
        return open(&target.host, target.port).await.map_err(|error| {
            End::because(format!("cannot reach {}: {}", target.authority(), plain(&error)))
        });
    };
    let shown = proxy.shown();
    let connected = timeout(PATIENCE, async {
        let mut stream = open(&proxy.host, proxy.port)
            .await
            .map_err(|error| format!("cannot reach the proxy {shown}: {}", plain(&error)))?;
        let asked = ask(&mut stream, target, proxy).await;
        let answer = asked.map_err(|error| format!("the proxy {shown} hung up: {}", plain(&error)))?;
        refusal(&answer, target, proxy).map_or(Ok(stream), Err)
    });
    connected
        .await
        .unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(format!(
                "the proxy {shown} did not connect to {} within {seconds} s; check {}",
                target.authority(),
                proxy.variable
            ))
        })
        .map_err(End::because)
}

async fn open(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Asks a proxy for a tunnel. Returns its answer up to the empty line, or as much as was not HTTP.
async fn ask(stream: &mut TcpStream, target: &Target, proxy: &Proxy) -> io::Result<Vec<u8>> {
    let relay = target.authority();
    let login = proxy.login.as_ref().map_or(String::new(), |login| {
        format!("Proxy-Authorization: Basic {login}\r\n")
    });
    let request = format!("CONNECT {relay} HTTP/1.1\r\nHost: {relay}\r\n{login}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Byte by byte: what follows the empty line belongs to the relay.
    while answer.len() < ANSWER_MAX && !answer.ends_with(b"\r\n\r\n") {
        let begin = &b"HTTP/1."[..answer.len().min(7)];
        if !answer.starts_with(begin) {
            break;
        }
        answer.push(stream.read_u8().await?);
    }
    Ok(answer)
}

/// Why a proxy's answer opens no tunnel, with what to do; `None` if it opens one.
fn refusal(answer: &[u8], target: &Target, proxy: &Proxy) -> Option<String> {
    let (relay, shown, variable) = (target.authority(), proxy.shown(), proxy.variable);
    let text = String::from_utf8_lossy(answer);
    let line = text.lines().next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(1..));
    let status = status.and_then(|rest| rest.strip_prefix(' '));
    let code = status.and_then(|status| status.get(..3)?.parse::<u16>().ok());
    let Some(code) = code.filter(|_| answer.ends_with(b"\r\n\r\n")) else {
        return Some(format!("{shown} is not an HTTP proxy; check {variable}"));
    };
    let status = crate::text::clean_line(status.unwrap_or_default(), 60);
    match code {
        200..=299 => None,
        407 if proxy.login.is_some() => Some(format!(
            "the proxy {shown} refuses the name and password of {variable} ({status}); correct them there"
        )),
        407 => Some(format!(
            "the proxy {shown} wants a name and a password ({status}); set {variable} to http://NAME:PASSWORD@HOST:PORT"
        )),
        502..=504 => Some(format!(
            "the proxy {shown} cannot reach {relay} ({status}); check the address and whether the relay is running"
        )),
        _ => Some(format!(
            "the proxy {shown} refuses to connect to {relay} ({status}); ask whoever runs it to allow that, or add {} to \
             NO_PROXY to connect directly",
            target.host
        )),
    }
}

#[cfg(test)]
#[path = "tunnel_tests.rs"]
mod tests;
