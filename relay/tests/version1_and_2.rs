//! Members of both versions in one room: the messages of each, as the other reads them. Receipts are in
//! `version1_receipts.rs`, files in `version1_and_2_files.rs`.
#![cfg(feature = "v1")]

mod support;

use serde_json::json;
use support::{
    Client, V1,
    both_versions::{chat, four},
    relay,
};

#[tokio::test]
async fn version_1_speaks_to_version_2() {
    let relay = relay(|_| {}).await;
    let (mut ann, mut bob, mut cat, mut dan) = four(&relay).await;
    // To everyone.
    ann.send(ann.msg("m1", &[])).await;
    assert_eq!(ann.next_said().await["delivered"], json!(["Dan", "bob", "cat"]));
    for client in [&mut cat, &mut dan] {
        let message = client.next_of("message").await;
        let body = &message["body"];
        assert_eq!((&message["id"], &message["from"]), (&json!("m1"), &json!("ann")));
        assert_eq!(
            (&message["to"], &message["only"], &message["thread"]),
            (&json!([]), &json!(false), &json!("t1"))
        );
        assert_eq!(
            (&body["kind"], &body["text"]),
            (&json!("chat"), &json!("text of m1"))
        );
        assert_eq!(
            (&body["origin"], &body["hop"], body.get("asks")),
            (&json!("human"), &json!(0), None)
        );
    }
    assert_eq!(bob.next_said().await["msgId"], "m1");
    // To one member, from an agent, with an invalid id.
    let mut odd = ann.msg("id of any form", &["dan", "eve"]);
    odd["role"] = "userAgent".into();
    odd["hopCount"] = 2.into();
    odd["threadId"] = "é".into();
    ann.send(odd).await;
    let ack = ann.next_said().await;
    assert_eq!(
        (
            &ack["msgId"],
            &ack["threadId"],
            &ack["delivered"],
            &ack["offline"]
        ),
        (
            &json!("id of any form"),
            &json!("é"),
            &json!(["Dan"]),
            &json!(["eve"])
        )
    );
    let message = dan.next_of("message").await;
    let body = &message["body"];
    let id = message["id"].as_str().expect("an id").to_owned();
    let thread = message["thread"].as_str().expect("a thread").to_owned();
    assert!(nexscope_relay::protocol::is_id(&id) && nexscope_relay::protocol::is_thread(&thread));
    assert_eq!((&message["only"], &body["asks"]), (&json!(true), &json!(true)));
    assert_eq!((&body["origin"], &body["hop"]), (&json!("agent"), &json!(2)));
    assert!(cat.messages().await.is_empty());
    // The answer and the receipts come back with the ids that `ann` knows.
    let mut reply = chat(
        "r1",
        &["ann"],
        true,
        json!({"origin": "agent", "hop": 3, "reply_to": id}),
    );
    reply["thread"] = thread.clone().into();
    dan.send(reply).await;
    let got = ann.next_said().await;
    assert_eq!(
        got,
        json!({"type": "msg", "msgId": "r1", "from": "Dan", "to": ["ann"], "role": "userAgent", "threadId": "é",
            "text": "text of r1", "hopCount": 3, "attachments": [], "ts": got["ts"]})
    );
    for (state, reason, shown) in [
        ("received", "why not", false),
        ("queued", "", false),
        ("accepted", "why not", false),
        ("rejected", "why not", true),
        ("answered", "why not", false),
        ("failed", "why not", true),
        ("expired", "why not", false),
    ] {
        let receipt = json!({"kind": "receipt", "of": id, "state": state, "reason": reason});
        dan.send(json!({"type": "message", "id": format!("x-{state}"), "to": ["ann"], "only": true, "body": receipt})).await;
        assert_eq!(dan.next_of("ack").await["reached"], json!(["ann"]));
        if shown {
            let got = ann.next_said().await;
            assert_eq!(
                (&got["type"], &got["role"], &got["threadId"]),
                (&json!("msg"), &json!("user"), &json!("é")),
                "in the thread of the message that was rejected"
            );
            let text = got["text"].as_str().expect("a text");
            assert!(text.contains(state) && text.contains("why not"), "{text}");
        }
    }
    ann.send(json!({"type": "ping"})).await;
    assert_eq!(ann.next().await["type"], "pong");
}

#[tokio::test]
async fn version_2_speaks_to_version_1() {
    let relay = relay(|_| {}).await;
    let (mut ann, mut bob, mut cat, mut dan) = four(&relay).await;
    for (id, to, only, ann_gets, bob_gets) in [
        ("a", &[][..], false, Some(&[][..]), Some(&[][..])),
        ("b", &["ANN", "dan"], false, Some(&["ann", "Dan"]), Some(&[])),
        ("c", &["bob"], true, None, Some(&["bob"])),
    ] {
        cat.send(chat(id, to, only, json!({"hop": 1}))).await;
        let ack = cat.next_of("ack").await;
        assert_eq!(ack["count"], 1 + 2 * u64::from(!only), "{ack}");
        for (client, gets) in [(&mut ann, ann_gets), (&mut bob, bob_gets)] {
            let Some(to) = gets else { continue };
            let got = client.next_said().await;
            assert_eq!(
                got,
                json!({"type": "msg", "msgId": id, "from": "cat", "to": to, "role": "user", "threadId": id,
                    "text": format!("text of {id}"), "hopCount": 1, "attachments": [], "ts": got["ts"]})
            );
        }
    }
    // Neither other bodies nor signals are shown.
    for body in [
        json!({"kind": "poll"}),
        json!({}),
        json!({"kind": "file_decline", "of": "a", "file": "f"}),
    ] {
        cat.send(
            json!({"type": "message", "id": body.to_string().len().to_string(), "to": ["ann"], "body": body}),
        )
        .await;
        assert_eq!(cat.next_of("ack").await["reached"], json!(["ann"]));
    }
    cat.send(json!({"type": "signal", "to": ["ann"], "body": {"kind": "typing"}}))
        .await;
    cat.send(json!({"type": "update", "mode": "auto"})).await;
    cat.settled().await;
    for client in [&mut ann, &mut bob] {
        client.send(json!({"type": "ping"})).await;
        assert_eq!(client.next().await["type"], "pong");
    }
    // A version 2 message waits for a name. A version 1 member with that name gets it.
    cat.send(chat("w", &["eve"], true, json!({}))).await;
    cat.next_of("ack").await;
    let mut eve = V1::join(&relay, "eve").await;
    assert_eq!(
        (eve.next().await["msgId"].as_str(), dan.messages().await.len()),
        (Some("w"), 5)
    );
    drop(eve);
    dan.presence("leave", "eve").await;
    let mut eve = V1::join(&relay, "eve").await;
    eve.send(json!({"type": "ping"})).await;
    assert_eq!(eve.next().await["type"], "pong", "it has had it");
}

#[tokio::test]
async fn who_is_away_gets_it_later() {
    let relay = relay(|_| {}).await;
    let (mut ann, _bob, cat, _dan) = four(&relay).await;
    let resume = cat.resume(0);
    cat.cut();
    ann.until_users(&["Dan", "ann", "bob"]).await;
    ann.send(ann.msg("m1", &["cat", "eve"])).await;
    let ack = ann.next_said().await;
    assert_eq!(
        (&ack["delivered"], &ack["offline"]),
        (&json!([]), &json!(["cat", "eve"]))
    );
    let mut hello = support::hello("cat");
    hello["resume"] = resume;
    let mut cat = Client::enter(&relay, hello).await;
    assert_eq!(cat.messages().await, ["m1"]);
    let mut eve = Client::join(&relay, "eve").await;
    assert!(eve.messages().await.is_empty(), "version 1 waits for nobody else");
}
