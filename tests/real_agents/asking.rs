//! An agent that wants to use a tool asks its person, in the same inbox.

use super::support::{
    models::Turn,
    scene::{Real, Scene, Setting},
};

#[test]
fn claude_asks_its_person_and_what_they_say_happens() {
    let real = Real::Claude;
    let turns = [
        real.shell("echo one > one.txt"),
        real.shell("echo two > two.txt"),
        Turn::text(&["I have asked for both."]),
    ];
    let setting = Setting {
        agent: "permissions = \"ask\"",
        ..Setting::default()
    };
    let scene = Scene::with(real, turns, setting);
    let written = |name: &str| scene.bobs.work().join(name).exists();
    scene.alice.say("@bob write two files");
    scene.bob.wait_for("▸ m1 alice asks claude · asks you first");
    scene.accept(1);

    scene.bob.wait_for("▸ p1 bob·claude wants Bash, for alice");
    scene.bob.wait_for("echo one > one.txt");
    scene.alice.wait_for("claude ⚙ wait");
    assert!(!written("one.txt"), "it was done before anybody said so");
    scene.bob.press_until("\x1bOQ", "▸ p2 bob·claude wants Bash");
    assert!(written("one.txt"));

    scene.bob.press_until("\x1bOR", "a reason, or nothing");
    scene.bob.send("two is one too many");
    scene.bob.wait_for("two is one too many");
    scene.bob.press_until("\r", "I have asked for both.");
    scene.alice.wait_for("I have asked for both.");
    assert!(!written("two.txt"));
    assert!(scene.model.sent().contains("two is one too many"));
    scene.waiting();
}
