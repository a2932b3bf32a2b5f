//! A run that the person stops, or that ends with the program: no process of the agent is left, and the asker is
//! told.

use super::support::{
    models::Turn,
    scene::{Real, Scene, Setting, eventually},
};

const END_RUN: &str = "\x18\x18";

/// The scene in which the agent works on alice's mention and does not end; `shown` is the part that bob sees.
fn at_work(real: Real, turn: Turn, shown: &str) -> Scene {
    let setting = Setting {
        agent: "permissions = \"allow\"",
        ..Setting::default()
    };
    let scene = Scene::with(real, [turn], setting);
    scene.ask(1, "@bob is it safe?");
    scene.bob.wait_for(shown);
    assert_ne!(scene.processes().len(), 0);
    scene
}

fn stopped_by_key(scene: &Scene) {
    scene.bob.send(END_RUN);
    scene
        .bob
        .wait_for(&format!("{} was stopped on m1", scene.real.name()));
    scene.assert_nothing_runs();
    let alice = scene.alice.wait_for("failed at bob: stopped by its owner");
    assert!(!alice.contains(&format!("bob·{}", scene.real.name())), "{alice}");
}

#[test]
fn claude_stops_while_it_writes() {
    let turn = Turn::text(&["It seems"]).then_hangs();
    stopped_by_key(&at_work(Real::Claude, turn, "It seems"));
}

#[test]
fn codex_stops_while_it_writes() {
    let turn = Turn::text(&["It seems"]).then_hangs();
    stopped_by_key(&at_work(Real::Codex, turn, "It seems"));
}

/// Both start tools in sessions of their own, which a signal to the agent's session does not reach.
#[test]
fn claude_stops_with_its_tools() {
    let scene = at_work(
        Real::Claude,
        Real::Claude.shell("tail -s 31.7 -f /dev/null"),
        "uses Bash",
    );
    tool_runs(&scene, "tail -s 31.7");
    stopped_by_key(&scene);
}

#[test]
fn codex_stops_with_its_tools() {
    let scene = at_work(Real::Codex, Real::Codex.shell("sleep 1007; echo x"), "uses shell");
    tool_runs(&scene, "sleep 1007");
    stopped_by_key(&scene);
}

fn tool_runs(scene: &Scene, command: &str) {
    eventually(command, || {
        let processes = scene.processes();
        processes
            .iter()
            .any(|process| process.command.starts_with(command))
    });
}

/// Stopping the current run also ends the run that is queued.
#[test]
fn leaving_ends_what_runs_and_tells_the_asker() {
    let scene = at_work(
        Real::Claude,
        Turn::text(&["It seems"]).then_hangs().always(),
        "It seems",
    );
    scene.ask(2, "@bob is that safe?");
    scene.bob.wait_for("m2 is waiting for claude");
    let asked = scene.model.requests().len();
    scene.bob.send("\x03");
    scene.bob.wait_for("Press again to quit");
    scene.bob.send("\x03");
    scene.alice.wait_until("both failures", |screen| {
        screen.matches("failed at bob: stopped by its owner").count() == 2
    });
    scene.alice.wait_for("bob left");
    scene.assert_nothing_runs();
    assert_eq!(scene.model.requests().len(), asked);
}

/// A killed program cannot end any process itself.
#[test]
fn a_program_that_is_killed_leaves_no_agent() {
    for real in [Real::Claude, Real::Codex] {
        let scene = at_work(real, Turn::text(&["It seems"]).then_hangs(), "It seems");
        let status = std::process::Command::new("kill")
            .args(["-KILL", &scene.bob.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
        eventually("no process of the agent's", || scene.processes().is_empty());
    }
}

/// A program that waits for a thread's next mention ends if the mode or a setting of the agent changes, and with our
/// program, even if that is killed.
#[test]
fn what_waits_ends_with_what_it_was_started_for() {
    for real in [Real::Claude, Real::Codex] {
        let scene = Scene::new(real, [Turn::text(&["It is."]).always()]);
        let gone = |why: &str| eventually(why, || scene.processes().is_empty());
        scene.ask(1, "@bob is it safe?");
        scene.bob.wait_for("It is.");
        scene.waiting();
        scene.bob.command("/mode auto");
        gone("an end with the mode");

        scene.alice.say("@bob is that safe?");
        scene
            .alice
            .wait_until("both answers", |screen| screen.matches("It is.").count() == 2);
        scene.waiting();
        let config = scene.bobs.path().join("config/nexscope/config.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text + "stall = \"59s\"\n").unwrap();
        gone("an end with the setting");

        scene.alice.say("@bob is this safe?");
        scene
            .alice
            .wait_until("three answers", |screen| screen.matches("It is.").count() == 3);
        scene.waiting();
        let status = std::process::Command::new("kill")
            .args(["-KILL", &scene.bob.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
        gone("an end with the program");
    }
}
