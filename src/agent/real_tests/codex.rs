//! Codex.

use std::{fs, time::Instant};

use serde_json::json;

use super::models::{Api, Model, Turn};
use super::*;
use crate::{
    agent::tests::support::{carriers, ended, eventually, failure, notices, to_the_end, until},
    core::runs::{Outcome, RunEvent},
};

fn model(turns: impl IntoIterator<Item = Turn>) -> Model {
    Model::start(Api::OpenAi, turns)
}

fn codex(model: &Model, text: &str) -> Stage {
    stage(Kind::Codex, &model.url(), text)
}

fn answer(text: &str) -> Outcome {
    Outcome::Answer(text.into())
}

fn shell(command: &str) -> Turn {
    Turn::tool("exec_command", json!({ "cmd": command }))
}

#[tokio::test]
async fn it_answers_and_the_session_continues() {
    let model = model([Turn::text(&["fir", "st"]), Turn::text(&["second"])]);
    let mut stage = codex(&model, "how are you?");
    let events = stage.events().await;
    let first = ended(&events).clone();
    assert_eq!(first.outcome, answer("first"));
    assert!(events.contains(&RunEvent::Partial("first".into())), "{events:?}");
    let session = first.session.expect("it has a session");

    stage.again("and now?");
    stage.run.resume = Some(session.clone());
    stage.run.before = first.totals;
    let events = stage.events().await;
    let second = ended(&events);
    assert_eq!(second.outcome, answer("second"));
    assert_eq!(second.session, Some(session));
    assert_eq!(notices(&events), [""; 0]);
    assert!(model.sent().lines().last().unwrap().contains("how are you?"));
    // The trap: it reports the usage of the whole session.
    assert_eq!(
        (first.tokens, second.tokens, second.totals.tokens),
        (Some(120), Some(120), 240)
    );
    assert!(!model.sent().contains("CANARY-TOKEN"));
}

#[tokio::test]
async fn what_others_write_names_no_skill_and_no_file() {
    let model = model([]);
    let mut stage = codex(&model, "");
    let (secret, canary) = secret(&stage);
    let skill = stage.path("codex/skills/planted");
    fs::create_dir_all(&skill).unwrap();
    let text = "---\nname: planted\ndescription: a skill\n---\nCANARY-SKILL\n";
    fs::write(skill.join("SKILL.md"), text).unwrap();
    for text in [
        "$planted",
        "use $planted now",
        "[$planted](skill://planted)",
        &format!("@{secret}"),
        "/clear",
        "!ls",
    ] {
        let before = asks(&model);
        stage.again(text);
        let Outcome::Answer(echo) = stage.outcome().await else {
            panic!("{text}")
        };
        assert!(echo.starts_with("echo:"), "{text}: {echo}");
        assert_eq!(asks(&model), before + 1, "{text}");
        assert!(
            !model.sent().contains("CANARY-SKILL") && !model.sent().contains(canary),
            "{text}"
        );
    }
}

/// The trap: depending on its form, an unknown id starts a new session or fails.
#[tokio::test]
async fn a_session_that_is_gone_is_told() {
    let model = model([]);
    let mut stage = codex(&model, "hello");
    stage.run.resume = Some("01a2023a-0000-7000-8000-000000000000".to_owned());
    let ending = stage.ending().await;
    assert!(ending.session_lost, "{ending:?}");
    assert_eq!(asks(&model), 0);

    stage.run.resume = Some("nonsense".to_owned());
    let events = stage.events().await;
    assert!(
        notices(&events)
            .iter()
            .any(|notice| notice.contains("started a new one")),
        "{events:?}"
    );
    assert_ne!(ended(&events).session.as_deref(), Some("nonsense"));
    assert!(ended(&events).session.is_some());
}

#[tokio::test]
async fn failures_are_explained_promptly() {
    for (status, want) in [
        (400, "bad thing"),
        (404, "404"),
        (429, "429"),
        (500, "high demand"),
        (503, "503"),
    ] {
        let model = model([Turn::error(status, "bad thing").always()]);
        let stage = codex(&model, "hello");
        let started = Instant::now();
        let outcome = stage.outcome().await;
        assert!(failure(&outcome).contains(want), "{status}: {outcome:?}");
        assert!(started.elapsed() < STALL * 2, "{status}");
    }
}

#[tokio::test]
async fn a_wrong_key_or_none_or_no_server_says_so() {
    let model = model([]);
    let mut stage = codex(&model, "hello");
    set(&mut stage, "FAKE_KEY", Some("wrong"));
    let outcome = stage.outcome().await;
    assert!(failure(&outcome).contains("401"), "{outcome:?}");
    set(&mut stage, "FAKE_KEY", None);
    let outcome = stage.outcome().await;
    assert!(failure(&outcome).contains("FAKE_KEY"), "{outcome:?}");

    // The trap: it would retry forever.
    set(&mut stage, "FAKE_KEY", Some(KEY));
    fs::write(stage.path("codex/config.toml"), models::codex_config(&dead())).unwrap();
    let outcome = stage.outcome().await;
    assert!(
        failure(&outcome).starts_with("nothing but retries for 20 s; the last one: Reconnecting"),
        "{outcome:?}"
    );
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

#[tokio::test]
async fn a_stop_ends_it_while_it_streams_and_while_a_tool_runs() {
    let model = model([Turn::text(&["begun"]).then_hangs(), shell("sleep 1006; echo x")]);
    let mut stage = codex(&model, "hello");
    for command in [None, Some("sleep 1006")] {
        stage.again("hello");
        let mut handle = stage.start();
        match command {
            None => {
                until(&mut handle, |event| *event == RunEvent::Partial("begun".into())).await;
            }
            Some(command) => {
                until(&mut handle, |event| matches!(event, RunEvent::Tool { .. })).await;
                eventually(|| {
                    carriers(&stage.run.id)
                        .iter()
                        .any(|line| line.starts_with(command))
                })
                .await;
            }
        }
        let asked = Instant::now();
        handle.stop.cancel();
        let events = to_the_end(&mut handle).await;
        assert_eq!(ended(&events).outcome, Outcome::Cancelled);
        assert_eq!(carriers(&stage.run.id), [""; 0]);
        assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn read_only_is() {
    let model = model([shell("touch new.txt; touch ../new.txt"), Turn::text(&["done"])]);
    let stage = codex(&model, "hello");
    assert_eq!(stage.outcome().await, answer("done"));
    assert!(!stage.path("work/new.txt").exists() && !stage.path("new.txt").exists());
}

#[tokio::test]
async fn an_empty_answer_is_none() {
    let model = model([Turn::text(&[""])]);
    let stage = codex(&model, "hello");
    assert_eq!(failure(&stage.outcome().await), "it ended without an answer");
}

/// The person's other servers may be used; not Nexscope's own, and not those of an untrusted folder.
#[tokio::test]
async fn nexscope_itself_is_no_tool_of_its() {
    let model = model([]);
    let stage = codex(&model, "hello");
    let server = |name: &str, file: &str| {
        let touch = format!("touch {}", stage.path(file).display());
        format!("\n[mcp_servers.{name}]\ncommand = \"/bin/sh\"\nargs = [\"-c\", \"{touch}\"]\n")
    };
    let config = model.codex_config() + &server("other", "other") + &server("nexscope", "nexscope");
    fs::write(stage.path("codex/config.toml"), config).unwrap();
    fs::create_dir(stage.path("work/.codex")).unwrap();
    fs::write(stage.path("work/.codex/config.toml"), server("folder", "folder")).unwrap();
    assert!(matches!(stage.outcome().await, Outcome::Answer(_)));
    let ran = |name: &str| stage.path(name).exists();
    assert_eq!(
        (ran("other"), ran("nexscope"), ran("folder")),
        (true, false, false)
    );
}
