//! A mention waits and is accepted by a key, and its answer grows on one screen before it is posted on both.

use serde_json::json;

use super::support::{
    models::{Gate, Turn},
    scene::{Real, Scene},
};

const QUESTION: &str = "where does the parser race?";

/// Alice asks. Until bob presses a key, no agent runs and no model gets a request.
fn asked_and_accepted(scene: &Scene) {
    scene.alice.say("good morning, everyone");
    scene.bob.wait_for("good morning, everyone");
    scene.alice.say(&format!("@bob {QUESTION}"));
    scene
        .bob
        .wait_for(&format!("▸ m2 alice asks {}", scene.real.name()));
    scene.alice.wait_for("queued by bob");
    scene.assert_nothing_runs();
    assert_eq!(scene.model.requests().len(), 0);
    scene.accept(2);
    scene.bob.wait_for(&format!("accepted for {}", scene.real.name()));
    scene.alice.wait_for("accepted by bob");
}

/// `first` is only on bob's screen; the rest is held back.
fn only_bob_sees(scene: &Scene, first: &str) {
    scene.bob.wait_for(first);
    scene.alice.wait_for(&format!("{} ⚙ writ", scene.real.name()));
    let alice = scene.alice.screen();
    assert!(!alice.contains(first), "what is not posted yet is seen:\n{alice}");
}

/// The whole answer is on both screens, once, and the agent's program waits and has no child processes.
fn posted(scene: &Scene, answer: &str) {
    let from = format!("bob·{}", scene.real.name());
    for (screen, to) in [(&scene.bob, " → alice"), (&scene.alice, " → you")] {
        let seen = screen.wait_until(answer, |screen| {
            screen.contains(answer) && screen.contains(&format!("{from}{to}"))
        });
        assert_eq!(seen.matches(answer).count(), 1, "{seen}");
    }
    scene.alice.wait_for("answered by bob");
    scene.waiting();
    let told = scene.told();
    assert!(
        told.contains(&format!("\n> {QUESTION}\n")) && !told.contains("good morning"),
        "{told}"
    );
}

/// The invite and token are in bob's environment, and in none of the agent's processes.
fn no_secret_is_handed_on(scene: &Scene) {
    let processes = scene.processes();
    assert!(!processes.is_empty());
    for process in processes {
        let bad = process.environment.iter().find(|one| {
            one.contains(super::support::TOKEN)
                || one.starts_with("NEXSCOPE_") && !one.starts_with("NEXSCOPE_RUN_ID=")
        });
        assert_eq!(bad, None, "{}", process.command);
    }
}

#[test]
fn claudes_answer_grows_by_words() {
    let gate = Gate::default();
    let answer = Turn::text(&["It races in ", "lexer.rs ", "at line 42."]).held_before(2, &gate);
    let scene = Scene::new(Real::Claude, [answer]);
    asked_and_accepted(&scene);
    only_bob_sees(&scene, "It races in lexer.rs");
    no_secret_is_handed_on(&scene);
    gate.open();
    posted(&scene, "It races in lexer.rs at line 42.");
    assert_eq!(scene.model.requests().len(), 1);
}

/// If there are several messages, the last one is the answer.
#[test]
fn codexs_last_message_is_its_answer() {
    let gate = Gate::default();
    let looks = Turn::text(&["I look at ", "the lexer."]).then_tool("exec_command", json!({ "cmd": "ls" }));
    let answer = Turn::text(&["It races ", "at line 42."]).held_before(0, &gate);
    let scene = Scene::new(Real::Codex, [looks, answer]);
    asked_and_accepted(&scene);
    scene.bob.wait_for("I look at the lexer.");
    scene.bob.wait_for("codex is thinking");
    let alice = scene.alice.screen();
    assert!(!alice.contains("I look at"), "{alice}");
    no_secret_is_handed_on(&scene);
    gate.open();
    posted(&scene, "It races at line 42.");
    for screen in [&scene.alice, &scene.bob] {
        assert!(!screen.screen().contains("I look at"), "{}", screen.screen());
    }
    scene.alice.wait_for("1 tool");
    assert_eq!(scene.model.requests().len(), 2);
}
