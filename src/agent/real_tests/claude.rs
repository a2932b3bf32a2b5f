//! Claude Code.

use std::{
    fs,
    os::unix::fs::symlink,
    time::{Duration, Instant},
};

use serde_json::json;

use super::models::{Api, Model, Turn};
use super::*;
use crate::{
    agent::tests::support::{carriers, ended, eventually, failure, notices, permission, to_the_end, until},
    core::runs::{GrantRule, Outcome, RunEvent, ToolAnswer, settings::Project},
};

fn model(turns: impl IntoIterator<Item = Turn>) -> Model {
    Model::start(Api::Anthropic, turns)
}

fn claude(model: &Model, text: &str) -> Stage {
    stage(Kind::Claude, &model.url(), text)
}

fn answer(text: &str) -> Outcome {
    Outcome::Answer(text.into())
}

#[tokio::test]
async fn the_answer_grows_and_the_session_continues() {
    let model = model([
        Turn::text(&["one ", "two"]).then_hangs(),
        Turn::text(&["first"]),
        Turn::text(&["second"]),
    ]);
    let mut stage = claude(&model, "how are you?");
    let mut handle = stage.start();
    until(&mut handle, |event| *event == RunEvent::Partial("one two".into())).await;
    handle.stop.cancel();
    to_the_end(&mut handle).await;

    stage.again("how are you?");
    let events = stage.events().await;
    let first = ended(&events).clone();
    assert_eq!(first.outcome, answer("first"));
    let session = first.session.expect("it has a session");
    assert!(events.contains(&RunEvent::Session(session.clone())));

    stage.again("and now?");
    stage.run.resume = Some(session.clone());
    stage.run.before = first.totals;
    let events = stage.events().await;
    let second = ended(&events);
    assert_eq!(second.outcome, answer("second"));
    assert_eq!(second.session, Some(session));
    assert!(model.sent().lines().last().unwrap().contains("how are you?"));
    // The trap: it reports the usage of the whole session.
    assert_eq!((first.tokens, second.tokens), (Some(120), Some(120)));
    assert_eq!(first.usd, second.usd);
    assert!(first.usd.is_some_and(|usd| usd > 0.0));
    assert_eq!(second.totals.tokens, 240);
    assert_eq!(notices(&events), [""; 0]);
    assert!(!model.sent().contains("CANARY-TOKEN"));
}

/// The traps of piped text: `@path` reads a file, a slash is a command.
#[tokio::test]
async fn what_others_write_reads_no_file_and_gives_no_command() {
    let model = model([]);
    let mut stage = claude(&model, "");
    let (secret, canary) = secret(&stage);
    fs::write(stage.path("work/in.txt"), canary).unwrap();
    for text in hostile_words(&secret) {
        let before = asks(&model);
        stage.again(&text);
        let outcome = stage.outcome().await;
        let Outcome::Answer(echo) = outcome else {
            panic!("{text}: {outcome:?}")
        };
        assert!(echo.starts_with("echo:"), "{text}: {echo}");
        assert_eq!(asks(&model), before + 1, "{text}");
        assert!(!model.sent().contains(canary), "{text}");
    }
}

/// The trap: a project's hooks and servers run without asking.
#[tokio::test]
async fn a_projects_hooks_and_servers_run_only_where_all_of_it_takes_part() {
    for (project, hooks, memory) in [
        (Project::Memory, false, true),
        (Project::None, false, false),
        (Project::Full, true, true),
    ] {
        let model = model([]);
        let mut stage = claude(&model, "hello");
        let work = stage.path("work");
        fs::create_dir(work.join(".claude")).unwrap();
        let touch = |name: &str| format!("touch {}", stage.path(name).display());
        let hook = json!([{ "hooks": [{ "type": "command", "command": touch("hooked") }] }]);
        let settings = json!({ "hooks": { "UserPromptSubmit": hook, "SessionStart": hook } });
        fs::write(work.join(".claude/settings.json"), settings.to_string()).unwrap();
        let server = json!({ "command": "/bin/sh", "args": ["-c", touch("served")] });
        fs::write(
            work.join(".mcp.json"),
            json!({ "mcpServers": { "x": server } }).to_string(),
        )
        .unwrap();
        fs::write(
            work.join("CLAUDE.md"),
            format!("CANARY-MEMORY @{}", secret(&stage).0),
        )
        .unwrap();
        stage.run.agent.project = project;
        assert!(matches!(stage.outcome().await, Outcome::Answer(_)));
        assert_eq!(stage.path("hooked").exists(), hooks, "{project:?}");
        assert_eq!(stage.path("served").exists(), hooks, "{project:?}");
        assert_eq!(model.sent().contains("CANARY-MEMORY"), memory, "{project:?}");
        assert!(!model.sent().contains("CANARY-SECRET"), "{project:?}");
    }
}

#[tokio::test]
async fn failures_are_explained_promptly() {
    for (status, want) in [
        (400, "bad thing"),
        (404, "model"),
        (429, "rate limit (HTTP 429)"),
        (500, "server error (HTTP 500)"),
        // It may give up by itself in time, or not.
        (529, "verloaded"),
    ] {
        let model = model([Turn::error(status, "bad thing").always()]);
        let stage = claude(&model, "hello");
        let started = Instant::now();
        let outcome = stage.outcome().await;
        assert!(failure(&outcome).contains(want), "{status}: {outcome:?}");
        assert!(started.elapsed() < STALL * 2, "{status}");
    }
}

#[tokio::test]
async fn a_wrong_key_or_none_or_no_server_says_so() {
    let model = model([]);
    let mut stage = claude(&model, "hello");
    set(&mut stage, "ANTHROPIC_API_KEY", Some("wrong"));
    let outcome = stage.outcome().await;
    assert!(
        failure(&outcome).contains("authentication failed (HTTP 401)"),
        "{outcome:?}"
    );
    set(&mut stage, "ANTHROPIC_API_KEY", None);
    let outcome = stage.outcome().await;
    assert!(failure(&outcome).contains("/login"), "{outcome:?}");

    set(&mut stage, "ANTHROPIC_API_KEY", Some(KEY));
    set(&mut stage, "ANTHROPIC_BASE_URL", Some(&dead()));
    let outcome = stage.outcome().await;
    assert!(failure(&outcome).contains("no connection"), "{outcome:?}");

    // Few retries: it gives up by itself, with an API error that arrives as "success".
    set(&mut stage, "CLAUDE_CODE_MAX_RETRIES", Some("1"));
    let outcome = stage.outcome().await;
    assert!(failure(&outcome).contains("API Error"), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_a_stall() {
    let model = model([Turn::text(&["begun"]).then_hangs()]);
    let mut stage = claude(&model, "hello");
    stage.run.agent.stall = Duration::from_secs(8);
    assert_eq!(failure(&stage.outcome().await), "it has shown nothing for 8 s");
    assert_eq!(carriers(&stage.run.id), [""; 0]);
}

#[tokio::test]
async fn a_session_that_is_gone_is_told() {
    let model = model([]);
    let mut stage = claude(&model, "hello");
    stage.run.resume = Some("01a2023a-0000-4000-8000-000000000000".to_owned());
    let ending = stage.ending().await;
    assert!(ending.session_lost, "{ending:?}");
    assert_eq!(asks(&model), 0);
}

#[tokio::test]
async fn a_stop_ends_it_at_once_with_its_tools() {
    let run = json!({ "command": "tail -s 31.7 -f /dev/null", "description": "wait" });
    let model = model([Turn::tool("Bash", run)]);
    let mut stage = claude(&model, "hello");
    stage.run.agent.permissions = Permissions::Allow;
    let mut handle = stage.start();
    until(
        &mut handle,
        |event| matches!(event, RunEvent::Tool { name, .. } if name == "Bash"),
    )
    .await;
    eventually(|| {
        carriers(&stage.run.id)
            .iter()
            .any(|line| line.starts_with("tail "))
    })
    .await;
    let asked = Instant::now();
    handle.stop.cancel();
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, Outcome::Cancelled);
    assert_eq!(ended(&events).tools, 1);
    assert_eq!(carriers(&stage.run.id), [""; 0]);
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
}

/// Read-only: no writes, no commands, and no reads outside, not even through a link.
#[tokio::test]
async fn read_only_is() {
    let model = model([]);
    let mut stage = claude(&model, "");
    let (outside, canary) = secret(&stage);
    let work = stage.path("work");
    symlink(&outside, work.join("link")).unwrap();
    fs::write(work.join("in.txt"), "CANARY-INSIDE").unwrap();
    // The folder's own settings do not change that.
    fs::create_dir(work.join(".claude")).unwrap();
    fs::write(
        work.join(".claude/settings.json"),
        r#"{"permissions":{"allow":["Bash","Read(//**)","Write"]}}"#,
    )
    .unwrap();
    let path = |name: &str| work.join(name).display().to_string();
    let turns = [
        ("Read", json!({ "file_path": outside })),
        ("Read", json!({ "file_path": path("link") })),
        (
            "Grep",
            json!({ "pattern": "CANARY", "path": outside, "output_mode": "content" }),
        ),
        ("Write", json!({ "file_path": path("new.txt"), "content": "x" })),
        (
            "Bash",
            json!({ "command": "cat ../secret.txt; touch new.txt", "description": "x" }),
        ),
        ("Read", json!({ "file_path": path("in.txt") })),
    ];
    for (name, input) in turns {
        let model = Model::start(
            Api::Anthropic,
            [Turn::tool(name, input.clone()), Turn::text(&["done"])],
        );
        set(&mut stage, "ANTHROPIC_BASE_URL", Some(&model.url()));
        stage.again("hello");
        assert_eq!(stage.outcome().await, answer("done"), "{name} {input}");
        assert!(!model.sent().contains(canary), "{name} {input}");
        assert!(!work.join("new.txt").exists(), "{name} {input}");
        assert_eq!(
            model.sent().contains("CANARY-INSIDE"),
            input["file_path"] == path("in.txt")
        );
    }
}

#[tokio::test]
async fn an_empty_answer_is_none() {
    let model = model([Turn::text(&[""]), Turn::text(&[""]), Turn::text(&[""])]);
    let stage = claude(&model, "hello");
    assert_eq!(failure(&stage.outcome().await), "it ended without an answer");
}

/// A person is asked before any change; an approval performs it, a refusal reaches the model with its reason.
#[tokio::test]
async fn a_person_is_asked_and_what_they_say_happens() {
    let bash = |command: &str| Turn::tool("Bash", json!({ "command": command, "description": "writes" }));
    let model = model([
        bash("echo one > one.txt"),
        bash("echo two > two.txt"),
        Turn::text(&["done"]),
    ]);
    let mut stage = claude(&model, "write two files");
    stage.run.agent.permissions = Permissions::Ask;
    let mut handle = stage.start();

    let request = permission(&mut handle).await;
    assert_eq!(
        (request.tool.as_str(), request.what.as_str()),
        ("Bash", "echo one > one.txt\n\n(it says: writes)")
    );
    assert!(!stage.path("work/one.txt").exists());
    handle
        .answers
        .send((request.id, ToolAnswer::Allow))
        .await
        .unwrap();

    let request = permission(&mut handle).await;
    assert_eq!(
        request.rule,
        Some(GrantRule::Call {
            tool: "Bash".into(),
            input: "echo two > two.txt".into()
        })
    );
    let no = ToolAnswer::Deny("two is one too many".to_owned());
    handle.answers.send((request.id, no)).await.unwrap();

    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, answer("done"));
    assert_eq!(fs::read_to_string(stage.path("work/one.txt")).unwrap(), "one\n");
    assert!(!stage.path("work/two.txt").exists());
    assert!(model.sent().contains("two is one too many"));
}
