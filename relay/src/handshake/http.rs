//! The part of HTTP/1.1 that a relay needs: one request per connection, which is answered or upgraded.

use std::time::SystemTime;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::date::http_date;

/// Maximum length of a head, in bytes.
const MAX_HEAD: usize = 8 * 1024;
/// Maximum number of header lines.
const MAX_HEADERS: usize = 64;

/// The head of a request, and the bytes read behind it.
pub struct RequestHead {
    pub method: String,
    pub path: String,
    /// Never logged, because version 1 puts the token there.
    pub query: String,
    headers: Vec<(String, String)>,
    /// The first bytes of the WebSocket.
    pub rest: Vec<u8>,
}

/// The reason why a head cannot be read.
pub enum HeadError {
    Io,
    /// It is not HTTP/1.1, or has too many headers.
    Malformed,
    /// It exceeds [`MAX_HEAD`].
    TooLong,
}

impl RequestHead {
    /// Reads a head. Bound the time with a timeout.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<RequestHead, HeadError> {
        let mut buffer = Vec::with_capacity(1024);
        loop {
            if let Some(head) = RequestHead::parse(&buffer)? {
                return Ok(head);
            }
            if buffer.len() >= MAX_HEAD {
                return Err(HeadError::TooLong);
            }
            let space = (MAX_HEAD - buffer.len()) as u64;
            match (&mut *stream).take(space).read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return Err(HeadError::Io),
                Ok(_) => {}
            }
        }
    }

    /// Parses a head. Returns `None` if it is incomplete.
    pub fn parse(bytes: &[u8]) -> Result<Option<RequestHead>, HeadError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(HeadError::Malformed),
        };
        let target = request.path.unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
        Ok(Some(RequestHead {
            method: request.method.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: request
                .headers
                .iter()
                .map(|h| (h.name.to_ascii_lowercase(), text(h.value)))
                .collect(),
            rest: bytes[length..].to_vec(),
        }))
    }

    /// The first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a header, in order.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a proxy has passed this request on. If so, it may come from another machine.
    pub fn is_forwarded(&self) -> bool {
        let from_a_proxy = |name: &str| {
            matches!(name, "forwarded" | "via" | "x-real-ip")
                || name.starts_with("x-forwarded-")
                || name.ends_with("client-ip")
                || name.ends_with("connecting-ip")
        };
        self.headers.iter().any(|(name, _)| from_a_proxy(name))
    }

    /// The response that accepts this request for a WebSocket (RFC 6455, section 4.2.2). `None` if it does not ask for one
    /// of version 13. tungstenite's `create_response` would refuse valid requests whose headers are lists.
    pub fn upgrade_response(&self) -> Option<String> {
        let has = |name, word: &str| {
            let words = self
                .headers
                .iter()
                .filter(|(n, _)| n == name)
                .flat_map(|(_, value)| value.split(','));
            words.map(str::trim).any(|w| w.eq_ignore_ascii_case(word))
        };
        let key = self.header("sec-websocket-key").filter(|key| !key.is_empty())?;
        let asked = has("upgrade", "websocket")
            && has("connection", "upgrade")
            && self.header("sec-websocket-version") == Some("13");
        asked.then(|| {
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\nDate: {}\r\n\r\n",
                derive_accept_key(key.as_bytes()),
                http_date(SystemTime::now())
            )
        })
    }
}

/// A complete response, after which the connection ends.
pub fn response(status: &str, headers: &str, body: &str, with_body: bool) -> String {
    let body_sent = if with_body { body } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n{headers}\r\n{body_sent}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> RequestHead {
        RequestHead::parse(text.as_bytes())
            .ok()
            .flatten()
            .unwrap_or_else(|| panic!("a head: {text}"))
    }

    #[test]
    fn upgrades() {
        let good = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nrest";
        let request = head(good);
        assert_eq!((request.path.as_str(), &request.rest[..]), ("/ws", &b"rest"[..]));
        // The example of RFC 6455, section 1.3.
        assert!(
            request
                .upgrade_response()
                .is_some_and(|answer| answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nDate: "))
        );
        for without in [
            "Upgrade: WebSocket\r\n",
            "Sec-WebSocket-Version: 13\r\n",
            "keep-alive, Upgrade",
        ] {
            assert!(
                head(&good.replace(without, "")).upgrade_response().is_none(),
                "{without}"
            );
        }
    }

    #[test]
    fn heads_are_bounded() {
        assert!(matches!(RequestHead::parse(b"GET / HTTP/1.1\r\nHost"), Ok(None)));
        assert!(matches!(
            RequestHead::parse(b"\x16\x03\x01"),
            Err(HeadError::Malformed)
        ));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
        assert!(matches!(
            RequestHead::parse(many.as_bytes()),
            Err(HeadError::Malformed)
        ));
    }

    #[test]
    fn proxies_are_known_by_their_headers() {
        for name in [
            "Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Port",
            "X-Real-IP",
            "Via",
            "CF-Connecting-IP",
            "Fly-Client-IP",
            "True-Client-IP",
            "X-Client-IP",
        ] {
            assert!(
                head(&format!("GET / HTTP/1.1\r\n{name}: 1\r\n\r\n")).is_forwarded(),
                "{name}"
            );
        }
        assert!(!head("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: via\r\n\r\n").is_forwarded());
    }
}
