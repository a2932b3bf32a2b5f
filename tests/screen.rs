//! What one does at the screen besides the main job: reading, finding, writing, copying. By the real binaries
//! in a pseudo-terminal.
mod support;

use std::time::Duration;

use support::{Home, Relay, Term};

const ENTER: &str = "\r";
const ESC: &str = "\x1b";
const TAB: &str = "\t";
const UP: &str = "\x1b[A";
const FOCUS: &str = "\x1b[I";
const BLUR: &str = "\x1b[O";

/// alice and bob, each at a screen of their own size.
struct Two {
    a: Term,
    b: Term,
    alice: Home,
    _bob: Home,
    _relay: Relay,
}

impl Two {
    fn at(a: (u16, u16), b: (u16, u16)) -> Self {
        let relay = Relay::start();
        let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
        let (a, b) = (alice.screen(a.0, a.1), bob.screen(b.0, b.1));
        a.wait_for("People 2");
        b.wait_for("People 2");
        Self {
            a,
            b,
            alice,
            _bob: bob,
            _relay: relay,
        }
    }
}

/// Leaves by the keys, and waits for the end.
fn leave(screen: Term) {
    screen.send("\x03");
    screen.wait_for("Again to leave");
    screen.send("\x03");
    assert_eq!(screen.end().0, 0);
}

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

    // Folded, only its first message is there, and says so.
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
    // A key does not mean that one looks: the terminal has said that one does not.
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
    // Writing is having read.
    a.send(ENTER);
    a.wait_gone("─ new ─");
    a.send(UP);
    a.wait_for("› half a thought");
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
    a.wait_for("what do you look for?");
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
    b.wait_for("what do you want to do?");
    b.send("accept");
    b.wait_for("▸ accept");
    b.settle(Duration::from_millis(400));
    b.send(ENTER);
    b.wait_for("(a person) asks");
    assert!(!bob.path().join("started").exists());
    b.send(ESC);
    b.wait_gone("(a person) asks");
    b.send("\x10");
    b.wait_for("what do you want to do?");
    b.send("/who");
    b.wait_for("▸ /who");
    b.send(ENTER);
    b.wait_for("› /who");
    b.send(ENTER);
    b.wait_for("People · Esc");
}

#[test]
fn a_sequence_that_has_begun_shows_how_it_goes_on() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let a = alice.screen(60, 20);
    a.wait_for("● [#lobby]");
    a.send("\x18");
    let screen = a.wait_for("Ctrl-x and then");
    assert!(
        screen.contains("end the running agent") && screen.contains("write in your editor"),
        "{screen}"
    );
    a.send("\x18");
    a.wait_for("No agent of yours is working");
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
fn the_editor_has_the_terminal_and_the_room_goes_on() {
    let two = Two::at((80, 24), (80, 24));
    let alice = &two.alice;
    let editor = alice.script(
        "editor",
        "printf 'EDITOR HAS %s' \"$(cat \"$1\")\"; read -r line; printf '%s from the editor\\n' \"$line\" > \"$1\"",
    );
    leave(two.a);
    let mut home = two.alice;
    home.set("EDITOR", editor.display().to_string());
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
    // The terminal is the screen's again, whole.
    a.send(" and keys");
    a.wait_for("› second words from the editor and keys");
    leave(a);
}

#[test]
fn copying_by_keys_and_by_mouse() {
    let two = Two::at((80, 24), (80, 24));
    let (a, b) = (&two.a, &two.b);
    b.send("\x1b[200~see:\n```sh\nmake all\n```\x1b[201~");
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
    // From the first to the last letter of "make all", by the mouse.
    let screen = a.screen();
    let row = screen.lines().position(|line| line.contains("make all")).unwrap() + 1;
    let column = screen.lines().nth(row - 1).unwrap().find("make all").unwrap() + 1;
    a.send(&format!(
        "\x1b[<0;{column};{row}M\x1b[<32;{0};{row}M\x1b[<0;{0};{row}m",
        column + 7
    ));
    copied("bWFrZSBhbGw=");
    a.wait_for("Copied 8 characters");
    // Without the mouse, the terminal selects by itself, and the wheel is no arrow key.
    a.send("\x1bm");
    a.wait_for("Mouse off");
    // What is drawn goes first.
    a.wait_for_bytes("\x1b[?1007l");
    assert!(String::from_utf8_lossy(&a.raw()).contains("\x1b[?1000l"));
}

/// A click of the left button on the first letter of some words that are on the screen.
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

    // The tabs, and the lines of a list.
    click(&b, "People 2");
    b.wait_for("[People 2]");
    click(&b, "Inbox 1");
    b.wait_for("[Inbox 1]");
    click(&b, "alice deploy?");
    b.wait_for("▸ alice deploy?");
    click(&b, "alice deploy?");
    b.wait_for("(a person) asks");
    // The keys that are told there are no buttons.
    for words in ["Alt-a accept   ", "Alt-r reject", "Accepting runs"] {
        click(&b, words);
        click(&b, words);
    }
    click(&b, "#lobby");
    b.wait_for("[#lobby]");
    // The strip opens, and so does a message that waits; neither decides, however often.
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
    // In the palette a click goes to a line, and Enter does it.
    b.wait_for("[#lobby]");
    b.send("\x10");
    b.wait_for("what do you want to do?");
    b.send("accept");
    b.wait_for("▸ accept");
    click(&b, "▸ accept");
    click(&b, "▸ accept");
    b.send(ESC);
    b.wait_gone("what do you want to do?");
    // A message without a question opens its thread.
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
    // And by a key it is decided.
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
    // Over the side nothing of that moves.
    let before = a.screen();
    a.send("\x1b[<64;5;5M");
    a.send("x");
    a.wait_for("› x");
    let line = before.lines().find(|line| line.contains("line ")).unwrap();
    assert!(a.screen().contains(line), "{}", a.screen());
    // The bar, at its top and at its end, and drawn along.
    a.send("\x1b[<0;120;2M\x1b[<0;120;2m");
    a.wait_for("line 0.");
    let end = a.screen().lines().position(|line| line.contains("───")).unwrap();
    let end = end.max(a.screen().lines().position(|line| line.contains("› x")).unwrap() - 1);
    a.send(&format!("\x1b[<0;120;2M\x1b[<32;120;{end}M\x1b[<0;120;{end}m"));
    a.wait_for("line 59.");
    // A key does not draw the bar.
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
    // The marks are gone: the next one is one message.
    b.send("y");
    b.wait_for_bytes("\x1b]52;c;Zmlyc3Q=\x07");
}

/// What became of a message stands below it, and changes as it goes on; with several receivers, of each of them.
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
    c.press_until("\x1bOR", "a reason, or nothing");
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
    b.wait_for("held until there is a connection");
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

/// However narrow it is, the key that takes settings can be read.
#[test]
fn the_key_that_takes_settings_can_be_read_on_a_narrow_screen() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let a = alice.screen(60, 20);
    a.wait_for("● [#lobby]");
    alice.join(
        &relay,
        "mode = \"auto\"\nhop_limit = 9\nreview = \"flagged\"\n[files]\nauto_accept_below = \"1 GiB\"\n",
    );
    a.wait_for("⚠ Ctrl-x Ctrl-r takes");
    for (columns, rows) in [(40, 10), (24, 8), (60, 20)] {
        a.resize(columns, rows);
        a.wait_for("⚠ Ctrl-x Ctrl-r");
    }
}

#[test]
fn a_looser_setting_waits_for_a_key_and_a_safer_one_holds_at_once() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "hop_limit = 5\n");
    let a = alice.screen(80, 24);
    a.wait_for("● [#lobby]");
    alice.join(&relay, "mode = \"auto\"\nhop_limit = 2\n");
    a.wait_for("⚠ Ctrl-x Ctrl-r takes looser settings: mode = \"auto\"");
    assert!(a.screen().contains("alice · manual"), "{}", a.screen());
    // Neither what one types nor one press takes it.
    a.send("hello auto mode");
    a.wait_for("› hello auto mode");
    a.send("\x18\x12");
    a.wait_for("Ctrl-x Ctrl-r again takes them");
    assert!(a.screen().contains("alice · manual"), "{}", a.screen());
    a.press_until("\x18\x12", "alice · auto");
    // A mistake changes nothing and names its place; what is safer holds without being asked for.
    alice.join(&relay, "mode = \"auto\"\nhop_limit = \"many\"\n");
    a.wait_for("config.toml, line 5:");
    alice.join(&relay, "mode = \"manual\"\n");
    a.wait_for("alice · manual");
}

/// Deciding keys that were on their way before an item could be read decide nothing, in each keymap; nor does
/// anything that one types.
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
        // While the mention is on its way and as it is drawn, keys come all the time.
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
        // And it can be decided.
        b.press_until(accepts, "bob·helper → alice");
    }
}

/// Every hostile text that there is a picture of, sent raw to the relay by a member whom nobody has cleaned:
/// not one byte of an escape sequence of it comes out of the program.
#[test]
fn no_escape_of_a_hostile_text_reaches_the_terminal() {
    let relay = Relay::start();
    let bob = Home::new("bob", &relay, "[ui]\nlinks = true\n");
    let b = bob.screen(80, 24);
    b.wait_for("People 1");
    let mut mallory = tungstenite::connect(relay.url()).unwrap().0;
    let mut send = |frame: String| mallory.send(tungstenite::Message::text(frame)).unwrap();
    send(format!(
        r#"{{"type":"hello","v":2,"room":"lobby","name":"mallory","token":"{}","client":"x"}}"#,
        support::TOKEN
    ));
    let texts = [
        r"\u001b[2J\u001b[31mEVILred\u001b[?1049l\u001b[9999;9999H\u001bcEVIL",
        r"\u001b]52;c;RVZJTA==\u0007\u001b]0;EVILTITLE\u001b\\ \u009d0;EVILTITLE\u009c\u009b31m",
        r"\u202egnp.exe\u202c \u2066x\u2069 \u200b\ufeff",
        r"&#27;[2J &#x202e;abc `&#155;31m` &#7;",
        r"[EVIL](https://x.example/\u001b]52;c;RVZJTA==\u0007) <https://y.example/\u202ez> https://z.example/\u001b\\x",
        r"```rust\n\u001b]52;c;RVZJTA==\u0007\n```\n> \u001b[2J\n\n|\u001b[1m|\n|-|\n|\u0090q\u001b\\|",
        "👨‍👩‍👧‍👦 🇩🇪 日本語 עברית العربية e\u{301}\u{308} \\t\\t x",
    ];
    for (nth, text) in texts.iter().enumerate() {
        send(format!(
            r#"{{"type":"message","id":"{nth}","to":["bob"],"only":true,"body":{{"kind":"chat","asks":{},"text":"{text} last{nth}"}}}}"#,
            nth % 2 == 0
        ));
        b.wait_for(&format!("last{nth}"));
    }
    b.send("\t\x1b[A\x1b[A");
    b.settle(Duration::from_millis(200));
    let raw = b.raw();
    let text = String::from_utf8_lossy(&raw);
    for bad in [
        "]52;",
        "EVILTITLE\x1b",
        "]0;EVIL",
        "\u{202e}",
        "\u{9b}",
        "\u{9d}",
        "\u{90}",
        "\x1bc",
        "[31mEVIL",
        "9999",
        "RVZJTA==\x07",
    ] {
        assert!(!text.contains(bad), "{bad:?} reached the terminal");
    }
    // What is left of escapes is the screen's own: each is one of the kinds that it writes.
    let own = ["[", "]0;", "]8;", "\\", "(B", "=", ">"];
    for behind in text.split('\x1b').skip(1) {
        assert!(
            own.iter().any(|own| behind.starts_with(own)),
            "{:?}",
            &behind[..behind.len().min(20)]
        );
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
    b.press_until("i", "what your agent should mind");
    b.send("look at the lock first");
    b.wait_for("✎ look at the lock first");
    b.press_until("\r", "nothing waits");
    a.wait_for("done");
    let prompt = std::fs::read_to_string(bob.path().join("prompt")).unwrap();
    assert!(prompt.contains("look at the lock first"), "{prompt}");
    b.send("d");
    b.wait_for("Decided today");
    b.wait_for("accepted for helper");
}

/// Without bracketed paste a text comes as keys, all at once.
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

/// What comes with a folder sets nothing that matters until its person has read it and pressed a key twice.
#[test]
fn a_projects_file_is_trusted_by_a_key() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let agent = alice.script("agent", "cat > /dev/null; echo 'from the project'");
    let file = alice.work().join(".nexscope/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, support::command_agent("theirs", &agent)).unwrap();
    let a = alice.screen(80, 24);
    a.wait_for("⚠ Ctrl-x Ctrl-r takes looser settings: this folder's agent, agents");
    a.say("/ask are you there?");
    a.wait_for("No agent is configured");
    a.send("\x15\x18\x12");
    a.wait_for("command = [");
    a.press_until("\x18\x12", "The settings are as they were saved.");
    a.say("/ask are you there?");
    a.wait_for("from the project");
    leave(a);

    let a = alice.screen(80, 24);
    a.wait_for("from the project");
    a.say("/ask and now?");
    a.wait_until("a second answer", |screen| {
        screen.matches("from the project").count() == 2
    });
    leave(a);
    std::fs::write(&file, "agent = \"theirs\"\n[agents.theirs]\nkind = \"claude\"\n").unwrap();
    alice
        .screen(80, 24)
        .wait_for("⚠ Ctrl-x Ctrl-r takes looser settings: this folder's agent, agents");
}

/// Who comes from nexscope-plugin finds their relay, name and limit on the first screen.
#[test]
fn the_plugins_settings_are_offered_on_the_first_screen() {
    let relay = Relay::start();
    let ann = Home::empty("somebody");
    let file = ann.work().join(".claude/plugin-data/nexscope/config.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let settings = format!(
        r#"{{"relayUrl":"{}","token":"{}","defaultName":"ann","mode":"auto","hopLimit":2}}"#,
        relay.url(),
        support::TOKEN
    );
    std::fs::write(&file, settings).unwrap();
    let a = ann.screen(80, 24);
    a.wait_for("› ann");
    a.send(ENTER);
    a.press_until("\x1b[B", "It has joined ws://127.0.0.1");
    a.send(ENTER);
    a.wait_until("the agents of this computer, if any", |screen| {
        screen.contains("No agent was found") || screen.contains("Which agents")
    });
    a.send(ENTER);
    let screen = a.wait_for("● [#lobby]");
    assert!(screen.contains("ann · manual"), "{screen}");
    let saved = std::fs::read_to_string(ann.path().join("config/nexscope/config.toml")).unwrap();
    assert!(
        saved.contains("hop_limit = 2") && !saved.contains("auto"),
        "{saved}"
    );
}

/// A file that came is looked at in the person's pager, and its place is copied.
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

/// An agent that reaches further than a folder of its own starts only after a typed yes, which is remembered.
#[test]
fn an_agent_of_the_whole_home_folder_wants_a_typed_yes_once() {
    let relay = Relay::start();
    let bob = Home::empty("bob");
    let agent = bob.script("agent", "cat > /dev/null; echo \"from $(pwd -P)\"");
    bob.join(
        &relay,
        &format!("{}dir = \"~\"\n", support::command_agent("helper", &agent)),
    );
    let b = bob.screen(120, 24);
    b.wait_for("People 1");
    b.say("/ask where are you?");
    b.wait_for("helper works in your whole home folder: /trust helper allows that");
    b.send("\x15");
    b.say("/trust helper");
    b.wait_for("Allowed: helper works in your whole home folder.");
    let home = bob.path().canonicalize().unwrap();
    b.say("/ask where are you?");
    b.wait_for(&format!("from {}", home.display()));
    leave(b);
    let b = bob.screen(120, 24);
    b.wait_for("People 1");
    b.say("/ask and now?");
    b.wait_until("a second answer", |screen| {
        screen.matches(&format!("from {}", home.display())).count() == 2
    });
}
