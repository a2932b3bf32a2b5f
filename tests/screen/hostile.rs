//! Hostile texts with escape sequences.

use std::time::Duration;

use super::support::{self, Home, Relay};

/// Every hostile text that has a snapshot, sent raw to the relay by a member that cleans nothing: the program prints
/// no byte of its escape sequences.
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
    // The remaining escape sequences are the screen's own: each is of a kind that it writes.
    let own = ["[", "]0;", "]8;", "\\", "(B", "=", ">"];
    for behind in text.split('\x1b').skip(1) {
        assert!(
            own.iter().any(|own| behind.starts_with(own)),
            "{:?}",
            &behind[..behind.len().min(20)]
        );
    }
}
