//! A thread continues in the agent's own session, even if its owner was away in between, and contains nothing that
//! the owner has not accepted.

use serde_json::Value;

use super::support::{
    models::Turn,
    scene::{Real, Scene, texts},
};

/// The text of each side in the history of a request.
fn history(request: &Value) -> (String, String) {
    let said_by = |role: &str| {
        let messages = [&request["messages"], &request["input"]];
        let messages = messages.into_iter().filter_map(Value::as_array).flatten();
        messages
            .filter(|message| message["role"] == role)
            .map(texts)
            .collect()
    };
    (said_by("user"), said_by("assistant"))
}

fn goes_on(real: Real) {
    let turns =
        ["The first answer.", "The second answer.", "The third answer."].map(|text| Turn::text(&[text]));
    let mut scene = Scene::new(real, turns);
    let newest = |scene: &Scene, number: usize| {
        let requests = scene.model.requests();
        assert_eq!(requests.len(), number);
        history(&requests[number - 1].json())
    };

    scene.ask(1, "@bob is alpha safe?");
    scene.alice.wait_for("The first answer.");
    let program = scene.waiting();
    // The program waits and stays the same process.
    scene.alice.say("/say --thread t1 @bob NOT-ACCEPTED please");
    scene.bob.wait_for("▸ m3 alice asks");
    scene.alice.say("/say --thread t1 @bob and is beta safe?");
    scene.bob.wait_for("1 more");
    scene.bob.decide("/accept m4");
    scene.alice.wait_for("The second answer.");
    assert_eq!(scene.waiting(), program, "it was started again");
    let (asked, answered) = newest(&scene, 2);
    for text in ["> is alpha safe?", "> and is beta safe?"] {
        assert_eq!(asked.matches(text).count(), 1, "{asked}");
    }
    assert!(answered.contains("The first answer."), "{answered}");
    assert!(!asked.contains("Earlier in this thread"), "{asked}");

    // Restart bob's program.
    scene.bob.send("\x03");
    scene.bob.wait_for("Press again to quit");
    scene.bob.send("\x03");
    scene.alice.wait_for("bob left");
    scene.assert_nothing_runs();
    scene.open_bob();
    scene.alice.say("/say --thread t1 @bob and is gamma safe?");
    scene.bob.wait_for("and is gamma safe?");
    scene.bob.decide("/accept m6");
    scene.alice.wait_for("The third answer.");
    let (asked, answered) = newest(&scene, 3);
    assert!(asked.contains("> is alpha safe?"), "{asked}");
    assert!(answered.contains("The second answer."), "{answered}");
    assert!(!scene.told().contains("NOT-ACCEPTED"), "{}", scene.told());
}

#[test]
fn claude_knows_what_was_said() {
    goes_on(Real::Claude);
}

#[test]
fn codex_knows_what_was_said() {
    goes_on(Real::Codex);
}
