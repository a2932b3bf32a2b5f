//! Messages, presence and resume over real sockets.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Client, end, hello, ids, message, relay};

/// A hello with a resume.
fn back(name: &str, resume: Value) -> Value {
    let mut hello = hello(name);
    hello["resume"] = resume;
    hello
}

fn owned(name: &str, byte: char) -> Value {
    let mut hello = hello(name);
    hello["owner"] = byte.to_string().repeat(43).into();
    hello
}

#[tokio::test]
async fn the_welcome_says_it_all() {
    let relay = relay(|_| {}).await;
    let mut hello = owned("Alice", 'A');
    hello["agents"] = json!(["claude"]);
    hello["client"] = "test/1".into();
    let mut alice = Client::enter(&relay, hello).await;
    let welcome = alice.welcome.clone();
    assert_eq!(
        (&welcome["v"], &welcome["room"], &welcome["name"]),
        (&json!(2), &json!("lobby"), &json!("Alice"))
    );
    assert_eq!(
        (&welcome["seq"], &welcome["resumed"], &welcome["heartbeat"]),
        (&json!(0), &json!("new"), &json!(20))
    );
    assert_eq!(
        welcome["server"],
        format!("nexscope-relay/{}", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(
        welcome["limits"],
        json!({"message_bytes": 262144, "chunk_bytes": 65536, "window_bytes": 1048576, "rate": 0, "burst": 200})
    );
    let member = &welcome["members"][0];
    assert_eq!(
        *member,
        json!({"name": "Alice", "key": "2b32db6c2c0a6235", "status": "online", "agents": ["claude"], "mode": "manual",
               "client": "test/1", "note": "", "joined_at": member["joined_at"], "v": 2})
    );
    let mut bob = Client::join(&relay, "bob").await;
    assert_eq!(bob.welcome["members"].as_array().map(Vec::len), Some(2));
    assert_eq!(bob.welcome["members"][1]["key"], Value::Null);
    assert_eq!(alice.presence("join", "bob").await, bob.welcome["members"][1]);
    bob.send(json!({"type": "update", "mode": "auto", "note": "away for lunch"}))
        .await;
    bob.send(json!({"type": "update", "agents": ["codex"]})).await;
    alice.presence("update", "bob").await;
    let member = alice.presence("update", "bob").await;
    assert_eq!(
        (&member["mode"], &member["note"]),
        (&json!("auto"), &json!("away for lunch"))
    );
    assert_eq!(member["agents"], json!(["codex"]));
    bob.bye().await;
    alice.presence("leave", "bob").await;
}

#[tokio::test]
async fn messages_go_to_whom_they_are_for() {
    let relay = relay(|_| {}).await;
    let mut alice = Client::join(&relay, "alice").await;
    let mut bob = Client::join(&relay, "Bob").await;
    let mut carol = Client::join(&relay, "carol").await;

    let ack = alice.post("a", &[], false).await;
    assert_eq!(
        (&ack["seq"], &ack["count"], &ack["reached"], &ack["absent"]),
        (&json!(1), &json!(2), &json!([]), &json!([]))
    );
    let ack = alice
        .post("b", &["BOB", "dan", "bob", "alice", "Dan"], true)
        .await;
    assert_eq!(
        (&ack["count"], &ack["reached"], &ack["absent"]),
        (&json!(1), &json!(["Bob"]), &json!(["dan"]))
    );
    let ack = alice.post("c", &["carol"], false).await;
    assert_eq!((&ack["count"], &ack["reached"]), (&json!(2), &json!(["carol"])));

    assert_eq!(carol.messages().await, ["a", "c"]);
    assert_eq!(bob.next_of("message").await["id"], "a");
    let got = bob.next_of("message").await;
    assert_eq!(
        got,
        json!({"type": "message", "id": "b", "from": "alice", "from_key": null, "to": ["Bob", "dan"], "only": true, "seq": 2,
               "at": got["at"], "body": {"kind": "chat", "text": "b"}})
    );
    assert_eq!(bob.next_of("message").await["id"], "c");

    let ack = alice.post("b", &["carol"], false).await;
    assert_eq!(
        (&ack["seq"], &ack["duplicate"], &ack["reached"]),
        (&json!(2), &json!(true), &json!(["Bob"]))
    );
    assert!(bob.messages().await.is_empty() && carol.messages().await.is_empty());
    // The same id from another sender is another message.
    assert_eq!(bob.post("b", &[], false).await["seq"], 4);

    alice
        .send(
            json!({"type": "signal", "to": ["bob"], "only": true, "thread": "t", "body": {"kind": "typing"}}),
        )
        .await;
    assert_eq!(
        bob.next_of("signal").await,
        json!({"type": "signal", "from": "alice", "to": ["Bob"], "only": true, "thread": "t", "body": {"kind": "typing"}})
    );
    assert_eq!(carol.messages().await, ["b"]);
}

#[tokio::test]
async fn bodies_pass_byte_for_byte() {
    let relay = relay(|_| {}).await;
    let mut alice = Client::join(&relay, "alice").await;
    let mut bob = Client::join(&relay, "bob").await;
    let deep = format!("{}1{}", r#"{"a":"#.repeat(2000), "}".repeat(2000));
    for body in [
        "{}",
        "{ \t }",
        r#"{"n":1e400,"m":-0.0,"big":123456789012345678901234567890,"n":2}"#,
        "{\n  \"é\" : \"\\u00e9\\ud83d\\ude00 😀\" ,\r\n \"lone\":\"\\ud800\" }",
        r#"{"kind":"receipt","of":"\/"}"#,
        &deep,
        &format!(r#"{{"x":"{}"}}"#, "y".repeat(200_000)),
    ] {
        alice
            .send_text(&format!(
                r#"{{ "body":{body} , "type":"signal","thread":"\"q\"" }}"#
            ))
            .await;
        let text = bob.next_text().await;
        assert!(text.ends_with(&format!(r#""body":{body}}}"#)), "{text}");
        assert!(text.contains(r#""thread":"\"q\"""#), "{text}");
    }
    for (i, body) in ["{ }", r#"{"n":1e400,"n":1}"#].iter().enumerate() {
        alice
            .send_text(&format!(r#"{{"type":"message","id":"m{i}","body":  {body}  }}"#))
            .await;
        let text = bob.next_text().await;
        assert!(text.ends_with(&format!(r#""body":{body}}}"#)), "{text}");
    }
}

#[tokio::test]
async fn all_see_one_order() {
    const EACH: usize = 50;
    let relay = relay(|_| {}).await;
    let mut clients = Vec::new();
    for i in 0..6 {
        clients.push(Client::join(&relay, &format!("sender{i}")).await);
    }
    let tasks: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(i, mut client)| {
            tokio::spawn(async move {
                for n in 0..EACH {
                    client.send(message(&format!("m{i}-{n}"), &[], false)).await;
                }
                // The messages of everyone else, and the member's own acks in order.
                let mut order = Vec::new();
                while order.len() < 6 * EACH {
                    let frame = client.next().await;
                    if frame["type"] == "message" || frame["type"] == "ack" {
                        order.push((frame["seq"].as_u64(), frame["id"].clone()));
                    }
                }
                order
            })
        })
        .collect();
    let mut orders = Vec::new();
    for task in tasks {
        orders.push(task.await.expect("an order"));
    }
    assert!(
        orders[0]
            .iter()
            .map(|(seq, _)| *seq)
            .eq((1..=6 * EACH as u64).map(Some))
    );
    assert!(orders.iter().all(|order| *order == orders[0]));
}

#[tokio::test]
async fn a_resume_has_no_gap_and_no_double() {
    let relay = relay(|config| config.seat = Duration::from_secs(60)).await;
    let mut alice = Client::join(&relay, "alice").await;
    let mut bob = Client::join(&relay, "bob").await;
    alice.post("a", &[], false).await;
    alice.post("b", &["bob"], true).await;
    assert_eq!(bob.next_of("message").await["id"], "a");
    let resume = bob.resume(1);
    let session = bob.welcome["session"].clone();
    bob.cut();
    let member = alice.presence("away", "bob").await;
    assert_eq!(member["status"], "away");
    let ack = alice.post("c", &["bob"], true).await;
    assert_eq!(
        (&ack["count"], &ack["reached"], &ack["absent"]),
        (&json!(0), &json!([]), &json!(["bob"]))
    );
    alice.post("d", &["carol"], true).await;
    alice.post("e", &[], false).await;

    let mut bob = Client::enter(&relay, back("bob", resume)).await;
    assert_eq!(
        (&bob.welcome["resumed"], &bob.welcome["session"]),
        (&json!("ok"), &session)
    );
    assert_eq!(bob.welcome["seq"], 5);
    assert_eq!(alice.presence("back", "bob").await["status"], "online");
    alice.post("f", &[], false).await;
    assert_eq!(bob.messages().await, ["b", "c", "e", "f"]);
    // The last received message counts, not the last sent one.
    let (resume, later) = (bob.resume(3), bob.resume(6));
    bob.cut();
    let mut bob = Client::enter(&relay, back("bob", resume)).await;
    assert_eq!(bob.messages().await, ["e", "f"]);
    bob.cut();
    let mut bob = Client::enter(&relay, back("bob", later)).await;
    assert!(bob.messages().await.is_empty());
    // Duplicates of messages that bob has are not delivered again.
    assert_eq!(alice.post("c", &["bob"], true).await["duplicate"], true);
    assert!(bob.messages().await.is_empty());
    // The member's own messages are never replayed as missed.
    bob.post("g", &[], false).await;
    let resume = bob.resume(6);
    bob.cut();
    let mut bob = Client::enter(&relay, back("bob", resume)).await;
    assert!(bob.messages().await.is_empty());
}

#[tokio::test]
async fn resumes_tell_what_is_lost() {
    let relay = relay(|config| config.memory_messages = 3).await;
    let mut alice = Client::join(&relay, "alice").await;
    let bob = Client::join(&relay, "bob").await;
    let (resume, mut stranger) = (bob.resume(0), bob.resume(0));
    bob.cut();
    for i in 0..3 {
        alice.post(&format!("m{i}"), &[], false).await;
    }
    let mut bob = Client::enter(&relay, back("bob", resume.clone())).await;
    assert_eq!(
        (bob.welcome["resumed"].clone(), bob.messages().await),
        (json!("ok"), ids_of(0..3))
    );
    bob.cut();
    alice.post("m3", &[], false).await;
    let mut bob = Client::enter(&relay, back("bob", resume)).await;
    assert_eq!(
        (bob.welcome["resumed"].clone(), bob.messages().await),
        (json!("gap"), ids_of(1..4))
    );
    bob.bye().await;
    stranger["epoch"] = "another".into();
    let mut bob = Client::enter(&relay, back("bob", stranger)).await;
    assert_eq!(
        (bob.welcome["resumed"].clone(), bob.messages().await),
        (json!("lost"), ids_of(1..4))
    );
    // Without the session, epoch and seq still count.
    let mut resume = bob.resume(3);
    resume["session"] = "gone".into();
    bob.bye().await;
    let mut bob = Client::enter(&relay, back("bob", resume)).await;
    assert_eq!(
        (bob.welcome["resumed"].clone(), bob.messages().await),
        (json!("ok"), ids_of(3..4))
    );
}

fn ids_of(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|i| format!("m{i}")).collect()
}

#[tokio::test]
async fn what_waits_is_served_on_arrival() {
    let relay = relay(|_| {}).await;
    let mut alice = Client::join(&relay, "alice").await;
    alice.post("a", &["Bob"], true).await;
    alice.post("b", &[], false).await;
    alice.post("c", &["bob"], false).await;
    alice.post("d", &["carol"], true).await;
    let bob = Client::join(&relay, "bob").await;
    let resume = bob.resume(0);
    drop(bob);
    alice.presence("away", "bob").await;
    // Without a confirmation, the messages count as not received.
    let mut owner_of_nothing = Client::connect(&relay).await;
    owner_of_nothing.send(hello("bob")).await;
    assert_eq!(owner_of_nothing.end().await, end(4009, "name_taken"));
    let mut bob = Client::enter(&relay, back("bob", resume)).await;
    assert_eq!(bob.messages().await, ["a", "b", "c"]);
    bob.bye().await;
    // Now they are confirmed.
    let mut bob = Client::join(&relay, "bob").await;
    assert!(bob.messages().await.is_empty());
    bob.bye().await;
    // The history is merged in: each message once and in order, including the member's own.
    alice.post("e", &["bob"], true).await;
    let mut with_history = hello("bob");
    with_history["history"] = 3.into();
    let mut bob = Client::enter(&relay, with_history).await;
    assert_eq!(bob.messages().await, ["b", "c", "e"]);
    let mut with_history = hello("alice");
    with_history["history"] = 100.into();
    alice.bye().await;
    let mut alice = Client::enter(&relay, with_history).await;
    assert_eq!(alice.messages().await, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn seats_are_held_and_let_go() {
    let relay = relay(|config| config.seat = Duration::from_millis(100)).await;
    let mut alice = Client::join(&relay, "alice").await;
    let bob = Client::join(&relay, "bob").await;
    let resume = bob.resume(0);
    bob.cut();
    alice.presence("away", "bob").await;
    let bob = Client::enter(&relay, back("bob", resume)).await;
    alice.presence("back", "bob").await;
    bob.cut();
    alice.presence("away", "bob").await;
    alice.presence("leave", "bob").await;
    Client::join(&relay, "BOB").await;
    alice.presence("join", "BOB").await;
}

#[tokio::test]
async fn seats_are_taken_over() {
    let relay = relay(|_| {}).await;
    let mut alice = Client::join(&relay, "alice").await;
    let mut bob = Client::enter(&relay, owned("bob", 'A')).await;
    alice.presence("join", "bob").await;
    // With the session.
    let mut second = Client::enter(&relay, back("BOB", bob.resume(0))).await;
    assert_eq!(bob.end().await, end(4024, "replaced"));
    assert_eq!(
        (&second.welcome["name"], &second.welcome["session"]),
        (&json!("bob"), &bob.welcome["session"])
    );
    // With the owner.
    let mut third = Client::enter(&relay, owned("bob", 'A')).await;
    assert_eq!(second.end().await, end(4024, "replaced"));
    assert_eq!(third.welcome["session"], bob.welcome["session"]);
    // With neither.
    let mut wrong = bob.resume(0);
    wrong["session"] = "guessed".into();
    for hello in [hello("bob"), owned("Bob", 'B'), back("bob", wrong)] {
        let mut client = Client::connect(&relay).await;
        client.send(hello).await;
        assert_eq!(client.end().await, end(4009, "name_taken"));
    }
    // None of this was announced.
    third.post("a", &[], false).await;
    let frames = alice.settled().await;
    assert!(
        frames.iter().all(|frame| frame["type"] != "presence"),
        "{frames:?}"
    );
    assert_eq!(ids(&frames), ["a"]);
}

#[tokio::test]
async fn a_name_stays_its_owners() {
    let relay = relay(|_| {}).await;
    let mut alice = Client::join(&relay, "alice").await;
    alice.post("for-anybody", &["bob"], true).await;
    let mut bob = Client::enter(&relay, owned("bob", 'A')).await;
    assert_eq!(bob.welcome["bound"], true);
    assert_eq!(bob.messages().await, ["for-anybody"]);
    bob.bye().await;
    alice.presence("leave", "bob").await;
    // With or without pending messages, and while the room is empty.
    let others = || [hello("bob"), owned("BOB", 'B')];
    for waits in [false, true] {
        for hello in others() {
            let mut client = Client::connect(&relay).await;
            client.send(hello).await;
            assert_eq!(client.end().await, end(4009, "name_taken"), "{waits}");
        }
        alice.post(if waits { "b" } else { "a" }, &["bob"], true).await;
    }
    alice.bye().await;
    for hello in others() {
        let mut client = Client::connect(&relay).await;
        client.send(hello).await;
        assert_eq!(client.end().await, end(4009, "name_taken"));
    }
    let mut bob = Client::enter(&relay, owned("bob", 'A')).await;
    assert_eq!(bob.messages().await, ["a", "b"]);
}

#[tokio::test]
async fn a_message_for_a_key_reaches_no_other() {
    let relay = relay(|_| {}).await;
    let mut alice = Client::enter(&relay, owned("alice", 'A')).await;
    let mut bob = Client::enter(&relay, owned("bob", 'B')).await;
    let key = bob.welcome["members"][1]["key"].clone();
    let mut send = async |id: &str, key: &Value| {
        let frame = json!({"type": "message", "id": id, "to": ["bob"], "only": true,
            "to_keys": {"bob": key}, "body": {"kind": "chat", "text": id}});
        alice.send(frame).await;
        alice.next_of("ack").await
    };
    let ack = send("wrong", &json!("0123456789abcdef")).await;
    assert_eq!((&ack["reached"], &ack["absent"]), (&json!([]), &json!(["bob"])));
    let ack = send("right", &key).await;
    assert_eq!((&ack["reached"], &ack["absent"]), (&json!(["bob"]), &json!([])));
    let got = bob.next_of("message").await;
    assert_eq!((&got["id"], got.get("to_keys")), (&json!("right"), None));
    assert_eq!(got["from_key"], bob.welcome["members"][0]["key"]);
    bob.bye().await;
    let mut with_history = owned("bob", 'B');
    with_history["history"] = 100.into();
    let mut bob = Client::enter(&relay, with_history).await;
    assert_eq!(bob.messages().await, ["right"]);
}

#[tokio::test]
async fn rooms_do_not_hear_each_other() {
    let relay = relay(|_| {}).await;
    let other = |name| {
        let mut hello = hello(name);
        hello["room"] = "Other".into();
        hello
    };
    let mut alice = Client::join(&relay, "alice").await;
    let mut there = Client::enter(&relay, other("alice")).await;
    let mut bob = Client::enter(&relay, other("bob")).await;
    assert_eq!(bob.welcome["members"].as_array().map(Vec::len), Some(2));
    bob.post("a", &[], false).await;
    assert_eq!(there.messages().await, ["a"]);
    assert!(alice.settled().await.is_empty());
    assert_eq!(there.welcome["room"], "Other");
}
