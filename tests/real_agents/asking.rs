//! An agent that wants to use a tool asks its owner, in the same inbox.

use super::support::{
    models::Turn,
    scene::{Real, Scene, Setting},
};

/// The agent asks twice for a tool: it writes the first file after bob accepts, and never the second one, and its
/// model gets the reason.
fn asked_twice(scene: &Scene, tool: &str) {
    let wants = |item: &str| format!("▸ {item} bob·{} wants {tool}", scene.real.name());
    let written = |name: &str| scene.bobs.work().join(name).exists();
    scene.bob.wait_for(&format!("{}, for alice", wants("p1")));
    scene.bob.wait_for("echo one > one.txt");
    scene.alice.wait_for(&format!("{} ⚙ wait", scene.real.name()));
    assert!(!written("one.txt"), "it was done before anybody said so");
    // Press only until the first is decided: another press would decide the second.
    // If the first press was too early, it opened the item.
    let waits = format!("p1 bob·{}", scene.real.name());
    scene
        .bob
        .press_until_is("\x1bOQ", "p1 decided", |screen| !screen.contains(&waits));
    scene.bob.wait_for(&wants("p2"));
    assert!(written("one.txt"));

    scene.bob.press_until("\x1bOR", "a reason (optional)");
    scene.bob.send("two is one too many");
    scene.bob.wait_for("two is one too many");
    scene.bob.press_until("\r", "I have asked for both.");
    scene.alice.wait_for("I have asked for both.");
    assert!(!written("two.txt"));
    assert!(scene.model.sent().contains("two is one too many"));
}

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
    scene.alice.say("@bob write two files");
    scene.bob.wait_for("▸ m1 alice asks claude · asks you first");
    scene.accept(1);
    asked_twice(&scene, "Bash");
    scene.waiting();
}

/// The same through the Agent Client Protocol, which has no field for a reason: it reaches the model anyway.
#[test]
fn an_adapter_asks_its_person_and_what_they_say_happens() {
    let real = Real::Codex;
    let shell = |command: &str| {
        let input = serde_json::json!({ "cmd": command, "sandbox_permissions": "require_escalated", "justification": "to write" });
        Turn::tool("exec_command", input)
    };
    let turns = [
        shell("echo one > one.txt"),
        shell("echo two > two.txt"),
        Turn::text(&["I have asked for both."]),
        Turn::text(&["And I know it."]),
    ];
    let setting = Setting {
        adapter: true,
        ..Setting::default()
    };
    let scene = Scene::with(real, turns, setting);
    scene.alice.say("@bob write two files");
    scene
        .bob
        .wait_for("▸ m1 alice asks codex · asks you, if it asks at all");
    scene.accept(1);
    asked_twice(&scene, "shell");
    let program = scene.waiting();

    // The thread's next mention continues the session.
    scene.alice.say("/say --thread t1 @bob do you know?");
    scene.bob.wait_for("▸ m3 alice asks codex");
    scene.bob.decide("/accept m3");
    scene.alice.wait_for("And I know it.");
    assert_eq!(scene.waiting(), program);
    assert!(scene.told().contains("> do you know?"));
}
