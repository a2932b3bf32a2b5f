//! A headless session, shown and decided by its person: on an attached terminal, and by the person's programs
//! if they were allowed to at its start.

mod support;

use serde_json::json;
use support::{
    Home, Relay, Term, command_agent,
    shell::{Running, ask, fails, shell},
};

/// alice in plain mode; bob's headless session, with an agent that answers; a pending mention by alice.
struct Seat {
    _relay: Relay,
    alice: Running,
    bob: Home,
    seat: Running,
    _home: Home,
}

impl Seat {
    fn new(flags: &[&str]) -> Self {
        let relay = Relay::start();
        let home = Home::new("alice", &relay, "");
        let bob = Home::empty("bob");
        let agent = bob.script("agent", "cat > /dev/null; echo 'It races at line 42.'");
        bob.join(&relay, &command_agent("helper", &agent));
        let seat = Running::start(&bob, &[&["start", "--headless"], flags].concat());
        seat.wait_for("in #lobby as");
        let mut alice = Running::start(&home, &[]);
        alice.wait_for("-- in #lobby as alice");
        alice.say("@bob where does it race?");
        seat.wait_for("m1 from alice");
        Self {
            _relay: relay,
            alice,
            bob,
            seat,
            _home: home,
        }
    }

    fn attach(&self, columns: u16, rows: u16) -> Term {
        let term = Term::spawn(&self.bob, &["attach"], columns, rows);
        term.wait_for("#lobby");
        term
    }
}

#[test]
fn a_terminal_attaches_decides_leaves_and_attaches_again() {
    let seat = Seat::new(&[]);
    let term = seat.attach(80, 24);
    term.wait_for("where does it race?");
    term.press_until("\x1bOQ", "It races at line 42.");
    seat.alice.wait_for("It races at line 42.");
    term.say("I have looked at it.");
    seat.alice.wait_for("I have looked at it.");
    term.resize(50, 15);
    term.wait_until("the narrow screen", |screen| {
        screen.lines().all(|line| line.chars().count() <= 50) && screen.contains("I have looked")
    });

    // The unsent text is kept for the next terminal that attaches.
    term.send("half a thou");
    term.wait_for("half a thou");
    term.send("\x03");
    term.wait_for("bob's session goes on");
    let (code, ended) = term.end();
    assert!(code == 0 && ended.is_restored());
    assert_eq!(ask(&seat.bob, &["who"])["online"], json!(["alice", "bob"]));

    // A second terminal replaces the first; both are notified when the session ends.
    let first = seat.attach(60, 20);
    first.wait_for("half a thou");
    let second = seat.attach(100, 30);
    second.wait_for("half a thou");
    first.wait_for("Another terminal shows bob's session now.");
    assert!(shell(&seat.bob, &["stop"]).status.success());
    second.wait_for("The session has ended.");
    let mut seat = seat;
    assert!(seat.seat.child.wait().unwrap().success());
}

#[test]
fn the_editor_is_the_attached_terminals_own() {
    let mut seat = Seat::new(&[]);
    let editor = seat.bob.script(
        "editor",
        "tty > \"$HOME/tty\"; printf 'written elsewhere' > \"$1\"",
    );
    seat.bob.set("EDITOR", editor.display().to_string());
    let term = seat.attach(80, 24);
    term.send("\x18\x05");
    term.wait_for("written elsewhere");
    let tty = std::fs::read_to_string(seat.bob.path().join("tty")).unwrap();
    assert!(tty.starts_with("/dev/pts/"), "{tty}");
    term.send("\r");
    seat.alice.wait_for("written elsewhere");
}

#[test]
fn only_a_persons_terminal_attaches() {
    let mut seat = Seat::new(&[]);
    let (code, said) = fails(&seat.bob, &["attach"]);
    assert!(code == 1 && said.contains("run it in a terminal"), "{said}");
    // An agent's shell, even one that has created its own terminal.
    seat.bob.set("NEXSCOPE_RUN_ID", "r1");
    let term = Term::spawn(&seat.bob, &["attach"], 80, 24);
    let screen = term.wait_for("Only a person attaches");
    assert!(!screen.contains("where does it race?"));
    let raw = String::from_utf8_lossy(&term.raw()).into_owned();
    assert!(!raw.contains("where does it race?"), "{raw}");
    let (code, _) = term.end();
    assert_eq!(code, 1);
}

#[test]
fn a_session_with_a_screen_cannot_be_attached() {
    let relay = Relay::start();
    let bob = Home::new("bob", &relay, "");
    let screen = bob.screen(80, 24);
    screen.wait_for("People 1");
    let term = Term::spawn(&bob, &["attach"], 80, 24);
    term.wait_for("has a screen or lines of its own");
    assert_eq!(term.end().0, 1);
}

#[test]
fn the_persons_programs_decide_if_allowed_and_an_agents_never() {
    let mut seat = Seat::new(&["--allow-remote-decisions"]);
    let inbox = ask(&seat.bob, &["inbox"]);
    assert_eq!(inbox["pending"][0]["text"], "where does it race?");

    for (mark, value) in [("NEXSCOPE_RUN_ID", "r1"), ("CLAUDECODE", "1")] {
        seat.bob.set(mark, value);
        let inbox = ask(&seat.bob, &["inbox"]);
        assert!(inbox["pending"][0]["text"].is_null(), "{mark}: {inbox}");
        assert_eq!(ask(&seat.bob, &["accept", "m1"])["decided"], json!(false));
        let (_, said) = fails(&seat.bob, &["mode", "auto"]);
        assert!(said.contains("Only a person"), "{said}");
        seat.bob.unset(mark);
    }

    let accepted = ask(&seat.bob, &["accept", "--review", "m1", "be", "brief"]);
    assert_eq!(accepted["decided"], json!(true));
    let draft = loop {
        let inbox = ask(&seat.bob, &["inbox"]);
        if inbox["pending"][0]["kind"] == "draft" {
            break inbox["pending"][0].clone();
        }
        ask(&seat.bob, &["watch", "--timeout", "1"]);
    };
    assert_eq!(draft["text"], "It races at line 42.");
    assert_eq!(ask(&seat.bob, &["accept", "d1"])["decided"], json!(true));
    seat.alice.wait_for("It races at line 42.");

    assert_eq!(ask(&seat.bob, &["mode", "auto"])["mode"], "auto");
    seat.alice.say("@bob and now?");
    seat.alice.wait_for("It races at line 42.");
    // The audit log records who decided.
    let chain = shell(&seat.bob, &["audit", "show", "m1"]);
    let chain = String::from_utf8(chain.stdout).unwrap();
    assert!(
        chain.contains("by a program, as the session's start allowed"),
        "{chain}"
    );
}
