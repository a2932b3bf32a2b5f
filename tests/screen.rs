//! Screen features besides the main workflow: reading, searching, typing, copying. With the real binaries in
//! a pseudo-terminal.
mod support;

#[path = "screen/closed.rs"]
mod closed;
#[path = "screen/first.rs"]
mod first;
#[path = "screen/hostile.rs"]
mod hostile;
#[path = "screen/keys.rs"]
mod keys;
#[path = "screen/mouse.rs"]
mod mouse;
#[path = "screen/names.rs"]
mod names;
#[path = "screen/reading.rs"]
mod reading;
#[path = "screen/trusting.rs"]
mod trusting;

use support::{Home, Relay, Term};

const ENTER: &str = "\r";
const ESC: &str = "\x1b";
const TAB: &str = "\t";
const UP: &str = "\x1b[A";
const FOCUS: &str = "\x1b[I";
const BLUR: &str = "\x1b[O";

/// alice and bob, each at a screen of its own size.
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

/// Leaves by keys, and waits for the end.
fn leave(screen: Term) {
    screen.send("\x03");
    screen.wait_for("Press again to quit");
    screen.send("\x03");
    assert_eq!(screen.end().0, 0);
}
