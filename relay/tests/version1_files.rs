//! Files between version 1 clients.
#![cfg(feature = "v1")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{Any, End, TOKEN, V1, relay};

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|i| ((i * 31) >> 3) as u8).collect()
}

async fn three(relay: &nexscope_relay::Running) -> [V1; 3] {
    let mut ann = V1::join(relay, "ann").await;
    let mut bob = V1::join(relay, "bob").await;
    let cat = V1::join(relay, "cat").await;
    ann.until_users(&["ann", "bob", "cat"]).await;
    bob.until_users(&["ann", "bob", "cat"]).await;
    [ann, bob, cat]
}

#[tokio::test]
async fn files_arrive_whole() {
    let relay = relay(|config| config.queue_bytes = 200_000).await;
    let [mut ann, mut bob, mut cat] = three(&relay).await;
    for (id, to, size) in [
        ("f1", &[][..], 3_000_000),
        ("f 2", &["bob", "dan"], 70_001),
        ("f3", &[], 0),
    ] {
        let file = bytes(size);
        let send = ann.send_file(id, to, &file);
        let receive = async {
            let got = bob.receive_file().await;
            if to.is_empty() {
                assert_eq!(cat.receive_file().await, got);
            }
            got
        };
        let ((), (mut start, got)) = tokio::join!(send, receive);
        assert!(got == file, "{} bytes of {size}", got.len());
        assert!(start["ts"].is_u64());
        start.as_object_mut().expect("an object").remove("ts");
        assert_eq!(start, ann.file_start(id, to, size));
        let (delivered, offline) = if to.is_empty() {
            (json!(["bob", "cat"]), json!([]))
        } else {
            (json!(["bob"]), json!(["dan"]))
        };
        let ack =
            json!({"type": "ack", "msgId": id, "threadId": "t1", "delivered": delivered, "offline": offline});
        assert_eq!(ann.next_said().await, ack);
    }
    // A frame of almost ten megabytes is split.
    let file = bytes(9_900_000);
    let send = async {
        ann.send(ann.file_start("f4", &["bob"], file.len())).await;
        ann.send_bytes(file.clone()).await;
        ann.send(ann.file_end("f4")).await;
    };
    let ((), (_, got)) = tokio::join!(send, bob.receive_file());
    assert!(got == file);
    assert_eq!(ann.next_said().await["type"], "ack");
}

#[tokio::test]
async fn one_at_a_time() {
    let relay = relay(|_| {}).await;
    let [mut ann, mut bob, mut cat] = three(&relay).await;
    ann.send(ann.file_start("f1", &["cat"], 5)).await;
    assert_eq!(cat.next().await["type"], "file-start");
    for (client, id) in [(&mut bob, "f2"), (&mut ann, "f3")] {
        client.send(client.file_start(id, &["cat"], 5)).await;
        let error = client.next().await;
        let expected = json!({"type": "error", "code": "transfer_busy", "msgId": id, "retryAfterMs": 2000, "message": error["message"]});
        assert_eq!(error, expected);
    }
    // The bytes and the end of a refused file are dropped.
    bob.send_bytes(b"of f2".to_vec()).await;
    bob.send(bob.file_end("f2")).await;
    let error = bob.next().await;
    assert_eq!(
        (&error["code"], &error["msgId"]),
        (&json!("bad_file_end"), &json!("f2"))
    );
    ann.send_bytes(b"of f1".to_vec()).await;
    // Chat continues during the file.
    bob.send(bob.msg("m", &["cat"])).await;
    assert_eq!(bob.next().await["type"], "ack");
    ann.send(ann.file_end("f0")).await;
    assert_eq!(ann.next().await["code"], "bad_file_end");
    ann.send(ann.file_end("f1")).await;
    assert_eq!(ann.next().await["type"], "ack");
    let (mut got, mut said) = (Vec::new(), false);
    loop {
        match cat.any().await {
            Any::Bytes(part) => got.extend(part),
            Any::Text(frame) if frame["type"] == "file-end" => break,
            Any::Text(frame) => said = frame["type"] == "msg",
        }
    }
    assert_eq!((&got[..], said), (&b"of f1"[..], true));
    let ((), (_, got)) = tokio::join!(bob.send_file("f2", &["cat"], b"again"), cat.receive_file());
    assert_eq!(got, b"again");
}

#[tokio::test]
async fn files_that_do_not_end() {
    let relay = relay(|config| config.v1.file_time = Duration::from_millis(300)).await;
    let [mut ann, mut bob, mut cat] = three(&relay).await;
    ann.send(ann.file_start("f1", &["cat"], 5)).await;
    ann.send_bytes(b"abc".to_vec()).await;
    assert_eq!(cat.next_said().await["type"], "file-start");
    assert_eq!(cat.any().await, Any::Bytes(b"abc".as_slice().into()));
    // The time of the file is over.
    assert_eq!(
        ann.end().await,
        End {
            close: 4014,
            error: None
        }
    );
    let error = cat.next_said().await;
    assert_eq!(
        (&error["code"], &error["msgId"]),
        (&json!("transfer_incomplete"), &json!("f1"))
    );
    ended(&mut cat, "f1").await;
    bob.until_users(&["bob", "cat"]).await;
    // The sender leaves.
    bob.send(bob.file_start("f2", &[], 5)).await;
    assert_eq!(cat.next_said().await["type"], "file-start");
    drop(bob);
    let error = cat.next_said().await;
    assert_eq!(
        (&error["code"], &error["msgId"]),
        (&json!("transfer_incomplete"), &json!("f2"))
    );
    ended(&mut cat, "f2").await;
    // The next file may start.
    cat.send_file("f3", &[], b"x").await;
    assert_eq!(cat.next_said().await["type"], "ack");
}

#[tokio::test]
async fn files_over_the_limit() {
    let relay = relay(|config| config.v1.max_file = 1000).await;
    let [mut ann, mut bob, mut cat] = three(&relay).await;
    ann.send(ann.file_start("f1", &[], 1001)).await;
    assert_eq!(ann.next().await["code"], "too_large");
    // A file that is longer than announced.
    bob.send(bob.file_start("f2", &["cat"], 10)).await;
    bob.send_bytes(vec![0; 1001]).await;
    assert_eq!(bob.next().await["code"], "too_large");
    assert_eq!(cat.next().await["type"], "file-start");
    loop {
        if let Any::Text(frame) = cat.any().await {
            assert_eq!(
                (&frame["code"], &frame["msgId"]),
                (&json!("transfer_incomplete"), &json!("f2"))
            );
            ended(&mut cat, "f2").await;
            break;
        }
    }
    let ((), (_, got)) = tokio::join!(ann.send_file("f3", &["cat"], &[7; 1000]), cat.receive_file());
    assert_eq!(got, [7; 1000]);
}

/// A stalled receiver leaves the transfer. Its pause does not count, and the others get the whole file.
#[tokio::test]
async fn slow_receivers_leave() {
    let relay = relay(|config| {
        config.queue_bytes = 100_000;
        // Long enough for the file itself on a busy machine.
        config.v1.stall = Duration::from_millis(5_000);
        // Shorter than the pause.
        config.v1.file_time = Duration::from_millis(4_500);
        config.v1.max_file = 0;
    })
    .await;
    let [mut ann, mut bob, mut cat] = three(&relay).await;
    // More than the system buffers for `cat`, which reads nothing.
    let file = bytes(16_000_000);
    let ((), (_, got)) = tokio::join!(ann.send_file("f1", &[], &file), bob.receive_file());
    assert!(got == file);
    let ack = ann.next_said().await;
    assert_eq!(
        (&ack["delivered"], &ack["offline"]),
        (&json!(["bob"]), &json!(["cat"])),
        "{ack}"
    );
    let mut got = 0;
    loop {
        match cat.any().await {
            Any::Bytes(part) => got += part.len(),
            Any::Text(frame) if frame["type"] == "error" => {
                assert_eq!(
                    (&frame["code"], &frame["msgId"]),
                    (&json!("transfer_incomplete"), &json!("f1"))
                );
                ended(&mut cat, "f1").await;
                break;
            }
            Any::Text(_) => {}
        }
    }
    assert!(got < file.len());
    // It is still connected.
    cat.send(cat.msg("m", &["bob"])).await;
    assert_eq!(bob.next_said().await["msgId"], "m");
    assert!(!TOKEN.is_empty());
}

/// Issue 16, 33: without a `file-end`, the plugin receives no file until it restarts.
async fn ended(receiver: &mut V1, id: &str) {
    let end = receiver.next_said().await;
    assert_eq!((&end["type"], &end["msgId"]), (&json!("file-end"), &json!(id)));
}
