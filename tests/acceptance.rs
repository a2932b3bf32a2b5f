//! The acceptance list of nexscope-plugin, item by item, with the real binaries: existing users rely on it.

mod support;

use serde_json::{Value, json};
use support::{
    Home, Relay, TOKEN, Term, command_agent,
    proxy::Proxy,
    shell::{Running, ask},
    v1::V1,
};

/// A member whose agent answers with the number of its run.
fn with_agent(name: &str, relay: &Relay, more: &str) -> Home {
    let home = Home::empty(name);
    let agent = home.script(
        "agent",
        "cat > /dev/null; echo run >> \"$HOME/runs\"; echo \"answer $(wc -l < \"$HOME/runs\")\"",
    );
    home.join(relay, &format!("{more}{}", command_agent("helper", &agent)));
    home
}

fn runs(home: &Home) -> usize {
    std::fs::read_to_string(home.path().join("runs")).map_or(0, |runs| runs.lines().count())
}

#[test]
fn two_join_see_each_other_and_stop_tells_the_others() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let (a, seat) = (Running::lines(&alice), Running::headless(&bob));
    a.wait_for("bob joined");
    assert_eq!(ask(&alice, &["who"])["online"], json!(["alice", "bob"]));
    assert_eq!(ask(&bob, &["who"])["online"], json!(["alice", "bob"]));
    assert_eq!(ask(&bob, &["stop"])["stopped"], json!(true));
    a.wait_for("bob left");
    drop(seat);
}

#[test]
fn a_taken_name_and_a_wrong_token_have_clear_errors() {
    let relay = Relay::start();
    let (alice, other) = (Home::new("alice", &relay, ""), Home::new("alice", &relay, ""));
    let _a = Running::lines(&alice);
    let (code, said) = Running::start(&other, &["--stay"]).end();
    assert!(code == 1 && said.contains("has that name"), "{said}");
    let wrong = Home::empty("carol");
    wrong.configure(&format!(
        "name = \"carol\"\nrelay = \"{}\"\ntoken = \"not-the-token-of-it\"",
        relay.url()
    ));
    let (code, said) = Running::start(&wrong, &["--stay"]).end();
    assert!(code == 1 && said.contains("token"), "{said}");
    assert!(!said.contains("not-the-token-of-it"));
}

#[test]
fn a_mention_reaches_only_that_member_and_a_broadcast_all_others() {
    let relay = Relay::start();
    let homes = ["alice", "bob", "carol"].map(|name| Home::new(name, &relay, ""));
    let [mut a, b, c] = homes.each_ref().map(Running::lines);
    a.wait_for("carol joined");
    a.say("/tell @bob between us");
    b.wait_for("alice → bob: between us");
    // The sender sees who received it.
    let alone = Home::new("dave", &relay, "");
    let seat = Term::spawn(&alone, &["start", "--headless"], 80, 24);
    seat.wait_for("in #lobby as dave");
    let said = Term::spawn(
        &alone,
        &["say", "--force", "@bob", "@zoe", "are you there?"],
        80,
        24,
    );
    said.wait_for("bob has it, zoe gets it later");
    b.wait_for("dave → bob, zoe: are you there?");
    a.say("for all");
    b.wait_for("alice: for all");
    c.wait_for("alice: for all");
    assert!(!c.has_seen("between us") && !c.has_seen("are you there"));
}

#[test]
fn manual_waits_auto_answers_and_the_person_decides_after_three_in_a_row() {
    let relay = Relay::start();
    let bob = with_agent("bob", &relay, "mode = \"auto\"\n");
    let carol = with_agent("carol", &relay, "");
    let alice = Home::new("alice", &relay, "");
    let mut v1 = V1::join(&relay, "plugin");
    bob.trusts("plugin");
    let (seat, other) = (Running::headless(&bob), Running::headless(&carol));
    let mut a = Running::lines(&alice);

    a.say("for everybody, and for no agent");
    assert_eq!(v1.next("msg")["text"], "for everybody, and for no agent");
    a.say("@carol are you there?");
    other.wait_for("m2 from alice");
    assert_eq!(ask(&carol, &["inbox"])["pending"][0]["kind"], "mention");

    // An agent's questions are answered on their thread, one hop further, and at most three in a row.
    for number in 1..=3 {
        v1.say(&["bob"], &format!("question {number}"), json!({}));
        let answer = v1.next("msg");
        assert_eq!(answer["text"], format!("answer {number}"));
        assert_eq!(
            (&answer["threadId"], &answer["hopCount"], &answer["role"]),
            (&json!("a-thread"), &json!(1), &json!("userAgent")),
        );
    }
    v1.say(&["bob"], "question 4", json!({}));
    let waiting = waits(&bob);
    assert_eq!(waiting["why"], "auto mode stepped back");
    assert_eq!(
        (runs(&bob), runs(&carol)),
        (3, 0),
        "neither a broadcast nor what waits starts anything"
    );
    drop(seat);
}

/// Waits until a session's inbox has an item, and returns it.
fn waits(home: &Home) -> Value {
    loop {
        let inbox = ask(home, &["inbox"]);
        if !inbox["pending"][0].is_null() {
            return inbox["pending"][0].clone();
        }
        ask(home, &["watch", "--timeout", "1"]);
    }
}

#[test]
fn messages_of_people_and_agents_are_told_apart() {
    let relay = Relay::start();
    let bob = Home::new("bob", &relay, "");
    let b = bob.screen(80, 24);
    b.wait_for("People 1");
    let mut v1 = V1::join(&relay, "plugin");
    v1.say(&["bob"], "by a person", json!({"role": "user"}));
    v1.say(&["bob"], "by an agent", json!({"role": "userAgent"}));
    b.wait_for("by an agent");
    assert_eq!(ask(&bob, &["inbox"])["pending"][0]["by"], "person");
    assert_eq!(ask(&bob, &["inbox"])["pending"][1]["by"], "agent");
    b.wait_until("the mark of an agent", |screen| {
        let line = |text| {
            screen
                .lines()
                .find(|line| line.contains(text))
                .unwrap_or_default()
        };
        line("by a person").contains("plugin →") && line("by an agent").contains("plugin·agent →")
    });
}

/// Waits until the others see bob with this status.
fn until_bob_is(home: &Home, status: &str) {
    loop {
        let who = ask(home, &["who"]);
        let members = who["members"].as_array().unwrap();
        if members
            .iter()
            .any(|one| one["name"] == "bob" && one["status"] == status)
        {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn clients_reconnect_after_a_crash_of_their_own_or_the_relays() {
    let relay = Relay::start_with(&["--heartbeat", "1"]);
    let proxy = Proxy::start(relay.address());
    let alice = Home::new("alice", &relay, "");
    let bob = Home::empty("bob");
    bob.configure(&format!(
        "name = \"bob\"\nrelay = \"{}\"\ntoken = \"{TOKEN}\"",
        proxy.url()
    ));
    let (mut a, b) = (Running::lines(&alice), Running::lines(&bob));
    a.wait_for("bob joined");
    proxy.stall(true);
    until_bob_is(&alice, "away");
    a.say("while you were away");
    proxy.stall(false);
    until_bob_is(&alice, "online");
    b.wait_for("alice: while you were away");

    let dead = relay.kill();
    let relay = dead.revive();
    a.wait_for("-- in #lobby as alice");
    b.wait_for("-- in #lobby as bob");
    a.say("all here again");
    b.wait_for("alice: all here again");
    drop(relay);
}

#[test]
fn a_message_that_is_too_long_is_refused_with_a_hint_and_nothing_is_lost() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let (mut a, b) = (Running::lines(&alice), Running::lines(&bob));
    a.wait_for("bob joined");
    a.say(&"long ".repeat(60_000));
    a.say("short");
    b.wait_for("alice: short");
    assert!(!b.has_seen("long"));
    let (code, said) = a.end();
    assert!(code == 1 && said.contains("send it as a file"), "{said}");
    assert!(
        ask(&bob, &["who"])["online"]
            .as_array()
            .unwrap()
            .contains(&json!("bob"))
    );
}
