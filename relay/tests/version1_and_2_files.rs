//! Files between members of both versions.
#![cfg(feature = "v1")]

mod support;

use std::time::Duration;

use nexscope_relay::protocol::ChunkHead;
use serde_json::{Value, json};
use support::{
    Any, Client, PATIENCE, V1,
    both_versions::{chat, four},
    relay,
};
use tokio::time::timeout;
use uuid::Uuid;

/// Reads a stream from its open to its close. Returns the bytes and the close.
async fn receive(client: &mut Client, open: &Value, window: u64) -> (Vec<u8>, Value) {
    let id = &open["stream"];
    let (mut file, mut credit) = (Vec::new(), window);
    client
        .send(json!({"type": "stream_credit", "stream": id, "bytes": credit}))
        .await;
    loop {
        match client.any().await {
            Any::Bytes(frame) => {
                let (head, data) = ChunkHead::parse(&frame).expect("a chunk");
                assert_eq!(
                    (head.stream.to_string(), head.offset),
                    (id.as_str().expect("an id").to_owned(), file.len() as u64)
                );
                file.extend(data);
                if file.len() as u64 + window / 2 > credit {
                    credit = file.len() as u64 + window;
                    client
                        .send(json!({"type": "stream_credit", "stream": id, "bytes": credit}))
                        .await;
                }
            }
            Any::Text(frame) if frame["type"] == "stream_close" => return (file, frame),
            Any::Text(_) => {}
        }
    }
}

#[tokio::test]
async fn files_of_version_1_are_pushed() {
    let relay = relay(|_| {}).await;
    let (mut ann, mut bob, mut cat, mut dan) = four(&relay).await;
    let file: Vec<u8> = (0..2_500_000u32).map(|i| (i >> 3) as u8).collect();
    let one = async {
        let message = cat.next_of("message").await;
        let open = cat.next_of("stream_open").await;
        let offered = &message["body"]["files"][0];
        assert_eq!(
            (&message["id"], &message["body"]["text"], &message["from"]),
            (&json!("f1"), &json!("look"), &json!("ann"))
        );
        assert_eq!(
            (&offered["name"], &offered["size"]),
            (&json!("../a b.txt"), &json!(file.len()))
        );
        assert_eq!(
            open,
            json!({"type": "stream_open", "stream": open["stream"], "from": "ann", "size": file.len(), "of": offered["id"], "offset": 0, "pushed": true})
        );
        receive(&mut cat, &open, 300_000).await
    };
    // `dan` cancels.
    let other = async {
        let open = dan.next_of("stream_open").await;
        dan.send(
            json!({"type": "stream_close", "stream": open["stream"], "reason": "cancelled", "message": ""}),
        )
        .await;
    };
    let ((), (start, first), (second, close), ()) =
        tokio::join!(ann.send_file("f1", &[], &file), bob.receive_file(), one, other);
    assert!(first == file && second == file);
    assert_eq!(
        (&start["text"], &close["reason"]),
        (&json!("look"), &json!("done"))
    );
    let ack = ann.next_said().await;
    assert_eq!(
        (&ack["delivered"], &ack["offline"]),
        (&json!(["bob", "cat"]), &json!(["Dan"])),
        "{ack}"
    );

    // Files of another length than announced end with `failed`. The version 1 receiver gets the bytes that were sent.
    for (id, said, is) in [("f2", 10, 5), ("f3", 5, 10)] {
        ann.send(ann.file_start(id, &[], said)).await;
        let open = cat.next_of("stream_open").await;
        cat.send(json!({"type": "stream_credit", "stream": open["stream"], "bytes": 1000}))
            .await;
        let open = dan.next_of("stream_open").await;
        dan.send(json!({"type": "stream_credit", "stream": open["stream"], "bytes": 1000}))
            .await;
        ann.send_bytes(vec![7; is]).await;
        ann.send(ann.file_end(id)).await;
        assert_eq!(ann.next_said().await["delivered"], json!(["bob"]));
        assert_eq!(bob.receive_file().await.1.len(), is);
        for client in [&mut cat, &mut dan] {
            loop {
                if let Any::Text(frame) = client.any().await
                    && frame["type"] == "stream_close"
                {
                    assert_eq!(frame["reason"], "failed", "{frame}");
                    break;
                }
            }
        }
    }
    // The sender leaves in the middle.
    ann.send(ann.file_start("f4", &["cat"], 10)).await;
    cat.next_of("stream_open").await;
    drop(ann);
    assert_eq!(cat.next_of("stream_close").await["reason"], "failed");
}

/// A stream that was read to its end no longer counts, even if its receiver does not confirm it.
#[tokio::test]
async fn more_files_than_there_may_be_streams_are_pushed_one_by_one() {
    let relay = relay(|_| {}).await;
    let mut ann = V1::join(&relay, "ann").await;
    let mut cat = Client::join(&relay, "cat").await;
    ann.until_users(&["ann", "cat"]).await;
    for number in 0..20 {
        let one = async {
            let open = cat.next_of("stream_open").await;
            receive(&mut cat, &open, 1000).await
        };
        let id = format!("f{number}");
        let ((), (file, close)) = tokio::join!(ann.send_file(&id, &["cat"], b"abc"), one);
        assert_eq!((&file[..], &close["reason"]), (&b"abc"[..], &json!("done")));
        assert_eq!(ann.next_said().await["delivered"], json!(["cat"]), "{number}");
    }
}

#[tokio::test]
async fn a_version_2_receiver_that_gives_no_credit_leaves() {
    let relay = relay(|config| config.v1.stall = Duration::from_millis(200)).await;
    let (mut ann, mut bob, mut cat, mut dan) = four(&relay).await;
    let ((), (_, file)) = tokio::join!(
        ann.send_file("f1", &["bob", "cat"], &[7; 100_000]),
        bob.receive_file()
    );
    assert_eq!(file.len(), 100_000);
    let ack = ann.next_said().await;
    assert_eq!(
        (&ack["delivered"], &ack["offline"]),
        (&json!(["bob"]), &json!(["cat"])),
        "{ack}"
    );
    assert_eq!(cat.next_of("stream_close").await["reason"], "failed");
    assert!(dan.messages().await.is_empty());
}

#[tokio::test]
async fn files_for_version_1_are_accepted() {
    let relay = relay(|config| config.window_bytes = 200_000).await;
    let (mut ann, _bob, mut cat, _dan) = four(&relay).await;
    let files: Vec<Vec<u8>> = [1_000_003usize, 0, 77]
        .iter()
        .map(|size| (0..*size).map(|i| (i >> 2) as u8).collect())
        .collect();
    let offered: Vec<Value> = files.iter().enumerate()
        .map(|(i, file)| json!({"id": format!("file{i}"), "name": format!("n{i}.txt"), "size": file.len(), "sha256": "ab"})).collect();
    cat.send(chat("m1", &["ann"], true, json!({"files": offered})))
        .await;
    assert_eq!(ann.next_said().await["text"], "text of m1");
    for i in 0..3 {
        let accept = cat.next_of("message").await;
        assert_eq!(
            (&accept["from"], &accept["to"], &accept["only"], &accept["body"]),
            (
                &json!("ann"),
                &json!(["cat"]),
                &json!(true),
                &json!({"kind": "file_accept", "of": "m1", "file": format!("file{i}"), "offset": 0})
            )
        );
    }
    let sent: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(i, file)| (format!("file{i}"), &file[..]))
        .collect();
    let send = cat.send_files("ann", &sent);
    let receive = async {
        let mut got = Vec::new();
        for _ in 0..3 {
            got.push(ann.receive_file().await);
        }
        got
    };
    let ((), got) = timeout(PATIENCE, async { tokio::join!(send, receive) })
        .await
        .expect("in time");
    for (i, (start, file)) in got.iter().enumerate() {
        assert_eq!(
            (&start["msgId"], &start["from"], &start["to"]),
            (&json!(format!("file{i}")), &json!("cat"), &json!(["ann"]))
        );
        assert_eq!(
            (&start["threadId"], &start["role"], &start["hopCount"]),
            (&json!("m1"), &json!("user"), &json!(0))
        );
        let attachment = &start["attachment"];
        assert_eq!(
            (&attachment["name"], &attachment["size"], &attachment["sha256"]),
            (&json!(format!("n{i}.txt")), &json!(files[i].len()), &json!("ab"))
        );
        assert!(attachment["mime"].is_string() && attachment["chunkSize"].is_u64());
        assert!(*file == files[i], "file {i}");
    }
}

#[tokio::test]
async fn a_message_of_a_file_only_arrives_with_the_file() {
    let relay = relay(|_| {}).await;
    let (_ann, mut bob, mut cat, _dan) = four(&relay).await;
    cat.send(chat(
        "m2",
        &["bob"],
        true,
        json!({"text": "", "files": [{"id": "g", "name": "g", "size": 3}]}),
    ))
    .await;
    cat.next_of("message").await;
    let open = |id: u128, to: &str, of: &str, offset: u64| json!({"type": "stream_open", "stream": Uuid::from_u128(id).to_string(), "to": to, "size": 3, "of": of, "offset": offset});
    cat.send(open(9, "bob", "g", 0)).await;
    let start = bob.next_said().await;
    assert_eq!(
        (&start["type"], &start["msgId"]),
        (&json!("file-start"), &json!("m2"))
    );
    // A file that is cut off is reported.
    cat.send(
        json!({"type": "stream_close", "stream": Uuid::from_u128(9).to_string(), "reason": "cancelled"}),
    )
    .await;
    let error = bob.next_said().await;
    assert_eq!(
        (&error["code"], &error["msgId"]),
        (&json!("transfer_incomplete"), &json!("m2"))
    );
    let end = bob.next_said().await;
    assert_eq!((&end["type"], &end["msgId"]), (&json!("file-end"), &json!("m2")));
    // A file that was not offered, or that starts in the middle, is refused.
    for (id, of, offset) in [(10, "h", 0), (11, "g", 1)] {
        cat.send(open(id, "bob", of, offset)).await;
        assert_eq!(cat.next_of("stream_close").await["reason"], "failed");
    }
}

/// Issue 16, 36: `--max-file` was not applied to the receivers.
#[tokio::test]
async fn files_over_the_limit_are_declined() {
    let relay = relay(|config| config.v1.max_file = 1000).await;
    let _ann = V1::join(&relay, "ann").await;
    let mut cat = Client::join(&relay, "cat").await;
    let files =
        json!([{"id": "large", "name": "a", "size": 1001}, {"id": "small", "name": "b", "size": 1000}]);
    cat.send(chat(
        "m1",
        &["ann"],
        true,
        json!({"text": "look", "files": files}),
    ))
    .await;
    let answers = [cat.next_of("message").await, cat.next_of("message").await];
    let answers = answers.map(|answer| (answer["body"]["kind"].clone(), answer["body"]["file"].clone()));
    assert_eq!(
        answers,
        [
            (json!("file_decline"), json!("large")),
            (json!("file_accept"), json!("small"))
        ]
    );
    // Nor does a sender pass that offers less than it sends, or that asks nobody.
    for (number, of, size) in [(1, "small", 1001), (2, "large", 1001)] {
        let stream = Uuid::from_u128(number).to_string();
        cat.send(json!({"type": "stream_open", "stream": stream, "to": "ann", "size": size, "of": of, "offset": 0})).await;
        assert_eq!(cat.next_of("stream_close").await["reason"], "failed");
    }
}

/// Issue 16, 36: it was offered, and could never arrive.
#[tokio::test]
async fn a_file_of_version_1_is_not_offered_later() {
    let relay = relay(|_| {}).await;
    let (mut ann, _bob, mut cat, dan) = four(&relay).await;
    let resume = dan.resume(0);
    dan.cut();
    cat.presence("away", "Dan").await;
    for (id, text) in [("f1", "look"), ("f2", "")] {
        let mut start = ann.file_start(id, &[], 3);
        start["text"] = text.into();
        let receive = async {
            let open = cat.next_of("stream_open").await;
            receive(&mut cat, &open, 1000).await
        };
        let ((), (file, _)) = tokio::join!(ann.send_file_after(start, b"abc"), receive);
        assert_eq!(file, b"abc");
    }
    let (mut eve, mut dan) = (support::hello("eve"), support::hello("Dan"));
    eve["history"] = 10.into();
    dan["resume"] = resume;
    for hello in [eve, dan] {
        let mut late = Client::enter(&relay, hello).await;
        for (id, text) in [
            (
                "f1",
                "look\n[file ../a b.txt: sent before you came, and not kept]",
            ),
            ("f2", "[file ../a b.txt: sent before you came, and not kept]"),
        ] {
            let message = late.next_of("message").await;
            let body = &message["body"];
            assert_eq!(
                (&message["id"], &body["text"], body.get("files")),
                (&json!(id), &json!(text), None)
            );
        }
    }
}
