//! Receipts between the versions: what version 1 says in words, and what it is told in words.
#![cfg(feature = "v1")]

mod support;

use nexscope_relay::Running;
use serde_json::{Value, json};
use support::{Client, V1, relay};

/// `bob` speaks version 1, `cat` and `dan` version 2.
async fn three(relay: &Running) -> (V1, Client, Client) {
    let mut bob = V1::join(relay, "bob").await;
    let cat = Client::join(relay, "cat").await;
    let dan = Client::join(relay, "dan").await;
    bob.until_users(&["bob", "cat", "dan"]).await;
    (bob, cat, dan)
}

/// A message that asks the agents of its addressees.
fn question(id: &str, to: &[&str], thread: Option<&str>) -> Value {
    let body = json!({"kind": "chat", "text": id, "asks": true});
    let mut message = json!({"type": "message", "id": id, "to": to, "only": true, "body": body});
    if let Some(thread) = thread {
        message["thread"] = thread.into();
    }
    message
}

/// A `msg` of `bob` with a text, in the thread of a message that it got.
fn reply(bob: &V1, to: &[&str], text: &str, thread: &Value) -> Value {
    let mut msg = bob.msg(&format!("{}-{}", text.len(), to.len()), to);
    msg["text"] = text.into();
    msg["threadId"] = thread.clone();
    msg
}

async fn next_body(client: &mut Client) -> Value {
    client.next_of("message").await["body"].clone()
}

/// Issue 16, 36: it was a mention that would have run the asker's agent.
#[tokio::test]
async fn a_rejection_of_version_1_is_a_receipt() {
    let relay = relay(|_| {}).await;
    let (mut bob, mut cat, mut dan) = three(&relay).await;
    cat.send(question("q1", &["bob"], None)).await;
    cat.send(question("q2", &["bob"], Some("q1"))).await;
    cat.send(question("q3", &["bob"], None)).await;
    let thread = bob.next_said().await["threadId"].clone();
    for _ in 0..2 {
        bob.next_said().await;
    }
    // The plugin rejects all that waits in a thread, and names everyone who asked.
    bob.send(reply(&bob, &["cat"], "[reject] no time", &thread)).await;
    for of in ["q1", "q2"] {
        let message = cat.next_of("message").await;
        assert_eq!(
            message["body"],
            json!({"kind": "receipt", "of": of, "state": "rejected", "reason": "no time"})
        );
        assert_eq!(
            (&message["from"], &message["only"], &message["thread"]),
            (&json!("bob"), &json!(true), &json!("q1"))
        );
    }
    let ack = bob.next_said().await;
    assert_eq!(
        (&ack["type"], &ack["delivered"], &ack["offline"]),
        (&json!("ack"), &json!(["cat"]), &json!([]))
    );
    // There is nothing left to reject: a note, which asks no agent.
    bob.send(reply(&bob, &["cat", "dan"], "[reject] again", &thread))
        .await;
    for client in [&mut cat, &mut dan] {
        let body = next_body(client).await;
        assert_eq!(
            (&body["kind"], &body["text"], body.get("asks")),
            (&json!("chat"), &json!("[reject] again"), None)
        );
    }
    assert_eq!(bob.next_said().await["delivered"], json!(["cat", "dan"]));
    // Another thread still waits, and a rejection of several reaches each in its own way.
    bob.send(reply(&bob, &["cat", "dan"], "[reject]", &json!("q3")))
        .await;
    assert_eq!(
        next_body(&mut cat).await,
        json!({"kind": "receipt", "of": "q3", "state": "rejected"})
    );
    assert_eq!(next_body(&mut dan).await["text"], "[reject]");
    assert_eq!(bob.next_said().await["delivered"], json!(["dan", "cat"]));
    assert!(cat.messages().await.is_empty() && dan.messages().await.is_empty());
}

/// Issue 16, 36: the asker saw "delivered" for ever.
#[tokio::test]
async fn an_answer_of_version_1_settles_the_question() {
    let relay = relay(|_| {}).await;
    let (mut bob, mut cat, mut dan) = three(&relay).await;
    cat.send(question("q1", &["bob", "dan"], None)).await;
    dan.next_of("message").await;
    let thread = bob.next_said().await["threadId"].clone();
    let answered = |of: &str| json!({"kind": "receipt", "of": of, "state": "answered"});
    // To somebody else, or in another thread, it is no answer.
    bob.send(reply(&bob, &["dan"], "do you know?", &thread)).await;
    bob.send(reply(&bob, &["cat"], "by the way", &json!("another")))
        .await;
    assert_eq!(next_body(&mut cat).await["text"], "by the way");
    bob.send(reply(&bob, &["cat"], "the answer", &thread)).await;
    assert_eq!(next_body(&mut cat).await["text"], "the answer");
    assert_eq!(next_body(&mut cat).await, answered("q1"));
    // The next message of the thread answers nothing.
    bob.send(reply(&bob, &["cat"], "and more", &thread)).await;
    assert_eq!(next_body(&mut cat).await["text"], "and more");
    // An answer to everyone counts, and so does a file.
    cat.send(question("q2", &["bob"], None)).await;
    dan.send(question("q3", &["bob"], Some("q2"))).await;
    dan.next_of("ack").await;
    bob.send(reply(&bob, &[], "to all of you", &json!("q2"))).await;
    for (client, of) in [(&mut cat, "q2"), (&mut dan, "q3")] {
        client
            .until(|frame| frame["body"]["text"] == "to all of you")
            .await;
        assert_eq!(next_body(client).await, answered(of));
    }
    cat.send(question("q4", &["bob"], None)).await;
    cat.next_of("ack").await;
    let mut start = bob.file_start("f1", &["cat"], 0);
    start["threadId"] = "q4".into();
    bob.send_file_after(start, b"").await;
    assert_eq!(next_body(&mut cat).await["files"][0]["name"], "../a b.txt");
    assert_eq!(next_body(&mut cat).await, answered("q4"));
}

/// A question that waited for a version 1 member is one, and an asker who is away is told later.
#[tokio::test]
async fn questions_and_answers_may_wait() {
    let relay = relay(|_| {}).await;
    let mut cat = Client::join(&relay, "cat").await;
    cat.send(question("q1", &["bob"], None)).await;
    cat.send(question("q2", &["bob"], None)).await;
    for _ in 0..2 {
        assert_eq!(cat.next_of("ack").await["absent"], json!(["bob"]));
    }
    let mut bob = V1::join(&relay, "bob").await;
    for thread in ["q1", "q2"] {
        assert_eq!(bob.next_said().await["threadId"], thread);
    }
    cat.presence("join", "bob").await;
    let resume = cat.resume(2);
    cat.cut();
    bob.until_users(&["bob"]).await;
    bob.send(reply(&bob, &["cat"], "[reject] not now", &json!("q1")))
        .await;
    bob.send(reply(&bob, &["cat"], "the answer", &json!("q2"))).await;
    for _ in 0..2 {
        assert_eq!(bob.next_said().await["offline"], json!(["cat"]));
    }
    let mut hello = support::hello("cat");
    hello["resume"] = resume;
    let mut cat = Client::enter(&relay, hello).await;
    assert_eq!(next_body(&mut cat).await["state"], "rejected");
    assert_eq!(next_body(&mut cat).await["text"], "the answer");
    assert_eq!(
        next_body(&mut cat).await,
        json!({"kind": "receipt", "of": "q2", "state": "answered"})
    );
}

/// A rejection among version 1 members stays a message.
#[tokio::test]
async fn version_1_members_reject_in_words() {
    let relay = relay(|_| {}).await;
    let (mut bob, _cat, _dan) = three(&relay).await;
    let mut ann = V1::join(&relay, "ann").await;
    ann.send(ann.msg("m1", &["bob"])).await;
    bob.until_users(&["ann", "bob", "cat", "dan"]).await;
    let thread = bob.next_said().await["threadId"].clone();
    bob.send(reply(&bob, &["ann"], "[reject] no", &thread)).await;
    assert_eq!(ann.next_said().await["type"], "ack");
    assert_eq!(ann.next_said().await["text"], "[reject] no");
    assert_eq!(bob.next_said().await["delivered"], json!(["ann"]));
}

/// Issue 16, 37: an asker of version 1 was told nothing when auto mode left its message to the person.
#[tokio::test]
async fn version_1_learns_once_why_a_question_waits() {
    let relay = relay(|_| {}).await;
    let (mut bob, mut cat, _dan) = three(&relay).await;
    bob.send(bob.msg("m1", &["cat"])).await;
    assert_eq!(bob.next_said().await["delivered"], json!(["cat"]));
    let reason = "hop limit 3 reached in this thread";
    let mut sent = 0;
    let mut receipt = |state: &str, reason: &str| {
        sent += 1;
        json!({"type": "message", "id": format!("r{sent}"), "to": ["bob"], "only": true,
            "body": {"kind": "receipt", "of": "m1", "state": state, "reason": reason}})
    };
    // That a person reads it first is the normal case, and the same words twice are noise.
    for (state, reason) in [
        ("received", ""),
        ("queued", ""),
        ("queued", reason),
        ("received", ""),
        ("queued", reason),
        ("rejected", "no"),
        ("rejected", "no"),
    ] {
        cat.send(receipt(state, reason)).await;
        assert_eq!(cat.next_of("ack").await["reached"], json!(["bob"]));
    }
    for text in [format!("[waiting] {reason}"), "[rejected] no".into()] {
        let told = bob.next_said().await;
        assert_eq!(
            (&told["text"], &told["threadId"], &told["role"], &told["to"]),
            (&json!(text), &json!("t1"), &json!("user"), &json!(["bob"]))
        );
    }
    bob.send(json!({"type": "ping"})).await;
    assert_eq!(bob.next_said().await["type"], "pong");
}

/// A receipt that waited for its asker was in a thread of its own.
#[tokio::test]
async fn a_replayed_receipt_is_in_the_thread_of_its_message() {
    let relay = relay(|_| {}).await;
    let (mut bob, mut cat, _dan) = three(&relay).await;
    let mut msg = bob.msg("m1", &["cat"]);
    msg["threadId"] = "é 1".into();
    bob.send(msg).await;
    assert_eq!(bob.next_said().await["type"], "ack");
    drop(bob);
    cat.presence("leave", "bob").await;
    let body = json!({"kind": "receipt", "of": "m1", "state": "rejected", "reason": "no"});
    cat.send(json!({"type": "message", "id": "r1", "to": ["bob"], "only": true, "body": body}))
        .await;
    assert_eq!(cat.next_of("ack").await["absent"], json!(["bob"]));
    let mut bob = V1::join(&relay, "bob").await;
    let told = bob.next_said().await;
    assert_eq!(
        (&told["text"], &told["threadId"]),
        (&json!("[rejected] no"), &json!("é 1"))
    );
}
