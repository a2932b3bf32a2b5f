//! A taken name: the program tries it again and offers another one. Also messages that were sent under it.

use serde_json::json;

use super::*;
use crate::support::v2::V2;

/// Issue 14, 16: one refusal stopped the client until `/start`.
#[test]
fn a_name_that_is_taken_is_tried_again() {
    let relay = Relay::start();
    let mut other = V2::join(&relay, &json!({"name": "alice"}));
    let alice = Home::new("alice", &relay, "");
    let screen = alice.screen(140, 24);
    screen.wait_for("someone has that name (alice); /start -n alice-2 joins as alice-2");
    other.say(&json!({"type": "bye"}));
    screen.wait_for("● alice");
    leave(screen);
}

#[test]
fn the_next_free_name_is_taken_by_a_command() {
    let relay = Relay::start();
    let owner = "A".repeat(43);
    let mut other = V2::join(&relay, &json!({"name": "alice", "owner": owner}));
    let mut second = V2::join(&relay, &json!({"name": "alice-2"}));
    let alice = Home::new("alice", &relay, "");
    let screen = alice.screen(140, 24);
    screen.wait_for("/start -n alice-2");
    screen.say("/start -n alice-2");
    screen.wait_for("someone has that name (alice-2); /start -n alice-3 joins as alice-3");
    screen.say("/start -n alice-3");
    screen.wait_for("● alice-3");
    other.until(|frame| frame["event"] == "join" && frame["member"]["name"] == "alice-3");
    screen.say("hello from the third");
    let said = second.until(|frame| frame["body"]["text"] == "hello from the third");
    assert_eq!(said["from"], "alice-3");
    assert!(said["from_key"].is_string());
    // Once in the room, another name needs a restart.
    screen.say("/start -n alice-4");
    screen.wait_for("You are in the room as alice-3.");
    let state = alice.path().join("state/nexscope");
    let rooms = std::fs::read_dir(state)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let place = rooms.map(|relay| relay.join("lobby/alice-3/journal.jsonl"));
    assert_eq!(place.filter(|journal| journal.exists()).count(), 1);
    leave(screen);
}

/// Issue 14, 13: after her return, her client showed an imposter's messages as her own.
#[test]
fn words_of_somebody_else_under_ones_own_name_are_marked() {
    let relay = Relay::start();
    let mut other = V2::join(&relay, &json!({"name": "alice"}));
    let body = json!({"kind": "chat", "origin": "human", "text": "deploy now"});
    other.say(&json!({"type": "message", "id": "m", "body": body}));
    other.next("ack");
    other.say(&json!({"type": "bye"}));
    let alice = Home::new("alice", &relay, "");
    for _ in 0..2 {
        let screen = alice.screen(100, 24);
        screen.wait_for("deploy now");
        screen.wait_for("⚠ not you: somebody else used your name");
        leave(screen);
    }
}
