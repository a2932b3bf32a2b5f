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
    let raw = String::from_utf8_lossy(&a.raw()).into_owned();
    assert!(raw.contains("\x1b[?1000l") && raw.contains("\x1b[?1007l"));
}
