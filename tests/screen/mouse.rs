//! The mouse, and copying.

use std::time::Duration;

use super::{
    ENTER, ESC, TAB, Two, UP,
    support::{self, Home, Relay, Term},
};

/// A click of the left button on the first letter of a text on the screen.
#[track_caller]
fn click(screen: &Term, words: &str) {
    let lines = screen.wait_for(words);
    let place = lines.lines().enumerate().find_map(|(row, line)| {
        let before = line.split_once(words)?.0;
        Some((before.chars().count() + 1, row + 1))
    });
    let (column, row) = place.unwrap();
    screen.send(&format!("\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m"));
}

#[test]
fn copying_by_keys_and_by_mouse() {
    let two = Two::at((80, 24), (80, 24));
    let (a, b) = (&two.a, &two.b);
    b.send("\x1b[200~see:\n```sh\nmake all\n```\x1b[201~");
    // Input directly after a paste belongs to it.
    b.wait_for("make all");
    b.settle(Duration::from_millis(100));
    b.send(ENTER);
    a.wait_for("make all");
    a.send(TAB);
    a.send(UP);
    a.wait_for("m1");
    let copied = |code: &str| a.wait_for_bytes(&format!("\x1b]52;c;{code}\x07"));
    a.send("y");
    copied("c2VlOgpgYGBzaAptYWtlIGFsbApgYGA=");
    a.send("Y");
    copied("bWFrZSBhbGwK");
    // Drag from the first to the last letter of "make all".
    let screen = a.screen();
    let row = screen.lines().position(|line| line.contains("make all")).unwrap() + 1;
    let column = screen.lines().nth(row - 1).unwrap().find("make all").unwrap() + 1;
    a.send(&format!(
        "\x1b[<0;{column};{row}M\x1b[<32;{0};{row}M\x1b[<0;{0};{row}m",
        column + 7
    ));
    copied("bWFrZSBhbGw=");
    a.wait_for("Copied 8 characters");
    // With the mouse off, the terminal itself selects, and the wheel does not act as arrow keys.
    a.send("\x1bm");
    a.wait_for("Mouse off");
    // The drawn text is written first.
    a.wait_for_bytes("\x1b[?1007l");
    assert!(String::from_utf8_lossy(&a.raw()).contains("\x1b[?1000l"));
}

#[test]
fn clicks_select_and_open_and_decide_nothing() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::empty("bob"));
    let script = bob.script("agent", "touch \"$HOME/started\"; echo done");
    bob.join(&relay, &support::command_agent("helper", &script));
    let (a, b) = (alice.screen(80, 24), bob.screen(80, 24));
    a.wait_for("People 2");
    b.wait_for("People 2");
    a.say("first words");
    a.say("@bob deploy?");
    b.wait_for("▸ m2 alice asks helper");

    // The tabs, and the rows of a list.
    click(&b, "People 2");
    b.wait_for("[People 2]");
    click(&b, "Inbox 1");
    b.wait_for("[Inbox 1]");
    click(&b, "alice deploy?");
    b.wait_for("▸ alice deploy?");
    click(&b, "alice deploy?");
    b.wait_for("(a person) asks");
    // The key hints there are not buttons.
    for words in ["a accept", "r reject", "Accepting runs"] {
        click(&b, words);
        click(&b, words);
    }
    click(&b, "#lobby");
    b.wait_for("[#lobby]");
    // A click opens the strip and a pending message, and never decides, however often.
    for words in ["▸ m2 alice", "Alt-a accept"] {
        click(&b, words);
        b.wait_for("(a person) asks");
        click(&b, "#lobby");
        b.wait_for("[#lobby]");
    }
    click(&b, "alice → you");
    b.wait_for("m2 · waits for you");
    click(&b, "alice → you");
    b.wait_for("(a person) asks");
    click(&b, "#lobby");
    // In the palette, a click selects a row, and Enter runs it.
    b.wait_for("[#lobby]");
    b.send("\x10");
    b.wait_for("type an action or a command");
    b.send("accept");
    b.wait_for("▸ accept");
    click(&b, "▸ accept");
    click(&b, "▸ accept");
    b.send(ESC);
    b.wait_gone("type an action or a command");
    // A click on a message without a question opens its thread.
    click(&b, "first words");
    b.wait_for("└ m1");
    click(&b, "first words");
    b.wait_for("[#lobby t1]");
    b.send(ESC);
    click(&b, "› message");
    b.send("words");
    b.wait_for("› words");

    assert!(b.screen().contains("Inbox 1"), "{}", b.screen());
    assert!(!bob.path().join("started").exists());
    // A key decides it.
    b.press_until("\x1bOQ", "bob·helper → alice");
}

#[test]
fn the_wheel_moves_what_is_under_it_and_the_scrollbar_what_it_stands_beside() {
    let two = Two::at((120, 24), (80, 24));
    let (a, b) = (&two.a, &two.b);
    for nth in 0..60 {
        a.say(&format!("line {nth}."));
        a.wait_for(&format!("line {nth}."));
    }
    // Wheel up over the messages, three lines each.
    for _ in 0..8 {
        a.send("\x1b[<64;60;5M");
    }
    a.wait_gone("line 59.");
    a.wait_for("more below");
    // Over the side pane, the messages do not scroll.
    let before = a.screen();
    a.send("\x1b[<64;5;5M");
    a.send("x");
    a.wait_for("› x");
    let line = before.lines().find(|line| line.contains("line ")).unwrap();
    assert!(a.screen().contains(line), "{}", a.screen());
    // Click the top and the end of the bar, then drag it.
    a.send("\x1b[<0;120;2M\x1b[<0;120;2m");
    a.wait_for("line 0.");
    let end = a.screen().lines().position(|line| line.contains("───")).unwrap();
    let end = end.max(a.screen().lines().position(|line| line.contains("› x")).unwrap() - 1);
    a.send(&format!("\x1b[<0;120;2M\x1b[<32;120;{end}M\x1b[<0;120;{end}m"));
    a.wait_for("line 59.");
    // A key ends dragging the bar.
    let bars = |raw: Vec<u8>| String::from_utf8_lossy(&raw).matches('┃').count();
    a.settle(Duration::from_millis(100));
    let before = bars(a.raw());
    a.send("y");
    a.wait_for("› xy");
    assert_eq!(bars(a.raw()), before);
    b.wait_for("line 59.");
}

#[test]
fn several_messages_are_copied_with_who_said_each() {
    let two = Two::at((80, 24), (80, 24));
    let (a, b) = (&two.a, &two.b);
    a.say("first");
    b.wait_for("first");
    b.say("second");
    a.wait_for("second");
    a.say("third");
    b.wait_for("third");
    b.send(TAB);
    b.send(UP);
    b.wait_for("└ m3");
    b.send("v");
    b.send(UP);
    b.send(UP);
    b.wait_for("└ m1");
    b.send("y");
    // "alice: first", "bob: second", "alice: third", each on a line.
    b.wait_for_bytes("\x1b]52;c;YWxpY2U6IGZpcnN0CmJvYjogc2Vjb25kCmFsaWNlOiB0aGlyZA==\x07");
    // The selection is cleared: the next copy is one message.
    b.send("y");
    b.wait_for_bytes("\x1b]52;c;Zmlyc3Q=\x07");
}
