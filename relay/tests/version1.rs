//! Version 1 clients: checks, presence, messages, errors.
#![cfg(feature = "v1")]

mod support;

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use support::{Client, End, TOKEN, V1, end, relay};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn requests_are_checked_in_order() {
    let relay = relay(|_| {}).await;
    let _ann = V1::join(&relay, "ann").await;
    let none = |close| End { close, error: None };
    for (query, expected) in [
        ("name=a%20b&v=9".to_owned(), none(1008)),
        ("name=bob&token=wrong&v=1".into(), none(1008)),
        ("v=1".into(), none(1008)),
        (
            format!("name=a%20b&token={TOKEN}&v=2"),
            end(1008, "version_mismatch"),
        ),
        (
            format!("name=bob&token={TOKEN}&v="),
            end(1008, "version_mismatch"),
        ),
        (format!("name=a%20b&token={TOKEN}"), end(4012, "invalid_name")),
        (format!("name=ALL&token={TOKEN}"), end(4012, "invalid_name")),
        (format!("token={TOKEN}"), end(4012, "invalid_name")),
        (format!("name=ANN&token={TOKEN}&v=1"), end(4009, "name_taken")),
    ] {
        let mut client = V1::connect(&relay, &query).await;
        assert_eq!(client.end().await, expected, "{query}");
    }
    // A missing `v` is 1, and names may be encoded.
    let mut client = V1::connect(&relay, &format!("name=%62ob&token={TOKEN}")).await;
    assert_eq!(client.next().await["users"], json!(["ann", "bob"]));
}

/// Issue 16, 36: the plugin shows the reason of the close frame, and it was empty.
#[tokio::test]
async fn a_wrong_token_is_named() {
    let relay = relay(|_| {}).await;
    let mut client = V1::connect(&relay, "name=bob&token=wrong&v=1").await;
    let frame = tokio::time::timeout(support::PATIENCE, client.socket.next()).await;
    let Ok(Some(Ok(Message::Close(Some(close))))) = frame else {
        panic!("instead of a close: {frame:?}")
    };
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (1008, "wrong token")
    );
}

#[tokio::test]
async fn limits_of_their_own() {
    let one = relay(|config| config.v1.max_users = 1).await;
    let _ann = V1::join(&one, "ann").await;
    let mut bob = V1::connect(&one, &format!("name=bob&token={TOKEN}&v=1")).await;
    assert_eq!(bob.end().await, end(4022, "full"));
    Client::join(&one, "cat").await;

    let none = relay(|config| config.v1.enabled = false).await;
    let mut ann = V1::connect(&none, &format!("name=ann&token={TOKEN}&v=1")).await;
    assert_eq!(ann.end().await, end(1008, "version_mismatch"));

    let elsewhere = relay(|config| config.v1.room = "den".into()).await;
    let mut hello = support::hello("cat");
    hello["room"] = "den".into();
    let _cat = Client::enter(&elsewhere, hello).await;
    let mut ann = V1::connect(&elsewhere, &format!("name=ann&token={TOKEN}&v=1")).await;
    assert_eq!(ann.next().await["users"], json!(["ann", "cat"]));
}

#[tokio::test]
async fn presence_is_a_sorted_list() {
    let relay = relay(|config| config.seat = Duration::from_millis(50)).await;
    let mut bob = V1::join(&relay, "bob").await;
    let mut ann = V1::join(&relay, "Zoe").await;
    bob.until_users(&["Zoe", "bob"]).await;
    let cat = Client::join(&relay, "_cat").await;
    bob.until_users(&["Zoe", "_cat", "bob"]).await;
    let seen = cat.welcome["members"].as_array().expect("members");
    let zoe = seen.iter().find(|member| member["name"] == "Zoe").expect("Zoe");
    assert_eq!(
        (&zoe["v"], &zoe["key"], &zoe["status"]),
        (&json!(1), &Value::Null, &json!("online"))
    );
    // An away member is not online, and the end of its grace period changes nothing.
    cat.cut();
    bob.until_users(&["Zoe", "bob"]).await;
    let mut dan = Client::join(&relay, "dan").await;
    let presence = bob.next().await;
    assert_eq!(presence["users"], json!(["Zoe", "bob", "dan"]), "{presence}");
    ann.socket.close(None).await.expect("sent");
    dan.presence("leave", "Zoe").await;
    // The name is free immediately.
    V1::join(&relay, "zoe").await;
}

#[tokio::test]
async fn messages_arrive_as_written() {
    let relay = relay(|_| {}).await;
    let mut ann = V1::join(&relay, "ann").await;
    let mut bob = V1::join(&relay, "bob").await;
    let mut cat = V1::join(&relay, "cat").await;
    ann.until_users(&["ann", "bob", "cat"]).await;
    bob.until_users(&["ann", "bob", "cat"]).await;
    let mut odd = ann.msg("any id: é/…", &[]);
    odd["more"] = json!({"deep": [1, 2.5, null]});
    odd["attachments"] = json!([{"name": "x"}]);
    for (frame, delivered, offline, bob_gets) in [
        (odd, json!(["bob", "cat"]), json!([]), true),
        (ann.msg("m1", &["cat"]), json!(["cat"]), json!([]), false),
        // The same id again is another message.
        (
            ann.msg("m1", &["CAT", "cat", "dan", "no name!"]),
            json!(["cat"]),
            json!(["no name!", "dan"]),
            false,
        ),
        (ann.msg("m2", &["ann"]), json!([]), json!([]), false),
        (ann.msg("m3", &["dan"]), json!([]), json!(["dan"]), false),
    ] {
        ann.send(frame.clone()).await;
        let ack = ann.next().await;
        let expected = json!({"type": "ack", "msgId": frame["msgId"], "threadId": "t1", "delivered": delivered, "offline": offline});
        assert_eq!(ack, expected);
        for (client, gets) in [
            (&mut bob, bob_gets),
            (&mut cat, !delivered.as_array().expect("names").is_empty()),
        ] {
            if gets {
                let mut got = client.next().await;
                assert!(got["ts"].as_u64().is_some_and(|ts| ts > 1_700_000_000_000));
                got.as_object_mut().expect("an object").remove("ts");
                assert_eq!(got, frame);
            }
        }
    }
    for client in [&mut ann, &mut bob, &mut cat] {
        client.send(json!({"type": "ping"})).await;
        let pong = client.next().await;
        assert!(
            pong["type"] == "pong" && pong["ts"].is_u64(),
            "nothing else came: {pong}"
        );
    }
    // A message for an absent member does not wait.
    let mut dan = V1::join(&relay, "dan").await;
    dan.send(json!({"type": "ping"})).await;
    assert_eq!(dan.next().await["type"], "pong");
}

#[tokio::test]
async fn faults_are_named_and_ten_end_it() {
    let relay = relay(|config| config.message_bytes = 2000).await;
    let mut ann = V1::join(&relay, "ann").await;
    let good = ann.msg("a", &[]);
    let without = |field: &str| {
        let mut frame = good.clone();
        frame.as_object_mut().expect("an object").remove(field);
        frame.to_string()
    };
    let with = |field: &str, value: Value| {
        let mut frame = good.clone();
        frame[field] = value;
        frame.to_string()
    };
    for (text, code) in [
        ("nonsense".to_owned(), "bad_json"),
        ("[]".into(), "bad_json"),
        ("{}".into(), "bad_json"),
        (with("type", json!("dance")), "unknown_type"),
        (with("text", json!("x".repeat(2000))), "too_large"),
        (with("type", json!("file-start")), "bad_json"),
        (without("from"), "missing_from"),
        (with("from", json!("bob")), "from_mismatch"),
        (with("from", json!("ANN")), "from_mismatch"),
        (without("to"), "missing_to"),
        (with("to", json!("bob")), "missing_to"),
        (with("to", json!([7])), "missing_to"),
        (
            r#"{"type":"file-end","msgId":"a","from":"bob"}"#.into(),
            "from_mismatch",
        ),
        (r#"{"type":"file-end","msgId":"a"}"#.into(), "missing_from"),
        (with("to", json!(vec!["bob"; 257])), "missing_to"),
    ] {
        ann.send_text(&text).await;
        let error = ann.next().await;
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("error"), &json!(code)),
            "{text}"
        );
        assert!(error["message"].is_string() && error.get("msgId").is_none());
        // Good frames in between do not reset the count.
        ann.send(good.clone()).await;
        assert_eq!(ann.next().await["type"], "ack");
    }
    ann.send(ann.file_end("a")).await;
    let error = ann.next().await;
    assert_eq!(
        (&error["code"], &error["msgId"]),
        (&json!("bad_file_end"), &json!("a"))
    );
    ann.send_text(&without("to")).await;
    assert_eq!(
        ann.end().await,
        end(4013, "missing_to"),
        "the tenth of the three kinds"
    );
}

#[tokio::test]
async fn frames_over_the_payload_limit_end_it() {
    let relay = relay(|config| config.v1.max_payload = 100_000).await;
    let mut ann = V1::join(&relay, "ann").await;
    ann.send_bytes(vec![0; 100_000]).await;
    ann.send(json!({"type": "ping"})).await;
    assert_eq!(ann.next().await["type"], "pong");
    ann.send_bytes(vec![0; 100_001]).await;
    assert_eq!(ann.end().await, end(4011, "too_large"));
}

/// The relay accepts the default limits of nexscope-plugin (10485760 and 104857600).
#[tokio::test]
async fn the_largest_that_clients_send_is_taken() {
    let relay = relay(|_| {}).await;
    let mut ann = V1::join(&relay, "ann").await;
    ann.send_bytes(vec![0; 10_485_760]).await;
    ann.send(ann.file_start("f1", &[], 104_857_600)).await;
    ann.send(ann.file_end("f1")).await;
    assert_eq!(ann.next().await["type"], "ack");
    ann.send(ann.file_start("f2", &[], 104_857_601)).await;
    assert_eq!(ann.next().await["code"], "too_large");
    ann.send_bytes(vec![0; 10_485_761]).await;
    assert_eq!(ann.end().await, end(4011, "too_large"));
}

#[tokio::test]
async fn who_answers_no_ping_is_closed() {
    let relay = relay(|config| config.v1.heartbeat = Duration::from_millis(100)).await;
    let mut cat = Client::join(&relay, "cat").await;
    let mut ann = V1::join(&relay, "ann").await;
    // `ann` is not read, so it answers no pings.
    cat.presence("leave", "ann").await;
    assert_eq!(ann.end().await, end(4010, "silent"));
    // A client that is read answers automatically.
    let mut bob = V1::join(&relay, "bob").await;
    let reading = async { bob.until_users(&["bob", "cat", "dan"]).await };
    let later = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        V1::join(&relay, "dan").await
    };
    tokio::join!(reading, later);
}

#[tokio::test]
async fn who_is_too_fast_is_read_more_slowly() {
    let relay = relay(|config| (config.rate, config.burst) = (200, 5)).await;
    let mut ann = V1::join(&relay, "ann").await;
    let begin = std::time::Instant::now();
    for i in 0..45 {
        ann.send(ann.msg(&format!("m{i}"), &[])).await;
    }
    for i in 0..45 {
        assert_eq!(ann.next().await["msgId"], format!("m{i}"), "none is refused");
    }
    assert!(
        begin.elapsed() >= Duration::from_millis(150),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn shutdown_tells_them_too() {
    let relay = relay(|_| {}).await;
    let mut ann = V1::join(&relay, "ann").await;
    let stopped = tokio::spawn(relay.stop());
    assert_eq!(ann.end().await, end(1001, "shutting_down"));
    drop(ann);
    stopped.await.expect("stopped");
}
