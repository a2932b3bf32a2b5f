//! Ownership of names: who may take a name, who reads messages to it, and how many names are remembered.

mod property;

use super::*;
use crate::room::owners::{KEPT, PROTECTED};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// The secret of an owner, as in a hello.
fn secret(owner: char) -> String {
    owner.to_string().repeat(43)
}

fn owned(owner: char) -> Value {
    json!({"owner": secret(owner)})
}

/// The public key of an owner.
fn key(owner: char) -> String {
    let hello = json!({"type": "hello", "v": 2, "name": "x", "token": "t", "owner": secret(owner)});
    let greeting = Greeting::parse(&hello.to_string()).expect("a hello");
    Owner::of(&greeting.owner.expect("an owner")).key().to_string()
}

#[cfg(feature = "v1")]
fn version_1(bench: &mut Bench, name: &str) -> Result<Client, Code> {
    bench.enter_as(name, json!({}), Some(v1_seat()))
}

impl Bench {
    /// Replaces the room by another one of the same relay, or by the same one after it was removed.
    fn another_room(&mut self, name: &str) {
        let rules = Arc::clone(&self.room.rules);
        self.room = Room::new(name, "another".into(), rules, Arc::clone(&self.owners));
    }

    fn post_to_key(&mut self, from: &Client, id: &str, to: &str, key: &str, only: bool) -> Value {
        let frame = json!({"type": "message", "id": id, "to": [to], "only": only,
            "to_keys": {to.to_uppercase(): key}, "body": {"text": id}});
        let frame = frame.to_string();
        let Ok(Request::Message(post)) = Request::parse(&frame) else {
            panic!("no message: {frame}")
        };
        self.room.message(&from.seat_id, &post, 1000).expect("taken");
        let ack = from.outbox.0.borrow_mut().frames.pop_back().expect("an ack");
        json_of(&ack)
    }
}

/// A name stays bound after `bye` and after the grace period, in every case of its room.
#[test]
fn a_name_stays_its_owners_after_it_left() {
    for (leave, again) in [("bye", "lobby"), ("expire", "lobby"), ("bye", "LOBBY")] {
        let mut bench = Bench::new(|_| {});
        let alice = bench.enter("alice", owned('A')).expect("a welcome");
        match leave {
            "bye" => bench.room.leave(&alice.seat_id),
            _ => {
                let grace_period = bench.room.mark_away(&alice.seat_id).expect("a grace period");
                bench.room.expire(&grace_period);
            }
        }
        assert_eq!(bench.room.members(), 0);
        bench.another_room(again);
        assert_eq!(bench.enter("ALICE", owned('B')).err(), Some(Code::NameTaken));
        assert_eq!(bench.enter("alice", json!({})).err(), Some(Code::NameTaken));
        #[cfg(feature = "v1")]
        assert_eq!(version_1(&mut bench, "alice").err(), Some(Code::NameTaken));
        assert!(bench.enter("alice", owned('A')).is_ok(), "{leave}");
        bench.another_room("kitchen");
        assert!(
            bench.enter("alice", owned('B')).is_ok(),
            "another room's name is another name"
        );
    }
}

#[test]
fn a_name_is_free_again_after_seven_days() {
    let mut bench = Bench::new(|_| {});
    let alice = bench.enter("alice", owned('A')).expect("a welcome");
    bench.room.advance_clock(DAY);
    bench.room.leave(&alice.seat_id);
    bench.room.advance_clock(DAY + KEPT - 1);
    assert_eq!(bench.enter("alice", json!({})).err(), Some(Code::NameTaken));
    bench.room.advance_clock(DAY + KEPT);
    assert!(bench.enter("alice", owned('B')).is_ok());
}

/// Private messages never go to another holder of the name, however it became free.
#[test]
fn what_waits_for_an_owner_reaches_nobody_else() {
    let mut bench = Bench::new(|_| {});
    let alice = bench.enter("alice", owned('A')).expect("a welcome");
    let bob = bench.enter("bob", owned('B')).expect("a welcome");
    bench.post(&alice, "had", &["bob"], true).expect("taken");
    bench.room.leave(&bob.seat_id);
    bench.post(&alice, "waits", &["bob"], true).expect("taken");
    bench.post(&alice, "public", &["bob"], false).expect("taken");
    bench.room.advance_clock(KEPT + DAY);
    // The present holder sees neither in any way, and confirms nothing.
    for fields in [owned('C'), json!({}), json!({"history": 99})] {
        let mut other = bench.enter("bob", fields.clone()).expect("a welcome");
        let seen = bench.ids(&mut other);
        assert!(seen.iter().all(|id| id == "public"), "{fields}: {seen:?}");
        bench.room.leave(&other.seat_id);
        bench.room.advance_clock(bench.room.now + KEPT);
    }
    #[cfg(feature = "v1")]
    {
        let mut other = version_1(&mut bench, "bob").expect("a welcome");
        let frames = bench.read_all(&mut other);
        assert!(frames.iter().all(|frame| frame["text"].is_null()));
        bench.room.leave(&other.seat_id);
    }
    let resumes = json!({"owner": secret('D'), "history": 99,
        "resume": {"session": "x", "epoch": "epoch", "seq": 99}});
    let mut other = bench.enter("bob", resumes).expect("a welcome");
    assert!(bench.ids(&mut other).iter().all(|id| id == "public"));
    bench.room.leave(&other.seat_id);
    bench.room.advance_clock(bench.room.now + KEPT);
    let mut bob = bench.enter("bob", owned('B')).expect("a welcome");
    assert_eq!(bench.ids(&mut bob), ["waits", "public"]);
    bench.room.leave(&bob.seat_id);
    let fields = json!({"owner": secret('B'), "history": 99});
    let mut bob = bench.enter("bob", fields).expect("a welcome");
    assert_eq!(bench.ids(&mut bob), ["had", "waits", "public"]);
}

/// Messages from and to a name without an owner are not shown to a later holder.
#[test]
fn a_history_is_for_who_was_there() {
    let mut bench = Bench::new(|_| {});
    let alice = bench.join("alice");
    #[cfg(feature = "v1")]
    let bob = version_1(&mut bench, "bob").expect("a welcome");
    #[cfg(not(feature = "v1"))]
    let bob = bench.join("bob");
    bench.post(&alice, "to-bob", &["bob"], true).expect("taken");
    bench.room.leave(&bob.seat_id);
    bench.post(&alice, "waits", &["bob"], true).expect("taken");
    let fields = json!({"owner": secret('B'), "history": 99});
    let mut bob = bench.enter("bob", fields.clone()).expect("a welcome");
    // Pending messages are for the first who takes the name, and then for nobody else.
    assert_eq!(bench.ids(&mut bob), ["waits"]);
    bench.room.leave(&bob.seat_id);
    let mut again = bench.enter("bob", fields).expect("a welcome");
    assert_eq!(bench.ids(&mut again), ["waits"]);
    bench.room.leave(&again.seat_id);
    bench.room.leave(&alice.seat_id);
    // Without a key, the name identifies the member. With one, it is another member.
    let mut alice = bench.enter("alice", json!({"history": 99})).expect("a welcome");
    assert_eq!(bench.ids(&mut alice), ["to-bob", "waits"]);
    bench.room.leave(&alice.seat_id);
    let fields = json!({"owner": secret('A'), "history": 99});
    let mut other = bench.enter("alice", fields).expect("a welcome");
    assert_eq!(bench.ids(&mut other), [""; 0]);
    bench.room.leave(&other.seat_id);
}

/// The same for messages of a version 1 member.
#[cfg(feature = "v1")]
#[test]
fn a_history_of_version_1_is_for_who_was_there() {
    let mut bench = Bench::new(|_| {});
    let carol = version_1(&mut bench, "carol").expect("a welcome");
    let frame = json!({"type": "msg", "msgId": "c", "from": "carol", "to": ["alice"], "role": "user",
        "threadId": "t", "text": "hello", "hopCount": 0, "attachments": []});
    let frame = frame.to_string();
    let Ok(crate::protocol::v1::Request::Msg(msg)) = crate::protocol::v1::Request::parse(&frame) else {
        panic!("no message: {frame}")
    };
    let alice = bench.enter("alice", owned('A')).expect("a welcome");
    bench.room.v1().message(&carol.seat_id, &msg, 1000);
    bench.room.leave(&carol.seat_id);
    for fields in [
        json!({"history": 99}),
        json!({"owner": secret('C'), "history": 99}),
    ] {
        let mut other = bench.enter("carol", fields).expect("a welcome");
        assert_eq!(
            bench.ids(&mut other),
            [""; 0],
            "a later holder of a version 1 name"
        );
        bench.room.leave(&other.seat_id);
    }
    bench.room.leave(&alice.seat_id);
}

/// A member that leaves and returns without a key still gets its pending messages.
#[test]
fn without_an_owner_what_waits_follows_the_name() {
    let mut bench = Bench::new(|_| {});
    let alice = bench.join("alice");
    let bob = bench.join("bob");
    let grace_period = bench.room.mark_away(&bob.seat_id).expect("a grace period");
    bench.post(&alice, "a", &["bob"], true).expect("taken");
    bench.room.expire(&grace_period);
    bench.post(&alice, "b", &["bob"], true).expect("taken");
    let mut bob = bench.join("bob");
    assert_eq!(bench.ids(&mut bob), ["a", "b"]);
}

/// A pending message does not reserve a name after its owner's binding has ended.
#[test]
fn what_waits_locks_no_name() {
    let mut bench = Bench::new(|_| {});
    let bob = bench.join("bob");
    let mallory = bench.enter("alice", owned('M')).expect("a welcome");
    bench.post(&bob, "a", &["alice"], true).expect("taken");
    let grace_period = bench.room.mark_away(&mallory.seat_id).expect("a grace period");
    bench.post(&bob, "b", &["alice"], true).expect("taken");
    bench.room.expire(&grace_period);
    bench.room.advance_clock(KEPT + DAY);
    assert!(bench.room.has_pending());
    let mut alice = bench.enter("alice", owned('A')).expect("a welcome");
    assert_eq!(bench.ids(&mut alice), [""; 0]);
}

#[test]
fn messages_carry_their_senders_key() {
    let mut bench = Bench::new(|_| {});
    let alice = bench.enter("alice", owned('A')).expect("a welcome");
    let carol = bench.join("carol");
    let mut bob = bench.join("bob");
    let mut overheard = |bench: &mut Bench, from: &Client, id: &str, to: &[&str]| {
        let body = json!({"from_key": "0000000000000000"});
        bench.post_body(from, id, to, false, body).expect("taken");
        let frames = bench.read_all(&mut bob);
        let message = frames.into_iter().find(|frame| frame["id"] == id);
        message.expect("a message")
    };
    let message = overheard(&mut bench, &alice, "a", &["carol"]);
    assert_eq!(message["from_key"], key('A'));
    let message = overheard(&mut bench, &carol, "c", &[]);
    assert!(message.as_object().expect("an object").contains_key("from_key"));
    assert_eq!(message["from_key"], Value::Null);
    // Batches take another code path.
    let text = r#"{"type":"message","id":"r","body":{},"from_key":"0000000000000000"}"#;
    let Ok(Request::Message(post)) = Request::parse(text) else {
        panic!("no message")
    };
    bench.room.broadcast(&alice.seat_id, &[post], 1000);
    let frames = bench.read_all(&mut bob);
    assert_eq!(frames[0]["from_key"], key('A'));
}

#[test]
fn a_welcome_says_what_there_is() {
    let mut bench = Bench::new(|_| {});
    for (name, fields, bound) in [("alice", owned('A'), true), ("bob", json!({}), false)] {
        let mut client = bench.enter(name, fields).expect("a welcome");
        let welcome = &bench.read_all(&mut client)[0];
        assert_eq!(welcome["features"], json!(["names", "from_key", "to_keys"]));
        assert_eq!(welcome["bound"], bound);
    }
}

/// `to_keys`: an `only` message is for that key only. For other messages, it decides `reached`.
#[test]
fn messages_for_a_key() {
    let (right, wrong) = (key('B'), key('C'));
    let mut bench = Bench::new(|_| {});
    let mut alice = bench.join("alice");
    let mut bob = bench.enter("bob", owned('C')).expect("a welcome");
    bench.read_all(&mut alice);
    bench.read_all(&mut bob);
    let ack = bench.post_to_key(&alice, "private", "bob", &right, true);
    assert_eq!((&ack["reached"], &ack["absent"]), (&json!([]), &json!(["bob"])));
    assert_eq!((&ack["count"], bench.read_all(&mut bob)), (&json!(0), Vec::new()));
    let ack = bench.post_to_key(&alice, "public", "bob", &right, false);
    assert_eq!((&ack["reached"], &ack["absent"]), (&json!([]), &json!(["bob"])));
    assert_eq!(ack["count"], 1);
    let frames = bench.read_all(&mut bob);
    assert_eq!((frames.len(), &frames[0]["id"]), (1, &json!("public")));
    assert!(frames[0].get("to_keys").is_none(), "it is not forwarded");
    let ack = bench.post_to_key(&alice, "his", "bob", &wrong, true);
    assert_eq!(ack["reached"], json!(["bob"]));
    assert_eq!(bench.ids(&mut bob), ["his"]);
    let ack = bench.post_to_key(&alice, "private", "bob", &right, true);
    assert_eq!(
        (&ack["duplicate"], &ack["absent"]),
        (&json!(true), &json!(["bob"]))
    );
    // It waits while others join and leave, and is in none of their histories.
    bench.room.leave(&bob.seat_id);
    let mut bob = bench
        .enter("bob", json!({"owner": secret('C'), "history": 99}))
        .expect("a welcome");
    assert_eq!(bench.ids(&mut bob), ["public", "his"]);
    bench.room.leave(&bob.seat_id);
    bench.room.advance_clock(KEPT + DAY);
    let mut bob = bench.enter("bob", owned('B')).expect("a welcome");
    assert_eq!(bench.ids(&mut bob), ["private", "public"]);
    let ack = bench.post_to_key(&alice, "private", "bob", &right, true);
    assert_eq!(ack["reached"], json!(["bob"]));
}

/// The name is new, but the sender may know its key from elsewhere.
#[test]
fn a_key_is_waited_for_where_the_name_is_free() {
    let mut bench = Bench::new(|_| {});
    let alice = bench.join("alice");
    bench.post_to_key(&alice, "a", "bob", &key('B'), true);
    for fields in [json!({"history": 9}), json!({"owner": secret('C'), "history": 9})] {
        let mut bob = bench.enter("bob", fields).expect("a welcome");
        assert_eq!(bench.ids(&mut bob), [""; 0]);
        bench.room.leave(&bob.seat_id);
        bench.room.advance_clock(bench.room.now + KEPT);
    }
    let mut bob = bench.enter("bob", owned('B')).expect("a welcome");
    assert_eq!(bench.ids(&mut bob), ["a"]);
}

/// Ids belong to a sender: a new holder of a name cannot use up the ids of the previous one.
#[test]
fn another_owners_ids_are_no_duplicates() {
    let mut bench = Bench::new(|_| {});
    let mut bob = bench.join("bob");
    let mallory = bench.enter("alice", owned('M')).expect("a welcome");
    bench.post(&mallory, "x", &["bob"], true).expect("taken");
    bench.room.leave(&mallory.seat_id);
    bench.room.advance_clock(KEPT + DAY);
    let alice = bench.enter("alice", owned('A')).expect("a welcome");
    bench.post(&alice, "x", &["bob"], true).expect("taken");
    assert_eq!(bench.ids(&mut bob), ["x", "x"]);
    for i in 0..1100 {
        bench
            .post(&alice, &format!("m{i}"), &["bob"], true)
            .expect("taken");
    }
    bench.room.memory.size();
}

/// A flood of names evicts itself, and neither names that were present for long nor names that sent messages.
#[test]
fn a_flood_of_names_evicts_itself() {
    let mut bench = Bench::new(|_| {});
    *bench.owners.lock().expect("a table") = Owners::new(10, 100);
    let resident = bench.enter("resident", owned('R')).expect("a welcome");
    bench.room.advance_clock(PROTECTED + MINUTE);
    bench.room.leave(&resident.seat_id);
    let guest = bench.enter("guest", owned('G')).expect("a welcome");
    bench.post(&guest, "a", &[], false).expect("taken");
    bench.room.leave(&guest.seat_id);
    bench.address = Ipv4Addr::new(10, 6, 6, 6).into();
    for i in 0..100 {
        let one = bench.enter(&format!("f{i}"), owned('F')).expect("a welcome");
        if i % 2 == 0 {
            bench.post(&one, &format!("f{i}"), &[], false).expect("taken");
        }
        bench.room.leave(&one.seat_id);
    }
    for name in ["resident", "guest"] {
        assert_eq!(
            bench.enter(name, owned('X')).err(),
            Some(Code::NameTaken),
            "{name}"
        );
    }
    assert!(bench.enter("f0", owned('X')).is_ok());
}

#[test]
fn where_only_protected_names_are_left_a_newcomer_is_unbound() {
    let mut bench = Bench::new(|_| {});
    *bench.owners.lock().expect("a table") = Owners::new(2, 100);
    for name in ["ann", "ben"] {
        bench.enter(name, owned('A')).expect("a welcome");
    }
    bench.room.advance_clock(PROTECTED + MINUTE);
    let mut carol = bench.enter("carol", owned('C')).expect("a welcome");
    let welcome = &bench.read_all(&mut carol)[0];
    assert_eq!(welcome["bound"], false);
    assert!(bench.enter("carol", owned('C')).is_ok(), "her seat is still hers");
    assert_eq!(bench.enter("carol", owned('D')).err(), Some(Code::NameTaken));
}
