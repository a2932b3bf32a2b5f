//! The main workflow with the real binaries in a pseudo-terminal: two screens and a relay.
mod support;

use std::{fs, path::Path, time::Duration};

use support::{Home, Relay, Term, command_agent};

/// An Alt key decides only if no other key follows within a second: this tests that second.
const QUIET: Duration = Duration::from_millis(1100);

/// alice and bob, each at a screen; bob has an agent.
struct Two {
    relay: Relay,
    a: Term,
    b: Term,
    bob: Home,
    _alice: Home,
}

impl Two {
    /// Opens both screens with these columns and rows, and waits until each sees the other.
    fn at(a: (u16, u16), b: (u16, u16)) -> Self {
        let relay = Relay::start();
        let alice = Home::new("alice", &relay, "");
        let bob = Home::empty("bob");
        bob.join(&relay, &patient_agent(&bob));
        let (a, b) = (alice.screen(a.0, a.1), bob.screen(b.0, b.1));
        a.wait_for("People 2");
        b.wait_for("People 2");
        Self {
            relay,
            a,
            b,
            bob,
            _alice: alice,
        }
    }

    /// Whether bob's agent was ever started.
    fn agent_was_started(&self) -> bool {
        self.bob.path().join("started").exists()
    }
}

/// An agent that creates a marker file when it starts, prints one line, and waits for a file before the next.
fn patient_agent(home: &Home) -> String {
    let script = home.script(
        "agent",
        "touch \"$HOME/started\"\ncat > \"$HOME/prompt\"\necho 'It races'\n\
         while [ ! -e \"$HOME/go\" ]; do sleep 0.05; done\necho 'at line 42.'",
    );
    command_agent("helper", &script)
}

#[test]
fn a_mention_waits_is_accepted_by_a_key_and_answered_on_both_screens() {
    let two = Two::at((100, 30), (60, 20));
    let (a, b) = (&two.a, &two.b);

    a.say("good morning, everyone");
    b.wait_for("good morning, everyone");
    a.wait_for("└ sent");

    a.say("@bob where does it race?");
    b.wait_for("▸ m2 alice asks helper");
    a.wait_for("queued by bob");
    assert!(
        !two.agent_was_started(),
        "a mention that waits has started something"
    );

    b.press_until_accepted("\x1bOQ");
    b.wait_for("It races");
    assert!(two.agent_was_started());
    let a_sees = a.wait_for("accepted by bob");
    assert!(
        !a_sees.contains("It races"),
        "the asker sees what is not posted yet:\n{a_sees}"
    );
    a.wait_for("helper ⚙ writ");

    fs::write(two.bob.path().join("go"), "").unwrap();
    b.wait_for("at line 42.");
    let a_sees = a.wait_for("at line 42.");
    assert!(
        a_sees.contains("bob·helper → you") && a_sees.contains("It races"),
        "{a_sees}"
    );
    a.wait_for("answered by bob");

    let prompt = fs::read_to_string(two.bob.path().join("prompt")).unwrap();
    assert!(
        prompt.contains("where does it race?") && !prompt.contains("good morning"),
        "{prompt}"
    );
}

/// Issue 16, 32c: the text in a terminal's replies was typed.
#[test]
fn a_reply_of_the_terminal_is_not_typed() {
    let two = Two::at((80, 24), (80, 24));
    let (a, b) = (&two.a, &two.b);
    a.say("@bob deploy?");
    b.wait_for("▸ m1 alice asks helper");
    b.send("hello");
    b.wait_for("› hello");
    // A colour, a title that others chose, and the terminal's name.
    b.send("\x1b]11;rgb:aaaa/bbbb/cccc\x1b\\\x1b]la\raa\x1ba\x1b\\\x1bP>|tmux 3.4\x1b\\");
    b.send(" there");
    let screen = b.wait_for("› hello there");
    assert!(!screen.contains("rgb") && !screen.contains("tmux"), "{screen}");
    assert!(screen.contains("▸ m1 alice asks helper"), "{screen}");
    assert!(!two.agent_was_started());
}

#[test]
fn text_followed_by_an_alt_key_decides_nothing() {
    let two = Two::at((80, 24), (80, 24));
    let (a, b) = (&two.a, &two.b);
    a.say("@bob deploy?");
    b.wait_for("▸ m1 alice asks helper");

    for (keys, typed) in [
        ("some text\x1ba", "unsent: some text"),
        ("more\x1br", "unsent: some textmore"),
    ] {
        b.send(keys);
        // The item is opened, and the typed text stays where it was typed.
        b.wait_for("(a person) asks");
        b.wait_for(typed);
        b.send("\x1b[6~");
        b.settle(Duration::from_millis(300));
        assert!(b.screen().contains("(a person) asks"), "{}", b.screen());
        b.send("\x1b");
        b.wait_gone("(a person) asks");
    }
    // Letters that decide in the inbox are text while typing.
    b.send("aaarrr");
    b.wait_for("› some textmoreaaarrr");
    assert!(!two.agent_was_started());
    let a_sees = a.wait_for("queued by bob");
    assert!(
        !a_sees.contains("accepted") && !a_sees.contains("rejected"),
        "{a_sees}"
    );
}

#[test]
fn a_lone_alt_key_decides_an_item_seen_in_full() {
    let two = Two::at((80, 24), (80, 24));
    let (a, b) = (&two.a, &two.b);
    a.say("@bob a risk: see https://example.com");
    b.wait_for("⚠ links");
    b.settle(Duration::from_millis(400));
    // An item with a warning is opened first: a press too soon after that would not count.
    b.send("\x1ba");
    b.wait_for("(a person) asks");
    std::thread::sleep(QUIET);
    b.send("\x1ba");
    b.wait_for("accepted for helper");

    a.say("@bob and a plain one?");
    b.wait_for("▸ m2 alice asks helper");
    std::thread::sleep(QUIET);
    b.send("\x1ba");
    b.wait_for("m2 is waiting for helper");
}

#[test]
fn a_rejection_shows_its_reason() {
    let two = Two::at((80, 24), (50, 15));
    let (a, b) = (&two.a, &two.b);
    a.say("@bob deploy?");
    b.wait_for("▸ m1 alice asks");
    b.press_until("\x1bOR", "a reason (optional)");
    b.send("busy until noon");
    b.wait_for("busy until noon");
    b.press_until("\r", "rejected: busy until noon");
    a.wait_for("rejected by bob: busy until noon");
    assert!(!two.agent_was_started());
}

#[test]
fn an_answer_with_a_secret_waits_and_is_sent_as_edited() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::empty("bob"));
    let script = bob.script("agent", "echo 'use ghp_abcdefghijklmnopqrstuvwxyz0123456789'");
    bob.join(&relay, &command_agent("helper", &script));
    let (a, b) = (alice.screen(80, 24), bob.screen(80, 24));
    a.wait_for("People 2");
    b.wait_for("People 2");
    a.say("@bob which token?");
    b.wait_for("▸ m1 alice asks helper");
    b.press_until("\x1bOQ", "▸ d1 bob·helper would answer m1");
    b.wait_for("⚠ looks like a GitHub token");
    a.wait_for("accepted by bob");

    // Seen in full, then confirmed a second time: neither key press alone posts it.
    b.press_until("\x1bOQ", "Press again to post it anyway");
    b.send("\x1bOS");
    b.wait_for("[Inbox 1]");
    b.press_until("e", "Edit and accept d1");
    b.send("\x15ask me in person");
    b.wait_for("ask me in person");
    b.press_until("\r", "edited by you");
    b.send("\x1b");
    b.wait_for("edited by you");
    a.wait_for("ask me in person");
    a.wait_for("edited by bob");
    let seen = String::from_utf8_lossy(&a.raw()).into_owned();
    assert!(!seen.contains("ghp_"), "the secret has left");
}

#[test]
fn saved_settings_keys_and_colours_apply_at_once_and_errors_change_nothing() {
    let in_place: fn(&Path, &str) = |path, text| fs::write(path, text).unwrap();
    let by_rename: fn(&Path, &str) = |path, text| {
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    };
    for save in [in_place, by_rename] {
        files_are_reloaded(save);
    }
}

/// Each kind of file: a change applies at once; an error is reported with file and line, and the old settings
/// stay.
fn files_are_reloaded(save: impl Fn(&Path, &str)) {
    const LOOKS: &str = "[ui]\nkeymap = \"own\"\ntheme = \"own\"\n";
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, LOOKS);
    let folder = alice.path().join("config/nexscope");
    let [config, keymap, theme] =
        ["config.toml", "keymaps/own.toml", "themes/own.toml"].map(|name| folder.join(name));
    for path in [&keymap, &theme] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    fs::write(&keymap, "inherits = \"default\"").unwrap();
    fs::write(&theme, "inherits = \"dark\"").unwrap();
    let a = alice.screen(100, 24);
    a.wait_for("People 1");
    assert_eq!(a.background(), vt100::Color::Rgb(0x1b, 0x1f, 0x27));

    save(
        &keymap,
        "inherits = \"default\"\n[anywhere]\nF1 = \"none\"\nF9 = \"help\"",
    );
    a.wait_for("Reloaded config.");
    // The notice disappears with the next key.
    a.send(" ");
    a.wait_for("F9 help");
    save(&theme, "inherits = \"light\"");
    a.wait_for_background(vt100::Color::Rgb(0xff, 0xff, 0xff));
    a.send(" ");
    a.wait_gone("Reloaded config.");
    let settings = fs::read_to_string(&config).unwrap();
    save(&config, &settings.replace("theme = \"own\"", "theme = \"dark\""));
    a.wait_for_background(vt100::Color::Rgb(0x1b, 0x1f, 0x27));
    save(&config, &settings);
    a.wait_for_background(vt100::Color::Rgb(0xff, 0xff, 0xff));

    let line = settings.lines().count() + 1;
    let mistakes = [
        (
            &keymap,
            "\n[anywhere]\nF9 = \"halp\"".to_owned(),
            "keymaps/own.toml, line 3:".to_owned(),
        ),
        (
            &theme,
            "\ninherits = \"nrod\"".to_owned(),
            "themes/own.toml, line 2: there is no theme nrod".to_owned(),
        ),
        (
            &config,
            format!("{settings}\nmode = 7"),
            format!("config.toml, line {}:", line + 1),
        ),
    ];
    for (path, wrong, words) in mistakes {
        let right = fs::read_to_string(path).unwrap();
        save(path, &wrong);
        // Regardless of the line breaks.
        let words: String = words.split_whitespace().collect();
        a.wait_until(&words, |screen| {
            let screen: String = screen
                .chars()
                .filter(|c| !c.is_whitespace() && *c != '│')
                .collect();
            screen.contains(&words)
        });
        assert_eq!(a.background(), vt100::Color::Rgb(0xff, 0xff, 0xff));
        a.send("\x1b[20~");
        a.wait_for("Help · Esc goes back");
        a.send("\x1b");
        a.wait_gone("Help · Esc goes back");
        save(path, &right);
        a.wait_for("Reloaded config.");
    }
}

#[test]
fn the_relay_is_killed_and_comes_back() {
    let Two {
        relay,
        a,
        b,
        bob: _bob,
        _alice,
    } = Two::at((100, 30), (60, 20));
    a.say("before the crash");
    b.wait_for("before the crash");

    let dead = relay.kill();
    a.wait_for("○ reconnecting in");
    b.wait_for("○ reconnecting in");
    a.say("@bob said while it was down");
    a.wait_for("waiting for a connection");

    let _relay = dead.revive();
    a.wait_gone("reconnecting in");
    b.wait_gone("reconnecting in");
    b.wait_for("said while it was down");
    b.say("and after it");
    a.wait_for("and after it");
    let a_sees = a.screen();
    assert_eq!(a_sees.matches("before the crash").count(), 1, "{a_sees}");
}

#[test]
fn resizes_work_and_leaving_restores_the_terminal() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let a = alice.screen(100, 30);
    a.wait_for("● alice");
    a.say("stays on the screen");
    a.wait_for("└ sent");
    let sizes: [(u16, u16, &[&str]); 6] = [
        (60, 20, &["[#lobby]", "stays on the screen"]),
        (50, 15, &["[#lobby]", "stays on the screen"]),
        (20, 6, &["[#lobby]"]),
        (15, 4, &["too small"]),
        (50, 15, &["[#lobby]", "stays on the screen"]),
        (100, 30, &["┌ #lobby", "stays on the screen", "People 1"]),
    ];
    for (columns, rows, expected) in sizes {
        a.resize(columns, rows);
        a.wait_until(&format!("{columns}x{rows}: {expected:?}"), |screen| {
            expected.iter().all(|text| screen.contains(text))
        });
    }
    a.send("\x03");
    a.wait_for("Press again to quit");
    a.send("\x03");
    let (code, ended) = a.end();
    assert_eq!(code, 0);
    assert!(ended.is_restored(), "{ended:?}");
}

/// On a signal, as the system sends it, it leaves and restores the terminal.
fn leaves_by_a_signal(screen: Term) {
    let status = std::process::Command::new("kill")
        .arg(screen.pid().to_string())
        .status()
        .unwrap();
    assert!(status.success());
    let (code, ended) = screen.end();
    assert_eq!(code, 0);
    assert!(ended.is_restored(), "{ended:?}");
}

#[test]
fn a_signal_leaves_as_well() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let (a, b) = (alice.screen(80, 24), bob.screen(80, 24));
    // As soon as bob is visible, which may be before he sees anything himself.
    a.wait_for("People 2");
    leaves_by_a_signal(b);
    // It said bye: nobody waits for it to return.
    a.wait_for("bob left");

    let carol = Home::empty("carol");
    let first = carol.screen(80, 24);
    first.wait_for("Enter");
    leaves_by_a_signal(first);
}

#[test]
fn an_idle_screen_writes_nothing_and_does_nothing() {
    let relay = Relay::start();
    let alice = Home::new("alice", &relay, "");
    let a = alice.screen(100, 30);
    a.wait_for("● alice");
    a.say("and now quiet");
    a.wait_for("└ sent");
    // The UI state is written a moment after the last key.
    a.settle(Duration::from_secs(2));
    let (bytes, ticks) = (a.written(), a.ticks());
    // The only sleep: it is the subject of the test.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!((a.written(), a.ticks()), (bytes, ticks));
}

#[test]
fn hostile_text_never_reaches_the_terminal() {
    let relay = Relay::start();
    let bob = Home::empty("bob");
    let script = bob.script(
        "agent",
        r"printf 'answer \033]52;c;RVZJTA==\007\033]0;EVILTITLE\007\033[31m\033[2Jend'",
    );
    bob.join(&relay, &command_agent("helper", &script));
    let b = bob.screen(80, 24);
    b.wait_for("People 1");
    // A member that cleans nothing: raw frames, straight to the relay.
    let evil = "\\u001b]0;EVILTITLE\\u0007\\u001b[2J\\u001b]52;c;RVZJTA==\\u0007\\u202e";
    let mut mallory = tungstenite::connect(relay.url()).unwrap().0;
    for frame in [
        format!(
            r#"{{"type":"hello","v":2,"room":"lobby","name":"mallory","token":"{}","client":"{evil}"}}"#,
            support::TOKEN
        ),
        format!(r#"{{"type":"update","note":"{evil}"}}"#),
        format!(r#"{{"type":"message","id":"1","body":{{"kind":"chat","text":"{evil}broadcast"}}}}"#),
        format!(
            r#"{{"type":"message","id":"2","to":["bob"],"only":true,"body":{{"kind":"chat","asks":true,"text":"{evil}mention","origin":"agent","agent":"{evil}"}}}}"#
        ),
    ] {
        mallory.send(tungstenite::Message::text(frame)).unwrap();
    }
    b.wait_for("broadcast");
    b.wait_for("⚠ held invisible characters");
    b.press_until("\x1bOQ", "answer end");
    b.say("/who");
    b.wait_for("mallory");
    let raw = String::from_utf8_lossy(&b.raw()).into_owned();
    for bad in ["EVILTITLE", "]52;", "\u{202e}", "RVZJTA"] {
        assert!(!raw.contains(bad), "{bad:?} reached the terminal");
    }
}

#[test]
fn leaving_ends_the_agents_and_notifies_the_asker() {
    let Two { a, b, bob, .. } = &Two::at((100, 30), (100, 30));
    a.say("@bob where does it race?");
    b.wait_for("▸ m1 alice asks");
    b.press_until_accepted("\x1bOQ");
    b.wait_for("It races");
    // A second run is queued: it must not start because the first one ends.
    a.say("@bob and why?");
    b.wait_for("▸ m2 alice asks");
    b.press_until("\x1bOQ", "m2 is waiting for helper");
    fs::remove_file(bob.path().join("started")).unwrap();
    b.send("\x03");
    b.wait_for("Press again to quit");
    b.send("\x03");
    a.wait_until("both failures", |screen| {
        screen.matches("failed at bob: stopped by its owner").count() == 2
    });
    a.wait_for("bob left");
    assert!(!bob.path().join("started").exists());
}

/// An error does not bypass the review of answers: the asker is told that it failed, and the person has the
/// text.
#[test]
fn output_before_a_failure_stays_with_the_person() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::empty("bob"));
    let script = bob.script("agent", "cat > /dev/null; echo the unreleased plan; exit 3");
    let settings = format!("review = \"always\"\n{}", command_agent("helper", &script));
    bob.join(&relay, &settings);
    let (a, b) = (alice.screen(100, 30), bob.screen(100, 30));
    a.wait_for("People 2");
    b.wait_for("People 2");
    a.say("@bob what is planned?");
    b.wait_for("▸ m1 alice asks helper");
    b.press_until(
        "\x1bOQ",
        "helper failed on m1: it ended with exit code 3: the unreleased plan",
    );
    b.wait_for("⚠ unfinished: its program ended");
    let told = a.wait_for("failed at bob: its program ended with an error");
    assert!(!told.contains("unreleased"), "{told}");
}

/// `kill -TSTP`, like a shell's `suspend`: the shell has its terminal back, and everything is restored after
/// `fg`.
#[test]
fn suspending_returns_to_the_shell_and_resuming_to_the_screen() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let (a, b) = (alice.screen(80, 24), bob.screen(80, 24));
    a.wait_for("People 2");
    b.wait_for("People 2");
    a.send("half a thought");
    a.wait_for("› half a thought");
    let signal = |name: &str| {
        let pid = a.pid().to_string();
        let status = std::process::Command::new("kill").args([name, &pid]).status();
        assert!(status.unwrap().success());
    };
    for said in ["while it was stopped", "and once more"] {
        signal("-TSTP");
        a.wait_for_full_screen(false);
        a.wait_until_stopped();
        b.say(said);
        b.wait_for(said);
        signal("-CONT");
        a.wait_for_full_screen(true);
        a.wait_for(said);
        a.wait_for("› half a thought");
    }
    a.send("!");
    a.wait_for("› half a thought!");
}
