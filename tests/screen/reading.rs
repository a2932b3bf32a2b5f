//! Reading messages, and the state of sent messages.

use std::time::Duration;

use super::{
    BLUR, ENTER, ESC, FOCUS, TAB, Two, UP, leave,
    support::{self, Home, Relay},
};

#[test]
fn a_thread_opens_and_what_is_written_there_stays_with_its_audience() {
    let two = Two::at((80, 24), (60, 20));
    let (a, b) = (&two.a, &two.b);
    a.say("for everybody");
    a.say("/tell @bob between us");
    b.wait_for("between us");
    b.send(TAB);
    b.send(UP);
    b.wait_for("m2");
    b.send(ENTER);
    b.wait_for("reply in t2, alice only");
    let thread = b.wait_gone("for everybody");
    assert!(thread.contains("[#lobby t2]"), "{thread}");
    b.say("quite so");
    b.wait_for("quite so");
    a.wait_until("a reply to alice alone", |screen| {
        screen
            .lines()
            .any(|line| line.contains("bob → you") && line.contains("quite so"))
    });
    b.send(ESC);
    b.wait_for("for everybody");
    b.wait_for("message everyone, 1");

    // A folded thread shows only its first message, and the number of hidden ones.
    b.send(TAB);
    b.send(UP);
    b.wait_for("m3 t2");
    b.send("f");
    b.wait_for("▸ 1 more in this thread");
    b.send("f");
    b.wait_gone("more in this thread");
}

#[test]
fn what_is_new_and_what_is_unsent_is_there_again_after_a_restart() {
    let two = Two::at((80, 24), (80, 24));
    let (a, b) = (two.a, &two.b);
    a.send(FOCUS);
    b.say("seen at once");
    a.wait_for("seen at once");
    a.send(BLUR);
    b.say("not seen");
    a.wait_for("not seen");
    a.wait_for("─ new ─");
    a.send("half a thought");
    a.wait_for("› half a thought");
    // A key press does not count as looking, because the terminal has reported that it lost the focus.
    leave(a);
    b.say("while away");

    let a = two.alice.screen(80, 24);
    a.wait_for("› half a thought");
    let screen = a.wait_for("while away");
    let line = |text: &str| {
        screen
            .lines()
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{text}: {screen}"))
    };
    assert!(
        line("seen at once") < line("─ new ─") && line("─ new ─") < line("not seen"),
        "{screen}"
    );
    assert!(line("not seen") < line("while away"), "{screen}");
    // Sending a message marks the others as read.
    a.send(ENTER);
    a.wait_gone("─ new ─");
    a.send(UP);
    a.wait_for("› half a thought");
}

#[test]
fn what_is_kept_as_new_stays_so_while_one_looks_and_over_a_restart() {
    let two = Two::at((80, 24), (80, 24));
    let (a, b) = (two.a, &two.b);
    a.send(FOCUS);
    for text in ["first", "second", "third"] {
        b.say(text);
        a.wait_for(text);
    }
    a.send(TAB);
    a.send(UP);
    a.wait_for("m3");
    a.send(UP);
    a.wait_for("m2");
    a.send("U");
    a.wait_for("─ new ─");
    a.wait_for("2 kept as new");
    b.say("fourth");
    a.wait_for("3 kept as new");
    a.send(ESC);
    a.wait_for("Enter send");
    leave(a);

    let a = two.alice.screen(80, 24);
    let screen = a.wait_for("─ new ─");
    let line = |text: &str| screen.lines().position(|line| line.contains(text));
    assert!(
        line("first") < line("─ new ─") && line("─ new ─") < line("second"),
        "{screen}"
    );
    a.send(TAB);
    a.send("u");
    a.wait_for("m2");
}

#[test]
fn searching_marks_and_goes_through_what_it_finds() {
    let two = Two::at((80, 24), (80, 24));
    let (a, b) = (&two.a, &two.b);
    for text in ["the Needle one", "hay", "a needle two", "hay again"] {
        b.say(text);
        a.wait_for(text);
    }
    a.send("\x06");
    a.wait_for("search");
    a.send("needle");
    a.wait_for("\"needle\" 2 of 2");
    a.wait_for_underlined("Needleneedle");
    a.send(UP);
    a.wait_for("\"needle\" 1 of 2");
    a.send(ENTER);
    a.send("N");
    a.wait_for("\"needle\" 2 of 2");
    a.send(ESC);
    a.wait_gone("\"needle\"");
    a.wait_for_underlined("");
}

/// The state of a message is below it and is updated; with several receivers, there is one for each of them.
#[test]
fn receipts_change_below_a_message_of_ones_own() {
    let relay = Relay::start();
    let (alice, bob, carol) = (
        Home::new("alice", &relay, ""),
        Home::empty("bob"),
        Home::empty("carol"),
    );
    let script = bob.script(
        "agent",
        "while [ ! -e \"$HOME/go\" ]; do sleep 0.05; done; echo done",
    );
    bob.join(&relay, &support::command_agent("helper", &script));
    carol.join(&relay, &support::command_agent("maker", &script));
    let (a, b, c) = (alice.screen(100, 30), bob.screen(80, 24), carol.screen(80, 24));
    for screen in [&a, &b, &c] {
        screen.wait_for("People 3");
    }
    a.say("to everybody");
    a.wait_for("└ sent");
    a.say("@bob deploy?");
    a.wait_for("queued by bob");
    b.press_until("\x1bOQ", "accepted for helper");
    a.wait_for("accepted by bob");
    a.wait_gone("queued by bob");
    std::fs::write(bob.path().join("go"), "").unwrap();
    a.wait_for("answered by bob");
    a.wait_gone("accepted by bob");

    a.say("@bob @carol and you two?");
    b.wait_for("and you two?");
    c.wait_for("and you two?");
    c.press_until("\x1bOR", "a reason (optional)");
    c.send("busy");
    c.wait_for("✎ busy");
    c.press_until(ENTER, "rejected: busy");
    b.press_until("\x1bOQ", "bob·helper → alice");
    a.wait_for("├ bob   answered");
    a.wait_for("└ carol rejected: busy");
}

#[test]
fn the_unread_line_stays_while_the_relay_is_away_and_back() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let (a, b) = (alice.screen(80, 24), bob.screen(80, 24));
    a.wait_for("People 2");
    b.wait_for("People 2");
    a.send(FOCUS);
    b.say("seen at once");
    a.wait_for("seen at once");
    a.settle(Duration::from_millis(200));
    a.send(BLUR);
    b.say("not seen");
    a.wait_for("─ new ─");
    let dead = relay.kill();
    a.wait_for("reconnecting in");
    b.wait_for("reconnecting in");
    b.say("written meanwhile");
    b.wait_for("waiting for a connection");
    let _relay = dead.revive();
    let screen = a.wait_for("written meanwhile");
    let line = |text: &str| {
        let at = screen.lines().position(|line| line.contains(text));
        at.unwrap_or_else(|| panic!("{text}: {screen}"))
    };
    assert!(line("seen at once") < line("─ new ─"), "{screen}");
    assert!(line("─ new ─") < line("not seen"), "{screen}");
    assert!(line("not seen") < line("written meanwhile"), "{screen}");
    assert_eq!(screen.matches("─ new ─").count(), 1, "{screen}");
}

/// A received file opens in the person's pager, and its path is copied.
#[test]
fn a_file_that_came_opens_in_the_pager_and_its_place_is_copied() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let mut bob = Home::empty("bob");
    let files = bob.path().join("files");
    bob.join(
        &relay,
        &format!("[files]\ndir = {files:?}\nauto_accept_below = \"1 MiB\"\n"),
    );
    let pager = bob.script("pager", "tty > \"$HOME/looked\"; cat \"$1\" >> \"$HOME/looked\"");
    bob.set("PAGER", pager.display().to_string());
    let (a, b) = (alice.screen(80, 24), bob.screen(80, 24));
    a.wait_for("People 2");
    b.wait_for("People 2");
    std::fs::write(alice.work().join("notes.txt"), "what it holds").unwrap();
    a.say("/say --file notes.txt look at this");
    b.wait_for("look at this");
    b.say("/files");
    b.wait_for("in /");
    b.press_until_is(ENTER, "the pager was there", |_| {
        std::fs::read_to_string(bob.path().join("looked"))
            .is_ok_and(|looked| looked.ends_with("what it holds"))
    });
    b.send("y");
    b.wait_for("Copied");
    let place = bob.path().join("files/lobby/notes.txt").display().to_string();
    let copied = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &place);
    b.wait_for_bytes(&format!("\x1b]52;c;{copied}\x07"));
}
