//! Every refusal and close code of the protocol, except those of streams, over real sockets.

mod support;

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use nexscope_relay::Running;
use serde_json::{Value, json};
use support::{Client, End, PATIENCE, TOKEN, end, hello, relay, request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

/// A hello with these fields. `null` removes one.
fn hello_with(fields: Value) -> Value {
    let mut hello = hello("alice");
    for (key, value) in fields.as_object().expect("fields") {
        match value {
            Value::Null => hello.as_object_mut().expect("a hello").remove(key),
            value => hello
                .as_object_mut()
                .expect("a hello")
                .insert(key.clone(), value.clone()),
        };
    }
    hello
}

#[tokio::test]
async fn hellos_are_checked_in_order() {
    let relay = relay(|config| config.max_rooms = 1).await;
    let _bob = Client::join(&relay, "bob").await;
    for (fields, expected) in [
        (json!({"type": "message"}), end(4020, "bad_hello")),
        (json!({"v": null, "token": "wrong"}), end(4020, "bad_hello")),
        (json!({"v": "2"}), end(4020, "bad_hello")),
        (json!({"v": 1, "name": 7}), end(4021, "bad_version")),
        (json!({"v": 3, "token": "wrong"}), end(4021, "bad_version")),
        (json!({"name": null, "token": "wrong"}), end(4020, "bad_hello")),
        (json!({"token": null, "name": "a b"}), end(4020, "bad_hello")),
        (json!({"mode": "loud", "token": "wrong"}), end(4020, "bad_hello")),
        (
            json!({"client": "x".repeat(65), "token": "wrong"}),
            end(4020, "bad_hello"),
        ),
        (
            json!({"agents": ["all"], "token": "wrong"}),
            end(4020, "bad_hello"),
        ),
        (json!({"token": "wrong", "name": "a b"}), end(1008, "bad_token")),
        (json!({"token": "", "room": "elsewhere"}), end(1008, "bad_token")),
        (json!({"name": "ALL"}), end(4012, "bad_name")),
        (json!({"name": ""}), end(4012, "bad_name")),
        (json!({"name": "bob", "room": "a room"}), end(4012, "bad_name")),
        (json!({"name": "BOB"}), end(4009, "name_taken")),
        (json!({"name": "bob", "room": "elsewhere"}), end(4022, "full")),
    ] {
        let mut client = Client::connect(&relay).await;
        client.send(hello_with(fields.clone())).await;
        assert_eq!(client.end().await, expected, "{fields}");
    }
    for text in ["nonsense", "[]", "\"hello\"", ""] {
        let mut client = Client::connect(&relay).await;
        client.send_text(text).await;
        assert_eq!(client.end().await, end(4020, "bad_hello"), "{text}");
    }
    let mut client = Client::connect(&relay).await;
    client.send_bytes(vec![0; 30]).await;
    assert_eq!(client.end().await, end(4020, "bad_hello"));
    let hello =
        hello_with(json!({"agents": ["claude"], "mode": "auto", "client": "x".repeat(64), "more": {}}));
    Client::enter(&relay, hello).await;
}

#[tokio::test]
async fn wrong_tokens_are_answered_slowly_after_ten() {
    let relay = relay(|_| {}).await;
    for attempt in 1..=11 {
        let begin = Instant::now();
        let mut client = Client::connect(&relay).await;
        client.send(hello_with(json!({"token": "wrong"}))).await;
        assert_eq!(client.end().await, end(1008, "bad_token"));
        let slow = begin.elapsed() >= Duration::from_secs(1);
        assert_eq!(slow, attempt > 10, "attempt {attempt} took {:?}", begin.elapsed());
    }
    Client::join(&relay, "alice").await;
}

#[tokio::test]
async fn full_rooms_and_relays() {
    let members = relay(|config| config.max_members = 1).await;
    let alice = Client::join(&members, "alice").await;
    let mut bob = Client::connect(&members).await;
    bob.send(hello("bob")).await;
    assert_eq!(bob.end().await, end(4022, "full"));
    // A takeover does not add a member.
    let hello = hello_with(json!({"resume": alice.resume(0)}));
    Client::enter(&members, hello).await;

    for limit in [
        |config: &mut nexscope_relay::Config| config.max_connections = 1,
        |config: &mut nexscope_relay::Config| config.per_address = 1,
    ] {
        let relay = relay(limit).await;
        let mut alice = Client::join(&relay, "alice").await;
        for (fields, expected) in [
            (json!({"token": "wrong"}), end(1008, "bad_token")),
            (json!({"name": "Alice"}), end(4009, "name_taken")),
            (json!({"name": "bob"}), end(4022, "full")),
            (json!({"name": "bob", "room": "other"}), end(4022, "full")),
        ] {
            let mut client = Client::connect(&relay).await;
            client.send(hello_with(fields)).await;
            assert_eq!(client.end().await, expected);
        }
        alice.send(json!({"type": "bye"})).await;
        alice.end().await;
        // The slot is free once the connection has ended on both sides.
        drop(alice);
        let mut client = admitted(&relay, json!({"name": "bob"})).await;
        client.post("a", &[], false).await;
    }
}

/// Issue 16, 31: 1,000 dropped joins from one address filled a room, or all rooms, for 30 s.
#[tokio::test]
async fn an_address_holds_few_seats() {
    let relay = relay(|config| {
        (config.per_address, config.max_members, config.max_rooms) = (3, 8, 5);
        config.seat = Duration::from_secs(3600);
    })
    .await;
    let mut alice = Client::join(&relay, "alice").await;
    for number in 0..20 {
        let room = if number < 8 {
            "lobby".into()
        } else {
            format!("room{number}")
        };
        let name = format!("gone{number}");
        admitted(&relay, json!({"name": name, "room": room})).await.cut();
        if number < 8 {
            alice.presence("away", &name).await;
        }
    }
    // All seats in the lobby have made way for those in the other rooms.
    alice.presence("leave", "gone7").await;
    admitted(&relay, json!({"room": "mine"})).await;
}

/// Joins, and tries again if the relay is full: a connection or a seat that was just given up may still count.
async fn admitted(relay: &Running, fields: Value) -> Client {
    let joined = async {
        loop {
            let mut client = Client::connect(relay).await;
            client.send(hello_with(fields.clone())).await;
            if client.next().await["type"] == "welcome" {
                return client;
            }
        }
    };
    timeout(PATIENCE, joined).await.expect("a seat in time")
}

/// Like any unsupported version.
#[cfg(not(feature = "v1"))]
#[tokio::test]
async fn version_1_is_refused_where_it_is_not_built_in() {
    let relay = relay(|_| {}).await;
    for query in [format!("name=old&token={TOKEN}&v=1"), "token=wrong".into()] {
        let mut client = support::V1::connect(&relay, &query).await;
        assert_eq!(client.end().await, end(4021, "bad_version"), "{query}");
    }
}

#[tokio::test]
async fn an_empty_room_makes_way() {
    let relay = relay(|config| config.max_rooms = 1).await;
    Client::join(&relay, "alice").await.bye().await;
    Client::enter(&relay, hello_with(json!({"room": "other"}))).await;
    let mut client = Client::connect(&relay).await;
    client.send(hello("alice")).await;
    assert_eq!(client.end().await, end(4022, "full"));
}

#[tokio::test]
async fn hellos_have_their_time() {
    let relay = relay(|config| config.hello_timeout = Duration::from_millis(50)).await;
    let mut client = Client::connect(&relay).await;
    assert_eq!(client.end().await, end(4023, "hello_timeout"));
    // So does the HTTP head.
    let mut stream = TcpStream::connect(relay.address()).await.expect("a connection");
    stream.write_all(b"GET /ws HT").await.expect("sent");
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("in time")
        .expect("an end");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_ping_before_the_hello_is_answered() {
    let relay = relay(|_| {}).await;
    let mut client = Client::connect(&relay).await;
    let payload = [7u8; 125];
    let ping = Message::Ping(payload.to_vec().into());
    client.socket.send(ping).await.expect("sent");
    let pong = timeout(PATIENCE, client.socket.next()).await.expect("in time");
    assert!(matches!(pong, Some(Ok(Message::Pong(echo))) if echo[..] == payload));
    client.send(hello("alice")).await;
    assert_eq!(client.next().await["type"], "welcome");
}

#[tokio::test]
async fn the_silent_are_closed_and_others_not() {
    let relay = relay(|config| config.heartbeat = Duration::from_millis(200)).await;
    // A raw client that does not answer pings.
    let mut silent = Client::join(&relay, "silent").await;
    // tungstenite answers pings when it reads, so this client does not read until the end.
    let mut awake = Client::join(&relay, "awake").await;
    let begin = Instant::now();
    awake.presence("away", "silent").await;
    assert!(
        begin.elapsed() >= Duration::from_millis(400),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(silent.end().await, end(4010, "silent"));
    awake.post("still-here", &[], false).await;
}

#[tokio::test]
async fn frames_over_the_limit() {
    let relay = relay(|config| (config.message_bytes, config.chunk_bytes) = (1000, 100)).await;
    let fill = |length: usize| {
        let empty = json!({"type": "message", "id": "a", "body": {"x": ""}}).to_string();
        json!({"type": "message", "id": "a", "body": {"x": "x".repeat(length - empty.len())}}).to_string()
    };
    let mut alice = Client::join(&relay, "alice").await;
    alice.send_text(&fill(1000)).await;
    alice.next_of("ack").await;
    alice.send_text(&fill(1001)).await;
    assert_eq!(alice.end().await, end(4011, "too_large"));

    // The code arrives even if much more data was in flight, in many frames or in one.
    let bob = Client::join(&relay, "bob").await;
    let flood = "x".repeat(8 * 1024 * 1024);
    let (mut sink, mut stream) = bob.connection.socket.split();
    let send = async {
        // The relay may close before everything is sent.
        let _ = sink.send(Message::text(flood)).await;
    };
    let receive = async {
        loop {
            match timeout(PATIENCE, stream.next()).await.expect("in time") {
                Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code),
                Some(Ok(_)) => {}
                other => panic!("instead of a close: {other:?}"),
            }
        }
    };
    assert_eq!(tokio::join!(send, receive).1, 4011);

    let mut carol = Client::join(&relay, "carol").await;
    carol.send_bytes(vec![0; 124]).await;
    assert_eq!(carol.next_of("error").await["code"], "no_such_stream");
    carol.send_bytes(vec![0; 125]).await;
    assert_eq!(carol.end().await, end(4011, "too_large"));

    let mut dan = Client::connect(&relay).await;
    dan.send_text(&fill(1001)).await;
    assert_eq!(dan.end().await, end(4011, "too_large"));
}

#[tokio::test]
async fn bad_frames_are_answered_and_ten_are_abuse() {
    let relay = relay(|_| {}).await;
    let mut alice = Client::join(&relay, "alice").await;
    for (frame, code, id) in [
        ("nonsense", "bad_frame", None),
        ("[1]", "bad_frame", None),
        (r#"{"type":"message","id":"a"}"#, "bad_frame", Some("a")),
        (
            r#"{"type":"message","id":"a","only":true,"body":{}}"#,
            "bad_frame",
            Some("a"),
        ),
        (
            r#"{"type":"message","id":"a","only":true,"to":["ALICE"],"body":{}}"#,
            "bad_frame",
            Some("a"),
        ),
        (r#"{"type":"dance","id":"b"}"#, "unknown_type", Some("b")),
        (r#"{"type":"hello","v":2}"#, "bad_frame", None),
        (r#"{"type":"update","mode":"x"}"#, "bad_frame", None),
    ] {
        alice.send_text(frame).await;
        let error = alice.next_of("error").await;
        assert_eq!(
            (error["code"].as_str(), error["id"].as_str()),
            (Some(code), id),
            "{frame}"
        );
    }
    alice.post("good", &[], false).await;
    for _ in 0..9 {
        alice.send_text("{}").await;
        assert_eq!(alice.next_of("error").await["code"], "bad_frame");
    }
    alice.send_text("{}").await;
    assert_eq!(alice.end().await, end(4013, "abuse"));
}

#[tokio::test]
async fn the_rate_is_limited() {
    let relay = relay(|config| (config.rate, config.burst) = (2, 5)).await;
    let mut bob = Client::join(&relay, "bob").await;
    let mut alice = Client::join(&relay, "alice").await;
    for i in 0..6 {
        alice.send(support::message(&format!("m{i}"), &[], false)).await;
    }
    let error = alice.next_of("error").await;
    assert_eq!(
        (error["code"].as_str(), error["id"].as_str()),
        (Some("rate_limited"), Some("m5"))
    );
    let retry = error["retry_ms"].as_u64().expect("a time");
    assert!((1..=500).contains(&retry), "{retry}");
    // It was not processed. After that time, it is.
    tokio::time::sleep(Duration::from_millis(retry)).await;
    let ack = alice.post("m5", &[], false).await;
    assert_eq!((&ack["seq"], ack.get("duplicate")), (&json!(6), None));
    for i in 0..6 {
        assert_eq!(bob.next_of("message").await["id"], format!("m{i}"));
    }
    for _ in 0..300 {
        // The relay may have closed before the last is sent.
        let frame = Message::text(support::message("flood", &[], false).to_string());
        if alice.socket.send(frame).await.is_err() {
            break;
        }
    }
    assert_eq!(alice.end().await, end(4013, "abuse"));
}

#[tokio::test]
async fn slow_consumers_are_closed_and_nobody_waits_for_them() {
    let relay = relay(|config| config.queue_bytes = 100_000).await;
    let mut slow = Client::join(&relay, "slow").await;
    let mut alice = Client::join(&relay, "alice").await;
    let text = "x".repeat(60_000);
    // The system buffers some megabytes first. Then the queue fills.
    let mut sent = 0;
    loop {
        let body = json!({"x": text});
        alice
            .send(json!({"type": "message", "id": format!("m{sent}"), "body": body}))
            .await;
        sent += 1;
        let ack = alice.next_of("ack").await;
        if ack["count"] == 0 {
            break;
        }
        assert!(sent < 2000, "a queue without a bound");
    }
    assert_eq!(slow.end().await, end(4025, "slow_consumer"));
}

#[tokio::test]
async fn shutdown_tells_everybody() {
    let relay = relay(|_| {}).await;
    let mut alice = Client::join(&relay, "alice").await;
    let mut bob = Client::join(&relay, "bob").await;
    let mut silent = Client::connect(&relay).await;
    let begin = Instant::now();
    let stopped = tokio::spawn(relay.stop());
    for client in [&mut alice, &mut bob, &mut silent] {
        assert_eq!(client.end().await, end(1001, "shutting_down"));
    }
    drop((alice, bob, silent));
    timeout(PATIENCE, stopped)
        .await
        .expect("in time")
        .expect("stopped");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn closes_are_answered() {
    let relay = relay(|_| {}).await;
    let mut bob = Client::join(&relay, "bob").await;
    let mut alice = Client::join(&relay, "alice").await;
    alice.socket.close(None).await.expect("sent");
    assert_eq!(
        alice.end().await,
        End {
            close: 1005,
            error: None
        }
    );
    // A close is not a `bye`.
    bob.presence("away", "alice").await;
    bob.bye().await;
}

#[tokio::test]
async fn plain_http() {
    let relay = relay(|config| config.allow_origin = vec!["https://good.example".into()]).await;
    let get = async |path: &str, headers: &str| {
        request(&relay, &format!("GET {path} HTTP/1.1\r\n{headers}\r\n")).await
    };
    let health = get("/healthz", "").await;
    assert!(
        health.starts_with("HTTP/1.1 200 ") && health.ends_with("\r\n\r\nok"),
        "{health}"
    );
    let metrics = get("/metrics", "").await;
    assert!(
        metrics.starts_with("HTTP/1.1 200 ") && metrics.contains("nexscope_connections 1"),
        "{metrics}"
    );
    let status = |answer: String| answer.split(' ').nth(1).expect("a status").to_owned();
    assert_eq!(
        status(get("/metrics", "X-Forwarded-For: 10.0.0.1\r\n").await),
        "404"
    );
    for (host, expected) in [
        ("localhost:8787", "200"),
        ("LOCALHOST", "200"),
        ("127.0.0.1:1", "200"),
        ("[::1]:1", "200"),
        ("[::1]", "200"),
        ("evil.example", "404"),
        ("localhost.evil.example:80", "404"),
        ("127.0.0.1.evil.example", "404"),
        ("10.0.0.1:80", "404"),
        ("", "404"),
        ("localhost\r\nHost: evil.example", "404"),
    ] {
        let answer = get("/metrics", &format!("Host: {host}\r\n")).await;
        assert_eq!(status(answer), expected, "{host}");
    }
    assert_eq!(status(get("/ws", "").await), "426");
    assert_eq!(status(get("/", "").await), "404");
    assert_eq!(status(get("/healthz/", "").await), "404");
    assert_eq!(status(request(&relay, "POST /ws HTTP/1.1\r\n\r\n").await), "404");
    assert_eq!(status(request(&relay, "nonsense\r\n\r\n").await), "400");
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(9000));
    assert_eq!(status(request(&relay, &long).await), "431");
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for path in ["/ws", "/healthz"] {
        let answer = get(path, &format!("{upgrade}Origin: https://evil.example\r\n")).await;
        assert_eq!(status(answer), "403", "{path}");
    }
    let two = format!("{upgrade}Origin: https://good.example\r\nOrigin: https://evil.example\r\n");
    assert_eq!(status(get("/ws", &two).await), "403", "each of them is named");
    let mut stream = TcpStream::connect(relay.address()).await.expect("a connection");
    let head = format!("GET /ws HTTP/1.1\r\n{upgrade}Origin: https://good.example\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101");
    assert!(!metrics.contains(TOKEN));
}
