//! Failures on the model's side: both people are told soon, the owner gets the reason, and no answer is sent.

use std::time::{Duration, Instant};

use super::support::{
    models::Turn,
    scene::{Real, Scene, Setting},
};

/// How long the agent may stay silent or keep retrying; both would otherwise last for minutes.
const STALL: &str = "stall = \"5s\"";
/// That limit, plus the agent's start and end on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// Alice's mention fails. The reason that bob sees contains all of `why`; alice sees a general one.
fn fails(real: Real, turns: impl IntoIterator<Item = Turn>, setting: Setting, why: &[&str]) {
    let setting = Setting {
        agent: STALL,
        ..setting
    };
    let scene = Scene::with(real, turns, setting);
    scene.ask(1, "@bob is it safe?");
    let accepted = Instant::now();
    let told = |begin: &str| {
        let begin = begin.to_owned();
        move |screen: &str| {
            let mut lines = screen.lines().filter(|line| line.contains(&begin));
            lines.any(|line| why.iter().all(|why| line.contains(why)))
        }
    };
    let failed = format!("{} failed on m1: ", real.name());
    scene.bob.wait_until(&format!("{failed}{why:?}"), told(&failed));
    let alice = scene.alice.wait_for("failed at bob: it");
    let line = alice.lines().find_map(|line| line.split_once("failed at bob: "));
    let reason = line.map(|(_, reason)| reason).unwrap_or_default();
    assert!(!why.iter().any(|why| reason.contains(why)), "{reason}");
    assert!(accepted.elapsed() < SOON, "{:?}", accepted.elapsed());
    // Not as an answer, nor as any other message.
    let speaks = format!("bob·{}", real.name());
    assert!(
        !scene.alice.screen().contains(&speaks),
        "{}",
        scene.alice.screen()
    );
    scene.assert_nothing_runs();
}

fn wrong_key() -> Setting {
    Setting {
        key: "sk-wrong",
        ..Setting::default()
    }
}

fn dead() -> Setting {
    Setting {
        dead: true,
        ..Setting::default()
    }
}

fn overloaded(status: u16) -> [Turn; 1] {
    [Turn::error(status, "try later").always()]
}

#[test]
fn claude_with_a_wrong_key() {
    fails(Real::Claude, [], wrong_key(), &["5 s", "HTTP 401"]);
}

#[test]
fn codex_with_a_wrong_key() {
    fails(Real::Codex, [], wrong_key(), &["401"]);
}

#[test]
fn claude_when_its_model_is_overloaded() {
    fails(Real::Claude, overloaded(529), Setting::default(), &["529"]);
}

#[test]
fn codex_when_its_model_is_overloaded() {
    fails(Real::Codex, overloaded(429), Setting::default(), &["429"]);
}

#[test]
fn claude_without_a_server() {
    fails(Real::Claude, [], dead(), &["retries for 5 s", "no connection"]);
}

#[test]
fn codex_without_a_server() {
    fails(Real::Codex, [], dead(), &["retries for 5 s", "Reconnecting"]);
}

#[test]
fn claude_when_its_model_falls_silent() {
    let turn = Turn::text(&["It seems"]).then_hangs();
    fails(
        Real::Claude,
        [turn],
        Setting::default(),
        &["it has shown nothing for 5 s"],
    );
}

/// After the failure, a key retries the same mention, and it is answered.
#[test]
fn failures_can_be_retried() {
    let scene = Scene::new(Real::Claude, [Turn::error(400, "bad thing").always()]);
    scene.ask(1, "@bob is it safe?");
    scene.alice.wait_for("failed at bob: ");
    scene.bob.wait_for("to run it again");
    scene.model.script([Turn::text(&["It is safe now."])]);
    // Go to the messages, and to the newest one: the mention.
    scene.bob.send("\t\x1b[A");
    scene.bob.press_until("R", "accepted for claude");
    scene.alice.wait_for("It is safe now.");
    scene.alice.wait_for("answered by bob");
}
