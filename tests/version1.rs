//! Members of version 1, as people with a client of version 2 see them.

mod support;

use serde_json::{Value, json};
use support::{Home, Relay, shell::Running, v1::V1};

/// A message of the plugin in the thread of one that it got.
fn in_thread_of(message: &Value) -> Value {
    json!({"threadId": message["threadId"], "role": "user"})
}

/// Issue 16, 36: a rejection was a mention, and an answer left the question "delivered".
#[test]
fn a_question_is_rejected_or_answered() {
    let relay = Relay::start();
    let home = Home::new("alice", &relay, "");
    let alice = home.screen(100, 30);
    alice.wait_for("People 1");
    let mut plugin = V1::join(&relay, "plugin");
    alice.wait_for("People 2");
    alice.say("@plugin the first question");
    let question = plugin.next("msg");
    plugin.say(&["alice"], "[reject] no time", in_thread_of(&question));
    let screen = alice.wait_for("rejected");
    assert!(
        screen.contains("no time") && !screen.contains("[reject]"),
        "{screen}"
    );
    alice.say("@plugin the second question");
    let question = plugin.next("msg");
    plugin.say(&["alice"], "the only answer", in_thread_of(&question));
    alice.wait_for("the only answer");
    alice.wait_for("answered");
}

/// Issue 16, 36: a room that was not the lobby left a plugin alone in another.
#[test]
fn it_joins_the_hosted_room() {
    let home = Home::empty("alice");
    home.configure("name = \"alice\"\nhost = \"127.0.0.1:0\"\nroom = \"kitchen\"\n");
    let alice = Running::start(&home, &["--stay"]);
    let line = alice.wait_for("nexscope://");
    let invite = line.split_whitespace().last().unwrap();
    let (address, token) = invite
        .strip_prefix("nexscope://")
        .unwrap()
        .split_once('#')
        .unwrap();
    let (address, room) = address.split_once('/').unwrap();
    assert!(room.starts_with("kitchen"), "{invite}");
    alice.wait_for("-- in #kitchen as alice");
    let mut plugin = V1::join_at(address, token, "plugin");
    plugin.say(&[], "anybody here?", json!({}));
    alice.wait_for("anybody here?");
    assert_eq!(plugin.next("ack")["delivered"], json!(["alice"]));
}
