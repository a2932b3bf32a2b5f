//! Keys: sequences, completion and bursts, and no accidental decisions.

use std::time::Duration;

use super::{
    ENTER, ESC, TAB, Two, leave,
    support::{self, Home, Relay},
};

#[test]
fn the_palette_does_by_name_and_never_decides() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let bob = Home::empty("bob");
    let script = bob.script("agent", "touch \"$HOME/started\"; echo done");
    bob.join(&relay, &support::command_agent("helper", &script));
    let (a, b) = (alice.screen(80, 24), bob.screen(80, 24));
    a.wait_for("People 2");
    b.wait_for("People 2");
    a.say("@bob deploy?");
    b.wait_for("▸ m1 alice asks");
    b.send("\x10");
    b.wait_for("type an action or a command");
    b.send("accept");
    b.wait_for("▸ accept");
    b.settle(Duration::from_millis(400));
    b.send(ENTER);
    b.wait_for("(a person) asks");
    assert!(!bob.path().join("started").exists());
    b.send(ESC);
    b.wait_gone("(a person) asks");
    b.send("\x10");
    b.wait_for("type an action or a command");
    b.send("/who");
    b.wait_for("▸ /who");
    b.send(ENTER);
    b.wait_for("› /who");
    b.send(ENTER);
    b.wait_for("People · Esc");
}

#[test]
fn a_started_key_sequence_shows_its_next_keys() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let a = alice.screen(60, 20);
    a.wait_for("● [#lobby]");
    a.send("\x18");
    let screen = a.wait_for("Ctrl-x and then");
    assert!(
        screen.contains("stop the running agent") && screen.contains("write in your editor"),
        "{screen}"
    );
    a.send("\x18");
    a.wait_for("No agent is running");
}

#[test]
fn names_words_and_files_complete() {
    let two = Two::at((80, 24), (60, 20));
    let a = &two.a;
    std::fs::create_dir_all(two.alice.work().join("notes")).unwrap();
    std::fs::write(two.alice.work().join("notes/plan.md"), "").unwrap();
    a.send("hello @b");
    a.wait_for("▸ @bob");
    a.send(TAB);
    a.wait_for("› hello @bob");
    a.send("notes/p");
    a.send(TAB);
    a.wait_for("› hello @bob notes/plan.md");
    a.send("\x15/hi");
    a.wait_for("▸ /history");
    a.send(TAB);
    a.wait_for("› /history");
}

#[test]
fn the_editor_has_the_terminal_and_the_room_keeps_running() {
    let two = Two::at((80, 24), (80, 24));
    let alice = &two.alice;
    let editor = alice.script(
        "my editor",
        "printf 'EDITOR HAS %s' \"$(cat \"$1\")\"; read -r line; printf '%s from the editor\\n' \"$line\" > \"$1\"",
    );
    leave(two.a);
    let mut home = two.alice;
    home.set("EDITOR", format!("'{}'", editor.display()));
    let a = home.screen(80, 24);
    a.wait_for("People 2");
    a.send("first words");
    a.wait_for("› first words");
    a.send("\x18\x05");
    a.wait_for("EDITOR HAS first words");
    two.b.say("meanwhile");
    two.b.wait_for("└ sent");
    a.send("second words\r");
    a.wait_for("› second words from the editor");
    a.wait_for("meanwhile");
    // The whole terminal belongs to the screen again.
    a.send(" and keys");
    a.wait_for("› second words from the editor and keys");
    leave(a);
}

/// Deciding keys decide nothing if they were sent before an item could be read, in each keymap; nor does typed text.
#[test]
fn keys_on_their_way_decide_nothing_in_any_keymap() {
    for (keymap, accepts, types) in [
        ("default", "\x1bOQ", "aArR tz\r"),
        ("vim", "\x1bOQ", "aArR tz\r"),
        ("emacs", "\x03\x01", "aArR tz\r"),
    ] {
        let relay = Relay::start();
        let (alice, bob) = (Home::new("alice", &relay, ""), Home::empty("bob"));
        let script = bob.script("agent", "touch \"$HOME/started\"; echo done");
        let agent = support::command_agent("helper", &script);
        bob.join(&relay, &agent);
        bob.join(&relay, &format!("{agent}[ui]\nkeymap = \"{keymap}\"\n"));
        let (a, b) = (alice.screen(80, 24), bob.screen(80, 24));
        a.wait_for("People 2");
        b.wait_for("People 2");
        // Keys arrive all the time while the mention is received and drawn.
        a.say("@bob deploy?");
        let mut pressed = 0;
        while !b.screen().contains("deploy?") {
            b.send(accepts);
            pressed += 1;
            b.settle(Duration::from_millis(5));
        }
        b.send(accepts);
        b.wait_for("deploy?");
        assert!(
            !bob.path().join("started").exists(),
            "{keymap}: key {pressed} decided what nobody had read"
        );
        b.send(types);
        a.wait_for("aArR tz");
        assert!(
            !bob.path().join("started").exists(),
            "{keymap}: what was typed decided"
        );
        // Now it can be decided.
        b.press_until(accepts, "bob·helper → alice");
    }
}

#[test]
fn a_mention_is_accepted_with_instructions() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::empty("bob"));
    let script = bob.script("agent", "cat > \"$HOME/prompt\"; echo done");
    bob.join(&relay, &support::command_agent("helper", &script));
    let (a, b) = (alice.screen(80, 24), bob.screen(80, 24));
    a.wait_for("People 2");
    b.wait_for("People 2");
    a.say("@bob where does it race?");
    b.wait_for("▸ m1 alice asks");
    b.send("\x1bOS");
    b.wait_for("[Inbox 1]");
    b.press_until("i", "Accept m1 with instructions");
    b.send("look at the lock first");
    b.wait_for("✎ look at the lock first");
    b.press_until_is("\r", "it is accepted", |screen| !screen.contains("✎ look at"));
    a.wait_for("done");
    let prompt = std::fs::read_to_string(bob.path().join("prompt")).unwrap();
    assert!(prompt.contains("look at the lock first"), "{prompt}");
    // The inbox is empty and the composer has the focus again: the palette lists decided items.
    b.send("\x10");
    b.wait_for("type an action or a command");
    b.send("decisions");
    b.wait_for("▸ today's decisions");
    b.send(ENTER);
    b.wait_for("Decided today");
    b.wait_for("accepted for helper");
}

/// Without bracketed paste, a text arrives as keys, all at once.
#[test]
fn keys_that_come_in_a_burst_or_with_another_size_are_all_there() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let screen = alice.screen(100, 30);
    screen.wait_for("People 1");
    screen.send(&format!("{}the end", "all of it ".repeat(400)));
    screen.wait_for("the end");
    screen.send("\x15");
    for round in 0..30 {
        screen.resize(100 - round % 2, 30);
        screen.send("k");
        let typed = format!("› {} ", "k".repeat(usize::from(round) + 1));
        screen.wait_for(&typed);
    }
}

/// Issue 16, 39: such a terminal got the whole screen, with its escape sequences.
#[test]
fn a_dumb_terminal_gets_lines() {
    let relay = Relay::start();
    let mut alice = Home::new("alice", &relay, "");
    alice.set("TERM", "dumb");
    let a = alice.screen(80, 24);
    a.wait_for("-- in #lobby as alice");
}
