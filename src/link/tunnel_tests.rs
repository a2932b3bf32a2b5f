//! Tests of proxies, with one on loopback that answers as it is told.

use tokio::net::TcpListener;

use super::*;

/// A proxy that reads a request, answers, and echoes what follows. Returns its variable, and the request.
async fn proxy(answer: &'static [u8], login: &str) -> (Proxy, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{login}{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer).await.unwrap();
        let (mut from, mut to) = stream.split();
        // The client may hang up after a refusal.
        let _ = tokio::io::copy(&mut from, &mut to).await;
        String::from_utf8(request).unwrap()
    });
    (of(&url), task)
}

fn target() -> Target {
    "wss://relay.example/ws".parse().unwrap()
}

fn of(url: &str) -> Proxy {
    let variable = |name: &str| (name == "HTTPS_PROXY").then(|| url.to_owned());
    Proxy::of(&target(), variable).unwrap().unwrap()
}

#[tokio::test]
async fn a_tunnel_is_asked_for_with_the_name_and_password_of_the_variable() {
    for (login, sent) in [
        ("", ""),
        ("ann:pa%20ss@", "Proxy-Authorization: Basic YW5uOnBhIHNz\r\n"),
    ] {
        let (proxy, task) = proxy(
            b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nhello",
            login,
        )
        .await;
        let mut stream = connect(&target(), Some(&proxy)).await.unwrap();
        stream.write_all(b" relay").await.unwrap();
        let mut echoed = [0; 11];
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"hello relay");
        drop(stream);
        let expected = format!("CONNECT relay.example:443 HTTP/1.1\r\nHost: relay.example:443\r\n{sent}\r\n");
        assert_eq!(task.await.unwrap(), expected);
    }
}

/// Issue 16, 40: each refusal says what to do, and none contains the password.
#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let table: [(&[u8], &str, &str); 9] = [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "",
            "wants a name and a password",
        ),
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "ann:secret@",
            "refuses the name and password of HTTPS_PROXY",
        ),
        (
            b"HTTP/1.0 403 Forbidden\r\nX: y\r\n\r\n",
            "ann:secret@",
            "refuses to connect to relay.example:443 (403 Forbidden); ask whoever runs it to allow that, or add \
             relay.example to NO_PROXY",
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "",
            "cannot reach relay.example:443 (502 Bad Gateway)",
        ),
        (b"HTTP/1.1 301 \x1b[31mred\r\n\r\n", "", "refuses to connect"),
        (
            b"HTTP/1.1 abc\r\n\r\n",
            "",
            "is not an HTTP proxy; check HTTPS_PROXY",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "", "is not an HTTP proxy"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "", "is not an HTTP proxy"),
        (b"HTTP/2 200\r\n\r\n", "", "is not an HTTP proxy"),
    ];
    for (answer, login, says) in table {
        let (proxy, _task) = proxy(answer, login).await;
        let why = connect(&target(), Some(&proxy)).await.unwrap_err().why;
        assert!(why.contains(says), "{why}");
        assert!(!why.contains("secret") && !why.contains('\u{1b}'), "{why}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_down_or_hangs_up_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hangs_up = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
    });
    let proxy = of(&address.to_string());
    let why = connect(&target(), Some(&proxy)).await.unwrap_err().why;
    assert!(why.contains("hung up"), "{why}");
    hangs_up.await.unwrap();
    let why = connect(&target(), Some(&proxy)).await.unwrap_err().why;
    let says = format!("cannot reach the proxy {address} (HTTPS_PROXY): connection refused");
    assert_eq!(why, says);
}

/// The clock stands still until nothing else can happen.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_does_not_answer_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = of(&listener.local_addr().unwrap().to_string());
    let why = connect(&target(), Some(&proxy)).await.unwrap_err().why;
    assert!(
        why.contains("did not connect to relay.example:443 within 8 s; check HTTPS_PROXY"),
        "{why}"
    );
}
