//! Two hundred hostile connections on loopback while others talk. Bounded in number and time.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use nexscope_relay::{Config, Relay};
use serde_json::json;
use support::{
    Client, PATIENCE, TOKEN, hello,
    raw::{UPGRADE, frame, masked},
    request,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

/// A kind of hostile connection.
#[derive(Debug, Clone, Copy)]
enum Ill {
    /// Connects and sends nothing.
    Silent,
    /// Sends its request one byte at a time.
    Dripping,
    /// Joins, requests a lot of data, and reads nothing.
    Deaf,
    /// Sends noise after the upgrade.
    Garbage,
    /// Sends a frame far beyond the limit.
    Oversized,
    /// Joins and sends small frames as fast as it can.
    Flood,
    /// Joins with version 1 and sends false claims.
    Version1,
    /// Sends chunks of streams that are not open.
    Chunks,
}

const ILLS: [Ill; 8] = [
    Ill::Silent,
    Ill::Dripping,
    Ill::Deaf,
    Ill::Garbage,
    Ill::Oversized,
    Ill::Flood,
    Ill::Version1,
    Ill::Chunks,
];

/// Runs a hostile connection until it is closed or stopped. Errors end it.
async fn attack(ill: Ill, number: usize, address: std::net::SocketAddr, stop: Arc<AtomicBool>) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    let join = hello(&format!("ill{number}")).to_string();
    let write = async |stream: &mut TcpStream, bytes: &[u8]| {
        // A relay that stops reading must not block this test.
        matches!(
            timeout(Duration::from_millis(500), stream.write_all(bytes)).await,
            Ok(Ok(()))
        )
    };
    let begun = match ill {
        Ill::Silent | Ill::Dripping => true,
        Ill::Version1 => {
            let head = UPGRADE.replace("/ws", &format!("/ws?name=ill{number}&token={TOKEN}"));
            write(&mut stream, head.as_bytes()).await
        }
        Ill::Garbage => write(&mut stream, UPGRADE.as_bytes()).await,
        _ => write(&mut stream, &[UPGRADE.as_bytes(), &masked(&join)].concat()).await,
    };
    let mut go_on = begun;
    for step in 0..2000 {
        if !go_on || stop.load(Relaxed) {
            return;
        }
        go_on = match ill {
            Ill::Silent | Ill::Deaf => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                true
            }
            Ill::Dripping => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                write(&mut stream, &UPGRADE.as_bytes()[step % UPGRADE.len()..][..1]).await
            }
            Ill::Garbage => {
                let noise: Vec<u8> = (0..1000usize)
                    .map(|i| (i * 197 + step * 31 + number) as u8)
                    .collect();
                write(&mut stream, &noise).await
            }
            Ill::Oversized => write(&mut stream, &masked(&"x".repeat(1_000_000))).await,
            Ill::Flood => {
                write(
                    &mut stream,
                    &masked("{\"type\":\"message\",\"id\":\"a\",\"body\":{}}").repeat(50),
                )
                .await
            }
            Ill::Version1 => {
                write(
                    &mut stream,
                    &masked("{\"type\":\"msg\",\"from\":\"cat\",\"to\":[]}").repeat(3),
                )
                .await
            }
            Ill::Chunks => write(&mut stream, &frame(2, &[&[7; 40]]).repeat(50)).await,
        };
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_talk_on() {
    let config = Config {
        listen: "127.0.0.1:0".into(),
        per_address: 0,
        queue_bytes: 200_000,
        hello_timeout: Duration::from_secs(1),
        ..Config::new(TOKEN)
    };
    let relay = Relay::start(config).await.expect("a relay");
    let mut alice = Client::join(&relay, "alice").await;
    let mut bob = Client::join(&relay, "bob").await;
    let stop = Arc::new(AtomicBool::new(false));
    let ills = (0..200).map(|i| {
        tokio::spawn(attack(
            ILLS[i % ILLS.len()],
            i,
            relay.address(),
            Arc::clone(&stop),
        ))
    });
    let ills: Vec<_> = ills.collect();
    // The rate of a good client: 40 a second.
    let (begin, mut slowest) = (Instant::now(), Duration::ZERO);
    for i in 0..100 {
        let sent = Instant::now();
        alice
            .send(json!({"type": "message", "id": format!("m{i}"), "to": ["bob"], "body": {"n": i}}))
            .await;
        loop {
            let got = bob.next_of("message").await;
            if got["from"] == "alice" {
                assert_eq!(got["body"]["n"], i, "in order, each once");
                break;
            }
        }
        slowest = slowest.max(sent.elapsed());
        let next = begin + Duration::from_millis(25) * (i as u32 + 1);
        tokio::time::sleep_until(next.into()).await;
    }
    assert!(slowest < Duration::from_secs(3), "a message took {slowest:?}");
    stop.store(true, Relaxed);
    for ill in ills {
        timeout(PATIENCE, ill).await.expect("in time").expect("an end");
    }
    // All of them are closed except those that just read nothing, and the relay ends in time.
    let mut carol = Client::join(&relay, "carol").await;
    carol.post("after", &["bob"], true).await;
    let text = request(&relay, "GET /metrics HTTP/1.1\r\n\r\n").await;
    assert!(
        text.contains("closes_total{code=\"4013\"}") && text.contains("closes_total{code=\"4011\"}"),
        "{text}"
    );
    drop((alice, bob, carol));
    timeout(PATIENCE, relay.stop()).await.expect("in time");
}
