//! The first screen, and the data that others get after a lost connection.

use super::*;
use crate::support::{TOKEN, command_agent};

const DOWN: &str = "\x1b[B";

/// Issue 14, 28: a wrong invite was saved, and each later start failed with it again.
#[test]
fn a_refused_invite_is_not_saved_and_can_be_mended() {
    let relay = Relay::start();
    let ann = Home::empty("ann");
    let port = relay.address().port();
    let invite = format!("nexscope://127.0.0.1:{port}/lobby?tls=0#");
    let a = ann.screen(90, 24);
    a.wait_for("› ann");
    a.send(ENTER);
    a.press_until(DOWN, "Paste it here");
    a.send(ENTER);
    a.wait_for("Paste the invite.");
    a.send(&format!("{invite}wrong"));
    a.send(ENTER);
    let screen = a.wait_for("Wrong token. Ask for a new invite, or check this one. Nothing was saved.");
    assert!(screen.contains("#wrong"), "{screen}");
    let saved = ann.path().join("config/nexscope/config.toml");
    assert!(!saved.exists());
    // The field is unchanged and can be corrected.
    a.send("\x7f\x7f\x7f\x7f\x7f");
    a.send(TOKEN);
    a.send(ENTER);
    a.wait_until("the agents of this computer, if any", |screen| {
        screen.contains("No agent was found") || screen.contains("Which agents")
    });
    assert!(!saved.exists());
    a.send(ENTER);
    a.wait_for("● ws://");
    assert!(saved.exists());
}

/// Issue 14, 27: the hello after a reconnect had the agents of the start.
#[test]
fn agents_that_were_added_are_still_known_after_a_reconnect() {
    let relay = Relay::start();
    let (alice, bob) = (Home::new("alice", &relay, ""), Home::new("bob", &relay, ""));
    let a = alice.screen(120, 24);
    let b = bob.screen(120, 24);
    a.wait_for("● bob");
    let agent = bob.script("agent", "cat");
    bob.join(&relay, &command_agent("helper", &agent));
    b.send("\x18\x12");
    b.press_until("\x18\x12", "Settings applied.");
    a.wait_for("helper");
    let dead = relay.kill();
    a.wait_gone("● ws://");
    b.wait_gone("● ws://");
    let _relay = dead.revive();
    a.wait_for("● ws://");
    b.wait_for("● ws://");
    a.wait_for("● bob");
    a.say("/who bob");
    a.wait_for("helper");
}

/// Issue 14, 28: a refused session could not use another invite.
#[test]
fn a_refused_session_continues_with_another_invite() {
    let relay = Relay::start();
    let ann = Home::new("ann", &relay, "");
    let config = ann.path().join("config/nexscope/config.toml");
    let written = std::fs::read_to_string(&config).unwrap();
    let comment = "# what I wrote\n";
    std::fs::write(&config, comment.to_owned() + &written.replace(TOKEN, "wrong")).unwrap();
    let a = ann.screen(100, 24);
    a.wait_for("Wrong token. Ask for a new invite, then /join it.");
    let port = relay.address().port();
    let invite = format!("nexscope://127.0.0.1:{port}/dev?tls=0#");
    // Another wrong invite changes nothing, and stays in the field for correction.
    a.send(&format!("/join {invite}wrong"));
    a.press_until(ENTER, "You are still in this room.");
    let screen = a.screen();
    assert!(screen.contains("#wrong"), "{screen}");
    assert!(std::fs::read_to_string(&config).unwrap().contains("\"wrong\""));
    for _ in 0.."wrong".len() {
        a.send("\x7f");
    }
    a.send(TOKEN);
    a.press_until(ENTER, "This is #dev on");
    a.wait_for("The next start joins it, too.");
    a.wait_for("● ws://");
    let saved = std::fs::read_to_string(&config).unwrap();
    assert!(
        saved.starts_with(comment) && saved.contains(TOKEN) && !saved.contains("\"wrong\""),
        "{saved}"
    );
    drop(a);
    let again = ann.screen(100, 24);
    again.wait_for("#dev");
    again.wait_for("● ws://");
}

/// The usual case: the token of the person's own room has changed.
#[test]
fn a_new_invite_to_the_same_room_is_joined() {
    let relay = Relay::start();
    let ann = Home::new("ann", &relay, "");
    let config = ann.path().join("config/nexscope/config.toml");
    let written = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, written.replace(TOKEN, "wrong")).unwrap();
    let a = ann.screen(100, 24);
    a.wait_for("Wrong token. Ask for a new invite, then /join it.");
    let port = relay.address().port();
    a.send(&format!("/join nexscope://127.0.0.1:{port}/lobby?tls=0#{TOKEN}"));
    a.press_until(ENTER, "The next start joins it, too.");
    a.wait_for("● ws://");
}

/// Changes made in a room also apply in the next one; none is reset to its value at the start.
#[test]
fn what_was_made_safer_stays_so_in_the_next_room() {
    let relay = Relay::start();
    let ann = Home::new("ann", &relay, "mode = \"auto\"\n");
    let config = ann.path().join("config/nexscope/config.toml");
    let a = ann.screen(100, 24);
    a.wait_for("ann · auto");
    a.say("/mode manual");
    a.wait_for("Manual mode");
    let port = relay.address().port();
    // A room of the person's other session is not joined, and this room is not left.
    let b = Term::spawn(&ann, &["--room", "two"], 100, 24);
    b.wait_for("● ws://");
    a.send(&format!("/join nexscope://127.0.0.1:{port}/two?tls=0#{TOKEN}"));
    a.press_until(ENTER, "You are still in this room");
    assert!(!std::fs::read_to_string(&config).unwrap().contains("two"));
    for _ in 0..200 {
        a.send("\x7f");
    }
    a.send(&format!("/join nexscope://127.0.0.1:{port}/three?tls=0#{TOKEN}"));
    a.press_until(ENTER, "This is #three on");
    let screen = a.wait_for("● ws://");
    assert!(!screen.contains("ann · auto"), "{screen}");
}

/// Files of a folder that are named as the built-in keymap and theme are: none of them is read.
#[test]
fn a_folder_changes_no_built_in_key_or_colour() {
    let ann = Home::empty("ann");
    for (name, text) in [
        ("default", "[setup]\nenter = \"leave\"\n"),
        ("terminal", "x = [\n"),
    ] {
        std::fs::write(ann.work().join(format!("{name}.toml")), text).unwrap();
    }
    let a = ann.screen(90, 24);
    a.wait_for("› ann");
    a.send(ENTER);
    a.wait_for("Where is the room?");
}
