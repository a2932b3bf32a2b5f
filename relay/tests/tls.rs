//! TLS and proxies.

mod support;

use std::{path::Path, sync::Arc, time::Duration};

use nexscope_relay::{Relay, StartError, TlsFiles};
use serde_json::Value;
use support::{Connection, PATIENCE, config, hello, relay, request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer},
};

/// Writes a new certificate for `localhost` and its key, and returns it.
fn certify(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let files = TlsFiles {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.cert, made.cert.pem()).expect("written");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    (files, made.cert.der().clone())
}

/// Joins over TLS, trusting one certificate. Returns the answer to the hello, or the TLS error.
async fn join(
    address: std::net::SocketAddr,
    trust: &CertificateDer<'static>,
    name: &str,
) -> Result<Value, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(trust.clone()).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector
        .connect("localhost".try_into().expect("a name"), stream)
        .await?;
    let mut connection = Connection::over(stream, "wss://localhost/ws").await;
    connection.send(hello(name)).await;
    Ok(connection.next().await)
}

#[tokio::test]
async fn tls_and_a_new_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, first) = certify(folder.path());
    let mut config = config();
    config.tls = Some(files.clone());
    config.hello_timeout = Duration::from_millis(500);
    let relay = Relay::bind(config).await.expect("a relay");
    let (address, reloader) = (relay.address(), relay.reloader());
    let task = tokio::spawn(relay.run(std::future::pending()));
    assert_eq!(
        join(address, &first, "ann").await.expect("TLS")["type"],
        "welcome"
    );

    // A peer without a handshake times out, and plain HTTP gets no answer.
    let mut silent = TcpStream::connect(address).await.expect("a connection");
    let mut rest = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut rest))
        .await
        .expect("in time")
        .expect("an end");
    let mut plain = TcpStream::connect(address).await.expect("a connection");
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\n\r\n")
        .await
        .expect("sent");
    timeout(PATIENCE, plain.read_to_end(&mut rest))
        .await
        .expect("in time")
        .ok();
    assert!(!String::from_utf8_lossy(&rest).contains("ok"));

    let (_, second) = certify(folder.path());
    assert!(
        join(address, &second, "bob").await.is_err(),
        "not before it was told"
    );
    reloader.reload().expect("read again");
    assert_eq!(
        join(address, &second, "bob").await.expect("TLS")["type"],
        "welcome"
    );
    std::fs::write(&files.key, "nonsense").expect("written");
    assert!(reloader.reload().is_err());
    assert_eq!(
        join(address, &second, "cat").await.expect("the old one stays")["type"],
        "welcome"
    );
    task.abort();
}

#[tokio::test]
async fn files_that_cannot_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, _) = certify(folder.path());
    let absent = TlsFiles {
        cert: folder.path().join("none.pem"),
        ..files.clone()
    };
    let swapped = TlsFiles {
        cert: files.key.clone(),
        key: files.cert.clone(),
    };
    for (files, fault) in [(absent, "cannot read"), (swapped, "contains no certificate")] {
        let mut config = config();
        config.tls = Some(files);
        match Relay::bind(config).await {
            Err(error @ StartError::Tls(_)) => assert!(error.to_string().contains(fault), "{error}"),
            other => panic!("{:?}", other.map(|relay| relay.address())),
        }
    }
}

/// Behind a trusted proxy, limits apply to the client. Other proxies are not trusted.
#[tokio::test]
async fn proxies_speak_for_others() {
    for (trusted, expected) in [
        ("127.0.0.1", ["welcome", "error", "welcome"]),
        ("10.0.0.1", ["welcome", "error", "error"]),
    ] {
        let relay = relay(|config| {
            config.per_address = 1;
            config.trusted_proxy = vec![trusted.parse::<std::net::IpAddr>().expect("an address").into()];
        })
        .await;
        let mut connections = Vec::new();
        for (i, (address, expected)) in ["203.0.113.1", "203.0.113.1", "203.0.113.2"]
            .iter()
            .zip(expected)
            .enumerate()
        {
            let stream = TcpStream::connect(relay.address()).await.expect("a connection");
            let request = tokio_tungstenite::tungstenite::http::Request::builder()
                .uri(relay.url())
                .header("Host", "relay")
                .header("Upgrade", "websocket")
                .header("Connection", "Upgrade")
                .header("Sec-WebSocket-Version", "13")
                .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
                .header("X-Forwarded-For", *address)
                .body(())
                .expect("a request");
            let mut connection = Connection::over(stream, request).await;
            connection.send(hello(&format!("m{i}"))).await;
            assert_eq!(connection.next().await["type"], expected, "{trusted} {address}");
            connections.push(connection);
        }
        // Metrics are for this machine only, and a forwarded request may come from another.
        let answer = request(
            &relay,
            "GET /metrics HTTP/1.1\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}
