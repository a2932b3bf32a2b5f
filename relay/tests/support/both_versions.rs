//! A room with members of both versions.

use nexscope_relay::Running;
use serde_json::{Value, json};

use super::{Client, V1};

/// `ann` and `bob` speak version 1, `cat` and `dan` version 2.
pub async fn four(relay: &Running) -> (V1, V1, Client, Client) {
    let mut ann = V1::join(relay, "ann").await;
    let mut bob = V1::join(relay, "bob").await;
    let mut cat = Client::join(relay, "cat").await;
    let dan = Client::join(relay, "Dan").await;
    for client in [&mut ann, &mut bob] {
        client.until_users(&["Dan", "ann", "bob", "cat"]).await;
    }
    cat.presence("join", "Dan").await;
    (ann, bob, cat, dan)
}

/// A chat message with other fields in `body`.
pub fn chat(id: &str, to: &[&str], only: bool, body: Value) -> Value {
    let mut chat = json!({"kind": "chat", "text": format!("text of {id}"), "origin": "human"});
    for (key, value) in body.as_object().expect("fields") {
        chat[key] = value.clone();
    }
    json!({"type": "message", "id": id, "to": to, "only": only, "body": chat})
}
