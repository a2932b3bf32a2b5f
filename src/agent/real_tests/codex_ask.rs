//! Codex with permission requests: `codex app-server`.

use std::{fs, time::Instant};

use serde_json::{Value, json};

use super::models::{Api, Model, Turn};
use super::*;
use crate::{
    agent::tests::support::{carriers, ended, eventually, failure, notices, permission, to_the_end, until},
    core::runs::{GrantRule, Outcome, RunEvent, ToolAnswer},
};

fn model(turns: impl IntoIterator<Item = Turn>) -> Model {
    Model::start(Api::OpenAi, turns)
}

fn codex(model: &Model, text: &str) -> Stage {
    let mut stage = stage(Kind::Codex, &model.url(), text);
    stage.run.agent.permissions = Permissions::Ask;
    stage
}

fn answer(text: &str) -> Outcome {
    Outcome::Answer(text.into())
}

fn inside(command: &str) -> Turn {
    Turn::tool("exec_command", json!({ "cmd": command }))
}

/// A command to run outside the sandbox.
fn outside(command: &str) -> Turn {
    let arguments =
        json!({ "cmd": command, "sandbox_permissions": "require_escalated", "justification": "it writes" });
    Turn::tool("exec_command", arguments)
}

fn new_file(name: &str) -> Turn {
    let patch = format!("*** Begin Patch\n*** Add File: {name}\n+made\n*** End Patch\n");
    Turn::tool("apply_patch", Value::String(patch))
}

#[tokio::test]
async fn a_person_is_asked_and_what_they_say_happens() {
    let model = model([
        outside("echo one > one.txt"),
        outside("echo two > two.txt"),
        new_file("three.txt"),
        new_file("four.txt"),
        Turn::text(&["done"]),
    ]);
    let stage = codex(&model, "write four files");
    let work = stage.path("work").canonicalize().unwrap();
    let mut handle = stage.start();
    for (name, yes) in [
        ("one.txt", true),
        ("two.txt", false),
        ("three.txt", true),
        ("four.txt", false),
    ] {
        let request = permission(&mut handle).await;
        assert!(request.what.contains(name), "{request:?}");
        match request.rule {
            Some(GrantRule::Call { input, .. }) => assert!(input.contains("> ") && input.contains(name)),
            Some(GrantRule::Below(folder)) => {
                assert_eq!(folder, work);
                assert!(
                    request.what.starts_with("new: ") && request.what.contains("\n\n+ made"),
                    "{}",
                    request.what
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(!work.join(name).exists());
        let said = if yes {
            ToolAnswer::Allow
        } else {
            ToolAnswer::Deny(format!("no {name} because of the moon"))
        };
        handle.answers.send((request.id, said)).await.unwrap();
    }
    let events = to_the_end(&mut handle).await;
    assert_eq!(ended(&events).outcome, answer("done"));
    // On a busy machine the usage of the last request arrives later than a run waits for it.
    assert!(
        matches!(ended(&events).tokens, Some(480 | 600)),
        "{:?}",
        ended(&events).tokens
    );
    let there = |name: &str| work.join(name).exists();
    assert_eq!(
        ["one.txt", "two.txt", "three.txt", "four.txt"].map(there),
        [true, false, true, false]
    );
    // The reason is in the same request that reports the refusal.
    for (name, request) in [("two.txt", 2), ("four.txt", 4)] {
        let said = format!("no {name} because of the moon");
        let first = model.sent().lines().position(|line| line.contains(&said));
        assert_eq!(first, Some(request), "{name}");
    }
    // None of it is permanent: no folder is trusted, and no command allowed permanently.
    let config = fs::read_to_string(stage.path("codex/config.toml")).unwrap();
    assert_eq!(config, model.codex_config());
    assert!(!stage.path("codex/rules").exists());
}

/// Actions within the sandbox need no request: it reads, and writes nothing.
#[tokio::test]
async fn nothing_is_written_without_a_question() {
    let model = model([
        inside("cat in.txt; touch new.txt; touch ../new.txt; touch $TMPDIR/new.txt"),
        Turn::text(&["done"]),
    ]);
    let stage = codex(&model, "hello");
    fs::write(stage.path("work/in.txt"), "CANARY-INSIDE").unwrap();
    // Regardless of the person's own settings and of a folder that they trust.
    let config = format!(
        "approval_policy = \"never\"\nsandbox_mode = \"danger-full-access\"\napprovals_reviewer = \"auto_review\"\n{}\n[projects.\"{}\"]\ntrust_level = \"trusted\"\n",
        model.codex_config(),
        stage.path("work").display()
    );
    fs::write(stage.path("codex/config.toml"), config).unwrap();
    assert_eq!(stage.outcome().await, answer("done"));
    assert!(model.sent().contains("CANARY-INSIDE"));
    for name in ["work/new.txt", "new.txt", "tmp/new.txt"] {
        assert!(!stage.path(name).exists(), "{name}");
    }
}

/// The trap: commands once allowed permanently in Codex itself run without asking, here too.
#[tokio::test]
async fn rules_that_ask_nobody_are_told() {
    let model = model([inside("touch ruled.txt"), Turn::text(&["done"])]);
    let stage = codex(&model, "hello");
    fs::create_dir(stage.path("codex/rules")).unwrap();
    let rule = "prefix_rule(pattern=[\"touch\"], decision=\"allow\")\n";
    fs::write(stage.path("codex/rules/default.rules"), rule).unwrap();
    let events = stage.events().await;
    assert!(
        notices(&events)
            .iter()
            .any(|notice| notice.contains("without asking")),
        "{events:?}"
    );
    assert!(stage.path("work/ruled.txt").exists());
}

/// A server's tool asks too, and the answer reaches the server or the model.
#[tokio::test]
async fn a_servers_tool_asks() {
    let call = || Turn::tool("poke", json!({ "who": "bob" })).in_namespace("mcp__x");
    let model = model([call(), call(), Turn::text(&["done"])]);
    let stage = codex(&model, "hello");
    // A server in a few lines of shell: it answers by method.
    let script = r#"while IFS= read -r line; do
        id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
        case $line in
            *'"initialize"'*) r='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"}}' ;;
            *'"tools/list"'*) r='{"tools":[{"name":"poke","description":"pokes","inputSchema":{"type":"object","properties":{"who":{"type":"string"}}}}]}' ;;
            *'"tools/call"'*) echo called >> calls; r='{"content":[{"type":"text","text":"CANARY-POKED"}]}' ;;
            *) continue ;;
        esac
        printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$r"
    done"#;
    fs::write(stage.path("server.sh"), script).unwrap();
    let config = format!(
        "{}\n[mcp_servers.x]\ncommand = \"/bin/sh\"\nargs = [\"{}\"]\n",
        model.codex_config(),
        stage.path("server.sh").display()
    );
    fs::write(stage.path("codex/config.toml"), config).unwrap();
    let mut handle = stage.start();
    for said in [ToolAnswer::Allow, ToolAnswer::Deny("one poke will do".to_owned())] {
        let request = permission(&mut handle).await;
        assert!(
            matches!(&request.rule, Some(GrantRule::Call { tool, .. }) if tool == "x.poke"),
            "{request:?}"
        );
        assert!(request.what.contains("\"who\": \"bob\""), "{}", request.what);
        handle.answers.send((request.id, said)).await.unwrap();
    }
    assert_eq!(ended(&to_the_end(&mut handle).await).outcome, answer("done"));
    assert_eq!(fs::read_to_string(stage.path("work/calls")).unwrap(), "called\n");
    assert!(model.sent().contains("CANARY-POKED") && model.sent().contains("one poke will do"));
}

#[tokio::test]
async fn the_answer_grows_and_the_session_continues() {
    let model = model([
        Turn::text(&["fir", "st"]).then_hangs(),
        Turn::text(&["first"]),
        Turn::text(&["second"]),
        Turn::text(&["third"]),
    ]);
    let mut stage = codex(&model, "how are you?");
    let mut handle = stage.start();
    until(&mut handle, |event| *event == RunEvent::Partial("first".into())).await;
    handle.stop.cancel();
    to_the_end(&mut handle).await;

    stage.again("how are you?");
    let first = stage.ending().await;
    assert_eq!(first.outcome, answer("first"));
    let session = first.session.expect("it has a session");

    // With more, or fewer, permissions than before: both programs keep the same sessions.
    let mut before = first.totals;
    for (permissions, said, tokens) in [
        (Permissions::Ask, "second", 240),
        (Permissions::ReadOnly, "third", 360),
        (Permissions::Ask, "echo:", 480),
    ] {
        stage.again("and now?");
        stage.run.agent.permissions = permissions;
        stage.run.resume = Some(session.clone());
        stage.run.before = before;
        let events = stage.events().await;
        let next = ended(&events);
        let Outcome::Answer(text) = &next.outcome else {
            panic!("{events:?}")
        };
        assert!(text.starts_with(said), "{text}");
        assert_eq!(next.session.as_ref(), Some(&session));
        assert_eq!((next.tokens, next.totals.tokens), (Some(120), tokens));
        assert_eq!(notices(&events), [""; 0]);
        before = next.totals;
    }
    assert!(model.sent().lines().last().unwrap().contains("how are you?"));
    assert!(!model.sent().contains("CANARY-TOKEN"));
}

#[tokio::test]
async fn a_session_that_is_gone_is_told() {
    let model = model([]);
    let mut stage = codex(&model, "hello");
    for session in ["01a2023a-0000-7000-8000-000000000000", "nonsense"] {
        stage.run.resume = Some(session.to_owned());
        let ending = stage.ending().await;
        assert!(ending.session_lost, "{ending:?}");
    }
    assert_eq!(asks(&model), 0);
}

#[tokio::test]
async fn a_stop_ends_it_while_a_tool_runs_and_while_it_asks() {
    let model = model([
        inside("sleep 1006; echo x"),
        outside("sleep 1006; echo x"),
        outside("sleep 1006; echo x"),
    ]);
    let mut stage = codex(&model, "hello");
    for (asks, runs) in [(false, true), (true, true), (true, false)] {
        stage.again("hello");
        let mut handle = stage.start();
        if asks {
            let request = permission(&mut handle).await;
            if runs {
                handle
                    .answers
                    .send((request.id, ToolAnswer::Allow))
                    .await
                    .unwrap();
            }
        }
        if runs {
            eventually(|| {
                carriers(&stage.run.id)
                    .iter()
                    .any(|line| line.starts_with("sleep 1006"))
            })
            .await;
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
async fn failures_are_explained_promptly() {
    let model = model([]);
    let mut stage = codex(&model, "hello");
    for (key, config, want) in [
        (Some("wrong"), None, "401"),
        (None, None, "FAKE_KEY"),
        // The trap: it would retry forever.
        (
            Some(KEY),
            Some(models::codex_config(&dead())),
            "nothing but retries for 20 s; the last one: Reconnecting",
        ),
    ] {
        stage.again("hello");
        set(&mut stage, "FAKE_KEY", key);
        if let Some(config) = config {
            fs::write(stage.path("codex/config.toml"), config).unwrap();
        }
        let started = Instant::now();
        let outcome = stage.outcome().await;
        assert!(failure(&outcome).contains(want), "{want}: {outcome:?}");
        assert!(started.elapsed() < STALL * 2, "{want}");
        assert_eq!(carriers(&stage.run.id), [""; 0]);
    }
}

#[tokio::test]
async fn what_others_write_names_no_skill_and_nexscope_is_no_tool() {
    let model = model([]);
    let mut stage = codex(&model, "");
    let skill = stage.path("codex/skills/planted");
    fs::create_dir_all(&skill).unwrap();
    let text = "---\nname: planted\ndescription: a skill\n---\nCANARY-SKILL\n";
    fs::write(skill.join("SKILL.md"), text).unwrap();
    let server = |name: &str| {
        let touch = format!("touch {}", stage.path(name).display());
        format!("\n[mcp_servers.{name}]\ncommand = \"/bin/sh\"\nargs = [\"-c\", \"{touch}\"]\n")
    };
    let config = model.codex_config() + &server("other") + &server("nexscope");
    fs::write(stage.path("codex/config.toml"), config).unwrap();
    stage.again("use $planted now");
    assert!(matches!(stage.outcome().await, Outcome::Answer(_)));
    assert!(!model.sent().contains("CANARY-SKILL"));
    let ran = |name: &str| stage.path(name).exists();
    assert_eq!((ran("other"), ran("nexscope")), (true, false));
}
