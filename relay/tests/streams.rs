//! Files over real sockets: they arrive complete, chat overtakes them, and the end of one does not affect others.

mod support;

use futures_util::SinkExt;
use nexscope_relay::protocol::ChunkHead;
use serde_json::{Value, json};
use support::{Client, PATIENCE, end, ids, relay};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use uuid::Uuid;

/// A frame of any kind.
#[derive(Debug)]
enum Any {
    Text(Value),
    Chunk(ChunkHead, Bytes),
}

async fn any(client: &mut Client) -> Any {
    match client.any().await {
        support::Any::Text(frame) => Any::Text(frame),
        support::Any::Bytes(frame) => {
            let (head, _) = ChunkHead::parse(&frame).expect("a chunk");
            Any::Chunk(head, frame.slice(24..))
        }
    }
}

fn open(stream: Uuid, to: &str, size: u64, offset: u64) -> Value {
    json!({"type": "stream_open", "stream": stream.to_string(), "to": to, "size": size, "of": "f", "offset": offset})
}

fn credit(stream: Uuid, bytes: u64) -> Value {
    json!({"type": "stream_credit", "stream": stream.to_string(), "bytes": bytes})
}

fn close(stream: Uuid, reason: &str) -> Value {
    json!({"type": "stream_close", "stream": stream.to_string(), "reason": reason, "message": ""})
}

fn byte(stream: Uuid, offset: u64) -> u8 {
    (offset.wrapping_mul(31) >> 3) as u8 ^ stream.as_bytes()[15]
}

async fn send_chunk(client: &mut Client, stream: Uuid, offset: u64, length: u64) {
    let mut frame = ChunkHead { stream, offset }.to_bytes().to_vec();
    frame.extend((offset..offset + length).map(|at| byte(stream, at)));
    client.socket.feed(Message::binary(frame)).await.expect("sent");
}

/// Sends files completely, each as far as its credit allows.
async fn send_files(client: &mut Client, files: &[(Uuid, u64)], chunk: u64) {
    let mut state: Vec<_> = files.iter().map(|(id, size)| (*id, *size, 0u64, 0u64)).collect();
    while state.iter().any(|(_, size, sent, _)| sent < size) {
        let Any::Text(frame) = any(client).await else {
            panic!("a chunk")
        };
        assert_eq!(frame["type"], "stream_credit", "{frame}");
        let stream = frame["stream"].as_str().expect("an id");
        for (id, size, sent, credit) in &mut state {
            // Credit may have been in flight when the last byte was sent.
            if id.to_string() != stream || sent == size {
                continue;
            }
            *credit = frame["bytes"].as_u64().expect("bytes");
            while *sent < *size && *sent < *credit {
                let length = chunk.min(*size - *sent).min(*credit - *sent);
                send_chunk(client, *id, *sent, length).await;
                *sent += length;
            }
            if sent == size {
                client.send(close(*id, "done")).await;
            }
        }
        client.socket.flush().await.expect("sent");
    }
}

/// Receives files completely.
async fn receive_files(client: &mut Client, count: usize, window: u64) {
    let mut at = std::collections::HashMap::new();
    let mut done = 0;
    while done < count {
        match any(client).await {
            Any::Text(frame) => {
                let id: Uuid = frame["stream"].as_str().expect("an id").parse().expect("an id");
                match frame["type"].as_str() {
                    Some("stream_open") => {
                        at.insert(id, (0, 0, frame["size"].as_u64().expect("a size")));
                        client.send(credit(id, window)).await;
                    }
                    Some("stream_close") => {
                        assert_eq!(frame["reason"], "done", "{frame}");
                        let (offset, _, size) = at[&id];
                        assert_eq!(offset, size, "done stands behind the last chunk");
                        done += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            Any::Chunk(head, data) => {
                let (offset, credited, _) = at.get_mut(&head.stream).expect("an open stream");
                assert_eq!(head.offset, *offset);
                assert!(
                    (head.offset..)
                        .zip(&data[..])
                        .all(|(at, b)| byte(head.stream, at) == *b)
                );
                *offset += data.len() as u64;
                if *offset >= *credited + window / 4 {
                    *credited = *offset;
                    let bytes = *offset + window;
                    client.send(credit(head.stream, bytes)).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn files_arrive_whole() {
    // Two files more than the rate would allow if chunks and credits counted.
    for chunk in [65536, 5000, 700] {
        let relay = relay(|config| (config.rate, config.burst) = (1, 30)).await;
        let mut alice = Client::join(&relay, "alice").await;
        let mut bob = Client::join(&relay, "bob").await;
        alice.presence("join", "bob").await;
        let files = [
            (Uuid::from_u128(1), 3_000_001),
            (Uuid::from_u128(2), 1_234_567),
            (Uuid::from_u128(3), 1),
        ];
        for (id, size) in files {
            alice.send(open(id, "bob", size, 0)).await;
        }
        let both = async {
            tokio::join!(
                send_files(&mut alice, &files, chunk),
                receive_files(&mut bob, 3, 1 << 20)
            )
        };
        timeout(PATIENCE, both).await.expect("in time");
    }
}

#[tokio::test]
async fn chat_overtakes_files() {
    const SIZE: u64 = 48 << 20;
    let relay = relay(|config| config.window_bytes = 64 << 20).await;
    let mut alice = Client::join(&relay, "alice").await;
    let mut bob = Client::join(&relay, "bob").await;
    let id = Uuid::from_u128(1);
    alice.send(open(id, "bob", SIZE, 0)).await;
    bob.next_of("stream_open").await;
    bob.send(credit(id, SIZE)).await;
    alice.next_of("stream_credit").await;
    for offset in (0..SIZE).step_by(65536) {
        send_chunk(&mut alice, id, offset, 65536).await;
    }
    alice.send(close(id, "done")).await;
    // Far more than the system buffers is queued now, because `bob` has read nothing.
    alice.post("quick", &["bob"], false).await;
    let (mut read, mut message_at, mut close_at) = (0, 0, 0);
    while close_at == 0 {
        match any(&mut bob).await {
            Any::Chunk(_, data) => read += data.len() as u64,
            Any::Text(frame) if frame["type"] == "message" => message_at = read,
            Any::Text(_) => close_at = read,
        }
    }
    assert_eq!(close_at, SIZE);
    assert!(message_at < SIZE / 2, "after {message_at} bytes");
}

#[tokio::test]
async fn faults_end_one_stream() {
    let relay = relay(|_| {}).await;
    let mut alice = Client::join(&relay, "alice").await;
    let mut bob = Client::join(&relay, "bob").await;
    alice.presence("join", "bob").await;
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for id in [one, two] {
        alice.send(open(id, "BOB", 1 << 20, 0)).await;
        assert_eq!(bob.next_of("stream_open").await["from"], "alice");
        bob.send(credit(id, 100)).await;
        alice.next_of("stream_credit").await;
    }
    send_chunk(&mut alice, one, 0, 101).await;
    alice.socket.flush().await.expect("sent");
    let error = alice.next().await;
    assert_eq!(
        (&error["code"], &error["stream"]),
        (&json!("stream_violation"), &json!(one.to_string()))
    );
    for client in [&mut alice, &mut bob] {
        let close = client.next().await;
        assert_eq!(
            (&close["reason"], &close["stream"]),
            (&json!("failed"), &json!(one.to_string()))
        );
    }
    send_chunk(&mut alice, two, 0, 100).await;
    alice.socket.flush().await.expect("sent");
    assert!(matches!(any(&mut bob).await, Any::Chunk(head, data) if head.stream == two && data.len() == 100));

    // Chunks in flight when a stream ends are answered once and are not abuse.
    for offset in 0..50 {
        send_chunk(&mut alice, one, offset, 1).await;
    }
    alice.socket.flush().await.expect("sent");
    assert_eq!(alice.next().await["code"], "no_such_stream");
    alice.post("still-here", &[], false).await;

    bob.cut();
    let gone = alice.next_of("stream_close").await;
    assert_eq!(
        (&gone["reason"], &gone["stream"]),
        (&json!("peer_gone"), &json!(two.to_string()))
    );
    alice.send(open(one, "bob", 9, 0)).await;
    assert_eq!(
        alice.next_of("stream_close").await["reason"],
        "peer_gone",
        "bob is away"
    );

    for _ in 0..9 {
        alice.send(open(one, "bob", 9, 10)).await;
        assert_eq!(alice.next_of("error").await["code"], "bad_frame");
    }
    alice.send(open(one, "bob", 9, 10)).await;
    assert_eq!(alice.end().await, end(4013, "abuse"));
}

#[tokio::test]
async fn small_credits_are_counted() {
    let relay = relay(|config| (config.rate, config.burst) = (1, 10)).await;
    let mut alice = Client::join(&relay, "alice").await;
    let mut bob = Client::join(&relay, "bob").await;
    let id = Uuid::from_u128(1);
    alice.send(open(id, "bob", 1 << 20, 0)).await;
    bob.next_of("stream_open").await;
    for i in 1..=20 {
        bob.send(credit(id, i * 16 * 1024)).await;
    }
    for i in 1..=11 {
        bob.send(credit(id, 20 * 16 * 1024 + i)).await;
    }
    let error = bob.next_of("error").await;
    assert_eq!(
        (&error["code"], &error["stream"]),
        (&json!("rate_limited"), &json!(id.to_string()))
    );
}

/// A replay precedes a file, and both arrive.
#[tokio::test]
async fn files_wait_for_the_replay() {
    let relay = relay(|_| {}).await;
    let mut alice = Client::join(&relay, "alice").await;
    for i in 0..100 {
        alice.post(&format!("m{i}"), &["bob"], true).await;
    }
    let mut bob = Client::join(&relay, "bob").await;
    alice.presence("join", "bob").await;
    let id = Uuid::from_u128(1);
    alice.send(open(id, "bob", 70_000, 0)).await;
    bob.send(credit(id, 70_000)).await;
    alice.next_of("stream_credit").await;
    send_chunk(&mut alice, id, 0, 65_536).await;
    send_chunk(&mut alice, id, 65_536, 70_000 - 65_536).await;
    alice.send(close(id, "done")).await;
    let mut frames = Vec::new();
    let mut bytes = 0;
    loop {
        match any(&mut bob).await {
            Any::Text(frame) if frame["type"] == "stream_close" => break,
            Any::Text(frame) => frames.push(frame),
            Any::Chunk(_, data) => bytes += data.len(),
        }
    }
    assert_eq!((ids(&frames).len(), bytes), (100, 70_000));
}
